package conformance

import (
	"context"
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

func TestSetWriteBufferLimits(t *testing.T) {
	l := newLoop(t, nil)
	tr := blocked(t, l, &recorder{})
	const none = zmqio.DefaultLimit
	wantLimits := func(what string, high, low int) {
		t.Helper()
		if h, l := tr.WriteBufferLimits(); h != high || l != low {
			t.Errorf("%s: high %d, low %d, want %d, %d", what, h, l, high, low)
		}
	}
	wantLimits("at first", 65536, 16384)
	for _, c := range []struct{ high, low, wantHigh, wantLow int }{
		{60, 30, 60, 30},
		{none, 10, 40, 10},         // low alone
		{60, none, 60, 15},         // high alone
		{3, none, 3, 0},            // rounded down
		{0, none, 0, 0},            // 0 forces low to 0
		{none, 0, 0, 0},            // low 0 alone
		{7, 7, 7, 7},               // may be equal
		{7, 0, 7, 0},               // resumes when empty
		{none, none, 65536, 16384}, // as at first
		{math.MaxInt, 1, math.MaxInt, 1},
		{none, math.MaxInt / 2, math.MaxInt, math.MaxInt / 2}, // and no overflow
	} {
		must(t, tr.SetWriteBufferLimits(c.high, c.low))
		wantLimits("set", c.wantHigh, c.wantLow)
	}
	must(t, tr.SetWriteBufferLimits(60, 30))
	for _, c := range [][2]int{{30, 60}, {1, 2}, {0, 1}, {-2, none}, {none, -2}, {5, -2}, {10, -5}, {math.MinInt, math.MinInt}} {
		wants(t, tr.SetWriteBufferLimits(c[0], c[1]), zmqio.ErrInvalidArgument)
		wantLimits("after a refusal", 60, 30)
	}
}

// PauseWriting runs inside the Write that goes over the mark, on its goroutine. Otherwise the race
// detector would report inside.
func TestPauseIsSynchronous(t *testing.T) {
	for place, at := range places {
		t.Run(place, func(t *testing.T) {
			l := newLoop(t, nil)
			inside := ""
			p := &recorder{onPause: func() { inside += "!" }}
			tr := blocked(t, l, p)
			must(t, tr.SetWriteBufferLimits(4, 2))
			at(t, l, func() {
				size := 0
				for _, s := range []string{"ab", "cd", "", "e", "f", "ghi"} {
					inside += s
					must(t, tr.Write(msg(s)))
					if size += len(s); tr.WriteBufferSize() != size {
						t.Errorf("%d bytes after %q", tr.WriteBufferSize(), inside)
					}
				}
			})
			if want := "abcde!fghi"; inside != want {
				t.Errorf("got %q, want %q", inside, want)
			}
			p.wants(t, "made pause")
			must(t, tr.Abort())
			pass(t, l)
			p.wants(t, "made pause lost") // without a resume
		})
	}
}

// A message of many frames counts with all its payload, and may go over the mark alone.
func TestPauseCountsPayload(t *testing.T) {
	l := newLoop(t, nil)
	p := &recorder{}
	tr := blocked(t, l, p)
	must(t, tr.SetWriteBufferLimits(5, 0))
	must(t, tr.Write(msg("ab", "", "cd", "e")))
	p.wants(t, "made")
	must(t, tr.Write(msg("", "", "")))
	p.wants(t, "made")
	must(t, tr.Write(msg("", "f")))
	p.wants(t, "made pause")
	if n := tr.WriteBufferSize(); n != 6 {
		t.Errorf("%d bytes", n)
	}
	must(t, tr.Abort())
}

// ResumeWriting comes when the buffer is at the low mark. With room for one message of three,
// libzmq brings it there in steps.
func TestResumeAtTheLowMark(t *testing.T) {
	for _, low := range []int{0, 10, 19, 20} {
		l := newLoop(t, nil)
		p := &recorder{}
		var tr *zmqio.Transport
		var sizes []int
		p.onResume = func() { sizes = append(sizes, tr.WriteBufferSize()) }
		tr = create(t, l, p, zmq.PAIR, zmqio.ConnectionConfig{
			Bind: []string{"inproc://steps"}, Configure: func(o zmq.Sockopts) error { return o.SetSndHWM(1) },
		})
		must(t, tr.SetWriteBufferLimits(20, low))
		for range 5 {
			must(t, tr.Write(msg("")))
			must(t, tr.Write(msg("0123456789")))
		}
		p.wants(t, "made pause")
		pair := &recorder{}
		create(t, l, pair, zmq.PAIR, zmqio.ConnectionConfig{
			Connect: []string{"inproc://steps"}, Configure: func(o zmq.Sockopts) error { return o.SetRcvHWM(1) },
		})
		await(t, l, func() bool { return pair.has(10)() && p.did("resume")() })
		pass(t, l)
		if got := strings.Join(p.happened(), " "); got != "made pause resume" || len(sizes) != 1 || sizes[0] > low {
			t.Errorf("low %d: %s, at %d bytes", low, got, sizes)
		}
		must(t, l.Close())
	}
}

// Raising the marks does not resume a paused protocol, and lowering them does not pause it again.
// The next message that is sent resumes it.
func TestLimitsChangedWhilePaused(t *testing.T) {
	const none = zmqio.DefaultLimit
	for _, limits := range [][][2]int{{{1000, 500}}, {{1, 1}}, {{0, 0}}, {{none, none}}, {{100, 50}, {4, 2}}} {
		l := newLoop(t, nil)
		p := &recorder{}
		tr := blocked(t, l, p)
		must(t, tr.SetWriteBufferLimits(4, 2))
		writeAll(t, tr, "12345")
		for _, c := range limits {
			must(t, tr.SetWriteBufferLimits(c[0], c[1]))
			p.wants(t, "made pause")
		}
		pass(t, l)
		writeAll(t, tr, "6") // libzmq refuses the message
		pass(t, l)
		p.wants(t, "made pause")
		pull := pullFrom(t, l, tr)
		await(t, l, func() bool { return pull.has(2)() && p.did("resume")() })
		pass(t, l)
		p.wants(t, "made pause resume")
		pull.wants(t, "made", "12345", "6")
		if n := tr.WriteBufferSize(); n != 0 {
			t.Errorf("%d bytes are left", n)
		}
		must(t, l.Close())
	}
}

// Lowering the marks may pause at once, inside the call.
func TestLoweringTheLimitsPauses(t *testing.T) {
	l := newLoop(t, nil)
	p := &recorder{}
	tr := blocked(t, l, p)
	writeAll(t, tr, "12345")
	for _, low := range []int{5, 0} {
		must(t, tr.SetWriteBufferLimits(5, low))
		p.wants(t, "made")
	}
	must(t, tr.SetWriteBufferLimits(4, 4))
	p.wants(t, "made pause")
	must(t, tr.SetWriteBufferLimits(3, 3))
	p.wants(t, "made pause")
	must(t, tr.Abort())
}

// With a mark of 0 an empty frame pauses the protocol, and a message without frames does not. Only
// an empty buffer resumes it.
func TestZeroMarks(t *testing.T) {
	l := newLoop(t, nil)
	p := &recorder{}
	tr := create(t, l, p, zmq.PUSH, zmqio.ConnectionConfig{
		Bind: []string{"inproc://zero"}, Configure: func(o zmq.Sockopts) error { return o.SetSndHWM(1) },
	})
	must(t, tr.SetWriteBufferLimits(0, zmqio.DefaultLimit))
	must(t, tr.Write(nil))
	p.wants(t, "made")
	peer := create(t, l, &recorder{}, zmq.PULL, zmqio.ConnectionConfig{
		Connect: []string{"inproc://zero"}, Configure: func(o zmq.Sockopts) error { return o.SetRcvHWM(1) },
	})
	want := "made"
	for range 3 {
		must(t, peer.PauseReading())
		for want += " pause"; !p.did("pause")(); {
			writeAll(t, tr, "")
		}
		writeAll(t, tr, "", "")
		pass(t, l)
		p.wants(t, want)
		if n := tr.WriteBufferSize(); n != 0 {
			t.Errorf("%d bytes", n)
		}
		must(t, peer.ResumeReading())
		want += " resume"
		await(t, l, p.did("resume"))
		p.wants(t, want)
	}
}

// A writable socket pauses no protocol, however fast the writes come.
func TestNoPauseWhileThereIsRoom(t *testing.T) {
	l := newLoop(t, nil)
	p := &recorder{live: true}
	tr := create(t, l, p, zmq.PUSH, zmqio.ConnectionConfig{
		Connect: []string{"inproc://room"}, Configure: func(o zmq.Sockopts) error { return o.SetSndHWM(0) },
	})
	must(t, tr.SetWriteBufferLimits(100, 0))
	must(t, l.Run(bounded(t), func(context.Context) error {
		writeAll(t, tr, slices.Repeat([]string{"0123456789"}, 10_000)...)
		return nil
	}))
	p.wants(t, "made")
	must(t, tr.Abort())
}

// Calls of the transport inside PauseWriting neither pause the protocol again nor resume it.
func TestCallsFromPauseWriting(t *testing.T) {
	for name, c := range map[string]struct {
		call func(*zmqio.Transport) error
		want string
		msgs []string
	}{
		"Write":   {func(tr *zmqio.Transport) error { return tr.Write(msg("more")) }, "made pause resume", []string{"first", "more"}},
		"raise":   {func(tr *zmqio.Transport) error { return tr.SetWriteBufferLimits(1000, 1000) }, "made pause resume", []string{"first"}},
		"lower":   {func(tr *zmqio.Transport) error { return tr.SetWriteBufferLimits(0, 0) }, "made pause resume", []string{"first"}},
		"Close":   {(*zmqio.Transport).Close, "made pause lost", []string{"first"}},
		"reading": {(*zmqio.Transport).PauseReading, "made pause resume", []string{"first"}},
		"bind": {func(tr *zmqio.Transport) error {
			_, err := tr.Bind(anyPort)
			return err
		}, "made pause resume", []string{"first"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLoop(t, nil)
			p := &recorder{}
			tr := blocked(t, l, p)
			endpoint := tr.Listeners()[0]
			p.onPause = func() { must(t, c.call(tr)) }
			must(t, tr.SetWriteBufferLimits(2, 0))
			soon(t, l, func() { writeAll(t, tr, "first") })
			pass(t, l)
			p.wants(t, "made pause")
			pull := &recorder{}
			create(t, l, pull, zmq.PULL, connectTo(endpoint))
			last := c.want[strings.LastIndexByte(c.want, ' ')+1:]
			await(t, l, func() bool { return p.did(last)() && pull.has(len(c.msgs))() })
			pass(t, l)
			p.wants(t, c.want)
			pull.wants(t, "made", c.msgs...)
		})
	}
}

// A ResumeWriting that fills the buffer, or lowers the mark below its size, is followed by a pause.
// One that closes the transport is the last of these calls.
func TestCallsFromResumeWriting(t *testing.T) {
	for name, c := range map[string]struct {
		call func(*zmqio.Transport) error
		want string
	}{
		"Close": {(*zmqio.Transport).Close, "made pause resume lost"}, // once the peer reads
		"Abort": {(*zmqio.Transport).Abort, "made pause resume lost"},
		"lower": {func(tr *zmqio.Transport) error { return tr.SetWriteBufferLimits(0, 0) }, "made pause resume pause"},
		"raise": {func(tr *zmqio.Transport) error { return tr.SetWriteBufferLimits(1000, 0) }, "made pause resume"},
		"Write": {func(tr *zmqio.Transport) error { return tr.Write(msg("0123456789")) }, "made pause resume pause"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLoop(t, nil)
			p := &recorder{}
			var tr, peer *zmqio.Transport
			p.onResume = func() {
				p.onResume = nil
				must(t, c.call(tr))
				if name == "Close" {
					must(t, peer.ResumeReading())
				}
			}
			tr = create(t, l, p, zmq.PAIR, zmqio.ConnectionConfig{
				Bind: []string{"inproc://full"}, Configure: func(o zmq.Sockopts) error { return o.SetSndHWM(1) },
			})
			must(t, tr.SetWriteBufferLimits(10, 10))
			writeAll(t, tr, "0123456789", "0123456789", "0123456789")
			p.wants(t, "made pause")
			// libzmq takes two, so 10 bytes are left.
			peer = create(t, l, &recorder{}, zmq.PAIR, zmqio.ConnectionConfig{
				Connect: []string{"inproc://full"}, Configure: func(o zmq.Sockopts) error { return o.SetRcvHWM(1) },
			})
			must(t, peer.PauseReading())
			await(t, l, func() bool { return strings.Join(p.happened(), " ") == c.want })
			pass(t, l)
			p.wants(t, c.want)
			must(t, tr.Abort())
		})
	}
}

