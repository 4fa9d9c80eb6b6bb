package conformance

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/petermattis/goid"

	"github.com/zmqio/zmq/zmqio"
)

func TestRunInExecutor(t *testing.T) {
	l := newLoop(t, nil)
	loop := goid.Get()
	var on *zmqio.EventLoop
	f := zmqio.Go(bounded(t), l, func(context.Context) (string, error) {
		if goid.Get() == loop || zmqio.RunningLoop() != nil {
			t.Error("called on the loop")
		}
		return "yo", nil
	})
	f.AddDoneCallback(func(*zmqio.Future[string]) { on = zmqio.RunningLoop() })
	if v, err := zmqio.RunUntilComplete(bounded(t), l, f); v != "yo" || err != nil || on != l {
		t.Errorf("%q, %v, on %v", v, err, on)
	}
}

// The loop sets the result, so there is none while no goroutine runs it.
func TestRunInExecutorResultOnLoop(t *testing.T) {
	l := newLoop(t, nil)
	returned := make(chan struct{})
	f := zmqio.Go(bounded(t), l, func(context.Context) (int, error) {
		defer close(returned)
		return 1, nil
	})
	<-returned
	if f.Done() {
		t.Error("done without the loop")
	}
	if v, err := zmqio.RunUntilComplete(bounded(t), l, f); v != 1 || err != nil {
		t.Errorf("%v, %v", v, err)
	}
}

func TestRunInExecutorError(t *testing.T) {
	l := newLoop(t, nil)
	cause := errors.New("cause")
	_, err := zmqio.RunUntilComplete(bounded(t), l, zmqio.Go(bounded(t), l, func(context.Context) (int, error) { return 0, cause }))
	wants(t, err, cause)
	_, err = zmqio.RunUntilComplete(bounded(t), l, zmqio.Go(bounded(t), l, func(context.Context) (int, error) { runtime.Goexit(); return 1, nil }))
	wants(t, err, zmqio.ErrGoexit)
	v, err := zmqio.RunUntilComplete(bounded(t), l, zmqio.Go(bounded(t), l, func(context.Context) (int, error) { panic(cause) }))
	wants(t, err, cause)
	var p *zmqio.PanicError
	if !errors.As(err, &p) || p.Value != any(cause) || v != 0 || !strings.Contains(string(p.Stack), "TestRunInExecutorError") {
		t.Errorf("%v, %+v", v, p)
	}
}

// After a cancel, and after Close of the loop, no callback is called.
func TestRunInExecutorCancel(t *testing.T) {
	l := newLoop(t, nil)
	started, release, returned := make(chan struct{}), make(chan struct{}), make(chan struct{})
	f := zmqio.Go(bounded(t), l, func(context.Context) (int, error) {
		defer close(returned)
		close(started)
		<-release
		return 1, nil
	})
	<-started
	f.AddDoneCallback(func(*zmqio.Future[int]) { t.Error("called after Close") })
	if !f.Cancel() {
		t.Error("not cancelled")
	}
	must(t, l.Close())
	close(release)
	<-returned
	_, err := f.Result()
	wants(t, err, zmqio.ErrCancelled)
}

// A cancelled future ends the context of its function, which goes on. This covers
// test_prompt_cancellation and test_wrap_future_cancel too.
func TestRunInExecutorCancelEndsTheContext(t *testing.T) {
	l := newLoop(t, nil)
	started, cause := make(chan struct{}), make(chan error, 1)
	f := zmqio.Go(bounded(t), l, func(ctx context.Context) (int, error) {
		close(started)
		<-ctx.Done()
		cause <- context.Cause(ctx)
		return 1, nil
	})
	<-started
	f.Cancel()
	wants(t, <-cause, zmqio.ErrCancelled)
	_, err := f.Result()
	wants(t, err, zmqio.ErrCancelled)
}

