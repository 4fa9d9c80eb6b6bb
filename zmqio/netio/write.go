package netio

import (
	"context"
	"fmt"
	"net"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/internal/flow"
)

// Write sends b and does not block. The caller may reuse b when Write has returned. If the
// write buffer is empty, Write tries once at once. What the system does not take goes into the
// write buffer, up to Config.MaxWriteBuffer.
//
// Errors, after which nothing of b is sent:
//   - zmqio.ErrTransportClosed: the transport has ended, or Close was called.
//   - [ErrWriteEOF]: WriteEOF was called.
//   - [ErrSendFile]: SendFile is in progress.
//   - zmqio.ErrBufferFull: b could exceed MaxWriteBuffer.
//   - errors.ErrUnsupported: a pipe that is read.
//
// Errors of the system end the transport, and ConnectionLost gets them too.
//
// asyncio: write
func (t *Transport) Write(b []byte) error {
	_, err := t.write(b, false)
	return err
}

// WriteBuffers is Write for several slices in a row. It does not change bufs.
//
// asyncio: writelines
func (t *Transport) WriteBuffers(bufs net.Buffers) error {
	if len(bufs) == 1 {
		return t.Write(bufs[0])
	}
	size := 0
	for _, b := range bufs {
		size += len(b)
	}
	if size <= blockSize {
		joined := takeBlock()
		defer blocks.Put(joined)
		return t.Write(join(joined[:0], bufs))
	}
	return t.Write(join(make([]byte, 0, size), bufs))
}

func join(dst []byte, bufs net.Buffers) []byte {
	for _, b := range bufs {
		dst = append(dst, b...)
	}
	return dst
}

// WriteContext is Write that waits for room: until the write buffer with b is at or below the
// high-water mark, and the protocol is not paused. An empty write buffer has room for all of b.
// If WriteContext has to wait and no goroutine runs the loop, it waits for that too.
//
// Waiters take their turn in the order of their calls. While the first of them wakes up, other
// writers that find room may pass it, once. So the write buffer never holds more than the
// high-water mark and one b.
//
// Errors beside those of Write, after which nothing of b is sent:
//   - The cause of ctx: ctx ended first.
//   - zmqio.ErrWouldDeadlock: it would wait on the loop goroutine, or in the transport's own
//     PauseWriting.
//   - zmqio.ErrInvalidArgument: ctx is nil.
//
// asyncio: StreamWriter.drain
func (t *Transport) WriteContext(ctx context.Context, b []byte) error {
	switch {
	case ctx == nil:
		return invalid("netio.Transport.WriteContext: nil context")
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	w, err := t.write(b, true)
	if w == nil {
		return err
	}
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
		if admitted, err := t.claim(w, b); admitted || err != nil {
			return err
		}
	}
}

// write writes b, or returns a waiter.
func (t *Transport) write(b []byte, canWait bool) (*flow.Waiter, error) {
	inLoop := t.loop.InLoop()
	if !inLoop {
		t.loop.Share()
	}
	t.mu.Lock()
	w, fx, err := t.admitLocked(b, canWait, inLoop)
	t.mu.Unlock()
	t.carry(fx)
	return w, err
}

// admitLocked sends or buffers b, or returns a waiter. Caller holds t.mu.
func (t *Transport) admitLocked(b []byte, canWait, inLoop bool) (w *flow.Waiter, fx flow.Effects, err error) {
	size := sizeOf(len(b))
	verdict := t.flow.Admit(t.pendingLocked(), size, canWait)
	if verdict == flow.Wait || verdict == flow.Full { // a peer with room keeps no writer waiting
		fx = t.flushLocked()
		verdict = t.flow.Admit(t.pendingLocked(), size, canWait)
	}
	switch {
	case verdict == flow.Stopped, !canWait && t.state.is(filing):
		return nil, fx, t.refusalLocked()
	case len(b) == 0:
		return nil, fx, nil
	case verdict == flow.Full:
		return nil, fx, t.opError("write", fmt.Errorf("%d bytes: %w", len(b), zmqio.ErrBufferFull))
	case verdict == flow.Admitted:
		accepted, err := t.acceptLocked(b)
		return nil, fx | accepted, err
	case inLoop || t.flow.Pausing().By(flow.Self()):
		return nil, fx, t.opError("write", zmqio.ErrWouldDeadlock)
	}
	return t.flow.Enqueue(size), fx, nil
}

