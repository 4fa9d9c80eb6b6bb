package conformance

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/zmqio/zmq/zmqio"
)

func TestSelect(t *testing.T) {
	l := newLoop(t, nil)
	var got calls
	a, _ := readable(t)
	idle, _ := pipe(t)
	_, w := pipe(t)
	must(t, l.AddReader(a, got.add("readable")))
	must(t, l.AddReader(idle, got.add("idle")))
	must(t, l.AddWriter(w, got.add("writable")))
	pass(t, l)
	list := got.take()
	slices.Sort(list)
	if want := []string{"readable", "writable"}; !slices.Equal(list, want) {
		t.Errorf("ready: %q, want %q", list, want)
	}
}

func TestSelector(t *testing.T) {
	l := newLoop(t, nil)
	const pairs = 12
	left := pairs
	for range pairs {
		r, w := pipe(t)
		must(t, l.AddReader(r, func() {
			if got := get(t, r, 100); got != "This is a test." {
				t.Errorf("read %q", got)
			}
			wantBool(t, "RemoveReader", l.RemoveReader(r), true)
			if left--; left == 0 {
				l.Stop()
			}
		}))
		must(t, l.AddWriter(w, func() {
			put(t, w, "This is a test.")
			wantBool(t, "RemoveWriter", l.RemoveWriter(w), true)
		}))
	}
	run(t, l)
}

func TestUnregisterAfterFDClose(t *testing.T) {
	l := newLoop(t, nil)
	r, w := pipe(t)
	must(t, l.AddReader(r, nothing))
	must(t, l.AddWriter(w, nothing))
	shut(r)
	shut(w)
	wantBool(t, "RemoveReader", l.RemoveReader(r), true)
	wantBool(t, "RemoveWriter", l.RemoveWriter(w), true)
}

func TestUnregisterAfterFDCloseAndReuse(t *testing.T) {
	l := newLoop(t, nil)
	var got calls
	r, w := pipe(t)
	must(t, l.AddReader(r, got.add("old")))
	shut(r)
	shut(w)
	pipeNumbered(t, r)
	wantBool(t, "RemoveReader", l.RemoveReader(r), true)
	pass(t, l)
	got.want(t)
	must(t, l.AddReader(r, got.add("new")))
	pass(t, l)
	got.want(t, "new")
}

// A descriptor that was closed without RemoveReader does not keep its number from another file.
func TestReplaceAfterFDCloseAndReuse(t *testing.T) {
	l := newLoop(t, nil)
	var got calls
	r, w := pipe(t)
	must(t, l.AddReader(r, got.add("old")))
	shut(r)
	shut(w)
	pipeNumbered(t, r)
	must(t, l.AddReader(r, got.add("new")))
	pass(t, l)
	got.want(t, "new")
}

func TestReuseAfterRemove(t *testing.T) {
	l := newLoop(t, nil)
	var got calls
	for range 3 {
		r, w := readable(t)
		must(t, l.AddReader(r, got.add("reader")))
		pass(t, l)
		got.want(t, "reader")
		wantBool(t, "RemoveReader", l.RemoveReader(r), true)
		shut(r)
		shut(w)
	}
}

// There are more descriptors than select(2) takes, and than one wait of the loop reports.
func TestAboveFDSetSize(t *testing.T) {
	var limit syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	if limit.Cur < 1500 {
		t.Skipf("only %d descriptors are allowed", limit.Cur)
	}
	l := newLoop(t, nil)
	const pipes = 600
	left, highest := pipes, 0
	for range pipes {
		r, w := readable(t)
		highest = max(highest, r)
		must(t, l.AddReader(r, func() {
			wantBool(t, "RemoveReader", l.RemoveReader(r), true)
			if left--; left == 0 {
				l.Stop()
			}
		}))
		_ = w
	}
	if highest <= 1024 {
		t.Fatalf("the highest descriptor is %d", highest)
	}
	run(t, l)
}

