package conformance

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/zmqio/zmq/zmqio"
)

func TestInitialState(t *testing.T) {
	f := zmqio.NewFuture[int](newLoop(t, nil))
	if f.Done() || f.Cancelled() {
		t.Error("done")
	}
	_, err := f.Result()
	wants(t, err, zmqio.ErrInvalidState)
}

func TestGetLoop(t *testing.T) {
	l := newLoop(t, nil)
	if zmqio.NewFuture[int](l).Loop() != l {
		t.Error("another loop")
	}
}

func TestCancel(t *testing.T) {
	f := zmqio.NewFuture[int](newLoop(t, nil))
	if !f.Cancel() || !f.Cancelled() || !f.Done() || f.Cancel() {
		t.Error("Cancel")
	}
	_, err := f.Result()
	wants(t, err, zmqio.ErrCancelled)
	wants(t, f.SetResult(1), zmqio.ErrInvalidState)
	wants(t, f.SetError(errors.New("e")), zmqio.ErrInvalidState)
}

func TestResult(t *testing.T) {
	f := zmqio.NewFuture[int](newLoop(t, nil))
	must(t, f.SetResult(42))
	if v, err := f.Result(); v != 42 || err != nil || f.Cancelled() {
		t.Errorf("%v, %v", v, err)
	}
	wants(t, f.SetResult(1), zmqio.ErrInvalidState)
	wants(t, f.SetError(errors.New("e")), zmqio.ErrInvalidState)
	if f.Cancel() {
		t.Error("cancelled when done")
	}
}

func TestException(t *testing.T) {
	f := zmqio.NewFuture[int](newLoop(t, nil))
	wants(t, f.SetError(nil), zmqio.ErrInvalidArgument)
	if f.Done() {
		t.Error("done by a nil error")
	}
	cause := errors.New("cause")
	must(t, f.SetError(cause))
	_, err := f.Result()
	wants(t, err, cause)
	wants(t, f.SetError(cause), zmqio.ErrInvalidState)
	wants(t, f.SetResult(1), zmqio.ErrInvalidState)
	if f.Cancel() || f.Cancelled() {
		t.Error("cancelled when done")
	}
}

func TestSetResultUnlessCancelled(t *testing.T) {
	f := zmqio.NewFuture[int](newLoop(t, nil))
	f.Cancel()
	wants(t, f.SetResult(2), zmqio.ErrInvalidState)
	if !f.Cancelled() {
		t.Error("not cancelled any more")
	}
}

// On a closed loop a future can be made and done, but calls no callback.
func TestFutureOfAClosedLoop(t *testing.T) {
	l := newLoop(t, nil)
	with := zmqio.NewFuture[int](l)
	with.AddDoneCallback(func(*zmqio.Future[int]) { t.Error("called") })
	must(t, l.Close())
	wants(t, with.SetResult(1), zmqio.ErrLoopClosed)
	without := zmqio.NewFuture[int](l)
	must(t, without.SetResult(2))
	for i, f := range []*zmqio.Future[int]{with, without} {
		if v, err := f.Wait(bounded(t)); v != i+1 || err != nil {
			t.Errorf("%v, %v", v, err)
		}
	}
}

// adder returns a function that adds a callback, which appends n to got.
func adder(f *zmqio.Future[int], got *[]int) func(n int) zmqio.CallbackID {
	return func(n int) zmqio.CallbackID {
		return f.AddDoneCallback(func(of *zmqio.Future[int]) {
			if of != f || !f.Done() {
				n = -n
			}
			*got = append(*got, n)
		})
	}
}

func testCallbacksInvoked(t *testing.T, done func(*zmqio.Future[int]) error) {
	l := newLoop(t, nil)
	f := zmqio.NewFuture[int](l)
	var got []int
	add := adder(f, &got)
	add(42)
	add(17)
	must(t, done(f))
	add(3) // the future is done, so the callback is called soon
	if len(got) != 0 {
		t.Errorf("called at once: %v", got)
	}
	pass(t, l)
	if !slices.Equal(got, []int{42, 17, 3}) {
		t.Errorf("%v", got)
	}
	pass(t, l)
	if len(got) != 3 {
		t.Errorf("called again: %v", got)
	}
}

func TestCallbacksInvokedOnSetResult(t *testing.T) {
	testCallbacksInvoked(t, func(f *zmqio.Future[int]) error { return f.SetResult(1) })
}

