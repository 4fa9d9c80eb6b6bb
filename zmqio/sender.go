package zmqio

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/flow"
	"github.com/zmqio/zmq/zmqio/internal/goroutine"
	"github.com/zmqio/zmq/zmqio/internal/outbox"
	"github.com/zmqio/zmq/zmqio/internal/reactor"
	"github.com/zmqio/zmq/zmqio/internal/sock"
)

// quickly is the time within which a second write makes a batch. Batches are much faster in libzmq,
// and a single message should not wait.
const quickly = 20 * time.Microsecond

// DefaultLimit, as an argument of SetWriteBufferLimits, means a default that depends on the
// other mark.
//
// asyncio: None, in set_write_buffer_limits
const DefaultLimit = flow.DefaultMark

// A sender is the sending half of a Transport. Transport.mu guards it. libzmq reads the front of
// out under Transport.sockMu alone.
type sender struct {
	out       outbox.Outbox
	flow      flow.Control
	refused   bool // libzmq had no room at the last offer
	handed    bool // libzmq has taken a message
	onWire    int  // bytes of everything that libzmq has taken, with frame headers
	offers    uint // counts the offers of the outbox
	retrying  bool // a timer is set for the next offer
	lastWrite time.Duration
}

// Effects of the sender, in addition to those of package flow.
const (
	gathered = flow.Own << iota // offer the outbox, unless another goroutine uses the socket
	dead                        // the error of a write ends the transport
)

// pendingLocked returns the size of the outbox. Caller holds Transport.mu.
func (s *sender) pendingLocked() flow.Size {
	return flow.Size{Bytes: s.out.Bytes(), Items: s.out.Frames()}
}

// A load is what a writer hands over in one step: a message, or the front of a Batch.
type load struct {
	msg   [][]byte
	batch *outbox.Outbox // nil for a message
	size  flow.Size
}

// sizeOf returns the size of msg.
func sizeOf(msg [][]byte) flow.Size { return flow.Size{Bytes: sock.Size(msg), Items: len(msg)} }

// Write sends msg, a message of one frame or more, and never waits for room. Without frames it
// does nothing. The caller may reuse msg and its frames when Write has returned. If the write
// buffer is empty, Write hands msg to libzmq at once. What libzmq does not take goes into the
// write buffer, up to ConnectionConfig.MaxWriteBuffer. Writes in quick succession, and writes
// from MsgReceived, go out together. On REQ and REP each write goes out at once.
//
// Messages keep their order. On a ROUTER with ROUTER_MANDATORY, a message for a full peer
// therefore delays messages for other peers.
//
// libzmq drops messages in silence, and Write returns nil. A ROUTER without ROUTER_MANDATORY
// drops a message for a peer that is unknown or at its high-water mark. PUB, XPUB and XSUB drop
// a message for a peer at its mark, unless XPUB_NODROP is set.
//
// Errors, in an [*OpError], after which msg is not sent:
//   - [ErrBufferFull]: the write buffer has no room below MaxWriteBuffer.
//   - [ErrTransportClosed]: the transport has ended, or Close was called.
//   - zmq.EFSM: a REQ or REP is out of turn.
//   - zmq.EHOSTUNREACH: a ROUTER with ROUTER_MANDATORY has no such peer, and Write has handed
//     msg to libzmq at once.
//   - zmq.ENOTSUP: the type cannot send.
//   - [ErrMultipart] and [ErrInvalidArgument]: the transport has CONFLATE, and msg has several
//     frames.
//   - zmq.ETERM, zmq.ENOTSOCK and others of libzmq, which end the transport.
//
// libzmq may also refuse a message that was in the write buffer. After EFSM the message waits.
// After EHOSTUNREACH it goes to ConnectionConfig.Unroutable. Other errors end the transport,
// and ConnectionLost gets them.
//
// aiozmq: write
func (t *Transport) Write(msg [][]byte) error { return t.write(msg, atOnce, nil) }

