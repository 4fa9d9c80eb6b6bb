package zmqio

import (
	"sync/atomic"
	"syscall"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/goroutine"
	"github.com/zmqio/zmq/zmqio/internal/reactor"
	"github.com/zmqio/zmq/zmqio/internal/sock"
)

// A passage is one direction of a Proxy. While the proxy runs, the passage is the receiver and the
// protocol of the transport that it receives from. As the receiver it forwards a batch in one C
// call, and returns no messages. Messages that zmqio must look at are received as on other
// transports. The passage then forwards them as the protocol.
//
// A message that libzmq refuses goes into the outbox of the sending transport. While an outbox has
// messages, the passage receives none. So a passage itself never holds messages.
//
// A nil passage is a direction in which no message can go.
type passage struct {
	streamProtocol // of from, for everything but messages
	proxy          *Proxy
	direction      ProxyDirection
	from, to       *Stream
	outlets        []*Stream // to, and the proxy's Capture if there is one
	forwarder      *sock.Forwarder
	answers        bool    // from can send
	before         *callee // from's protocol while the proxy does not run

	messages, bytes, dropped, answered atomic.Uint64
}

// newPassage returns the passage between two streams, or nil.
func newPassage(p *Proxy, d ProxyDirection, from, to *Stream) *passage {
	info := from.t.typ.Info()
	if !info.CanReceive || !to.t.typ.Info().CanSend {
		return nil
	}
	return &passage{
		streamProtocol: streamProtocol{s: from}, proxy: p, direction: d, from: from, to: to,
		outlets: append([]*Stream{to}, p.streams[2:]...), forwarder: sock.NewForwarder(), answers: info.CanSend,
	}
}

// begin takes over from. Messages that from has received are received again, first. Loop goroutine
// only.
func (w *passage) begin() {
	if w == nil {
		return
	}
	t := w.from.t
	msgs := w.from.mailbox.drain()
	t.sockMu.Lock()
	defer t.sockMu.Unlock()
	if t.sock != nil {
		t.sock.PutBack(msgs)
	}
	w.before = t.protocol.Swap(&callee{protocol: w, message: w})
	t.receiver = w
	t.schedule()
}

// end gives from back. Loop goroutine only.
func (w *passage) end() {
	if w == nil {
		return
	}
	t := w.from.t
	t.sockMu.Lock()
	defer t.sockMu.Unlock()
	t.protocol.Store(w.before)
	t.receiver = t.loop.copier
}

// Recv implements sock.Receiver. Caller holds w.from.t.sockMu.
func (w *passage) Recv(s *sock.Socket) (msgs [][][]byte, errno syscall.Errno) {
	switch {
	case w.mustWait():
		return nil, 0
	case w.mustLook(s):
		msgs, errno = w.from.t.loop.copier.Recv(s)
	default:
		errno = w.forward(s)
	}
	if errno != 0 {
		w.proxy.madeProgress()
	}
	return msgs, errno
}

// Return implements sock.Receiver.
func (w *passage) Return(left [][][]byte, spoil bool) (kept [][][]byte, large int) {
	return w.from.t.loop.copier.Return(left, spoil)
}

// mustWait reports whether an outlet has messages in its outbox, or is closing. In that case it
// holds reading, which offeredLocked releases.
func (w *passage) mustWait() bool {
	for _, s := range w.outlets {
		if w.holdBehind(s.t) {
			return true
		}
	}
	return false
}

func (w *passage) holdBehind(t *Transport) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.out.Empty() && !t.IsClosing() {
		return false
	}
	w.from.t.status.Or(proxyFull)
	return true
}

// offeredLocked implements owner. When the outbox of s is empty, the passages that send to s
// receive again. Caller holds s.t.sockMu and s.t.mu.
func (s *Stream) offeredLocked(errno syscall.Errno, empty bool) {
	if s.proxy == nil {
		return
	}
	for _, w := range s.proxy.passages {
		switch {
		case w == nil || w.from == s:
			continue
		case errno == ehostunreach && w.to == s:
			w.dropped.Add(1)
		}
		if empty {
			w.from.t.readAgain(proxyFull)
		}
	}
	if empty {
		s.proxy.madeProgress()
	}
}

// mustLook reports whether C alone cannot forward the messages of s.
func (w *passage) mustLook(s *sock.Socket) bool {
	for _, o := range w.outlets {
		if o.t.guard.conflates.Load() {
			return true
		}
	}
	return w.proxy.cfg.Filter != nil || w.from.t.typ == zmq.XPUB || !s.CanForward()
}

