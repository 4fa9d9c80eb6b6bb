package zmqio

import (
	"fmt"
	"slices"
	"syscall"

	"github.com/zmqio/zmq/zmqio/internal/sock"
)

// A finding is the state in which a receive has left the socket.
type finding int

const (
	foundNothing finding = iota // unknown: the socket must be looked at again
	foundEmpty                  // the socket was empty
	foundMore                   // the socket probably has more messages
)

// receive takes a batch of messages from libzmq and delivers it. A non-zero errno ends the
// transport.
func (t *Transport) receive() (found finding, errno syscall.Errno) {
	for bytes := 0; ; {
		var large int
		found, large, errno = t.receiveBatch()
		bytes += large
		if found != foundMore || large == 0 || bytes >= lendBytes {
			return found, errno
		}
	}
}

// lendBytes is how many bytes of large messages are lent before others get their turn.
const lendBytes = 512 << 10

// receiveBatch makes one receive. large is the size of a large message that was a batch alone,
// which happens if frames are lent.
func (t *Transport) receiveBatch() (found finding, large int, errno syscall.Errno) {
	if !t.wantsMessages() {
		return foundNothing, 0, 0
	}
	t.sockMu.Lock()
	if t.sock == nil {
		t.sockMu.Unlock()
		return foundEmpty, 0, 0
	}
	msgs, errno := t.receiver.Recv(t.sock)
	t.noteTakenLocked()
	if t.owner != nil {
		t.owner.receivedLocked(errno == syscall.EAGAIN)
	}
	t.sockMu.Unlock()
	large = t.deliver(msgs)
	switch errno {
	case 0:
		return foundMore, large, 0
	case syscall.EAGAIN:
		return foundEmpty, large, 0
	case efsm: // a REQ before its request, or a REP before its reply
		return foundNothing, large, 0
	}
	return foundNothing, large, errno
}

// receiveError returns the error that ends the transport after a receive.
func receiveError(errno syscall.Errno) error {
	err := translate("zmq_msg_recv", errno)
	if errno == sock.ErrnoTorn {
		err = fmt.Errorf("%w: %w", ErrMultipart, err)
	}
	return err
}

// deliver calls MsgReceived or MessageReceived for each message, or MsgsReceived for the batch.
// Then it returns the batch to the receiver. The socket keeps the messages that are left when
// reading is paused or a callback calls runtime.Goexit. large is the size of a large message that
// ended the batch, or 0.
func (t *Transport) deliver(msgs [][][]byte) (large int) {
	if len(msgs) == 0 {
		return 0
	}
	t.loop.delivering = t
	left := msgs
	defer func() {
		t.loop.delivering = nil
		if t.IsClosing() { // a closing transport receives no more
			t.dropUnread(sock.Tally(left))
			left = nil
		}
		var kept [][][]byte
		if kept, large = t.receiver.Return(left, t.loop.Debug()); len(msgs) > 1 {
			large = 0
		}
		t.putBack(kept)
	}()
	for !t.deliverUntilPanic(&left) {
	}
	return large
}

// putBack makes the socket keep undelivered messages, before those that come next.
func (t *Transport) putBack(msgs [][][]byte) {
	if len(msgs) == 0 {
		return
	}
	t.sockMu.Lock()
	defer t.sockMu.Unlock()
	if t.sock != nil {
		t.sock.PutBack(msgs)
	}
}

// deliverUntilPanic takes messages off msgs and delivers them while reading is on, up to
// those that make the protocol panic. It reports whether none did.
func (t *Transport) deliverUntilPanic(msgs *[][][]byte) (done bool) {
	var c *callee
	all, taken := *msgs, 0
	defer func() {
		*msgs = all[taken:]
		if v := recover(); !done {
			t.deliveryFailed(c, v)
		}
	}()
	for taken < len(all) && t.reads() {
		c = t.protocol.Load()
		if c.batch != nil {
			left := all[taken:]
			taken = len(all)
			t.loop.reactor.Share() // a protocol of batches hands them to goroutines, as a rule
			if t.owner == nil {    // a Stream keeps the properties
				t.metadata.batch(left)
			}
			c.batch.MsgsReceived(slices.Clip(left))
			break
		}
		msg := all[taken]
		taken++
		if c.message != nil {
			c.message.MessageReceived(t.metadata.message(msg))
		} else {
			c.protocol.MsgReceived(t.metadata.frames(msg))
		}
	}
	return true
}

// reads reports whether messages may be delivered.
func (t *Transport) reads() bool { return t.status.Load() == 0 }

// wantsMessages reports whether the transport receives now. A closing REQ still receives, and drops
// the replies: libzmq takes the next request only after the reply to the last.
func (t *Transport) wantsMessages() bool {
	return t.traits.receives && (t.reads() || t.traits.eager && t.IsClosing() && !t.in(phaseClosed))
}

// PauseReading stops the calls of MsgReceived before the next message, until ResumeReading.
// Messages then wait in libzmq and, at its high-water marks, with the peers. Off the loop
// goroutine, a call that is just starting may still come.
//
// Errors:
//   - [ErrAlreadyPaused]: reading is paused.
//   - [ErrTransportClosed]: the transport has ended, or Close was called.
//
// asyncio: pause_reading
func (t *Transport) PauseReading() error {
	before := t.status.Or(userPaused)
	switch {
	case before&phaseClosing != 0:
		return refuse("PauseReading", ErrTransportClosed)
	case before&userPaused != 0:
		return ErrAlreadyPaused
	}
	return nil
}

// ResumeReading ends what PauseReading began. On a closed transport it does nothing. The error
// is ErrNotPaused if reading is not paused.
//
// asyncio: resume_reading
func (t *Transport) ResumeReading() error {
	before := t.readAgain(userPaused)
	if before&(phaseClosing|userPaused) == 0 {
		return ErrNotPaused
	}
	return nil
}

// IsReading reports whether the loop delivers messages as they come. It does not after
// PauseReading, and while the transport closes or after its end. On a Stream's transport it
// does not while the stream is full, nor while a Proxy on the stream is paused or waits for
// room.
//
// asyncio: is_reading
func (t *Transport) IsReading() bool { return t.reads() }

// holdReading stops reading for a full Stream, until releaseReading. The two do not affect
// PauseReading and ResumeReading. holdReading may be repeated, and called on every goroutine.
func (t *Transport) holdReading() { t.status.Or(streamFull) }

// releaseReading ends holdReading. It may be repeated, and called on every goroutine.
func (t *Transport) releaseReading() { t.readAgain(streamFull) }

// readAgain removes a reason for not reading, and makes the loop read if none is left. It returns
// the reasons before.
func (t *Transport) readAgain(reason uint32) (before uint32) {
	before = t.status.And(^reason)
	if before == reason {
		t.schedule()
	}
	return before
}
