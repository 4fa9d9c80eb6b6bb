package conformance

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// A lodger is a Resident whose end calls a function, as a transport's end calls ConnectionLost.
type lodger struct {
	name   string
	place  *zmqio.Residence
	slow   bool // Close alone does not end it
	left   int  // items that Abort drops
	onLost func()

	mu  sync.Mutex
	log []string
}

func (x *lodger) note(s string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.log = append(x.log, s)
}

func (x *lodger) got() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.log)
}

func (x *lodger) Close() error {
	x.note("close")
	if !x.slow {
		x.lose()
	}
	return nil
}

func (x *lodger) Abort() error {
	x.note("abort")
	x.lose()
	return nil
}

func (x *lodger) lose() {
	x.place.Post(func() {
		defer x.place.Leave()
		x.note("lost")
		if x.onLost != nil {
			x.onLost()
		}
	})
}

func (x *lodger) Undelivered() (items, bytes int) { return x.left, 10 * x.left }
func (x *lodger) String() string                  { return "<lodger " + x.name + ">" }

func adopt(t testing.TB, l *zmqio.EventLoop, x *lodger) *lodger {
	t.Helper()
	var err error
	x.place, err = l.Adopt(x)
	must(t, err)
	return x
}

func wantLog(t testing.TB, x *lodger, want ...string) {
	t.Helper()
	if got := x.got(); !slices.Equal(got, want) {
		t.Errorf("%v: %q, want %q", x, got, want)
	}
}

// Transports are residents. Residents lists all of them, oldest first, until they leave.
func TestResidents(t *testing.T) {
	l := newLoop(t, nil)
	a := adopt(t, l, &lodger{name: "a"})
	tr, _, err := l.CreateZmqConnection(bounded(t), func() zmqio.Protocol { return zmqio.BaseProtocol{} }, zmq.PUSH,
		zmqio.ConnectionConfig{Bind: []string{}})
	must(t, err)
	b := adopt(t, l, &lodger{name: "b"})
	if got := l.Residents(); !slices.Equal(got, []zmqio.Resident{a, tr, b}) {
		t.Errorf("residents: %v", got)
	}
	a.place.Leave()
	a.place.Leave()
	must(t, tr.Write([][]byte{[]byte("12345")})) // no peer is connected: it is buffered
	if n, bytes := tr.Undelivered(); n != 1 || bytes != 5 {
		t.Errorf("undelivered: %d messages, %d bytes", n, bytes)
	}
	must(t, tr.Abort())
	if n, bytes := tr.Undelivered(); n != 1 || bytes != 5 {
		t.Errorf("undelivered after Abort: %d messages, %d bytes", n, bytes)
	}
	pass(t, l)
	if got := l.Residents(); !slices.Equal(got, []zmqio.Resident{b}) {
		t.Errorf("residents: %v", got)
	}
	_, err = l.Adopt(nil)
	wants(t, err, zmqio.ErrInvalidArgument)
	must(t, l.Close())
	_, err = l.Adopt(a)
	wants(t, err, zmqio.ErrLoopClosed)
	wantLog(t, a)
	wantLog(t, b, "abort", "lost")
}

// Close aborts residents, and counts what they dropped. It runs what they post before it returns,
// also if that calls runtime.Goexit.
func TestCloseAbortsResidents(t *testing.T) {
	l, err := zmqio.NewEventLoop(nil)
	must(t, err)
	a := adopt(t, l, &lodger{name: "a", left: 3})
	b := adopt(t, l, &lodger{name: "b"})
	err = l.Close()
	wants(t, err, zmqio.ErrUndelivered)
	if err == nil || !strings.Contains(err.Error(), "<lodger a>: 3") || strings.Contains(err.Error(), "<lodger b>") {
		t.Errorf("Close: %v", err)
	}
	wantLog(t, a, "abort", "lost")
	wantLog(t, b, "abort", "lost")
	a.place.Post(func() { t.Error("posted after Close") })

	l = newLoop(t, nil)
	a = adopt(t, l, &lodger{name: "a", onLost: runtime.Goexit})
	b = adopt(t, l, &lodger{name: "b", onLost: runtime.Goexit})
	onGoroutine(func() { _ = l.Close() })
	wantLog(t, a, "abort", "lost")
	wantLog(t, b, "abort", "lost")
}

// A function that a resident posted before Close runs. One of CallSoon does not.
func TestPostSurvivesClose(t *testing.T) {
	l := newLoop(t, nil)
	x := adopt(t, l, &lodger{name: "x"})
	ran := false
	soon(t, l, func() { t.Error("a callback ran") })
	x.place.Post(nil)
	x.place.Post(func() { ran = true })
	must(t, l.Close())
	if !ran {
		t.Error("the posted function did not run")
	}
}