// ConnectionLost follows a PauseWriting that aborts, on the loop goroutine and on another one. It
// does not come inside.
func TestAbortWhilePausing(t *testing.T) {
	for name, writeA := range map[string]func(*zmqio.EventLoop, func()){
		"on the loop": func(l *zmqio.EventLoop, write func()) { soon(t, l, write) },
		"elsewhere":   func(_ *zmqio.EventLoop, write func()) { write() },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLoop(t, nil)
			inBackground(t, l)
			p := &recorder{live: true}
			tr := blocked(t, l, p)
			p.onPause = func() {
				must(t, tr.Abort())
				if !l.InLoop() {
					zmqiotest.Soon(t, l, func() {}) // what the loop was to call, it has called
				}
				p.note("returned")
			}
			must(t, tr.SetWriteBufferLimits(0, 0))
			writeA(l, func() { writeAll(t, tr, "a") })
			must(t, p.until(bounded(t), p.did("lost")))
			p.wants(t, "made pause returned lost")
		})
	}
}

// A ResumeWriting that fills the buffer is paused inside itself, each time.
func TestWriteFromResumeWriting(t *testing.T) {
	l := newLoop(t, nil)
	p := &recorder{}
	push, _ := narrow(t, l, p, zmqio.BaseProtocol{})
	fill := func() {
		for !p.did("pause")() {
			writeAll(t, push, "0123456789")
		}
	}
	p.onResume = fill
	must(t, push.SetWriteBufferLimits(20, 0))
	fill()
	await(t, l, func() bool { return len(p.happened()) > 11 })
	events := p.happened()
	for i, e := range events[1:] {
		if want := []string{"pause", "resume"}[i%2]; e != want {
			t.Fatalf("event %d is %s: %v", i, e, events)
		}
	}
	must(t, push.Abort())
}

