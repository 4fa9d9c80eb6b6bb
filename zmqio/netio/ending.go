package netio

import (
	"os"

	"github.com/zmqio/zmq/zmqio/internal/flow"
)

// A transport ends in two steps. endLocked is the first, on any goroutine: after Close, when
// everything has been sent, in Abort, or after an error. lose is the second. The loop calls lose,
// which calls ConnectionLost and closes the descriptor. Only the loop closes it, because the loop
// reads and writes without asking whether the number is another file's.

// Close closes the transport in good order and does not wait. The transport stops reading,
// sends the write buffer, for as long as that takes, and ends. Then the loop calls
// ConnectionLost(nil). Close may be repeated, and returns nil. Off the loop goroutine, a call
// of DataReceived that is just starting may still come.
//
// With TLS the transport tells the peer its end, and waits for that of the peer, for
// Config.ShutdownTimeout. After that ConnectionLost gets os.ErrDeadlineExceeded. During
// StartTLS, Close is Abort.
//
// asyncio: close
func (t *Transport) Close() error {
	t.mu.Lock()
	fx := t.closeLocked()
	t.mu.Unlock()
	t.carry(fx)
	return nil
}

func (t *Transport) closeLocked() flow.Effects {
	switch {
	case t.state.is(closing):
		return 0
	case t.state.is(starting):
		return t.endLocked(nil)
	}
	t.state |= closing
	t.flow.Stop(t.errClosed("write"))
	t.loop.Share() // waiting writers may be ready
	if _, ok := t.stream.(*tlsStream); ok {
		t.overdue, _ = t.loop.CallLater(t.shutdownTimeout, t.endOverdue) // fails only on a closed loop
	}
	return t.settleLocked()
}

// endOverdue ends a TLS shutdown that takes too long.
func (t *Transport) endOverdue() { t.end(t.opError("close", os.ErrDeadlineExceeded)) }

// Abort ends the transport at once; then the loop calls ConnectionLost(nil). It drops the write
// buffer. Abort may be repeated, also after Close, and returns nil.
//
// asyncio: abort
func (t *socket) Abort() error {
	t.end(nil)
	return nil
}

// IsClosing reports whether the transport has ended, or Close has been called.
//
// asyncio: is_closing
func (t *socket) IsClosing() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state.is(closing)
}

// Closed returns a channel that is closed at the end: ConnectionLost has returned, the
// descriptor is closed, and the transport has left its loop.
func (t *socket) Closed() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone == nil {
		t.gone = make(chan struct{})
		if t.state.is(lost) {
			close(t.gone)
		}
	}
	return t.gone
}

// Undelivered returns 0 items, because a stream has none, and the bytes in the write buffer.
// After the end it returns the bytes that were dropped then.
func (t *Transport) Undelivered() (items, bytes int) {
	return 0, t.undelivered().Bytes
}

// undelivered returns the result of Undelivered.
func (t *socket) undelivered() flow.Size {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state.is(closed) {
		return t.dropped
	}
	return t.kind.pendingLocked()
}

// end ends the transport. ConnectionLost gets err.
func (t *socket) end(err error) {
	t.mu.Lock()
	fx := t.endLocked(err)
	t.mu.Unlock()
	t.carry(fx)
}

// endLocked is end. Only the first call acts. Caller holds t.mu.
func (t *socket) endLocked(err error) flow.Effects {
	if t.state.is(closed) {
		return 0
	}
	t.state |= closing | closed
	t.lostErr, t.dropped = err, t.kind.pendingLocked()
	t.kind.dropLocked()
	t.flow.Stop(t.errClosed("write"))
	t.loop.Share() // waiting writers may be ready
	t.watch.Stop()
	return t.flow.Lose()
}

// dropLocked implements kind.
func (t *Transport) dropLocked() {
	t.out = backlog{}
	if t.overdue != nil {
		t.overdue.Cancel()
	}
	if t.secure != nil {
		t.secure.cancel(t.errClosed("handshake"))
	}
	switch {
	case t.file == nil:
	case t.lostErr != nil:
		t.file.cancel(t.lostErr)
	default:
		t.file.cancel(t.errClosed("sendfile"))
	}
}

// lose calls ConnectionLost, once, closes the descriptor and leaves the loop. Loop goroutine
// only.
func (t *socket) lose() {
	defer t.leave() // runs even after runtime.Goexit
	p := t.kind.writer()
	t.callback("ConnectionLost", p, func() { p.ConnectionLost(t.lostErr) })
}

// leave closes the descriptor and leaves the loop. Loop goroutine only.
func (t *socket) leave() {
	t.mu.Lock()
	t.pipe.giveBack(t.fd)
	t.fd.close()
	t.mu.Unlock()
	t.kind.left()
	t.residence.Leave()
	t.mu.Lock() // last, so that everything is over when the channel of Closed closes
	t.state |= lost
	if t.gone != nil {
		close(t.gone)
	}
	t.mu.Unlock()
	t.loop.Share() // goroutines that wait for the end may be ready
}

// left implements kind.
func (t *Transport) left() {
	if t.server != nil {
		t.server.detach(t)
	}
}
