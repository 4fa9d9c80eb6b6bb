package conformance

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/zmqio/zmq/zmqio"
)

// A counted executor runs each function on a goroutine, and counts its calls.
type counted struct {
	mu        sync.Mutex
	functions sync.WaitGroup
	executed  int
	shutdowns []error // errors of the contexts of Shutdown
	refusal   error
}

func (e *counted) Execute(fn func()) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.refusal != nil {
		return e.refusal
	}
	e.executed++
	e.functions.Go(fn)
	return nil
}

func (e *counted) Shutdown(ctx context.Context) error {
	e.mu.Lock()
	e.shutdowns = append(e.shutdowns, ctx.Err())
	e.refusal = zmqio.ErrExecutorShutdown
	e.mu.Unlock()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	e.functions.Wait()
	return nil
}

func one(context.Context) (int, error) { return 1, nil }

func notCalled(t *testing.T) func(context.Context) (int, error) {
	return func(context.Context) (int, error) { t.Error("called"); return 0, nil }
}

func TestSetDefaultExecutor(t *testing.T) {
	l := newLoop(t, nil)
	first, second := &counted{}, &counted{}
	for _, e := range []*counted{first, second} {
		must(t, l.SetDefaultExecutor(e))
		if v, err := complete(t, zmqio.Go(bounded(t), l, one)); v != 1 || err != nil || e.executed != 1 {
			t.Errorf("%v, %v, executed %d", v, err, e.executed)
		}
	}
	// getaddrinfo and getnameinfo run in the default executor.
	if addrs, err := complete(t, l.GetAddrInfo(bounded(t), "127.0.0.1", "80")); err != nil || len(addrs) != 1 {
		t.Errorf("%v, %v", addrs, err)
	}
	if first.executed != 1 || second.executed != 2 || first.shutdowns != nil {
		t.Errorf("executed %d and %d, shut down %v", first.executed, second.executed, first.shutdowns)
	}
}

func TestSetDefaultExecutorError(t *testing.T) {
	l := newLoop(t, nil)
	var none *counted
	wants(t, l.SetDefaultExecutor(nil), zmqio.ErrInvalidArgument)
	wants(t, l.SetDefaultExecutor(none), zmqio.ErrInvalidArgument)
	if v, err := complete(t, zmqio.Go(bounded(t), l, one)); v != 1 || err != nil {
		t.Errorf("%v, %v", v, err)
	}
	must(t, l.Close())
	wants(t, l.SetDefaultExecutor(&counted{}), zmqio.ErrLoopClosed)
}

// If an executor refuses a function, the future has its error at once.
func TestExecutorRefuses(t *testing.T) {
	l := newLoop(t, nil)
	cause := errors.New("cause")
	must(t, l.SetDefaultExecutor(&counted{refusal: cause}))
	f := zmqio.Go(bounded(t), l, notCalled(t))
	if !f.Done() {
		t.Error("not done at once")
	}
	_, err := f.Result()
	wants(t, err, cause)
}

// A stuck executor keeps functions until a test runs them.
type stuck struct {
	counted
	functions []func()
}

func (e *stuck) Execute(fn func()) error {
	e.functions = append(e.functions, fn)
	return nil
}

// A function whose context ends before the executor calls it is not called, and its future is done
// without the executor. A function that the executor calls twice runs once.
func TestExecutorCallsLateAndTwice(t *testing.T) {
	l := newLoop(t, nil)
	e := &stuck{}
	must(t, l.SetDefaultExecutor(e))
	cause := errors.New("cause")
	ctx, cancel := context.WithCancelCause(bounded(t))
	late := zmqio.Go(ctx, l, notCalled(t))
	cancel(cause)
	_, err := complete(t, late)
	wants(t, err, cause)
	calls := 0
	twice := zmqio.Go(bounded(t), l, func(context.Context) (int, error) { calls++; return calls, nil })
	for _, fn := range slices.Repeat(e.functions, 2) {
		onGoroutine(fn)
	}
	if v, err := complete(t, twice); v != 1 || err != nil || calls != 1 {
		t.Errorf("%v, %v, %d calls", v, err, calls)
	}
}

// Functions over the limit run first come, first served.
func TestExecutorOrder(t *testing.T) {
	l := newLoop(t, &zmqio.LoopConfig{ExecutorLimit: 1})
	const functions = 10
	var order []int
	release := make(chan struct{})
	var last *zmqio.Future[int]
	for i := range functions {
		last = zmqio.Go(bounded(t), l, func(context.Context) (int, error) {
			<-release
			order = append(order, i)
			return i, nil
		})
	}
	close(release)
	if _, err := complete(t, last); err != nil || len(order) != functions || !slices.IsSorted(order) {
		t.Errorf("%v, %v", order, err)
	}
}