// claim writes b if there is room. The turn of w has come.
func (t *Transport) claim(w *flow.Waiter, b []byte) (admitted bool, err error) {
	t.mu.Lock()
	var fx flow.Effects
	switch t.flow.Claim(w, t.pendingLocked()) {
	case flow.Admitted:
		admitted = true
		fx, err = t.acceptLocked(b)
	case flow.Stopped:
		err = t.refusalLocked()
	}
	t.mu.Unlock()
	t.carry(fx)
	return admitted, err
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

// refusalLocked returns why nothing more is accepted. Caller holds t.mu.
func (t *Transport) refusalLocked() error {
	switch {
	case t.pipe.is(toRead):
		return t.opError("write", errReadOnly)
	case t.state.is(closing):
		return t.errClosed("write")
	case t.state.is(eofWanted):
		return t.opError("write", ErrWriteEOF)
	}
	return t.opError("write", ErrSendFile)
}

// sizeOf returns the size of n bytes: each byte is an item.
func sizeOf(n int) flow.Size { return flow.Size{Bytes: n, Items: n} }

// pendingLocked returns the size of the buffer. Caller holds t.mu.
func (t *Transport) pendingLocked() flow.Size { return sizeOf(t.out.len() + t.stream.buffered()) }

// sendableLocked returns how many buffered bytes may be sent now. Caller holds t.mu.
func (t *Transport) sendableLocked() int {
	if t.state.is(starting) {
		return t.secure.clear
	}
	return t.out.len() + t.stream.buffered()
}

// acceptLocked sends b as far as possible, and buffers the rest. Caller holds t.mu.
func (t *Transport) acceptLocked(b []byte) (flow.Effects, error) {
	if t.pendingLocked().Bytes == 0 && !t.state.is(starting) {
		n, err := t.stream.write(b)
		if err != nil {
			err = t.opError("write", err)
			return t.endLocked(err), err
		}
		if b = b[n:]; len(b) == 0 && t.stream.buffered() == 0 {
			return t.flow.Grew(sizeOf(0), flow.Self()), nil // for the next writer that waits
		}
	}
	t.out.add(b)
	return t.offerLocked(t.flow.Grew(t.pendingLocked(), flow.Self())) | t.settleLocked(), nil
}

// flushLocked sends the buffer as far as possible. Caller holds t.mu.
func (t *Transport) flushLocked() flow.Effects {
	before := t.sendableLocked()
	if before == 0 || t.state.is(closed) {
		return 0
	}
	b := t.out.bytes()
	if t.state.is(starting) {
		b = b[:t.secure.clear]
	}
	n, err := t.stream.write(b)
	t.out.drop(n)
	if t.state.is(starting) {
		t.secure.sent(n)
	}
	switch {
	case err != nil:
		return t.endLocked(t.opError("write", err))
	case t.sendableLocked() == before:
		return 0
	}
	return t.shrankLocked()
}

// shrankLocked must follow everything that makes the buffer smaller. Caller holds t.mu.
func (t *Transport) shrankLocked() flow.Effects {
	if t.flow.Waiting() > 0 {
		t.loop.Share()
	}
	return t.flow.Shrank(t.pendingLocked()) | t.settleLocked()
}

// writeReady sends the buffer. Loop goroutine only.
func (t *Transport) writeReady() {
	t.mu.Lock()
	fx := t.flushLocked()
	t.mu.Unlock()
	t.carry(fx)
}

// offerLocked sends the buffer if fx has Offer, and returns the effects that follow. Caller holds
// t.mu.
func (t *socket) offerLocked(fx flow.Effects) flow.Effects {
	if !fx.Has(flow.Offer) {
		return fx
	}
	return t.kind.flushLocked() | t.flow.Offered(t.kind.pendingLocked(), flow.Self())
}

// carry carries out effects. Caller holds no lock. Among the effects only PauseWriting is a
// callback. carry returns after the effects of PauseWriting too.
func (t *socket) carry(fx flow.Effects) {
	if fx.Has(flow.Resume) {
		_, _ = t.loop.CallSoon(t.resume) // fails only on a closed loop
	}
	if fx.Has(flow.Lost) {
		t.residence.Post(t.lose)
	}
	if fx.Has(flow.Pause) { // last, because it may call runtime.Goexit
		t.pause()
	}
}

// pause calls PauseWriting, on the goroutine that filled the buffer.
func (t *socket) pause() {
	defer func() { // runs even after runtime.Goexit
		t.mu.Lock()
		fx := t.flow.PauseReturned(t.kind.pendingLocked())
		t.mu.Unlock()
		t.carry(fx)
	}()
	p := t.kind.writer()
	t.callback("PauseWriting", p, p.PauseWriting)
}

// resume calls ResumeWriting. Loop goroutine only.
func (t *socket) resume() {
	self := flow.Self()
	t.mu.Lock()
	due := t.flow.ResumeDue(t.kind.pendingLocked(), self)
	t.mu.Unlock()
	if !due {
		return
	}
	defer func() { // also after runtime.Goexit
		t.mu.Lock()
		fx := t.offerLocked(t.flow.ResumeReturned(t.kind.pendingLocked(), self))
		t.mu.Unlock()
		t.carry(fx)
	}()
	p := t.kind.writer()
	t.callback("ResumeWriting", p, p.ResumeWriting)
}

// WriteEOF ends the stream to the peer, after the write buffer. Reading goes on. WriteEOF may
// be repeated. On a pipe that is written, which has no other direction, it is Close.
//
// Errors:
//   - zmqio.ErrTransportClosed: the transport has ended, or Close was called.
//   - errors.ErrUnsupported: a pipe that is read, or TLS, where neither side goes on without
//     the other.
//
// asyncio: write_eof
func (t *Transport) WriteEOF() error {
	t.mu.Lock()
	fx, err := t.writeEOFLocked()
	t.mu.Unlock()
	t.carry(fx)
	return err
}

func (t *Transport) writeEOFLocked() (flow.Effects, error) {
	switch {
	case t.pipe.is(toRead):
		return 0, t.opError("close", errReadOnly)
	case t.pipe.is(toWrite):
		return t.closeLocked(), nil
	case t.state.is(closing):
		return 0, t.errClosed("close")
	case !t.canWriteEOFLocked():
		return 0, t.opError("close", errNoHalfClose)
	}
	t.state |= eofWanted
	t.flow.Stop(t.refusalLocked())
	return t.settleLocked(), nil
}

// CanWriteEOF reports whether WriteEOF is supported. It is not with TLS, and not for a pipe
// that is read.
//
// asyncio: can_write_eof
func (t *Transport) CanWriteEOF() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.canWriteEOFLocked()
}