func TestCallbacksInvokedOnSetException(t *testing.T) {
	testCallbacksInvoked(t, func(f *zmqio.Future[int]) error {
		defer f.Result() // so that the exception handler is not told
		return f.SetError(errors.New("e"))
	})
}

func TestCallbacksInvokedOnCancel(t *testing.T) {
	testCallbacksInvoked(t, func(f *zmqio.Future[int]) error { f.Cancel(); return nil })
}

// A callback that panics does not keep the others from being called.
func TestCallbackRaises(t *testing.T) {
	l := newLoop(t, nil)
	all := caught(l)
	f := zmqio.NewFuture[int](l)
	var got []int
	f.AddDoneCallback(func(*zmqio.Future[int]) { panic("first") })
	adder(f, &got)(2)
	must(t, f.SetResult(1))
	pass(t, l)
	if len(*all) != 1 || !slices.Equal(got, []int{2}) {
		t.Errorf("%v, %v", *all, got)
	}
}

func testCallbacksRemove(t *testing.T, remove ...int) {
	l := newLoop(t, nil)
	f := zmqio.NewFuture[int](l)
	var got []int
	add := adder(f, &got)
	ids := []zmqio.CallbackID{add(0), add(1), add(2)}
	want := []int{0, 1, 2}
	for _, i := range remove {
		if !f.RemoveDoneCallback(ids[i]) {
			t.Errorf("%d was not there", i)
		}
		want = slices.DeleteFunc(want, func(n int) bool { return n == i })
	}
	must(t, f.SetResult(1))
	pass(t, l)
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestCallbacksRemoveFirstCallback(t *testing.T)          { testCallbacksRemove(t, 0) }
func TestCallbacksRemoveFirstAndSecondCallback(t *testing.T) { testCallbacksRemove(t, 0, 1) }
func TestCallbacksRemoveThirdCallback(t *testing.T)          { testCallbacksRemove(t, 2) }

// RemoveDoneCallback removes one callback by the id of AddDoneCallback, because Go functions cannot
// be compared.
func TestRemoveDoneCallback(t *testing.T) {
	l := newLoop(t, nil)
	f := zmqio.NewFuture[int](l)
	var got []int
	add := adder(f, &got)
	same := []zmqio.CallbackID{add(1), add(1)}
	if !f.RemoveDoneCallback(same[0]) || f.RemoveDoneCallback(same[0]) {
		t.Error("once, and once only")
	}
	if f.RemoveDoneCallback(f.AddDoneCallback(nil)) || f.RemoveDoneCallback(1e6) {
		t.Error("removed what was not there")
	}
	must(t, f.SetResult(1))
	if f.RemoveDoneCallback(same[1]) {
		t.Error("removed after SetResult")
	}
	pass(t, l)
	if !slices.Equal(got, []int{1}) {
		t.Errorf("%v", got)
	}
}

// Callbacks may add and remove callbacks. This covers the other tests of list mutation, in which
// asyncio mutates the list while it compares callbacks.
func TestScheduleCallbacksListMutation(t *testing.T) {
	l := newLoop(t, nil)
	f := zmqio.NewFuture[int](l)
	var got []int
	add := adder(f, &got)
	var second zmqio.CallbackID
	f.AddDoneCallback(func(*zmqio.Future[int]) {
		got = append(got, 1)
		if f.RemoveDoneCallback(second) {
			t.Error("removed what the loop has already")
		}
		add(3)
	})
	second = add(2)
	must(t, f.SetResult(1))
	pass(t, l)
	pass(t, l)
	if !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("%v", got)
	}
}

// The loop sees a result that another goroutine has set.
func TestWrapFuture(t *testing.T) {
	l := newLoop(t, nil)
	f := zmqio.NewFuture[string](l)
	var on *zmqio.EventLoop
	f.AddDoneCallback(func(*zmqio.Future[string]) { on = zmqio.RunningLoop() })
	soon(t, l, func() { go func() { _ = f.SetResult("other goroutine") }() })
	if v, err := zmqio.RunUntilComplete(bounded(t), l, f); v != "other goroutine" || err != nil || on != l {
		t.Errorf("%q, %v, called on %v", v, err, on)
	}
}

