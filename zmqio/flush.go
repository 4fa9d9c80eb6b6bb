package zmqio

import (
	"syscall"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/sock"
)

const (
	// flushChunks bounds how long a flush keeps the loop from other transports.
	flushChunks = 16
	// A refused message is offered again after this long by a socket that says it
	// can send: a ROUTER does when any of its peers has room.
	retryInterval = 10 * time.Millisecond
)

// offer hands the outbox to libzmq for a writer who has no room, or has gathered enough.
// If somebody else uses the socket it leaves that to the loop, unless the writer must
// know: then, once it has the socket, it does nothing if all was offered meanwhile, and
// refused. Many writers would otherwise queue for the socket, to be refused one by one.
// mu is held, and released.
func (t *Transport) offer(must bool) {
	offers := t.offers
	t.mu.Unlock()
	if t.sockMu.TryLock() {
		t.flushHeld()
		return
	}
	if !must && t.loop.IsRunning() {
		t.schedule()
		return
	}
	t.sockMu.Lock()
	t.mu.Lock()
	refused := t.refused && t.offers != offers && t.loop.IsRunning()
	t.mu.Unlock()
	if refused {
		t.sockMu.Unlock()
		return
	}
	t.flushHeld()
}

// flush hands the outbox to libzmq, and leaves what it cannot do to the loop. While
// the loop does not run, it does everything.
func (t *Transport) flush() {
	t.sockMu.Lock()
	t.flushHeld()
}

// flushHeld is flush with sockMu held, which it releases.
func (t *Transport) flushHeld() {
	for {
		if t.sock == nil {
			t.sockMu.Unlock()
			return
		}
		look, more, err := t.flushLocked()
		t.sockMu.Unlock()
		if err != nil {
			t.fatal(err)
			return
		}
		if look || more {
			t.schedule()
		}
		if !more || t.loop.IsRunning() {
			break
		}
		t.sockMu.Lock()
	}
	t.finishIfFlushed()
}

// flushLocked hands the outbox to libzmq until it is empty or refused, or others
// should have their turn; then more is true. look reports that there are messages
// to receive. An error ends the transport. sockMu is held.
func (t *Transport) flushLocked() (look, more bool, err error) {
	for range flushChunks {
		t.mu.Lock()
		batch := t.out.front()
		t.mu.Unlock()
		if len(batch.Table) == 0 {
			return look, false, nil
		}
		sent := t.send(batch)
		err = t.account(sent)
		look = t.sees(sent) || look
		if err != nil || waits(sent.Errno) {
			return look, false, err
		}
	}
	return look, true, nil
}

// send is one C call. sockMu is held. On a type that receives it reads the events
// as well, because it may have consumed the signal of a message.
func (t *Transport) send(b sock.Batch) sock.Sent {
	return t.sock.Send(b, t.traits.refusal, t.traits.receives)
}

// account takes what was sent out of the outbox and deals with an error as one does
// that no caller can be told. It returns one that ends the transport.
func (t *Transport) account(sent sock.Sent) error {
	t.mu.Lock()
	t.out.advance(sent.Frames, sent.Bytes)
	t.offers++
	t.handed = t.handed || sent.Frames > 0
	t.refused = waits(sent.Errno)
	t.retryIfUnsure(sent)
	unreachable := sent.Errno == ehostunreach
	if unreachable {
		t.out.dropFirst()
	}
	t.nextTurn()
	if sent.Frames > 0 || unreachable { // marks that were raised alone do not resume
		t.resumeIfUnder()
	}
	t.mu.Unlock()
	switch {
	case waits(sent.Errno):
		return nil
	case unreachable:
		t.complain("message dropped: nobody to send it to", translate("zmq_send", sent.Errno))
		return nil
	}
	return translate("zmq_send", sent.Errno)
}

// waits reports whether a send that failed so will succeed later.
func waits(errno syscall.Errno) bool { return errno == syscall.EAGAIN || errno == efsm }

const (
	efsm         = syscall.Errno(zmq.EFSM)
	ehostunreach = syscall.Errno(zmq.EHOSTUNREACH)
)

// sees reports whether the events read behind a send tell of messages to receive.
func (t *Transport) sees(sent sock.Sent) bool {
	return sent.Known && sent.Events.Readable() && t.wantsMessages()
}

// retryIfUnsure sets a timer for a message that was refused by a socket that says
// it can send: then ZMQ_FD may not tell when there is room for this one. mu is held.
func (t *Transport) retryIfUnsure(sent sock.Sent) {
	if sent.Errno != syscall.EAGAIN || !sent.Events.Writable() || t.retrying {
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