func (t *Transport) canWriteEOFLocked() bool {
	_, secure := t.stream.(*tlsStream)
	return !secure && !t.state.is(starting) && !t.pipe.is(toRead)
}

// SetWriteBufferLimits sets the marks of the write buffer, in bytes. Above high the transport
// pauses the protocol; at low or below it resumes it. High 0 pauses whenever anything is
// buffered, and low 0 resumes when nothing is.
//
// The defaults are 64 KiB and 16 KiB. zmqio.DefaultLimit for low means a quarter of high.
// zmqio.DefaultLimit for high means four times low.
//
// If more than high is buffered, the call pauses the protocol at once, on the calling
// goroutine. Higher marks resume a paused protocol only when something has been sent. The error
// is zmqio.ErrInvalidArgument unless 0 <= low <= high.
//
// asyncio: set_write_buffer_limits
func (t *socket) SetWriteBufferLimits(high, low int) error {
	h, l, ok := flow.ResolveMarks(high, low)
	if !ok {
		return invalid("netio: SetWriteBufferLimits: high %d, low %d; need 0 <= low <= high", high, low)
	}
	t.mu.Lock()
	fx := t.offerLocked(t.flow.SetMarks(h, l, t.kind.pendingLocked(), flow.Self()))
	t.mu.Unlock()
	t.carry(fx)
	return nil
}

// WriteBufferLimits returns the marks of the write buffer, in bytes.
//
// asyncio: get_write_buffer_limits
func (t *socket) WriteBufferLimits() (high, low int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.flow.Marks()
}

// writer implements kind.
func (t *Transport) writer() writer { return t.Protocol() }

// WriteBufferSize returns the bytes in the write buffer. On a Transport with TLS some of them
// are encrypted already.
//
// asyncio: get_write_buffer_size
func (t *socket) WriteBufferSize() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.kind.pendingLocked().Bytes
}
