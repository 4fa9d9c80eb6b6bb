package netio

import (
	"io"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/internal/flow"
)

// PauseReading stops the calls of DataReceived, until ResumeReading. The transport keeps bytes
// that it has read already. Other bytes wait in the system and, when its buffers are full, with
// the peer. Off the loop goroutine, a call that is just starting may still come.
//
// Errors:
//   - zmqio.ErrAlreadyPaused: reading is paused.
//   - zmqio.ErrTransportClosed: the transport has ended, or Close was called.
//   - errors.ErrUnsupported: a pipe that is written.
//
// asyncio: pause_reading
func (t *Transport) PauseReading() error {
	t.mu.Lock()
	fx, err := t.pauseReadingLocked()
	t.mu.Unlock()
	t.carry(fx)
	return err
}

func (t *Transport) pauseReadingLocked() (flow.Effects, error) {
	switch {
	case t.pipe.is(toWrite):
		return 0, t.opError("read", errWriteOnly)
	case t.state.is(closing):
		return 0, t.errClosed("pause reading")
	case t.state.is(userPaused):
		return 0, zmqio.ErrAlreadyPaused
	}
	t.state |= userPaused
	return t.settleLocked(), nil
}

// ResumeReading ends what PauseReading began. On a closed transport it does nothing.
//
// Errors:
//   - zmqio.ErrNotPaused: reading is not paused.
//   - errors.ErrUnsupported: a pipe that is written.
//
// asyncio: resume_reading
func (t *Transport) ResumeReading() error {
	t.mu.Lock()
	fx, err := t.resumeReadingLocked()
	t.mu.Unlock()
	t.carry(fx)
	return err
}

func (t *Transport) resumeReadingLocked() (flow.Effects, error) {
	switch {
	case t.pipe.is(toWrite):
		return 0, t.opError("read", errWriteOnly)
	case t.state.is(closing):
		return 0, nil
	case !t.state.is(userPaused):
		return 0, zmqio.ErrNotPaused
	}
	t.state &^= userPaused
	return t.readAgainLocked(), nil
}

// readAgainLocked resumes reading if a reason for not reading has gone. Caller holds t.mu.
func (t *Transport) readAgainLocked() flow.Effects {
	t.readHeldLocked()
	return t.settleLocked()
}

// readHeldLocked makes the loop read data that the stream holds and the descriptor does not show.
// Caller holds t.mu.
func (t *Transport) readHeldLocked() {
	if t.stream.holds() && t.wantsReadLocked() {
		_, _ = t.loop.CallSoon(t.readReady) // fails only on a closed loop
	}
}

// IsReading reports whether the transport is neither closing nor paused by PauseReading. A pipe
// that is written is not reading.
//
// asyncio: is_reading
func (t *Transport) IsReading() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.state.is(closing|userPaused) && !t.pipe.is(toWrite)
}

// readReady reads once, and delivers the data. Loop goroutine only.
func (t *Transport) readReady() {
	if t.pipe.is(toWrite) {
		t.readerReady()
		return
	}
	b := takeBlock()
	defer blocks.Put(b) // runs even after runtime.Goexit
	for t.readInto(b[:]) {
	}
}

// readInto reads into block, or into the protocol's buffer, and delivers. It reports whether it
// must read again at once. Loop goroutine only.
func (t *Transport) readInto(block []byte) (again bool) {
	c := t.protocol.Load()
	buf := block
	if c.buffered != nil {
		switch now := t.stateNow(); {
		case !now.is(silent):
			if buf = t.ownBuffer(c); len(buf) == 0 {
				return false
			}
		case !now.is(draining):
			return false
		}
	}
	n, more, ended := t.read(buf)
	switch {
	case ended:
		t.peerEnds(c.protocol)
	case n > 0 && c.buffered != nil:
		more = t.critical("BufferUpdated", c.protocol, func() { c.buffered.BufferUpdated(n) }) && more
	case n > 0:
		more = t.critical("DataReceived", c.protocol, func() { c.protocol.DataReceived(buf[:n]) }) && more
	}
	return more
}

// ownBuffer returns the buffer of a BufferedProtocol, or ends the transport and returns nil.
func (t *Transport) ownBuffer(c *callee) (buf []byte) {
	if !t.critical("Buffer", c.protocol, func() { buf = c.buffered.Buffer(-1) }) {
		return nil
	}
	if len(buf) == 0 {
		err := invalid("netio: the protocol's Buffer returned an empty one")
		t.residence.Report("Buffer failed", c.protocol, err)
		t.end(err)
	}
	return buf
}

// read reads into buf: n bytes to deliver, or the end of the peer's side.
func (t *Transport) read(buf []byte) (n int, more, ended bool) {
	t.mu.Lock()
	n, more, ended, fx := t.readLocked(buf)
	t.mu.Unlock()
	t.carry(fx)
	return n, more, ended
}

// readLocked is read. Caller holds t.mu.
func (t *Transport) readLocked(buf []byte) (n int, more, ended bool, fx flow.Effects) {
	if !t.wantsReadLocked() {
		return 0, false, false, 0
	}
	before := t.stream.buffered()
	n, more, err := t.stream.read(buf)
	if t.stream.buffered() < before { // TLS has sent an answer of its own
		fx = t.shrankLocked()
	}
	drops := t.state.is(draining)
	switch {
	case err == io.EOF:
		t.state |= peerEnded
		return 0, false, !drops, fx | t.settleLocked()
	case err != nil:
		return 0, false, false, fx | t.endLocked(t.opError("read", err))
	case t.stream.buffered() > 0:
		fx |= t.settleLocked()
	}
	if drops {
		n = 0
	}
	return n, more, false, fx
}

// peerEnds tells the protocol p that the peer has ended its side. Loop goroutine only.
func (t *Transport) peerEnds(p Protocol) {
	keepOpen := false
	if t.critical("EOFReceived", p, func() { keepOpen = p.EOFReceived() }) && !(keepOpen && t.CanWriteEOF()) {
		_ = t.Close()
	}
}