func TestWait(t *testing.T) {
	l := newLoop(t, nil)
	f := zmqio.NewFuture[int](l)
	cause := errors.New("cause")
	ctx, cancel := context.WithCancelCause(bounded(t))
	cancel(cause)
	_, err := f.Wait(ctx)
	wants(t, err, cause)
	must(t, l.Run(bounded(t), func(ctx context.Context) error {
		soon(t, l, func() {
			_, err := f.Wait(ctx)
			wants(t, err, zmqio.ErrWouldDeadlock)
			must(t, f.SetResult(7))
			if v, err := f.Wait(ctx); v != 7 || err != nil {
				t.Errorf("done, on the loop: %v, %v", v, err)
			}
		})
		if v, err := f.Wait(ctx); v != 7 || err != nil {
			t.Errorf("%v, %v", v, err)
		}
		return nil
	}))
}

// collected makes a future, calls use with it, and drops it. It returns what the exception handler
// gets when the future is collected.
func collected(t *testing.T, l *zmqio.EventLoop, use func(*zmqio.Future[int])) []zmqio.ExceptionContext {
	t.Helper()
	var got []zmqio.ExceptionContext
	control := 0
	l.SetExceptionHandler(func(_ *zmqio.EventLoop, c zmqio.ExceptionContext) {
		if errors.Is(c.Err, errControl) {
			control++
			return
		}
		got = append(got, c)
	})
	abandon(l, use)
	ctx := bounded(t)
	// Two futures that are dropped later are reported, and the first is not reported again.
	for want := range 2 {
		abandon(l, func(f *zmqio.Future[int]) { must(t, f.SetError(errControl)) })
		for control <= want {
			must(t, ctx.Err())
			runtime.GC()
			pass(t, l)
		}
	}
	return got
}

var errControl = errors.New("control")

//go:noinline
func abandon(l *zmqio.EventLoop, use func(*zmqio.Future[int])) { use(zmqio.NewFuture[int](l)) }

func TestTbLoggerNotLogged(t *testing.T) {
	l := newLoop(t, nil)
	failure := errors.New("failure")
	for name, use := range map[string]func(*zmqio.Future[int]){
		"abandoned":           func(*zmqio.Future[int]) {},
		"result unretrieved":  func(f *zmqio.Future[int]) { must(t, f.SetResult(1)) },
		"result retrieved":    func(f *zmqio.Future[int]) { must(t, f.SetResult(1)); f.Result() },
		"after cancel":        func(f *zmqio.Future[int]) { f.Cancel() },
		"context":             func(f *zmqio.Future[int]) { must(t, f.SetError(fmt.Errorf("x: %w", context.Canceled))) },
		"exception retrieved": func(f *zmqio.Future[int]) { must(t, f.SetError(failure)); f.Result() },
		"exception waited for": func(f *zmqio.Future[int]) {
			must(t, f.SetError(failure))
			_, err := f.Wait(context.Background())
			wants(t, err, failure)
		},
	} {
		if got := collected(t, l, use); len(got) != 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestTbLoggerExceptionUnretrieved(t *testing.T) {
	l := newLoop(t, nil)
	failure := errors.New("failure")
	for _, debug := range []bool{false, true} {
		l.SetDebug(debug)
		got := collected(t, l, func(f *zmqio.Future[int]) { must(t, f.SetError(failure)) })
		if len(got) != 1 || got[0].Err != failure || !strings.Contains(got[0].Message, "never retrieved") {
			t.Fatalf("%v", got)
		}
		if debug != strings.Contains(string(got[0].Created), "conformance.abandon") {
			t.Errorf("debug %t: created %s", debug, got[0].Created)
		}
	}
}

// A panic in a function of Go is reported with its stack if no caller asks for the result.
func TestTbLoggerPanicUnretrieved(t *testing.T) {
	l := newLoop(t, nil)
	got := collected(t, l, func(*zmqio.Future[int]) {
		done := false
		zmqio.Go(bounded(t), l, func(context.Context) (int, error) { panic("lost") }).
			AddDoneCallback(func(*zmqio.Future[int]) { done = true })
		for !done {
			pass(t, l)
		}
	})
	var p *zmqio.PanicError
	if len(got) != 1 || !errors.As(got[0].Err, &p) || !strings.Contains(string(got[0].Stack), "TestTbLoggerPanicUnretrieved") {
		t.Errorf("%v", got)
	}
}
