package zmqio

import (
	"context"
	"io"
	"sync"

	"github.com/zmqio/zmq/zmqio/internal/flow"
	"github.com/zmqio/zmq/zmqio/internal/sock"
)

// A mailbox has the messages that a Stream has received and its receivers have not read. The loop
// puts in whole batches. A message goes to the receiver that has waited longest, so the queue is
// empty while a receiver waits. A receiver that was handed a message returns it even if its context
// has ended: cancelling a receive loses nothing.
//
// mu guards all fields but t.
type mailbox struct {
	t *Transport // of the stream

	mu      sync.Mutex // in the order of locks at Transport.sockMu
	queue   [][][]byte // valid from head on
	head    int
	size    flow.Size // of the queue
	max     int       // bytes, and frames, at which reading is held
	held    bool
	waiting []*parked     // oldest first
	end     error         // why no message comes any more, or nil
	over    chan struct{} // closed when end is set
	dropped bool          // received messages can no longer be read
	lost    Traffic       // the messages that were dropped
}

// A parked receiver waits for one message. Its channel has room for the message. The end of the
// mailbox closes the channel.
type parked struct{ handed chan [][]byte }

// parkedPool has reusable receivers, each with an empty channel.
var parkedPool = sync.Pool{New: func() any { return &parked{make(chan [][]byte, 1)} }}

// put takes messages from the loop, and holds reading if the mailbox is full.
func (m *mailbox) put(msgs [][][]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.end != nil {
		m.loseLocked(sock.Tally(msgs))
		return
	}
	n := min(len(msgs), len(m.waiting))
	for i, w := range m.waiting[:n] {
		w.handed <- msgs[i]
	}
	m.dropWaitingLocked(n)
	m.appendLocked(msgs[n:])
	for _, msg := range msgs[n:] {
		m.countLocked(msg, 1)
	}
	if !m.held && (m.size.Bytes >= m.max || m.size.Items >= m.max) {
		m.held = true
		m.t.holdReading()
	}
}

// appendLocked appends to the queue. If the first half of the queue's memory is free and the queue
// would have to grow, it moves the queue to the front. Caller holds m.mu.
func (m *mailbox) appendLocked(msgs [][][]byte) {
	if left := len(m.queue) - m.head; m.head >= left && len(m.queue)+len(msgs) > cap(m.queue) || left == 0 {
		copy(m.queue, m.queue[m.head:])
		clear(m.queue[left:])
		m.queue, m.head = m.queue[:left], 0
	}
	m.queue = append(m.queue, msgs...)
}

// dropWaitingLocked removes the n oldest receivers. Caller holds m.mu.
func (m *mailbox) dropWaitingLocked(n int) {
	clear(m.waiting[:n])
	if m.waiting = m.waiting[n:]; len(m.waiting) == 0 {
		m.waiting = nil
	}
}

// unget gives back a message that a receiver has taken, as the next one. If the mailbox has dropped
// its messages, it drops this one too.
func (m *mailbox) unget(msg [][]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.dropped:
		m.loseLocked(1, sock.Size(msg))
		return
	case len(m.waiting) > 0:
		m.waiting[0].handed <- msg
		m.dropWaitingLocked(1)
		return
	case m.head > 0:
		m.head--
		m.queue[m.head] = msg
	default:
		m.queue = append([][][]byte{msg}, m.queue...)
	}
	m.countLocked(msg, 1)
}

// countLocked adds n times the size of msg to the size of the queue. Caller holds m.mu.
func (m *mailbox) countLocked(msg [][]byte, n int) {
	size := sizeOf(msg)
	m.size.Bytes += n * size.Bytes
	m.size.Items += n * size.Items
}

// next returns the next message of the queue. If the queue is empty, it returns the error of the
// mailbox's end, or nil before that.
func (m *mailbox) next() (msg [][]byte, err error) {
	m.mu.Lock()
	msg, err = m.nextLocked()
	m.mu.Unlock()
	return msg, err
}