// A panic in PauseWriting or ResumeWriting goes to the exception handler. The calls still
// alternate.
func TestPauseAndResumePanic(t *testing.T) {
	l := newLoop(t, nil)
	reported := caught(l)
	broken := errors.New("broken")
	p := &recorder{onPause: func() { panic(broken) }, onResume: func() { panic(broken) }}
	tr := create(t, l, p, zmq.PUSH, zmqio.ConnectionConfig{
		Bind: []string{"inproc://panics"}, Configure: func(o zmq.Sockopts) error { return o.SetSndHWM(1) },
	})
	must(t, tr.SetWriteBufferLimits(0, 0))
	writeAll(t, tr, "a", "b")
	p.wants(t, "made pause")
	pull := &recorder{}
	create(t, l, pull, zmq.PULL, connectTo("inproc://panics"))
	await(t, l, func() bool { return pull.has(2)() && p.did("resume")() })
	p.wants(t, "made pause resume")
	if tr.IsClosing() || len(*reported) != 2 {
		t.Fatalf("%v, reported %v", tr, *reported)
	}
	for i, message := range []string{"PauseWriting panicked", "ResumeWriting panicked"} {
		c := (*reported)[i]
		if c.Message != message || !errors.Is(c.Err, broken) || c.Transport != tr || c.Protocol != zmqio.Protocol(p) || len(c.Stack) == 0 {
			t.Errorf("reported %+v", c)
		}
	}
	writeAll(t, tr, "c")
	await(t, l, pull.has(3))
	pull.wants(t, "made", "a", "b", "c")
}