// Shutdown closes residents and waits until they have left. When its context ends, it
// aborts them, and counts what they dropped.
func TestShutdownClosesResidents(t *testing.T) {
	l := newLoop(t, nil)
	x := adopt(t, l, &lodger{name: "x"})
	must(t, l.Shutdown(bounded(t)))
	wantLog(t, x, "close", "lost")

	slow := adopt(t, l, &lodger{name: "slow", slow: true, left: 2})
	ctx, cancel := context.WithCancelCause(bounded(t))
	mine := errors.New("mine")
	soon(t, l, func() { cancel(mine) })
	err := l.Shutdown(ctx)
	wants(t, err, mine)
	wants(t, err, zmqio.ErrUndelivered)
	pass(t, l)
	wantLog(t, slow, "close", "abort", "lost")
}

// A panic in a method of a resident goes to the exception handler, and names the resident.
func TestResidentPanics(t *testing.T) {
	l := newLoop(t, nil)
	var got []zmqio.ExceptionContext
	l.SetExceptionHandler(func(_ *zmqio.EventLoop, ctx zmqio.ExceptionContext) { got = append(got, ctx) })
	x := &rude{}
	place, err := l.Adopt(x)
	must(t, err)
	x.place = place
	after := adopt(t, l, &lodger{name: "after"})
	r, _ := pipe(t)
	w, err := place.Watch(r, func() {}, nil)
	must(t, err)
	w.Stop()
	must(t, l.Close())
	if len(got) != 1 || got[0].Source != x || got[0].Transport != nil || got[0].Err == nil {
		t.Errorf("told %+v", got)
	}
	wantLog(t, after, "abort", "lost")
}

type rude struct{ place *zmqio.Residence }

func (x *rude) Close() error            { panic("close") }
func (x *rude) Abort() error            { x.place.Leave(); panic("abort") }
func (x *rude) Undelivered() (int, int) { return 0, 0 }
func (x *rude) String() string          { return "<rude>" }

// The loop calls a resident's watch for what it wants, before it waits again. A watch reserves its
// descriptor.
func TestResidentWatch(t *testing.T) {
	l := newLoop(t, nil)
	x := adopt(t, l, &lodger{name: "x"})
	a, b := pair(t)
	var c calls
	w, err := x.place.Watch(a, c.add("read"), c.add("write"))
	must(t, err)
	_, err = syscall.Write(b, []byte("x"))
	must(t, err)
	pass(t, l)
	c.want(t)
	must(t, w.Want(true, true))
	pass(t, l)
	c.want(t, "read", "write")
	must(t, w.Want(false, true))
	pass(t, l)
	c.want(t, "write")
	must(t, w.Want(true, false))
	pass(t, l)
	c.want(t, "read")
	wants(t, l.AddReader(a, func() {}), zmqio.ErrInvalidArgument)
	wants(t, l.AddWriter(a, func() {}), zmqio.ErrInvalidArgument)
	if l.RemoveReader(a) || l.RemoveWriter(a) {
		t.Error("the watch was removed as a reader or a writer")
	}
	_, err = adopt(t, l, &lodger{name: "y"}).place.Watch(a, c.add("other"), nil)
	wants(t, err, zmqio.ErrInvalidArgument)
	w.Stop()
	w.Stop()
	pass(t, l)
	c.want(t)
	wants(t, w.Want(true, false), os.ErrClosed)
	must(t, l.AddReader(a, c.add("reader")))
	pass(t, l)
	c.want(t, "reader")
}

// The loop does not call a watch that another callback of the same iteration stops, or sets to want
// nothing.
func TestResidentWatchEndsAtOnce(t *testing.T) {
	for name, end := range map[string]func(*zmqio.Watch){
		"Want": func(w *zmqio.Watch) { _ = w.Want(true, false) },
		"Stop": func(w *zmqio.Watch) { w.Stop() },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLoop(t, nil)
			x := adopt(t, l, &lodger{name: "x"})
			a, b := pair(t)
			_, err := syscall.Write(b, []byte("x"))
			must(t, err)
			var w *zmqio.Watch
			reads := 0
			w, err = x.place.Watch(a, func() { reads++; end(w) }, func() { t.Error("called after its end") })
			must(t, err)
			must(t, w.Want(true, true))
			pass(t, l)
			if reads != 1 {
				t.Errorf("%d reads", reads)
			}
		})
	}
}