// forward forwards a batch. Caller holds w.from.t.sockMu.
func (w *passage) forward(s *sock.Socket) syscall.Errno {
	var outs [2]sock.Outlet
	for i, o := range w.outlets {
		o.t.sockMu.Lock()
		defer o.t.sockMu.Unlock()
		if o.t.sock == nil {
			w.from.t.status.Or(proxyFull)
			return 0
		}
		outs[i] = sock.Outlet{Socket: o.t.sock, Refusal: o.t.traits.refusal, Events: o.t.traits.receives}
	}
	f := w.forwarder.Forward(s, outs[0], outs[1])
	defer w.forwarder.Drop()
	if f.Messages == 0 {
		return f.Errno
	}
	w.count(f.Messages, f.Bytes)
	w.to.setTurn(false)
	w.settleLocked(w.to.t, f.To)
	if c := w.proxy.cfg.Capture; c != nil {
		w.proxy.captured.Add(uint64(f.Messages))
		w.settleLocked(c.t, f.Capture)
	}
	return f.Errno
}

// settleLocked counts what libzmq has taken for an outlet. A refused message goes into the outlet's
// outbox. Caller holds t.sockMu.
func (w *passage) settleLocked(t *Transport, passed sock.Passed) {
	var f flushed
	sent := passed.Sent
	switch {
	case sent.Errno == ehostunreach: // libzmq refuses it again, at the head of the outbox
		sent.Errno = 0
		t.schedule()
	case sent.Errno != 0 && !waits(sent.Errno):
		f.err = translate("zmq_msg_send", sent.Errno)
	}
	t.mu.Lock()
	if passed.Refused {
		t.out.AddRefused(w.forwarder)
		f.fx = t.flow.Grew(t.pendingLocked(), goroutine.ID())
	}
	f.fx |= t.settleLocked(sent)
	t.mu.Unlock()
	if f != (flushed{}) { // later, because conclude must be called without locks
		t.residence.Post(reactor.NewHandle(func() { t.conclude(f) }, nil))
	}
}

// count counts messages received from from, and gives the turn to from's callers.
func (w *passage) count(messages, bytes int) {
	w.messages.Add(uint64(messages))
	w.bytes.Add(uint64(bytes))
	w.from.lifeline.came()
	w.from.setTurn(true)
}

// MessageReceived implements MessageProtocol: it forwards messages that C did not forward.
func (w *passage) MessageReceived(msg Message) {
	if w.from.t.typ == zmq.XPUB {
		w.from.roster.subscribed(nil, [][][]byte{msg.Frames})
	}
	w.count(1, sock.Size(msg.Frames))
	forward, answer := w.filter(msg)
	if w.answers && w.from.t.pass(answer) {
		w.answered.Add(1)
		w.from.setTurn(false)
	}
	if c := w.proxy.cfg.Capture; c != nil && c.t.pass(forward) {
		w.proxy.captured.Add(1)
	}
	if w.to.t.pass(forward) {
		w.to.setTurn(false)
	} else {
		w.dropped.Add(1)
	}
	w.holdBehindEnd()
}

// holdBehindEnd holds reading if an outlet has ended, so that the rest of the batch stays in from.
func (w *passage) holdBehindEnd() {
	for _, s := range w.outlets {
		if s.t.IsClosing() {
			w.from.t.status.Or(proxyFull)
		}
	}
}

// filter returns what the Filter makes of a message.
func (w *passage) filter(msg Message) (forward, answer [][]byte) {
	filter := w.proxy.cfg.Filter
	if filter == nil {
		return msg.Frames, nil
	}
	returned := false
	defer func() {
		if !returned { // the Filter panicked, or called runtime.Goexit
			w.dropped.Add(1)
		}
	}()
	forward, answer = filter(w.direction, msg)
	returned = true
	return forward, answer
}

// isEmpty reports whether nothing to forward can be received. Loop goroutine only.
func (w *passage) isEmpty() bool {
	t := w.from.t
	t.sockMu.Lock()
	defer t.sockMu.Unlock()
	switch {
	case t.sock == nil || t.status.Load()&(userPaused|proxyPaused) != 0:
		return true
	case !t.reads():
		return false
	}
	again, err := t.lookLocked()
	if again {
		t.schedule()
	}
	return !again && err == nil
}

// stats returns the figures of the passage.
func (w *passage) stats() ProxyFlow {
	if w == nil {
		return ProxyFlow{}
	}
	return ProxyFlow{Traffic{w.messages.Load(), w.bytes.Load()}, w.dropped.Load(), w.answered.Load()}
}

// pass puts msg into the outbox, without a bound. It reports whether the transport can send msg. A
// closing transport can, because it sends its outbox.
func (t *Transport) pass(msg [][]byte) bool {
	if len(msg) == 0 || t.tears(msg) {
		return false
	}
	t.mu.Lock()
	if t.in(phaseClosed) {
		t.mu.Unlock()
		return false
	}
	fx := t.bufferLocked(load{msg: msg, size: sizeOf(msg)})
	t.mu.Unlock()
	t.carry(fx)
	return true
}

// isFlushed reports whether the outbox is empty.
func (t *Transport) isFlushed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.out.Empty()
}
