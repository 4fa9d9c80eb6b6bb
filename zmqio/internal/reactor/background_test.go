package reactor

import (
	"context"
	"runtime"
	"testing"
)

func nothingFails(t *testing.T) func(error) {
	return func(err error) { t.Errorf("the run failed: %v", err) }
}

// Start runs the loop until Close, which waits for the end of the run.
func TestStart(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	must(t, l.Start(nothingFails(t)))
	if !l.IsRunning() {
		t.Error("the loop does not run")
	}
	if err := l.Start(nothingFails(t)); err != ErrRunning {
		t.Errorf("again: %v", err)
	}
	called := make(chan error)
	soon(t, l, func() {
		if Running() != l || !l.InLoop() {
			t.Error("not on the loop")
		}
		called <- closeLoop(l)
	})
	if err := <-called; err != ErrRunning {
		t.Errorf("closed in its own callback: %v", err)
	}
	must(t, closeLoop(l))
	if l.IsRunning() {
		t.Error("the loop runs")
	}
	if err := l.Start(nothingFails(t)); err != ErrClosed {
		t.Errorf("closed: %v", err)
	}
}

// After Stop the loop can be started again, or run.
func TestStartAfterStop(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	for range 10 {
		must(t, l.Start(nothingFails(t)))
		l.Stop()
		for l.IsRunning() {
			runtime.Gosched()
		}
		pass(t, l)
	}
	must(t, closeLoop(l))
}

// A callback that calls runtime.Goexit does not end a background run, unless Stop came first.
func TestGoexitInTheBackground(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	must(t, l.Start(nothingFails(t)))
	for range 10 {
		called := make(chan struct{})
		soon(t, l, runtime.Goexit)
		soon(t, l, func() { close(called) })
		<-called
	}
	soon(t, l, func() {
		l.Stop()
		runtime.Goexit()
	})
	for l.IsRunning() {
		runtime.Gosched()
	}
	must(t, l.Start(nothingFails(t)))
	soon(t, l, runtime.Goexit)
	must(t, closeLoop(l)) // returns whether Close or the Goexit comes first
}

// Start waits for a goroutine that works in the loop's place, but not on that goroutine.
func TestStartWhileWorking(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	must(t, l.Do(context.Background(), func() error {
		if err := l.Start(nothingFails(t)); err != ErrWouldDeadlock {
			t.Errorf("in place: %v", err)
		}
		if err := closeLoop(l); err != ErrWouldDeadlock {
			t.Errorf("close in place: %v", err)
		}
		return nil
	}))
	must(t, l.Start(nothingFails(t)))
	must(t, closeLoop(l))
}