func TestResidentWatchArguments(t *testing.T) {
	l := newLoop(t, nil)
	x := adopt(t, l, &lodger{name: "x"})
	r, _ := pipe(t)
	for _, fd := range []int{-1, 1 << 40} {
		_, err := x.place.Watch(fd, func() {}, nil)
		wants(t, err, zmqio.ErrInvalidArgument)
	}
	_, err := x.place.Watch(r, nil, nil)
	wants(t, err, zmqio.ErrInvalidArgument)
	w, err := x.place.Watch(r, func() {}, nil)
	must(t, err)
	wants(t, w.Want(true, true), zmqio.ErrInvalidArgument)
	must(t, w.Want(true, false))
	must(t, l.Close())
	wants(t, w.Want(false, false), zmqio.ErrLoopClosed)
	_, err = x.place.Watch(r, func() {}, nil)
	wants(t, err, zmqio.ErrLoopClosed)
}

// Do runs a function on the loop goroutine or in its place, and returns the function's error.
func TestDo(t *testing.T) {
	l := newLoop(t, nil)
	mine := errors.New("mine")
	work := func() error {
		if !l.InLoop() {
			t.Error("not on the loop")
		}
		return mine
	}
	wants(t, l.Do(bounded(t), work), mine) // while no goroutine runs the loop
	if l.InLoop() {
		t.Error("on the loop")
	}
	soon(t, l, func() { wants(t, l.Do(bounded(t), work), mine) })
	must(t, l.Run(bounded(t), func(ctx context.Context) error {
		wants(t, l.Do(ctx, work), mine)
		busy, free := make(chan struct{}), make(chan struct{})
		soon(t, l, func() { close(busy); <-free })
		<-busy
		ctx, cancel := context.WithCancelCause(ctx)
		cancel(mine)
		wants(t, l.Do(ctx, func() error { t.Error("called"); return nil }), mine)
		close(free)
		return nil
	}))
	onGoroutine(func() { _ = l.Do(bounded(t), func() error { runtime.Goexit(); return nil }) })
	wants(t, l.Do(bounded(t), nil), zmqio.ErrInvalidArgument)
	must(t, l.Close())
	wants(t, l.Do(bounded(t), work), zmqio.ErrLoopClosed)
}

// A panic in what a resident has posted or watches goes to the exception handler, and names
// the resident.
func TestResidentCallbackPanics(t *testing.T) {
	l := newLoop(t, nil)
	var got []zmqio.ExceptionContext
	l.SetExceptionHandler(func(_ *zmqio.EventLoop, ctx zmqio.ExceptionContext) { got = append(got, ctx) })
	x := adopt(t, l, &lodger{name: "x"})
	a, b := pair(t)
	w, err := x.place.Watch(a, func() { panic("read") }, nil)
	must(t, err)
	must(t, w.Want(true, false))
	_, err = syscall.Write(b, []byte("x"))
	must(t, err)
	pass(t, l)
	w.Stop()
	x.place.Post(func() { panic("post") })
	pass(t, l)
	if len(got) < 2 {
		t.Fatalf("told %+v", got)
	}
	for _, ctx := range got {
		if ctx.Source != x || ctx.Handle == nil {
			t.Errorf("told %+v", ctx)
		}
	}
}

// Report gives the exception handler the resident, its protocol, and the stack of a panic.
// Share may be called from everywhere.
func TestReport(t *testing.T) {
	l := newLoop(t, nil)
	a := adopt(t, l, &lodger{name: "a"})
	var got []zmqio.ExceptionContext
	l.SetExceptionHandler(func(_ *zmqio.EventLoop, ctx zmqio.ExceptionContext) { got = append(got, ctx) })
	mine := errors.New("mine")
	protocol := new(int)
	a.place.Report("a message", protocol, mine)
	func() {
		defer func() { a.place.Report("panicked", nil, zmqio.NewPanicError(recover())) }()
		panic(mine)
	}()
	l.Share()
	if len(got) != 2 {
		t.Fatalf("%d reports", len(got))
	}
	if c := got[0]; c.Message != "a message" || c.Source != a || c.SourceProtocol != protocol || c.Err != mine || c.Stack != nil || c.Created != nil {
		t.Errorf("an error: %+v", c)
	}
	if c := got[1]; c.Source != a || !errors.Is(c.Err, mine) || !strings.Contains(string(c.Stack), "TestReport") {
		t.Errorf("a panic: %+v", c)
	}
	l.SetDebug(true)
	adopt(t, l, &lodger{name: "b"}).place.Report("in debug mode", nil, mine)
	if c := got[2]; !strings.Contains(string(c.Created), "conformance.adopt") {
		t.Errorf("in debug mode: %+v", c)
	}
}

// A slow callback of a resident is logged with the resident.
func TestSlowResident(t *testing.T) {
	j, l := newJournal(t)
	l.SetDebug(true)
	l.SetSlowCallbackDuration(0)
	a := adopt(t, l, &lodger{name: "a"})
	a.place.Post(slowFunction)
	pass(t, l)
	if e := onlySlow(t, j, "conformance.slowFunction", "debug_test.go"); e["resident"] != a.String() {
		t.Errorf("logged: %v", e)
	}
}
