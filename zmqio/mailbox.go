package zmqio

import (
	"context"
	"io"
	"sync"

	"github.com/zmqio/zmq/zmqio/internal/flow"
	"github.com/zmqio/zmq/zmqio/internal/sock"
)

// A mailbox holds what a Stream has received and its receivers have not read. The loop puts
// whole batches in. A message goes to the receiver that has waited longest, so that the
// queue is empty while a receiver waits. A message that a receiver was handed beats the end
// of its context: cancelling a receive loses nothing.
//
// All fields but t are under mu.
type mailbox struct {
	t *Transport // to hold and to release reading

	mu      sync.Mutex // its place among the locks: Transport.sockMu
	queue   [][][]byte // from head on
	head    int
	size    flow.Size // of the queue
	max     int       // bytes, and frames, at which reading is held
	held    bool
	waiting []*parked     // oldest first
	end     error         // why nothing more comes; nil while something may
	over    chan struct{} // closed when end is set
	dropped bool          // what was received cannot be read any more
	lost    Traffic       // what was dropped
}

// A parked receiver waits for one message. Its channel has room for it, and is closed without
// one at the end of the mailbox.
type parked struct{ handed chan [][]byte }

// parkedPool is for reuse: each has an empty channel.
var parkedPool = sync.Pool{New: func() any { return &parked{make(chan [][]byte, 1)} }}

// put takes over messages from the loop, and holds reading where there are enough.
func (m *mailbox) put(msgs [][][]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.end != nil {
		m.lost.add(sock.Tally(msgs))
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

// appendLocked appends to the queue. It moves the queue to the front of its memory where that
// is half empty and else would have to grow. Caller holds m.mu.
func (m *mailbox) appendLocked(msgs [][][]byte) {
	if left := len(m.queue) - m.head; m.head >= left && len(m.queue)+len(msgs) > cap(m.queue) || left == 0 {
		copy(m.queue, m.queue[m.head:])
		clear(m.queue[left:])
		m.queue, m.head = m.queue[:left], 0
	}
	m.queue = append(m.queue, msgs...)
}

// dropWaitingLocked takes the n oldest receivers off. Caller holds m.mu.
func (m *mailbox) dropWaitingLocked(n int) {
	clear(m.waiting[:n])
	if m.waiting = m.waiting[n:]; len(m.waiting) == 0 {
		m.waiting = nil
	}
}

// unget gives back a message that a receiver has got, to be the next one. A mailbox whose
// messages were dropped drops this one too.
func (m *mailbox) unget(msg [][]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.dropped:
		m.lost.add(1, sock.Size(msg))
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

// countLocked adds n times the size of msg to that of the queue. Caller holds m.mu.
func (m *mailbox) countLocked(msg [][]byte, n int) {
	size := sizeOf(msg)
	m.size.Bytes += n * size.Bytes
	m.size.Items += n * size.Items
}

// next returns the next message of the queue. Where there is none it returns the end, if that
// has come.
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

// releaseLocked has the loop read again where a quarter of max is left. Caller holds m.mu.
func (m *mailbox) releaseLocked() {
	if m.held && m.size.Bytes <= m.max/4 && m.size.Items <= m.max/4 {
		m.held = false
		m.t.releaseReading()
	}
}

// receive waits for the message of w, or the end of ctx, or that of the mailbox.
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

// received returns what w has got: msg, or the end of the mailbox where its channel is closed.
func (m *mailbox) received(w *parked, msg [][]byte, ok bool) ([][]byte, error) {
	if !ok {
		return nil, m.ended()
	}
	parkedPool.Put(w)
	return msg, nil
}

// withdraw takes w off, and reports whether it had not been handed anything.
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

// drain takes all messages out.
func (m *mailbox) drain() (msgs [][][]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	msgs = m.emptyLocked()
	m.releaseLocked()
	return msgs
}

// clear drops what was received.
func (m *mailbox) clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clearLocked()
	m.releaseLocked()
}

// clearLocked drops what was received. Caller holds m.mu.
func (m *mailbox) clearLocked() {
	m.lost.add(len(m.queue)-m.head, m.size.Bytes)
	m.emptyLocked()
}

// emptyLocked takes all messages out. Caller holds m.mu.
func (m *mailbox) emptyLocked() (msgs [][][]byte) {
	msgs = m.queue[m.head:]
	m.queue, m.head, m.size = nil, 0, flow.Size{}
	return msgs
}

// addStats adds what is to be read, and what was dropped.
func (m *mailbox) addStats(s *Stats) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.Unread.add(len(m.queue)-m.head, m.size.Bytes)
	s.Dropped.Unread.sum(m.lost)
}

// finish ends the mailbox with err, which is not nil. The first call counts, but a later one
// replaces io.EOF. With io.EOF, and an error of the socket, what was received can still be
// read; with drop it cannot.
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

// ended returns why nothing more comes, or nil.
func (m *mailbox) ended() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.end
}
