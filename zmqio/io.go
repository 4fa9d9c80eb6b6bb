package zmqio

import (
	"syscall"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/flow"
	"github.com/zmqio/zmq/zmqio/internal/sock"
)

const (
	// flushChunks bounds how long a flush keeps the loop from other transports.
	flushChunks = 16
	// The loop offers a refused message again after retryInterval where libzmq may not tell
	// when there is room: see retryIfUnsureLocked.
	retryInterval = 10 * time.Millisecond
)

// schedule has the loop serve the transport, in its next iteration. It follows
// every libzmq call that may have consumed the signal on ZMQ_FD.
func (t *Transport) schedule() { t.task.Schedule() }

// serve is the loop's work on a transport whose socket may have something: it
// receives a batch, delivers it, and sends what waits, in particular what was
// written meanwhile. What is left over is for the next iteration, after others have
// had their turn.
//
// The signal on ZMQ_FD tells of changes, not of states. So the socket must be seen
// to be empty, or its ZMQ_EVENTS read, after the last libzmq call and before the
// loop waits: else that call may have consumed the one signal of a message.
func (t *Transport) serve() {
	again := true // if a callback calls runtime.Goexit
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
// peer's messages. Caller holds t.sockMu.
func (t *Transport) lookLocked() (again bool, err error) {
	events, errno := t.sock.Events()
	if errno != 0 {
		return false, translate("zmq_getsockopt", errno)
	}
	return events.Readable() && t.wantsMessages(), nil
}

// offer hands the outbox to libzmq for a writer that has no room, or has gathered enough.
// While another goroutine uses the socket it leaves that to the loop, unless the writer
// must know. Then, once the socket is free, offer does nothing if libzmq has refused all
// meanwhile: many writers would otherwise queue for the socket, to be refused one by one.
func (t *Transport) offer(must bool) {
	if t.sockMu.TryLock() {
		f := t.flushAllLocked()
		t.sockMu.Unlock()
		t.conclude(f)
		return
	}
	if !must {
		t.schedule()
		if t.loop.IsRunning() { // asked afterwards: the loop may have stopped meanwhile
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

// flush hands the outbox to libzmq, and leaves what it cannot do to the loop. While
// the loop does not run, it does everything.
func (t *Transport) flush() {
	t.sockMu.Lock()
	f := t.flushAllLocked()
	t.sockMu.Unlock()
	t.conclude(f)
}

// flushed says how far a flush came.
type flushed struct {
	more bool         // others should have their turn first
	fx   flow.Effects // to be carried out without a lock
	err  error        // ends the transport
}

// flushAllLocked is flushLocked, without an end while no loop would go on. Caller holds
// t.sockMu.
func (t *Transport) flushAllLocked() (f flushed) {
	for {
		last := t.flushLocked()
		f = flushed{last.more, f.fx | last.fx, last.err}
		if !f.more || t.loop.IsRunning() {
			return f
		}
	}
}

// flushLocked hands the outbox to libzmq until it is empty or refused, or others should
// have their turn. Caller holds t.sockMu.
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

// conclude is the end of a flush. Caller holds no lock.
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

// sendBatchLocked is one C call. On a type that receives it reads the events as well, because it may
// have consumed the signal of a message. Caller holds t.sockMu.
func (t *Transport) sendBatchLocked(b sock.Batch) sock.Sent {
	return t.sock.Send(b, t.traits.refusal, t.traits.receives)
}

// settleLocked takes note of what a send did. The outbox is up to date already. Caller
// holds t.sockMu and t.mu.
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
	if sent.Frames > 0 || sent.Errno == ehostunreach { // marks that were raised alone do not resume
		fx = t.flow.Shrank(t.pendingLocked())
	}
	return fx
}

// waits reports whether a send that failed so will succeed later.
func waits(errno syscall.Errno) bool { return errno == syscall.EAGAIN || errno == efsm }

// retryIfUnsureLocked sets a timer for a message after whose refusal ZMQ_FD may tell
// nothing: the socket says that it can send, so that other messages have room, or it is a
// ROUTER. Reading ZMQ_EVENTS behind the refusal may have handled the end of the peer, after
// which libzmq would return EHOSTUNREACH. Caller holds t.mu.
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
