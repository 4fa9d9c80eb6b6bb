package zmqio

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/zmqio/zmq"
)

// blocked returns a transport that libzmq takes nothing from, until somebody
// connects to it.
func blocked(t testing.TB, l *EventLoop, p Protocol) *Transport {
	t.Helper()
	return create(t, l, p, zmq.PUSH, bindTo(anyPort))
}

// drain connects a PULL to tr and calls fn with each message.
func drain(t testing.TB, l *EventLoop, tr *Transport, fn func([][]byte)) *Transport {
	t.Helper()
	return create(t, l, &recorder{onMsg: fn}, zmq.PULL, connectTo(tr.Listeners()...))
}

func TestWriteBufferLimits(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	tr := blocked(t, l, BaseProtocol{})
	for _, c := range []struct{ high, low, wantHigh, wantLow int }{
		{DefaultLimit, DefaultLimit, 64 << 10, 16 << 10},
		{60, DefaultLimit, 60, 15},
		{DefaultLimit, 10, 40, 10},
		{0, DefaultLimit, 0, 0},
		{DefaultLimit, 0, 0, 0},
		{7, 7, 7, 7},
	} {
		must(t, tr.SetWriteBufferLimits(c.high, c.low))
		if h, l := tr.WriteBufferLimits(); h != c.wantHigh || l != c.wantLow {
			t.Errorf("SetWriteBufferLimits(%d, %d): %d, %d", c.high, c.low, h, l)
		}
	}
	for _, c := range [][2]int{{1, 2}, {-2, DefaultLimit}, {5, -2}, {0, 1}} {
		if err := tr.SetWriteBufferLimits(c[0], c[1]); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("%v: %v", c, err)
		}
	}
	if h, l := tr.WriteBufferLimits(); h != 7 || l != 7 {
		t.Error("a refused call changed the limits")
	}
}