// WriteContext is Write that waits for room: until the write buffer with msg is at or below the
// high-water mark, and the protocol is not paused. An empty write buffer has room for any
// message. If WriteContext has to wait and no goroutine runs the loop, it waits for that too.
//
// Waiters take their turn in the order of their calls. While the first of them wakes up, other
// writers that find room may pass it, once. On its second turn its message goes in all the
// same. So the write buffer never holds more than the high-water mark and one message.
//
// Errors beside those of Write, after which msg is not sent:
//   - The cause of ctx: ctx ended first.
//   - [ErrInvalidArgument]: ctx is nil.
//   - [ErrTransportClosed]: the transport ended first, or Close was called.
//   - [ErrWouldDeadlock]: it would wait on the loop goroutine, or in the transport's own
//     PauseWriting.
//   - [ErrBufferFull]: msg is larger than ConnectionConfig.MaxWriteBuffer, and libzmq does not
//     take it now.
//
// asyncio: StreamWriter.drain
func (t *Transport) WriteContext(ctx context.Context, msg [][]byte) error {
	switch {
	case ctx == nil:
		return errNilContext("WriteContext")
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return t.write(msg, inTurn, ctx)
}

// tryWrite is WriteContext, but returns ErrBufferFull instead of waiting.
func (t *Transport) tryWrite(msg [][]byte) error { return t.write(msg, ifRoom, nil) }

// A manner says what a writer does if there is no room for its message.
type manner uint8

const (
	atOnce manner = iota // Write: buffer it, up to MaxWriteBuffer
	inTurn               // WriteContext: wait in turn
	ifRoom               // Stream.TrySend: fail where WriteContext would wait
)

// write writes msg in the given manner. For inTurn ctx bounds the wait.
func (t *Transport) write(msg [][]byte, how manner, ctx context.Context) error {
	if len(msg) == 0 {
		return nil
	}
	if t.tears(msg) {
		return &OpError{Op: "write", Err: also{fmt.Errorf("a message of %d frames: %w", len(msg), ErrMultipart)}}
	}
	return t.writeLoad(load{msg: msg, size: sizeOf(msg)}, how, ctx)
}

// writeLoad is write for a load.
func (t *Transport) writeLoad(l load, how manner, ctx context.Context) error {
	for offered := false; ; offered = true {
		verdict, waiter, err := t.attempt(l, how, offered)
		switch verdict {
		case offerFirst:
			t.offer(how != inTurn) // a writable socket keeps no writer waiting
		case waitInTurn:
			return t.writeInTurn(ctx, waiter, l)
		default:
			return err
		}
	}
}

// An admission is the decision about a load.
type admission uint8

const (
	isClosed   admission = iota // the transport accepts no more
	sendIfFree                  // send, unless another goroutine uses the socket
	sendSurely                  // send as soon as the socket is free
	toBuffer                    // put into the outbox
	offerFirst                  // offer the outbox to libzmq, then decide again
	waitInTurn                  // wait for room
	isFull                      // refuse
)

// admitLocked decides about a load. canWait says whether the caller can wait, and offered whether
// libzmq was just offered the outbox. A Batch always goes through the outbox, because C reads it
// there without t.mu. Caller holds t.mu.
func (t *Transport) admitLocked(l load, canWait, offered bool) admission {
	alone := l.batch == nil && t.out.Empty() && (t.traits.eager || !canWait || !t.flow.MustQueue())
	switch {
	case t.IsClosing():
		return isClosed
	case alone && (t.traits.eager || offered):
		return sendSurely
	case alone && t.idleLocked(l.size):
		return sendIfFree
	}
	return t.admitToBufferLocked(l.size, canWait, offered)
}

// admitToBufferLocked is admitLocked for a load that is not sent at once. Caller holds t.mu.
func (t *Transport) admitToBufferLocked(size flow.Size, canWait, offered bool) admission {
	verdict := t.flow.Admit(t.pendingLocked(), size, canWait)
	switch {
	case verdict == flow.Stopped:
		return isClosed
	case verdict == flow.Admitted:
		return toBuffer
	case !offered && (!t.refused || !t.loop.IsRunning()):
		return offerFirst
	case verdict == flow.Wait:
		return waitInTurn
	}
	return isFull
}

// idleLocked reports whether a message should be sent at once. The outbox is empty. Caller holds
// t.mu.
func (t *Transport) idleLocked(size flow.Size) bool {
	switch {
	case size.Bytes >= outbox.BatchBytes: // the message is a batch by itself
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

// inDelivery reports whether the caller is a callback that gets a batch of messages. At the end of
// the batch all its writes are sent.
func (t *Transport) inDelivery() bool { return t.loop.InLoop() && t.loop.delivering != nil }

// attempt sends or buffers a load, in one critical section. Otherwise the admission says what the
// caller must do first. For waitInTurn it also returns a waiter.
func (t *Transport) attempt(l load, how manner, offered bool) (admission, *flow.Waiter, error) {
	canWait := how != atOnce
	t.mu.Lock()
	verdict := t.admitLocked(l, canWait, offered)
	switch verdict {
	case sendIfFree:
		if !t.sockMu.TryLock() {
			verdict = t.admitToBufferLocked(l.size, canWait, offered)
		}
	case sendSurely:
		t.mu.Unlock()
		t.sockMu.Lock() // before mu, because it may block
		t.mu.Lock()
		if verdict = t.admitLocked(l, canWait, offered); verdict != sendSurely {
			t.sockMu.Unlock()
		}
	}
	var err error
	var fx flow.Effects
	var waiter *flow.Waiter
	switch verdict {
	case isClosed:
		err = errClosedForWrite()
	case sendIfFree, sendSurely:
		fx, err = t.sendLocked(l.msg, l.size)
		t.sockMu.Unlock()
	case toBuffer:
		fx = t.bufferLocked(l)
	case waitInTurn:
		if how == ifRoom {
			t.counts.refused++
			verdict, err = isFull, errBufferFull(l.size)
		} else if t.loop.InLoop() || t.flow.Pausing().By(goroutine.ID()) {
			verdict, err = isFull, &OpError{Op: "write", Err: ErrWouldDeadlock}
		} else {
			t.counts.waits++
			waiter = t.flow.Enqueue(l.size)
		}
	case isFull:
		if l.batch == nil { // the messages of a batch are written one by one then
			t.counts.refused++
		}
		err = errBufferFull(l.size)
	}
	t.mu.Unlock()
	if fx.Has(dead) {
		t.fatal(err)
	}
	t.carry(fx)
	return verdict, waiter, err
}

func errBufferFull(size flow.Size) error {
	return &OpError{Op: "write", Err: fmt.Errorf("a message of %s: %w", amount(size.Bytes, "byte"), ErrBufferFull)}
}

// writeInTurn waits until there is room for a load, and buffers it.
func (t *Transport) writeInTurn(ctx context.Context, w *flow.Waiter, l load) error {
	defer w.Release()
	for {
		select {
		case err := <-w.Turn():
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return t.giveUp(ctx, w)
		}
		var fx flow.Effects
		t.mu.Lock()
		verdict := t.flow.Claim(w, t.pendingLocked())
		if verdict == flow.Admitted {
			fx = t.bufferLocked(l)
		}
		t.mu.Unlock()
		switch verdict {
		case flow.Admitted:
			t.carry(fx)
			return nil
		case flow.Stopped:
			return errClosedForWrite()
		}
	}
}

// giveUp ends the wait of w after the end of its context. If the transport stopped admission first,
// giveUp returns that error.
func (t *Transport) giveUp(ctx context.Context, w *flow.Waiter) error {
	t.mu.Lock()
	err := t.flow.GiveUp(w, t.pendingLocked())
	t.mu.Unlock()
	if err != nil {
		return err
	}
	return context.Cause(ctx) // without a lock, because it calls the caller's method
}

// sendLocked sends msg. The outbox must be empty. Caller holds t.sockMu and t.mu.
func (t *Transport) sendLocked(msg [][]byte, size flow.Size) (flow.Effects, error) {
	if !t.loop.InLoop() {
		t.loop.reactor.Share()
	}
	direct := len(msg) == 1 && !outbox.IsLarge(size.Bytes, 1)
	mayStay := t.flow.Admit(flow.Size{}, size, false) == flow.Admitted
	var sent sock.Sent
	if direct {
		table := [1]uint64{sock.Frame(size.Bytes, false)}
		sent = t.sendBatchLocked(sock.Batch{Buf: msg[0], Table: table[:]})
	} else { // in C's form
		t.out.Add(msg, size.Bytes)
		sent = t.sendBatchLocked(t.out.Front())
	}
	stays := sent.Errno == syscall.EAGAIN && mayStay
	switch {
	case stays && direct:
		t.out.Add(msg, size.Bytes)
	case !stays && !direct:
		t.out.DropFirst()
	}
	fx := t.settleLocked(sent)
	switch {
	case stays:
		return fx | t.flow.Grew(t.pendingLocked(), goroutine.ID()), nil
	case sent.Errno == syscall.EAGAIN:
		t.counts.refused++
		return fx, errBufferFull(size)
	case sent.Errno == 0:
		return fx, nil
	}
	err := t.writeError(sent.Errno, msg)
	if isFatal(err) || sent.Cut {
		fx |= dead
	}
	return fx, err
}

// writeError returns the error of a send that libzmq refused.
func (t *Transport) writeError(errno syscall.Errno, msg [][]byte) error {
	err := translate("zmq_send", errno)
	switch {
	case errno == efsm && t.typ == zmq.REQ:
		err = fmt.Errorf("%w (a REQ sends when the reply to its last request has come)", err)
	case errno == efsm && t.typ == zmq.REP:
		err = fmt.Errorf("%w (a REP sends one reply to each request, when that has come)", err)
	case errno == ehostunreach && len(msg) > 0:
		err = fmt.Errorf("%w (no peer has the routing id %.255q)", err, msg[0])
	case errno == syscall.Errno(zmq.ENOTSUP):
		err = fmt.Errorf("%w (a %v cannot send)", err, t.typ)
	}
	return &OpError{Op: "write", Err: err}
}

// bufferLocked puts a load into the outbox, and makes sure that it is sent from there. Caller holds
// t.mu.
func (t *Transport) bufferLocked(l load) flow.Effects {
	if l.batch != nil {
		t.out.Take(l.batch)
	} else {
		t.out.Add(l.msg, l.size.Bytes)
	}
	fx := t.flow.Grew(t.pendingLocked(), goroutine.ID())
	full := l.batch != nil || t.out.Frames() >= outbox.BatchFrames || t.out.Bytes() >= outbox.BatchBytes
	switch {
	case fx.Has(flow.Offer):
	case full && !t.refused:
		fx |= gathered
	case !t.refused && !(t.loop.InLoop() && t.loop.delivering == t):
		t.schedule()
	}
	// The loop may have stopped before it saw the message.
	if !t.loop.IsRunning() {
		fx |= gathered
	}
	return fx
}

// carry carries out effects. Caller holds no lock. Among the effects only PauseWriting is a
// callback. carry returns after the effects of PauseWriting too.
func (t *Transport) carry(fx flow.Effects) {
	switch {
	case fx.Has(flow.Offer):
		t.offer(true)
		t.mu.Lock()
		fx |= t.flow.Offered(t.pendingLocked(), goroutine.ID())
		t.mu.Unlock()
	case fx.Has(gathered):
		t.offer(false)
	}
	if fx.Has(flow.Resume) {
		_ = t.loop.reactor.CallSoon(reactor.NewHandle(t.resume, t.origin("ResumeWriting")))
	}
	if fx.Has(flow.Lost) {
		t.postLost()
	}
	if fx.Has(flow.Pause) { // last, because it may call runtime.Goexit
		t.pause()
	}
}

// pause calls PauseWriting, on the goroutine that filled the buffer.
func (t *Transport) pause() {
	t.mu.Lock()
	t.counts.pauseBegan(t.loop.Time())
	t.mu.Unlock()
	defer func() { // runs even after runtime.Goexit
		t.mu.Lock()
		fx := t.flow.PauseReturned(t.pendingLocked())
		t.mu.Unlock()
		t.carry(fx)
	}()
	p := t.Protocol()
	defer t.recovered("PauseWriting panicked", p)
	p.PauseWriting()
}

// resume calls ResumeWriting. Loop goroutine only.
func (t *Transport) resume() {
	self := goroutine.ID()
	t.mu.Lock()
	due := t.flow.ResumeDue(t.pendingLocked(), self)
	if due {
		t.counts.pauseOver(t.loop.Time())
	}
	t.mu.Unlock()
	if !due {
		return
	}
	defer func() { // runs even after runtime.Goexit
		t.mu.Lock()
		fx := t.flow.ResumeReturned(t.pendingLocked(), self)
		t.mu.Unlock()
		t.carry(fx)
	}()
	p := t.Protocol()
	defer t.recovered("ResumeWriting panicked", p)
	p.ResumeWriting()
}

// SetWriteBufferLimits sets the marks of the write buffer, in bytes of payload. Above high the
// transport pauses the protocol; at low or below it resumes it. High 0 pauses whenever a
// message is buffered, and low 0 resumes when none is.
//
// The defaults are 64 KiB and 16 KiB. DefaultLimit for low means a quarter of high.
// DefaultLimit for high means four times low.
//
// If more than high is buffered, the call pauses the protocol at once, on the calling
// goroutine. Higher marks resume a paused protocol only when something has been sent. The error
// is ErrInvalidArgument unless 0 <= low <= high.
//
// asyncio: set_write_buffer_limits
func (t *Transport) SetWriteBufferLimits(high, low int) error {
	h, l, ok := flow.ResolveMarks(high, low)
	if !ok {
		return invalid("SetWriteBufferLimits: high %d, low %d; need 0 <= low <= high", high, low)
	}
	t.mu.Lock()
	fx := t.flow.SetMarks(h, l, t.pendingLocked(), goroutine.ID())
	t.mu.Unlock()
	t.carry(fx)
	return nil
}

// WriteBufferLimits returns the marks of the write buffer, in bytes of payload.
//
// asyncio: get_write_buffer_limits
func (t *Transport) WriteBufferLimits() (high, low int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.flow.Marks()
}

// WriteBufferSize returns the bytes of payload in the write buffer.
//
// asyncio: get_write_buffer_size
func (t *Transport) WriteBufferSize() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.out.Bytes()
}
