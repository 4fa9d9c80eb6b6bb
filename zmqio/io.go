package zmqio

import (
	"syscall"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/flow"
	"github.com/zmqio/zmq/zmqio/internal/sock"
)

const (
	// flushChunks bounds the time that one flush keeps the loop from other transports.
	flushChunks = 16
	// retryInterval is how soon the loop offers a refused message again where ZMQ_FD may stay
	// silent: see retryIfUnsureLocked.
	retryInterval = 10 * time.Millisecond
)

// schedule makes the loop serve the transport in its next iteration. It follows every libzmq call
// that may have consumed the signal on ZMQ_FD.
func (t *Transport) schedule() { t.task.Schedule() }

// serve is the transport's task. It receives and delivers one batch, and then sends what waits,
// including writes of the callbacks. It schedules itself for the rest, so that other transports get
// their turn.
//
// ZMQ_FD signals changes and not states, and any libzmq call may consume the one signal of a
// message. So after the last libzmq call, and before the loop waits, the socket must have been seen
// empty, or its ZMQ_EVENTS read.
func (t *Transport) serve() {
	again := true // stays true if a callback calls runtime.Goexit
	defer func() {
		if again {
			t.schedule()
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

// sendWaiting is the second half of serve. found is the result of the first.
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

// lookLocked reads ZMQ_EVENTS and reports whether there are messages to receive. It reads them on
// types that receive nothing too: in this call libzmq drops peers that have gone. Caller holds
// t.sockMu.
func (t *Transport) lookLocked() (again bool, err error) {
	events, errno := t.sock.Events()
	if errno != 0 {
		return false, translate("zmq_getsockopt", errno)
	}
	return events.Readable() && t.wantsMessages(), nil
}

// offer hands the outbox to libzmq, for a writer without room or with enough gathered. If another
// goroutine uses the socket and must is not set, it leaves the outbox to the loop. With must it
// waits for the socket. It then does nothing if libzmq has refused the outbox meanwhile, because
// many writers may wait here.
func (t *Transport) offer(must bool) {
	if t.sockMu.TryLock() {
		f := t.flushAllLocked()
		t.sockMu.Unlock()
		t.conclude(f)
		return
	}
	if !must {
		t.schedule()
		if t.loop.IsRunning() { // asked after schedule: the loop may have stopped meanwhile
			return
		}
	}
	t.mu.Lock()
	offers := t.offers
	t.mu.Unlock()
	t.sockMu.Lock()
	t.mu.Lock()
	refused := t.refused && t.offers != offers && t.loop.IsRunning()
	t.mu.Unlock()
	var f flushed
	if !refused {
		f = t.flushAllLocked()
	}
	t.sockMu.Unlock()
	t.conclude(f)
}

// flush hands the outbox to libzmq, and leaves the rest to the loop. While no loop runs, flush goes
// on until libzmq takes no more.
func (t *Transport) flush() {
	t.sockMu.Lock()
	f := t.flushAllLocked()
	t.sockMu.Unlock()
	t.conclude(f)
}

// flushed is the result of a flush.
type flushed struct {
	more bool         // the outbox has more, but other transports come first
	fx   flow.Effects // for the caller to carry out without a lock
	err  error        // ends the transport
}

// flushAllLocked is flushLocked, repeated while the loop does not run. Caller holds t.sockMu.
func (t *Transport) flushAllLocked() (f flushed) {
	for {
		last := t.flushLocked()
		f = flushed{last.more, f.fx | last.fx, last.err}
		if !f.more || t.loop.IsRunning() {
			return f
		}
	}
}

// flushLocked hands the outbox to libzmq until it is empty or refused, at most flushChunks chunks.
// Caller holds t.sockMu.
func (t *Transport) flushLocked() (f flushed) {
	if t.sock == nil {
		return f
	}
	for range flushChunks {
		t.mu.Lock()
		batch := t.out.Front()
		t.mu.Unlock()
		if len(batch.Table) == 0 {
			return f
		}
		sent := t.sendBatchLocked(batch)
		t.mu.Lock()
		t.out.Advance(sent.Messages, sent.Frames, sent.Bytes)
		if sent.Errno == ehostunreach {
			t.dropUnroutableLocked()
		}
		f.fx |= t.settleLocked(sent)
		t.mu.Unlock()
		switch {
		case waits(sent.Errno):
			return f
		case sent.Errno != 0 && sent.Errno != ehostunreach:
			f.err = translate("zmq_send", sent.Errno)
			return f
		}
	}
	f.more = true
	return f
}

// conclude acts on the result of a flush. Caller holds no lock.
func (t *Transport) conclude(f flushed) {
	if f.err != nil {
		t.fatal(f.err)
		return
	}
	if f.more {
		t.schedule()
	}
	t.carry(f.fx)
	t.closeIfFlushed()
}

// sendBatchLocked makes one C call. On a type that receives, the call reads ZMQ_EVENTS too, because
// it may consume the signal of a message. Caller holds t.sockMu.
func (t *Transport) sendBatchLocked(b sock.Batch) sock.Sent {
	return t.sock.Send(b, t.traits.refusal, t.traits.receives)
}

// settleLocked records the result of a send. The caller has updated the outbox. Caller holds
// t.sockMu and t.mu.
func (t *Transport) settleLocked(sent sock.Sent) (fx flow.Effects) {
	t.offers++
	t.handed = t.handed || sent.Frames > 0
	t.onWire += sent.Bytes + sent.Frames*maxFrameHeader
	t.counts.sent.add(sent.Messages, sent.Bytes)
	t.refused = waits(sent.Errno)
	t.retryIfUnsureLocked(sent)
	if sent.Known && sent.Events.Readable() && t.wantsMessages() {
		t.schedule()
	}
	if t.owner != nil {
		t.owner.offeredLocked(sent.Errno, t.out.Empty())
	}
	if sent.Frames > 0 || sent.Errno == ehostunreach { // a refusal after the user raised the marks does not resume
		fx = t.flow.Shrank(t.pendingLocked())
	}
	return fx
}

// waits reports whether a send that failed with errno will succeed later.
func waits(errno syscall.Errno) bool { return errno == syscall.EAGAIN || errno == efsm }

// retryIfUnsureLocked sets a timer for a refused message if ZMQ_FD may stay silent. This is so on a
// ROUTER, and where ZMQ_EVENTS says that the socket can send: other messages have room. Reading
// ZMQ_EVENTS after the refusal may have handled the end of the peer. libzmq would then return
// EHOSTUNREACH. Caller holds t.mu.
func (t *Transport) retryIfUnsureLocked(sent sock.Sent) {
	if sent.Errno != syscall.EAGAIN || !sent.Events.Writable() && t.typ != zmq.ROUTER || t.retrying {
		return
	}
	_, err := t.loop.CallLater(retryInterval, func() {
		t.mu.Lock()
		t.retrying = false
		t.mu.Unlock()
		t.schedule()
	})
	t.retrying = err == nil
}