func TestPauseAndResume(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	p := &recorder{}
	tr := blocked(t, l, p)
	must(t, tr.SetWriteBufferLimits(10, 4))
	write := func(s string, size int, want ...string) {
		t.Helper()
		must(t, tr.Write(msg(s)))
		if got := p.got(); tr.WriteBufferSize() != size || !slices.Equal(got, append([]string{"made"}, want...)) {
			t.Fatalf("%d bytes, %v", tr.WriteBufferSize(), got)
		}
	}
	write("12345", 5)
	write("67890", 10) // at the mark is not over it
	write("", 10)
	write("x", 11, "pause")
	write("more", 15, "pause") // once
	must(t, tr.SetWriteBufferLimits(100, 50))
	if got := p.got(); len(got) != 2 {
		t.Errorf("raising the marks: %v", got)
	}
	must(t, tr.SetWriteBufferLimits(10, 4))
	var got []string
	drain(t, l, tr, func(m [][]byte) {
		if got = append(got, text(m)); len(got) == 5 {
			l.Stop()
		}
	})
	must(t, l.RunForever(bounded(t)))
	pass(t, l) // ResumeWriting is posted
	if want := []string{"12345", "67890", "", "x", "more"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got := p.got(); !slices.Equal(got, []string{"made", "pause", "resume"}) || tr.WriteBufferSize() != 0 {
		t.Errorf("%v, %d bytes", got, tr.WriteBufferSize())
	}
}

func TestZeroMarkPausesForAnyMessage(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	p := &recorder{}
	tr := blocked(t, l, p)
	must(t, tr.SetWriteBufferLimits(0, 0))
	must(t, tr.Write(nil))
	if got := p.got(); len(got) != 1 {
		t.Errorf("nothing written: %v", got)
	}
	must(t, tr.Write(msg("")))
	if got := p.got(); !slices.Equal(got, []string{"made", "pause"}) {
		t.Errorf("an empty frame: %v", got)
	}
	pass(t, l) // nothing is sent, so nothing resumes
	drain(t, l, tr, func([][]byte) { l.Stop() })
	must(t, l.RunForever(bounded(t)))
	pass(t, l)
	if got := p.got(); !slices.Equal(got, []string{"made", "pause", "resume"}) {
		t.Errorf("sent: %v", got)
	}
}

func TestLoweringTheMarksPauses(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	p := &recorder{}
	tr := blocked(t, l, p)
	must(t, tr.Write(msg("12345")))
	must(t, tr.SetWriteBufferLimits(5, 0))
	if got := p.got(); len(got) != 1 {
		t.Errorf("%v", got)
	}
	must(t, tr.SetWriteBufferLimits(4, 0))
	if got := p.got(); !slices.Equal(got, []string{"made", "pause"}) {
		t.Errorf("%v", got)
	}
}

// A writable socket pauses nobody, however fast the writes come.
func TestNoPauseWhileThereIsRoom(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	p := &recorder{}
	tr := create(t, l, p, zmq.PUSH, ConnectionConfig{
		Connect: []string{"inproc://room"}, Configure: func(o zmq.Sockopts) error { return o.SetSndHWM(0) },
	})
	must(t, tr.SetWriteBufferLimits(100, 0))
	must(t, l.Run(bounded(t), func(context.Context) error {
		for range 10_000 {
			must(t, tr.Write(msg("0123456789")))
		}
		return nil
	}))
	if got := p.got(); len(got) != 1 {
		t.Errorf("%v", got[:2])
	}
	must(t, tr.Abort())
}

// strict is a Protocol that fails the test when pause and resume do not alternate,
// or run at the same time.
type strict struct {
	BaseProtocol
	t      testing.TB
	inside atomic.Int32
	paused atomic.Bool
	pauses int
	lost   chan struct{}
}

func (p *strict) enter(pause bool) {
	if p.inside.Add(1) != 1 {
		p.t.Error("two callbacks at once")
	}
	if p.paused.Swap(pause) == pause {
		p.t.Errorf("twice in a row: pause %t", pause)
	}
	if pause {
		p.pauses++
	}
	for range 20 { // time for another to come in
		runtime.Gosched()
	}
	p.inside.Add(-1)
}

func (p *strict) PauseWriting()        { p.enter(true) }
func (p *strict) ResumeWriting()       { p.enter(false) }
func (p *strict) ConnectionLost(error) { close(p.lost) }

func TestPairingUnderManyWriters(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	p := &strict{t: t, lost: make(chan struct{})}
	tr := create(t, l, p, zmq.PUSH, ConnectionConfig{
		Bind: []string{"inproc://pairing"}, Configure: func(o zmq.Sockopts) error { return o.SetSndHWM(10) },
	})
	must(t, tr.SetWriteBufferLimits(50, 10))
	const writers, each = 100, 100
	received := 0
	all := make(chan struct{})
	create(t, l, &recorder{onMsg: func([][]byte) {
		if received++; received == writers*each {
			close(all)
		}
	}}, zmq.PULL, ConnectionConfig{
		Connect: []string{"inproc://pairing"}, Configure: func(o zmq.Sockopts) error { return o.SetRcvHWM(10) },
	})
	must(t, l.Run(bounded(t), func(ctx context.Context) error {
		var group sync.WaitGroup
		for range writers {
			group.Go(func() {
				for range each {
					for p.paused.Load() {
						runtime.Gosched()
					}
					if err := tr.Write(msg("0123456789")); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		<-all
		must(t, tr.Close())
		<-p.lost
		return nil
	}))
	if p.paused.Load() || p.pauses < 2 {
		t.Errorf("paused %t at the end, %d times", p.paused.Load(), p.pauses)
	}
}

// A writer that fills the buffer from ResumeWriting is paused inside it.
func TestWriteFromResumeWriting(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	var tr *Transport
	p := &resumer{}
	p.onResume = func() {
		for n := len(p.events); len(p.events) == n; {
			must(t, tr.Write(msg("0123456789")))
		}
		if len(p.events) > 10 {
			l.Stop()
		}
	}
	tr = create(t, l, p, zmq.PUSH, ConnectionConfig{
		Bind: []string{"inproc://resume"}, Configure: func(o zmq.Sockopts) error { return o.SetSndHWM(2) },
	})
	must(t, tr.SetWriteBufferLimits(20, 0))
	for len(p.events) == 0 {
		must(t, tr.Write(msg("0123456789")))
	}
	create(t, l, BaseProtocol{}, zmq.PULL, ConnectionConfig{
		Connect: []string{"inproc://resume"}, Configure: func(o zmq.Sockopts) error { return o.SetRcvHWM(2) },
	})
	must(t, l.RunForever(bounded(t)))
	for i, e := range p.events {
		if want := []string{"pause", "resume"}[i%2]; e != want {
			t.Fatalf("event %d is %s: %v", i, e, p.events)
		}
	}
}

type resumer struct {
	BaseProtocol
	events   []string
	onResume func()
}

func (r *resumer) PauseWriting() { r.events = append(r.events, "pause") }
func (r *resumer) ResumeWriting() {
	r.events = append(r.events, "resume")
	r.onResume()
}

// pauser calls a function when it is paused.
type pauser struct {
	recorder
	onPause func()
}

func (p *pauser) PauseWriting() {
	p.recorder.PauseWriting()
	p.onPause()
}

func TestPanicWhilePausing(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	caught := 0
	l.SetExceptionHandler(func(_ *EventLoop, ctx ExceptionContext) {
		if ctx.Transport == nil || ctx.Protocol == nil {
			t.Errorf("%+v", ctx)
		}
		caught++
	})
	tr := blocked(t, l, &pauser{onPause: func() { panic("pause") }})
	must(t, tr.SetWriteBufferLimits(0, 0))
	must(t, tr.Write(msg("a")))
	must(t, tr.Write(msg("b"))) // is paused all the same
	if caught != 1 {
		t.Errorf("%d panics", caught)
	}
}

func TestAbortWhilePausing(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	var tr *Transport
	p := &pauser{}
	p.onPause = func() {
		must(t, tr.Abort())
		p.note("paused")
	}
	p.onLost = func(error) { l.Stop() }
	tr = blocked(t, l, p)
	must(t, tr.SetWriteBufferLimits(0, 0))
	soon(t, l, func() { must(t, tr.Write(msg("a"))) })
	must(t, l.RunForever(bounded(t)))
	if got := p.got(); !slices.Equal(got, []string{"made", "pause", "paused", "lost"}) {
		t.Errorf("%v", got)
	}
}
