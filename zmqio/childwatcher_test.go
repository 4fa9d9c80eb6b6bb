package zmqio

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func init() { // the first Notify starts a goroutine of os/signal that never ends
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGCHLD)
	signal.Stop(c)
}

// A fakeChild ends when a test sets it to.
type fakeChild struct {
	code     int
	ended    bool
	err      error
	reaped   int
	released int
}

func (c *fakeChild) reap() (int, bool, error) {
	c.reaped++
	return c.code, c.ended, c.err
}

func (c *fakeChild) release() { c.released++ }

// fakeChildren returns a watcher of kids, attached to l, and a log of its handlers' calls.
func fakeChildren(t *testing.T, l *EventLoop, kids map[int]*fakeChild) (w *SafeChildWatcher, seen *[]string) {
	t.Helper()
	w = NewSafeChildWatcher()
	w.open = func(pid int) (child, error) { return kids[pid], nil }
	t.Cleanup(func() { must(t, w.Close()) })
	must(t, w.AttachLoop(l))
	seen = new([]string)
	for pid := range kids {
		must(t, w.AddChildHandler(pid, func(pid, code int) { *seen = append(*seen, fmt.Sprint(pid, " ", code)) }))
	}
	return w, seen
}

// sigchld sends SIGCHLD to the process, and runs the loop until w has scanned its children.
func sigchld(t *testing.T, l *EventLoop, kids ...*fakeChild) {
	t.Helper()
	before := make([]int, len(kids))
	for i, k := range kids {
		before[i] = k.reaped
	}
	must(t, syscall.Kill(os.Getpid(), syscall.SIGCHLD))
	var look func()
	look = func() {
		for i, k := range kids {
			if k.reaped == before[i] {
				soon(t, l, look)
				return
			}
		}
		l.Stop()
	}
	soon(t, l, look)
	must(t, l.RunForever(bounded(t)))
}

func TestChildCreateWatcher(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	var log []string
	w := NewSafeChildWatcher()
	w.listen = func(*EventLoop) func() {
		log = append(log, "listen")
		return func() { log = append(log, "stop") }
	}
	expect := func(want ...string) {
		t.Helper()
		if !slices.Equal(log, want) {
			t.Errorf("got %q, want %q", log, want)
		}
	}
	must(t, w.AttachLoop(l))
	must(t, w.AttachLoop(l))
	expect("listen")
	other := newLoop(t)
	must(t, w.AttachLoop(other))
	expect("listen", "stop", "listen")
	if slices.Contains(l.followers, follower(&w.children)) {
		t.Error("the loop still knows the watcher that left")
	}
	must(t, other.Close())
	expect("listen", "stop", "listen", "stop")
	must(t, w.Close())
	expect("listen", "stop", "listen", "stop")
}

func TestChildSigchldFindsEveryChild(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	a, b := &fakeChild{code: 1}, &fakeChild{code: 2}
	_, seen := fakeChildren(t, l, map[int]*fakeChild{41: a, 42: b})
	pass(t, l)
	if a.reaped != 1 || b.reaped != 1 || len(*seen) != 0 {
		t.Errorf("when added: %d, %d, %q", a.reaped, b.reaped, *seen)
	}
	b.ended = true
	sigchld(t, l, a, b)
	a.ended = true
	sigchld(t, l, a)
	if want := []string{"42 2", "41 1"}; !slices.Equal(*seen, want) {
		t.Errorf("got %q, want %q", *seen, want)
	}
	if a.released != 1 || b.released != 1 || b.reaped != 2 {
		t.Errorf("%+v, %+v", *a, *b)
	}
}

// A handler gets a status that is neither an exit nor a death by signal as it is.
func TestChildSigchldUnknownStatus(t *testing.T) {
	for status, want := range map[syscall.WaitStatus]int{
		12 << 8: 12, 255 << 8: 255, 0: 0, 9: -9, 3 | 0x80: -3, // with a core file
		0x057f: 0x057f, 0xffff: 0xffff, // stopped, continued
	} {
		if got := exitCode(status); got != want {
			t.Errorf("exitCode(%#x) = %d, want %d", int(status), got, want)
		}
	}
}

// The exception handler is told of a failed wait. The loop goes on, and no handler is lost.
func TestChildSigchldUnhandledException(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	var reported []ExceptionContext
	l.SetExceptionHandler(func(_ *EventLoop, ctx ExceptionContext) { reported = append(reported, ctx) })
	a, b := &fakeChild{code: 1, err: os.NewSyscallError("wait4", syscall.EINVAL)}, &fakeChild{code: 2, ended: true}
	_, seen := fakeChildren(t, l, map[int]*fakeChild{41: a, 42: b})
	pass(t, l)
	if len(reported) != 1 || !errors.Is(reported[0].Err, syscall.EINVAL) || !strings.Contains(reported[0].Err.Error(), "41") {
		t.Errorf("reported: %v", reported)
	}
	a.err, a.ended = nil, true
	sigchld(t, l, a)
	if slices.Sort(*seen); !slices.Equal(*seen, []string{"41 1", "42 2"}) {
		t.Errorf("got %q", *seen)
	}
}

func TestChildUnknownIs255(t *testing.T) {
	leakCheck(t)
	var log bytes.Buffer
	l, err := NewEventLoop(&LoopConfig{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	must(t, err)
	defer l.Close()
	_, seen := fakeChildren(t, l, map[int]*fakeChild{41: {err: os.NewSyscallError("wait4", syscall.ECHILD)}})
	pass(t, l)
	if !slices.Equal(*seen, []string{"41 255"}) || !strings.Contains(log.String(), "level=WARN") {
		t.Errorf("got %q, logged %q", *seen, &log)
	}
}

// A handler that calls runtime.Goexit does not keep the next handlers from being called.
func TestChildHandlerGoexit(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	w, seen := fakeChildren(t, l, map[int]*fakeChild{41: {ended: true}, 42: {code: 2, ended: true}})
	must(t, w.AddChildHandler(41, func(int, int) { runtime.Goexit() }))
	must(t, w.AttachLoop(nil))
	pass(t, l)
	must(t, w.AttachLoop(l)) // checks both children in one callback
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_ = l.RunForever(bounded(t)) // does not return
	}()
	<-gone
	if len(*seen) != 0 {
		t.Errorf("not one at a time: %q", *seen)
	}
	pass(t, l)
	if !slices.Equal(*seen, []string{"42 2"}) {
		t.Errorf("got %q", *seen)
	}
}