// This covers test_wrap_future_cancel2 too.
func TestRunInExecutorContextEnds(t *testing.T) {
	l := newLoop(t, nil)
	cause := errors.New("cause")
	ctx, cancel := context.WithCancelCause(bounded(t))
	f := zmqio.Go(ctx, l, func(ctx context.Context) (int, error) {
		cancel(cause)
		<-ctx.Done()
		return 0, context.Cause(ctx)
	})
	_, err := zmqio.RunUntilComplete(bounded(t), l, f)
	wants(t, err, cause)
	f = zmqio.Go(ctx, l, func(context.Context) (int, error) { t.Error("called"); return 0, nil })
	_, err = zmqio.RunUntilComplete(bounded(t), l, f)
	wants(t, err, cause)
}

// A function whose future is cancelled before its turn is not called.
func TestRunInExecutorCancelledBeforeItsTurn(t *testing.T) {
	l := newLoop(t, &zmqio.LoopConfig{ExecutorLimit: 1})
	started, release := make(chan struct{}), make(chan struct{})
	first := zmqio.Go(bounded(t), l, func(context.Context) (int, error) {
		close(started)
		<-release
		return 1, nil
	})
	<-started
	second := zmqio.Go(bounded(t), l, func(context.Context) (int, error) { t.Error("called"); return 2, nil })
	second.Cancel()
	close(release)
	if v, err := zmqio.RunUntilComplete(bounded(t), l, first); v != 1 || err != nil {
		t.Errorf("%v, %v", v, err)
	}
	third := zmqio.Go(bounded(t), l, func(context.Context) (int, error) { return 3, nil })
	if v, err := zmqio.RunUntilComplete(bounded(t), l, third); v != 3 || err != nil {
		t.Errorf("%v, %v", v, err)
	}
}

// Close of the loop tells the caller that waits for a function, and the function.
func TestRunInExecutorClose(t *testing.T) {
	l := newLoop(t, nil)
	started, cause := make(chan struct{}), make(chan error, 1)
	running := zmqio.Go(bounded(t), l, func(ctx context.Context) (int, error) {
		close(started)
		<-ctx.Done()
		cause <- context.Cause(ctx)
		return 1, nil
	})
	<-started
	returned := make(chan struct{})
	dropped := zmqio.Go(bounded(t), l, func(context.Context) (int, error) { close(returned); return 2, nil })
	<-returned
	for _, f := range []*zmqio.Future[int]{running, dropped} {
		f.AddDoneCallback(func(*zmqio.Future[int]) { t.Error("called after Close") })
	}
	must(t, l.Close())
	wants(t, <-cause, zmqio.ErrLoopClosed)
	for _, f := range []*zmqio.Future[int]{running, dropped} {
		_, err := f.Wait(bounded(t))
		wants(t, err, zmqio.ErrLoopClosed)
	}
}

func TestRunInExecutorOnAClosedLoop(t *testing.T) {
	l := newLoop(t, nil)
	must(t, l.Close())
	f := zmqio.Go(bounded(t), l, func(context.Context) (int, error) { t.Error("called"); return 0, nil })
	if !f.Done() {
		t.Error("not done at once")
	}
	_, err := f.Result()
	wants(t, err, zmqio.ErrLoopClosed)
}

// The default executor runs at most ExecutorLimit functions at the same time.
func TestExecutorLimit(t *testing.T) {
	_, err := zmqio.NewEventLoop(&zmqio.LoopConfig{ExecutorLimit: -1})
	wants(t, err, zmqio.ErrInvalidArgument)
	for _, limit := range []int{0, 1, 3} {
		l := newLoop(t, &zmqio.LoopConfig{ExecutorLimit: limit})
		want := limit
		if want == 0 {
			want = zmqio.DefaultExecutorLimit
		}
		var running, most atomic.Int64
		var once sync.Once
		full, left := make(chan struct{}), 3*want
		for range 3 * want {
			f := zmqio.Go(bounded(t), l, func(context.Context) (int, error) {
				n := running.Add(1)
				defer running.Add(-1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				if n == int64(want) {
					once.Do(func() { close(full) })
				}
				<-full
				return 0, nil
			})
			f.AddDoneCallback(func(*zmqio.Future[int]) {
				if left--; left == 0 {
					l.Stop()
				}
			})
		}
		run(t, l)
		if most.Load() != int64(want) {
			t.Errorf("limit %d: %d at a time", limit, most.Load())
		}
	}
}
