package zmqio

import (
	"sync/atomic"
	"syscall"

	"github.com/zmqio/zmq"
)

// An ioHandle is the callback in which the loop serves a transport's socket, and the
// one of a reader, a writer or a signal handler. It is in the ready queue at most
// once. Asking for a transport's while it runs makes it run again, so that whoever
// sees something to do can ask without any lock.
type ioHandle struct {
	Handle
	phase atomic.Uint32
}

const (
	ioIdle uint32 = iota
	ioQueued
	ioRunning
	ioAgain
)

func (h *ioHandle) init(fn func()) {
	h.fn = fn
	h.persistent = true
}

// queue reports whether the caller must put the handle in the ready queue.
func (h *ioHandle) queue() bool {
	for {
		switch h.phase.Load() {
		case ioIdle:
			if h.phase.CompareAndSwap(ioIdle, ioQueued) {
				return true
			}
		case ioRunning:
			if h.phase.CompareAndSwap(ioRunning, ioAgain) {
				return false
			}
		default:
			return false
		}
	}
}

// schedule has the loop serve the transport, in its next iteration. It follows
// every libzmq call that may have consumed the signal on ZMQ_FD.
func (t *Transport) schedule() {
	if t.io.queue() {
		_ = t.loop.enqueue(&t.io.Handle)
	}
}

// serve is the loop's work on a transport whose socket may have something: it
// receives a batch, delivers it, and sends what waits, in particular what was
// written meanwhile. What is left over is for the next iteration, after others have
// had their turn.
//
// The signal on ZMQ_FD tells of changes, not of states. So the socket must be seen
// to be empty, or its ZMQ_EVENTS read, after the last libzmq call and before the
// loop waits: else that call may have consumed the one signal of a message.
func (t *Transport) serve() {
	t.io.phase.Store(ioRunning)
	again := true // if a callback calls runtime.Goexit
	defer func() {
		if again || !t.io.phase.CompareAndSwap(ioRunning, ioIdle) {
			t.io.phase.Store(ioQueued)
			_ = t.loop.enqueue(&t.io.Handle)
		}
	}()
	found, errno := t.receive()
	if errno != 0 {
		again = false
		t.fatal(receiveError(errno))
		return
	}
	again = t.sendWaiting(found)
}

// sendWaiting is the second half of serve. found says what the first left.
func (t *Transport) sendWaiting(found finding) (again bool) {
	t.sockMu.Lock()
	if t.sock == nil {
		t.sockMu.Unlock()
		return false
	}
	var f flushed
	t.mu.Lock()
	empty := t.out.Empty()
	t.mu.Unlock()
	switch {
	case !empty:
		f = t.flushLocked()
	case found == foundMore:
		again = t.wantsMessages()
	case found == foundNothing:
		again, f.err = t.lookLocked()
	}
	t.sockMu.Unlock()
	t.conclude(f)
	return again && f.err == nil
}

// lookLocked reads ZMQ_EVENTS and reports whether there are messages to receive. It also
// reads them where none is wanted: libzmq lets a peer that has gone go when it looks for the
// peer's messages. sockMu is held.
func (t *Transport) lookLocked() (again bool, err error) {
	events, errno := t.sock.Events()
	if errno != 0 {
		return false, translate("zmq_getsockopt", errno)
	}
	return events.Readable() && t.wantsMessages(), nil
}

// wantsMessages reports whether messages are to be received now. A REQ that is
// closing goes on, and drops them: libzmq takes its next request only after the
// reply to the last.
func (t *Transport) wantsMessages() bool {
	return t.traits.receives && (t.reading.Load() || t.discarding.Load())
}

// finishIfFlushed closes the socket if that is all that is left to do.
func (t *Transport) finishIfFlushed() {
	t.mu.Lock()
	done := t.state == stateClosing && t.out.Empty()
	t.mu.Unlock()
	if done {
		t.finish(nil, closeSocket)
	}
}

// translate is zmq.Translate for an error number, 0 being none.
func translate(call string, errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return zmq.Translate(call, errno)
}