// nextLocked is next. Caller holds m.mu.
func (m *mailbox) nextLocked() (msg [][]byte, err error) {
	if m.head == len(m.queue) {
		return nil, m.end
	}
	msg, m.queue[m.head] = m.queue[m.head], nil
	m.head++
	m.countLocked(msg, -1)
	if m.held {
		m.releaseLocked()
	}
	return msg, nil
}

// await is next that waits until there is one or the other, or ctx ends.
func (m *mailbox) await(ctx context.Context) (msg [][]byte, err error) {
	m.mu.Lock()
	if msg, err = m.nextLocked(); msg != nil || err != nil {
		m.mu.Unlock()
		return msg, err
	}
	w := parkedPool.Get().(*parked)
	m.waiting = append(m.waiting, w)
	m.mu.Unlock()
	return m.receive(ctx, w)
}

// releaseLocked releases reading if at most a quarter of max is left. Caller holds m.mu.
func (m *mailbox) releaseLocked() {
	if m.held && m.size.Bytes <= m.max/4 && m.size.Items <= m.max/4 {
		m.held = false
		m.t.releaseReading()
	}
}

// receive waits for the message of w, the end of ctx, or the end of the mailbox.
func (m *mailbox) receive(ctx context.Context, w *parked) ([][]byte, error) {
	select {
	case msg, ok := <-w.handed:
		return m.received(w, msg, ok)
	case <-ctx.Done():
	}
	if m.withdraw(w) {
		parkedPool.Put(w)
		return nil, context.Cause(ctx)
	}
	msg, ok := <-w.handed
	return m.received(w, msg, ok)
}

// received returns the message of w, or the end of the mailbox if ok is false.
func (m *mailbox) received(w *parked, msg [][]byte, ok bool) ([][]byte, error) {
	if !ok {
		return nil, m.ended()
	}
	parkedPool.Put(w)
	return msg, nil
}

// withdraw removes w, and reports whether w had no message.
func (m *mailbox) withdraw(w *parked) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, other := range m.waiting {
		if other == w {
			m.waiting = append(m.waiting[:i], m.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// drain removes and returns all messages.
func (m *mailbox) drain() (msgs [][][]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	msgs = m.emptyLocked()
	m.releaseLocked()
	return msgs
}

// clear drops the received messages.
func (m *mailbox) clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clearLocked()
	m.releaseLocked()
}

// clearLocked drops the received messages. Caller holds m.mu.
func (m *mailbox) clearLocked() {
	m.loseLocked(len(m.queue)-m.head, m.size.Bytes)
	m.emptyLocked()
}

// loseLocked counts messages that are dropped. Caller holds m.mu.
func (m *mailbox) loseLocked(messages, bytes int) {
	m.lost.add(messages, bytes)
	m.t.totalUnread(messages, bytes)
}

// emptyLocked removes and returns all messages. Caller holds m.mu.
func (m *mailbox) emptyLocked() (msgs [][][]byte) {
	msgs = m.queue[m.head:]
	m.queue, m.head, m.size = nil, 0, flow.Size{}
	return msgs
}

// addStats adds the unread and the dropped messages.
func (m *mailbox) addStats(s *Stats) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.Unread.add(len(m.queue)-m.head, m.size.Bytes)
	s.Dropped.Unread.sum(m.lost)
}

// finish ends the mailbox with err, which is not nil. Only the first call counts, but a later one
// replaces io.EOF. After io.EOF or an error of the socket the received messages can still be read,
// unless drop is set.
func (m *mailbox) finish(err error, drop bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.end == nil {
		close(m.over)
	}
	if m.end == nil || m.end == io.EOF && drop {
		m.end = err
	}
	if drop {
		m.dropped = true
		m.clearLocked()
	}
	for _, w := range m.waiting {
		close(w.handed)
	}
	m.waiting = nil
}

// ended returns why no message comes any more, or nil.
func (m *mailbox) ended() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.end
}
