package zmqio

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/zmqio/zmq/zmqio/internal/sock"
)

const (
	// Writes that follow one another faster than this go out in batches: libzmq
	// is much faster when fed that way, and a single message should not wait.
	quickly = 20 * time.Microsecond
	// A batch of this many frames or bytes is sent by the writer itself.
	batchFrames = 256
	batchBytes  = 32 << 10
)

// Write sends msg, a message of one frame or more; one without frames does nothing.
// It does not block, and does not keep msg or its frames. What libzmq does not take
// is buffered, up to ConnectionConfig.MaxWriteBuffer, and beyond that ErrBufferFull; see
// SetWriteBufferLimits and WriteContext. It stands for write.
//
// A transport whose buffer is empty sends at once. Writes in quick succession, and
// writes from MsgReceived, go out together; on REQ and REP each goes out at once.
// The errors of libzmq are returned when they are met here, and msg is then not
// sent: EFSM out of turn on REQ and REP, EHOSTUNREACH on a ROUTER with
// ROUTER_MANDATORY, ENOTSUP on types that cannot send. Met later, EFSM waits like a
// full buffer, EHOSTUNREACH drops the message and tells the exception handler, and
// others end the transport, as ETERM and ENOTSOCK do in any case. After Close,
// ErrTransportClosed is returned. A message of several frames for a transport with
// CONFLATE is ErrInvalidArgument and ErrMultipart.
//
// Messages keep their order, so that on a ROUTER with ROUTER_MANDATORY one for a peer
// that has no room keeps those for other peers waiting.
func (t *Transport) Write(msg [][]byte) error { return t.write(msg, nil) }

// write is WriteContext, and Write where there is no context to wait in.
func (t *Transport) write(msg [][]byte, wait context.Context) error {
	if len(msg) == 0 {
		return nil
	}
	if t.tears(msg) {
		return fmt.Errorf("%w: %w", ErrInvalidArgument, ErrMultipart)
	}
	size := payload(msg)
	for offered := false; ; offered = true {
		now := t.lockForWrite(size, wait != nil, offered)
		room := wait == nil && t.fits(size, len(msg)) || wait != nil && !t.mustQueue() && t.hasRoom(size, len(msg))
		switch {
		case t.state != stateOpen:
			if now {
				t.sockMu.Unlock()
			}
			t.mu.Unlock()
			return errClosedForWrite()
		case now:
			return t.writeNow(msg, size)
		case room:
			t.writeLater(msg, size)
			return nil
		case !offered && (!t.refused || !t.loop.IsRunning()):
			t.offer(wait == nil) // a writable socket never keeps anyone waiting
		case wait == nil || t.maxBuffer > 0 && size > t.maxBuffer:
			t.mu.Unlock()
			return t.bufferFull(size)
		default:
			if err := t.awaitRoom(wait, size, len(msg)); err != nil {
				return err
			}
			t.writeLater(msg, size)
			return nil
		}
	}
}

// payload returns the size of msg in bytes.
func payload(msg [][]byte) (size int) {
	for _, f := range msg {
		size += len(f)
	}
	return size
}

// lockForWrite takes mu and reports whether to send a message of size bytes at once;
// then it holds sockMu as well. With force that depends on the buffer alone, and on
// those who wait if the caller can wait too.
func (t *Transport) lockForWrite(size int, canWait, force bool) (now bool) {
	t.mu.Lock()
	mayGo := func() bool { return t.out.empty() && (t.traits.eager || !canWait || !t.mustQueue()) }
	switch {
	case !mayGo():
		return false
	case !force && !t.traits.eager:
		return t.idle(size) && t.sockMu.TryLock()
	}
	t.mu.Unlock()
	t.sockMu.Lock() // before mu, as it must be where it may block
	t.mu.Lock()
	if !mayGo() {
		t.sockMu.Unlock()
		return false
	}
	return true
}

// idle reports whether a message may as well go out on its own, the buffer being empty.
// mu is held.
func (t *Transport) idle(size int) bool {
	switch {
	case size >= batchBytes: // it is a batch in itself
		return true
	case t.inDelivery():
		return false
	case !t.loop.IsRunning():
		return true
	}
	now := t.loop.Time()
	quick := now-t.lastWrite < quickly
	t.lastWrite = now
	return !quick
}

// inDelivery reports whether the caller is a callback that gets a batch of
// messages, at the end of which all it wrote is sent.
func (t *Transport) inDelivery() bool { return t.loop.onLoop() && t.loop.delivering != nil }

// writeNow sends msg; the outbox is empty. Both locks are held, and released.
func (t *Transport) writeNow(msg [][]byte, size int) error {
	if !t.loop.onLoop() {
		t.loop.share()
	}
	var sent sock.Sent
	fits := t.fits(size, len(msg))
	direct := len(msg) == 1 && !isLarge(size, 1)
	if direct {
		table := [1]uint64{sock.Frame(size, false)}
		sent = t.send(sock.Batch{Buf: msg[0], Table: table[:]})
	} else { // in the form that C wants
		t.out.add(msg, size)
		sent = t.send(t.out.front())
	}
	t.refused = sent.Errno == syscall.EAGAIN && fits
	t.handed = t.handed || sent.Frames > 0
	switch {
	case t.refused && direct:
		t.out.add(msg, size)
	case !t.refused && !direct:
		t.out.dropFirst()
	}
	t.sockMu.Unlock()
	t.retryIfUnsure(sent)
	if t.sees(sent) {
		t.schedule()
	}
	if sent.Errno == syscall.EAGAIN && !fits {
		t.mu.Unlock()
		return t.bufferFull(size)
	}
	if !t.refused && sent.Errno != 0 {
		t.mu.Unlock()
		err := translate("zmq_send", sent.Errno)
		if isFatal(err) || sent.Cut {
			t.fatal(err)
		}
		return err
	}
	t.pauseIfOver()
	return nil
}

// writeLater puts msg in the outbox and sees to it that it goes on from there. mu
// is held, and released.
func (t *Transport) writeLater(msg [][]byte, size int) {
	t.out.add(msg, size)
	t.nextTurn()
	full := t.out.frames >= batchFrames || t.out.bytes >= batchBytes
	// A writable socket never pauses anyone: before that it is offered everything.
	pause := t.flow.wouldPause(&t.out)
	offer := full && !t.refused || pause
	if !offer && !t.refused && !(t.loop.onLoop() && t.loop.delivering == t) {
		t.schedule()
	}
	// The loop may have stopped before it saw the message; then nobody else would.
	if offer || !t.loop.IsRunning() {
		t.offer(pause)
		t.mu.Lock()
	}
	t.pauseIfOver()
}