// ShutdownDefaultExecutor waits for running and waiting functions, and refuses new ones.
func TestShutdownDefaultExecutor(t *testing.T) {
	l := newLoop(t, &zmqio.LoopConfig{ExecutorLimit: 1})
	started, release := make(chan struct{}), make(chan struct{})
	var returned []int
	running := zmqio.Go(bounded(t), l, func(context.Context) (int, error) {
		close(started)
		<-release
		returned = append(returned, 1)
		return 1, nil
	})
	waiting := zmqio.Go(bounded(t), l, func(context.Context) (int, error) {
		returned = append(returned, 2)
		return 2, nil
	})
	<-started

	cause := errors.New("cause")
	ctx, cancel := context.WithCancelCause(bounded(t))
	cancel(cause)
	wants(t, l.ShutdownDefaultExecutor(ctx), cause)
	_, err := zmqio.Go(bounded(t), l, notCalled(t)).Result()
	wants(t, err, zmqio.ErrExecutorShutdown)
	_, err = l.GetAddrInfo(bounded(t), "127.0.0.1", "80").Result()
	wants(t, err, zmqio.ErrExecutorShutdown)

	done := make(chan error, 2)
	for range 2 {
		go func() { done <- l.ShutdownDefaultExecutor(bounded(t)) }()
	}
	close(release)
	must(t, <-done)
	must(t, <-done)
	if !slices.Equal(returned, []int{1, 2}) {
		t.Errorf("returned: %v", returned)
	}
	for i, f := range []*zmqio.Future[int]{running, waiting} {
		if v, err := complete(t, f); v != i+1 || err != nil {
			t.Errorf("%v, %v", v, err)
		}
	}
	must(t, l.ShutdownDefaultExecutor(bounded(t))) // may be repeated

	// Differs: asyncio refuses functions for good, even after set_default_executor.
	must(t, l.SetDefaultExecutor(&counted{}))
	if v, err := complete(t, zmqio.Go(bounded(t), l, one)); v != 1 || err != nil {
		t.Errorf("%v, %v", v, err)
	}
}

func TestShutdownDefaultExecutorErrors(t *testing.T) {
	l := newLoop(t, nil)
	var none context.Context
	wants(t, l.ShutdownDefaultExecutor(none), zmqio.ErrInvalidArgument)
	var err error
	soon(t, l, func() { err = l.ShutdownDefaultExecutor(bounded(t)) })
	pass(t, l)
	wants(t, err, zmqio.ErrWouldDeadlock)
	if v, err := complete(t, zmqio.Go(bounded(t), l, one)); v != 1 || err != nil { // the new executor was not shut down
		t.Errorf("%v, %v", v, err)
	}
	cause := errors.New("cause")
	must(t, l.SetDefaultExecutor(&failing{counted{}, func() error { return cause }}))
	wants(t, l.ShutdownDefaultExecutor(bounded(t)), cause)
}

// failing is an executor whose Shutdown fails.
type failing struct {
	counted
	shutdown func() error
}

func (e *failing) Shutdown(context.Context) error { return e.shutdown() }

// The body of Run may shut the executor down while the loop runs, as asyncio.run does.
func TestShutdownDefaultExecutorInRun(t *testing.T) {
	l := newLoop(t, nil)
	var f *zmqio.Future[int]
	must(t, l.Run(bounded(t), func(ctx context.Context) error {
		f = zmqio.Go(ctx, l, func(ctx context.Context) (int, error) {
			return 1, l.Do(ctx, func() error { return nil }) // needs the loop
		})
		return l.ShutdownDefaultExecutor(ctx)
	}))
	if v, err := complete(t, f); v != 1 || err != nil {
		t.Errorf("%v, %v", v, err)
	}
}

// Close of the loop shuts its executor down without waiting for functions. The caller may wait
// afterwards.
func TestCloseShutsTheExecutorDown(t *testing.T) {
	l := newLoop(t, nil)
	started, release, returned := make(chan struct{}), make(chan struct{}), false
	f := zmqio.Go(bounded(t), l, func(context.Context) (int, error) {
		close(started)
		<-release
		returned = true
		return 1, nil
	})
	<-started
	must(t, l.Close())
	_, err := f.Wait(bounded(t))
	wants(t, err, zmqio.ErrLoopClosed)
	close(release)
	must(t, l.ShutdownDefaultExecutor(bounded(t)))
	if !returned {
		t.Error("Shutdown did not wait")
	}

	l, e := newLoop(t, nil), &counted{}
	must(t, l.SetDefaultExecutor(e))
	must(t, l.Close())
	if len(e.shutdowns) != 1 || e.shutdowns[0] == nil {
		t.Errorf("shut down with %v", e.shutdowns)
	}
}

// An executor whose Shutdown panics does not keep the loop from closing.
func TestCloseWithAnExecutorThatPanics(t *testing.T) {
	l := newLoop(t, nil)
	all := caught(l)
	cause := errors.New("cause")
	must(t, l.SetDefaultExecutor(&failing{counted{}, func() error { panic(cause) }}))
	must(t, l.Close())
	if len(*all) != 1 {
		t.Fatalf("%+v", *all)
	}
	wants(t, (*all)[0].Err, cause)
}
