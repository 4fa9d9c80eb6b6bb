package reactor

import (
	"context"
	"testing"
	"time"

	"github.com/zmqio/zmq/zmqio/internal/testkit"
)

// Short names for functions of package testkit.
var (
	must      = testkit.Must
	leakCheck = testkit.CheckLeaks
)

// newLoop returns a loop that reports panics to the test.
func newLoop(t testing.TB) *Loop {
	t.Helper()
	return newLoopWith(t, Config{Panicked: func(message string, _ *Handle, value any) { t.Errorf("%s: %v", message, value) }})
}

func newLoopWith(t testing.TB, cfg Config) *Loop {
	t.Helper()
	l := new(Loop)
	must(t, l.Init(cfg))
	t.Cleanup(func() { _ = closeLoop(l) })
	return l
}

// closeLoop closes l without time for its residents.
func closeLoop(l *Loop) error {
	_, err := l.Close(0, func() {})
	return err
}

// bounded returns a context that fails a test that hangs.
func bounded(t testing.TB) context.Context {
	t.Helper()
	return testkit.Bounded(t, 2*time.Minute)
}

func soon(t testing.TB, l *Loop, fn func()) *Handle {
	t.Helper()
	h := NewHandle(fn, l.Origin(fn))
	must(t, l.CallSoon(h))
	return h
}

func later(t testing.TB, l *Loop, d time.Duration, fn func()) *Timer {
	t.Helper()
	timer := new(Timer)
	must(t, l.CallAt(timer, NewHandle(fn, l.Origin(fn)), l.Time()+d))
	return timer
}

func never() bool { return false }

// run runs l until Stop.
func run(t testing.TB, l *Loop) {
	t.Helper()
	ctx := bounded(t)
	stopped, err := l.Run(ctx, func() bool { return ctx.Err() != nil })
	must(t, err)
	if !stopped {
		t.Fatal(context.Cause(ctx))
	}
}

// pass runs one iteration of the loop.
func pass(t testing.TB, l *Loop) {
	t.Helper()
	l.Stop()
	run(t, l)
}