// An alternator fails the test if PauseWriting and ResumeWriting do not alternate, or run at the
// same time.
type alternator struct {
	zmqio.BaseProtocol
	t      testing.TB
	lost   chan struct{}
	during func(pause bool) // called inside PauseWriting and ResumeWriting, unless nil
	mu     sync.Mutex
	inside bool
	paused bool
	pauses int
}

func (a *alternator) turn(pause bool) {
	a.mu.Lock()
	if a.inside || a.paused == pause {
		a.t.Errorf("pause %t while inside %t, paused %t", pause, a.inside, a.paused)
	}
	a.inside, a.paused = true, pause
	if pause {
		a.pauses++
	}
	a.mu.Unlock()
	for range 20 { // time for another call to come
		runtime.Gosched()
	}
	if a.during != nil {
		a.during(pause)
	}
	a.mu.Lock()
	a.inside = false
	a.mu.Unlock()
}

func (a *alternator) isPaused() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.paused
}

func (a *alternator) PauseWriting()        { a.turn(true) }
func (a *alternator) ResumeWriting()       { a.turn(false) }
func (a *alternator) ConnectionLost(error) { close(a.lost) }

// manyWriters makes 100 goroutines write to a peer that has little room. write gets the writer's
// number. manyWriters checks that pauses and resumes alternate, and that each writer's order is
// kept. It returns the number of pauses.
func manyWriters(t *testing.T, high, low int, write func(context.Context, *zmqio.Transport, int, [][]byte) error) (pauses int) {
	t.Helper()
	l := newLoop(t, nil)
	a := &alternator{t: t, lost: make(chan struct{})}
	tr := create(t, l, a, zmq.PUSH, zmqio.ConnectionConfig{
		Bind: []string{"inproc://writers"}, Configure: func(o zmq.Sockopts) error { return o.SetSndHWM(10) },
	})
	must(t, tr.SetWriteBufferLimits(high, low))
	const writers, each = 100, 50
	next := make(map[string]int)
	n, all := 0, make(chan struct{})
	create(t, l, receiver{received: func(m [][]byte) {
		if who := string(m[0]); string(m[1]) != numbersUpTo[next[who]] {
			t.Errorf("writer %s: got %s, want %d", who, m[1], next[who])
		}
		next[string(m[0])]++
		if n++; n == writers*each {
			close(all)
		}
	}}, zmq.PULL, zmqio.ConnectionConfig{
		Connect: []string{"inproc://writers"}, Configure: func(o zmq.Sockopts) error { return o.SetRcvHWM(10) },
	})
	must(t, l.Run(bounded(t), func(ctx context.Context) error {
		var writing sync.WaitGroup
		for w := range writers {
			writing.Go(func() {
				for i := range each {
					if err := write(ctx, tr, w, msg(numbersUpTo[w], numbersUpTo[i], "padding")); err != nil {
						t.Error(err)
					}
				}
			})
		}
		// The peer may have the last message before its writer has made the protocol resume. A
		// Close in between ends the pause without ResumeWriting.
		writing.Wait()
		for a.isPaused() && ctx.Err() == nil {
			runtime.Gosched()
		}
		for _, c := range []chan struct{}{all, a.lost} {
			select {
			case <-c:
				must(t, tr.Close())
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	}))
	if a.isPaused() || a.pauses == 0 {
		t.Errorf("paused %t at the end, %d times in all", a.isPaused(), a.pauses)
	}
	return a.pauses
}

func TestPairingOfManyWriters(t *testing.T) {
	manyWriters(t, 50, 10, func(_ context.Context, tr *zmqio.Transport, _ int, m [][]byte) error { return tr.Write(m) })
}

// Writers stop while the protocol is paused, so the buffer becomes empty again and again.
func TestPairingOfWritersThatStop(t *testing.T) {
	pauses := manyWriters(t, 50, 10, func(ctx context.Context, tr *zmqio.Transport, _ int, m [][]byte) error {
		for a := tr.Protocol().(*alternator); a.isPaused() && ctx.Err() == nil; {
			runtime.Gosched()
		}
		return tr.Write(m)
	})
	if pauses < 2 {
		t.Errorf("paused %d times", pauses)
	}
}
