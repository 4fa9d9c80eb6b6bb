package conformance

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
)

// test_flowcontrol_mixin_set_write_limits, and the defaults.
func TestNetSetWriteBufferLimits(t *testing.T) {
	l := startLoop(t)
	p := newParty(t, l)
	tr, _ := connected(t, l, p)
	limits := func(wantHigh, wantLow int) {
		t.Helper()
		if high, low := tr.WriteBufferLimits(); high != wantHigh || low != wantLow {
			t.Errorf("high %d, low %d, want %d and %d", high, low, wantHigh, wantLow)
		}
	}
	limits(64<<10, 16<<10)
	for _, c := range []struct{ high, low, wantHigh, wantLow int }{
		{1024, 128, 1024, 128},
		{60, zmqio.DefaultLimit, 60, 15},
		{zmqio.DefaultLimit, 10, 40, 10},
		{0, zmqio.DefaultLimit, 0, 0},
		{zmqio.DefaultLimit, 0, 0, 0},
		{zmqio.DefaultLimit, zmqio.DefaultLimit, 64 << 10, 16 << 10},
	} {
		must(t, tr.SetWriteBufferLimits(c.high, c.low))
		limits(c.wantHigh, c.wantLow)
	}
	for _, c := range [][2]int{{0, 1}, {-2, 0}, {10, -2}} {
		wants(t, tr.SetWriteBufferLimits(c[0], c[1]), zmqio.ErrInvalidArgument)
	}
	limits(64<<10, 16<<10)

	paused := func(want bool) {
		t.Helper()
		if p.is(func() bool { return p.paused != want }) {
			t.Errorf("paused: %t", !want)
		}
	}
	must(t, tr.SetWriteBufferLimits(1<<30, 1<<20))
	onLoop(t, l, func() { // on the loop, so that nothing else is sent meanwhile
		stuff(t, tr)
		must(t, tr.SetWriteBufferLimits(tr.WriteBufferSize(), 1))
		paused(false) // at the mark, not over it
		must(t, tr.SetWriteBufferLimits(64<<10, 1))
		paused(true) // before SetWriteBufferLimits returns
	})
	must(t, tr.SetWriteBufferLimits(1<<30, 1))
	for range 3 {
		onLoop(t, l, func() {})
	}
	paused(true) // higher marks resume nothing
	must(t, tr.Abort())
	must(t, p.awaitLost())
	if p.pauses != 1 {
		t.Errorf("%d pauses", p.pauses)
	}
}

// The Write that goes over the mark calls PauseWriting on its goroutine, once. ResumeWriting comes
// when the buffer is down to the low mark.
func TestNetPauseAndResumeWriting(t *testing.T) {
	for _, onTheLoop := range []bool{false, true} {
		const high, low = 100_000, 1000
		l := startLoop(t)
		p := newParty(t, l)
		inLoop, atPause := false, 0
		p.onPause = func() { inLoop, atPause = l.InLoop(), p.tr.WriteBufferSize() }
		tr, peer := connected(t, l, p)
		must(t, tr.SetWriteBufferLimits(high, low))
		sent := 0
		fill := func() {
			for chunk := make([]byte, 1000); !p.is(func() bool { return p.paused }); sent += len(chunk) {
				must(t, tr.Write(chunk))
			}
			if inLoop != onTheLoop {
				t.Errorf("PauseWriting on the loop: %t", inLoop)
			}
			sent += len(stuff(t, tr))
		}
		if !onTheLoop {
			fill()
		} else if onLoop(t, l, fill); atPause <= high || atPause > high+1000 || p.pauses != 1 {
			t.Errorf("%d bytes were buffered; %d pauses", atPause, p.pauses)
		}
		readString(t, peer, sent)
		p.await(func() bool { return !p.paused })
		if n := tr.WriteBufferSize(); n > low {
			t.Errorf("%d bytes are buffered", n)
		}
	}
}

// If the transport ends during a pause, ResumeWriting is not called.
func TestNetPausedAtTheEnd(t *testing.T) {
	l := startLoop(t)
	p := newParty(t, l)
	tr, peer := connected(t, l, p)
	must(t, tr.SetWriteBufferLimits(0, 0))
	stuff(t, tr)
	must(t, tr.Abort())
	must(t, p.awaitLost())
	must(t, peer.Close())
	if !p.paused || p.pauses != 1 {
		t.Errorf("paused %t, %d times", p.paused, p.pauses)
	}
}

// asyncio: drain. WriteContext waits for room.
func TestNetWriteContext(t *testing.T) {
	l := startLoop(t)
	p := newParty(t, l)
	tr, peer := connected(t, l, p)
	const chunks, size = 200, 64 << 10
	done := make(chan error, 1)
	go func() {
		for range chunks {
			if err := tr.WriteContext(bounded(t), make([]byte, size)); err != nil {
				done <- err
				return
			}
			if n := tr.WriteBufferSize(); n > 2*size {
				done <- errors.New("more is buffered than the mark and a chunk")
				return
			}
		}
		done <- tr.Close()
	}()
	n, err := io.Copy(io.Discard, peer)
	if must(t, <-done); err != nil || n != chunks*size {
		t.Errorf("the peer got %d bytes of %d: %v", n, chunks*size, err)
	}
	must(t, p.awaitLost())
}

// The end of its context, or of the transport, ends the wait of a writer.
func TestNetWriteContextEnds(t *testing.T) {
	l := startLoop(t)
	p := newParty(t, l)
	tr, _ := connected(t, l, p)
	must(t, tr.SetWriteBufferLimits(0, 0))
	stuff(t, tr)
	cause := errors.New("cause")
	ctx, cancel := context.WithCancelCause(bounded(t))
	done := make(chan error, 2)
	go func() { done <- tr.WriteContext(ctx, []byte("x")) }()
	cancel(cause)
	wants(t, <-done, cause)
	var on error
	onLoop(t, l, func() { on = tr.WriteContext(bounded(t), []byte("x")) })
	wants(t, on, zmqio.ErrWouldDeadlock)
	var none context.Context
	wants(t, tr.WriteContext(none, nil), zmqio.ErrInvalidArgument)
	go func() { done <- tr.WriteContext(bounded(t), []byte("x")) }()
	must(t, tr.Abort())
	wants(t, <-done, zmqio.ErrTransportClosed)
	must(t, p.awaitLost())
}

// MaxWriteBuffer bounds what Write buffers, and a refused Write sends nothing.
func TestNetMaxWriteBuffer(t *testing.T) {
	const limit = 100 << 10
	l, ln := startLoop(t), listen(t, "tcp4")
	p := newParty(t, l)
	tr := connect(t, l, p, ln.Addr(), netio.Config{MaxWriteBuffer: limit})
	peer := accept(t, ln)
	sent, chunk := 0, make([]byte, 1000)
	onLoop(t, l, func() { // on the loop, so that nothing else is sent meanwhile
		var err error
		for err == nil {
			if err = tr.Write(chunk); err == nil {
				sent += len(chunk)
			}
		}
		wants(t, err, zmqio.ErrBufferFull)
		if n := tr.WriteBufferSize(); n > limit || n <= limit-len(chunk) {
			t.Errorf("%d bytes are buffered", n)
		}
	})
	if tr.IsClosing() {
		t.Error("the transport was closed")
	}
	must(t, tr.Close())
	n, err := io.Copy(io.Discard, peer)
	if err != nil || int(n) != sent {
		t.Errorf("the peer got %d bytes of %d: %v", n, sent, err)
	}
	must(t, p.awaitLost())
}
