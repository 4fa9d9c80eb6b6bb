package zmqio

import (
	"context"
	"syscall"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/sock"
)

const (
	// Writes that follow one another faster than this go out in batches: libzmq
	// is much faster when fed that way, and a single message should not wait.
	quickly = 20 * time.Microsecond
	// A batch of this many frames or bytes is sent by the writer itself.
	batchFrames = 256
	batchBytes  = 32 << 10
	// flushChunks bounds how long a flush keeps the loop from other transports.
	flushChunks = 16
	// A refused message is offered again after this long by a socket that says it
	// can send: a ROUTER does when any of its peers has room.
	retryInterval = 10 * time.Millisecond
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
// ErrTransportClosed is returned.
//
// Messages keep their order, so that on a ROUTER with ROUTER_MANDATORY one for a peer
// that has no room keeps those for other peers waiting.
func (t *Transport) Write(msg [][]byte) error { return t.write(msg, nil) }

// write is WriteContext, and Write where there is no context to wait in.
func (t *Transport) write(msg [][]byte, wait context.Context) error {
	if len(msg) == 0 {
		return nil
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