// A failed system call changes nothing.
func TestModifyWithError(t *testing.T) {
	l := newLoop(t, nil)
	a, _ := pair(t)
	shut(a)
	wantError(t, "AddReader", l.AddReader(a, nothing), syscall.EBADF)
	wantError(t, "AddWriter", l.AddWriter(a, nothing), syscall.EBADF)
	wantBool(t, "RemoveReader", l.RemoveReader(a), false)
	wantBool(t, "RemoveWriter", l.RemoveWriter(a), false)

	b, _ := pair(t)
	must(t, l.AddReader(b, nothing))
	shut(b)
	wantError(t, "AddWriter", l.AddWriter(b, nothing), syscall.EBADF)
	wantBool(t, "RemoveWriter", l.RemoveWriter(b), false)
	wantBool(t, "RemoveReader", l.RemoveReader(b), true)
}

func TestRegularFile(t *testing.T) {
	l := newLoop(t, nil)
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	must(t, err)
	defer f.Close()
	fd := int(f.Fd())
	var got calls
	must(t, l.AddReader(fd, got.add("reader")))
	must(t, l.AddWriter(fd, got.add("writer")))
	for range 3 {
		pass(t, l)
		got.want(t, "reader", "writer")
	}
	wantBool(t, "RemoveReader", l.RemoveReader(fd), true)
	pass(t, l)
	got.want(t, "writer")
	wantBool(t, "RemoveWriter", l.RemoveWriter(fd), true)
	pass(t, l)
	got.want(t)
}

// Queued calls run before readers and writers, and these before timers.
func TestOrderWithinIteration(t *testing.T) {
	l := newLoop(t, nil)
	a, b := pair(t)
	put(t, b, "x")
	var got calls
	_, err := l.CallLater(0, got.add("timer"))
	must(t, err)
	must(t, l.AddWriter(a, got.add("writer")))
	must(t, l.AddReader(a, got.add("reader")))
	soon(t, l, got.add("soon"))
	pass(t, l)
	got.want(t, "soon", "reader", "writer", "timer")
}

// A stopped loop polls once. The callbacks for what it finds run once.
func TestReaderRunsOnceAfterStopping(t *testing.T) {
	l := newLoop(t, nil)
	r, _ := readable(t)
	var got calls
	must(t, l.AddReader(r, func() { got.add("reader")(); l.RemoveReader(r) }))
	pass(t, l)
	pass(t, l)
	got.want(t, "reader")
}

// If a callback ends the run early, the readers of its batch stay queued, once each.
func TestReaderAfterGoexit(t *testing.T) {
	l := newLoop(t, nil)
	r, _ := readable(t)
	var got calls
	must(t, l.AddReader(r, got.add("reader")))
	soon(t, l, runtime.Goexit)
	onGoroutine(func() { _ = l.RunForever(bounded(t)) })
	got.want(t)
	pass(t, l)
	got.want(t, "reader")
}

func TestReaderPanics(t *testing.T) {
	l := newLoop(t, nil)
	r, _ := readable(t)
	failed := errors.New("reader failed")
	var got []error
	l.SetExceptionHandler(func(_ *zmqio.EventLoop, ctx zmqio.ExceptionContext) { got = append(got, ctx.Err) })
	must(t, l.AddReader(r, func() { panic(failed) }))
	pass(t, l)
	pass(t, l)
	if len(got) != 2 || !errors.Is(got[0], failed) {
		t.Errorf("the exception handler got %v", got)
	}
}

// Debug mode knows a reader by the function that was given to AddReader.
func TestLogSlowReader(t *testing.T) {
	for _, begin := range []string{"before", "after"} {
		j, l := newJournal(t)
		l.SetSlowCallbackDuration(0)
		r, _ := readable(t)
		l.SetDebug(begin == "before")
		must(t, l.AddReader(r, slowFunction))
		l.SetDebug(true)
		pass(t, l)
		onlySlow(t, j, "slowFunction", "debug_test.go")
	}
}

// All methods are safe for concurrent use, whether the loop waits or not.
func TestAddAndRemoveFromOtherGoroutines(t *testing.T) {
	l := newLoop(t, nil)
	const goroutines, rounds = 8, 50
	var left atomic.Int32
	left.Store(goroutines)
	for range goroutines {
		r, _ := readable(t)
		go func() {
			for range rounds {
				called := make(chan struct{})
				once := func() {
					l.RemoveReader(r)
					close(called)
				}
				if err := l.AddReader(r, once); err != nil {
					t.Error(err)
					break
				}
				<-called
			}
			if left.Add(-1) == 0 {
				l.Stop()
			}
		}()
	}
	run(t, l)
}
