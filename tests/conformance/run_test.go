package conformance

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/zmqio/zmq/zmqio"
)

// wantCarried fails the test unless ctx carries l to a goroutine that runs no loop.
func wantCarried(t *testing.T, ctx context.Context, l *zmqio.EventLoop) {
	t.Helper()
	if got, ok := zmqio.FromContext(ctx); got != l || !ok {
		t.Errorf("the context carries %v, %t", got, ok)
	}
	if got := zmqio.RunningLoop(); got != nil {
		t.Errorf("the goroutine runs %v", got)
	}
	// asyncio: get_running_loop fails in an executor.
	_, err := zmqio.GetEventLoop()
	wants(t, err, zmqio.ErrNoEventLoop)
}

// The body of Run and a function of Go have the loop in their context, whatever loop the
// caller's context carries.
func TestContextsCarryTheLoop(t *testing.T) {
	l, other := newLoop(t, nil), newLoop(t, nil)
	for _, ctx := range []context.Context{bounded(t), zmqio.NewContext(bounded(t), other)} {
		must(t, l.Run(ctx, func(ctx context.Context) error {
			wantCarried(t, ctx, l)
			_, err := zmqio.Go(ctx, l, func(ctx context.Context) (int, error) {
				wantCarried(t, ctx, l)
				return 0, nil
			}).Wait(ctx)
			_, otherErr := zmqio.Go(ctx, other, func(ctx context.Context) (int, error) {
				wantCarried(t, ctx, other)
				return 0, context.Cause(ctx)
			}).Wait(expired(ctx)) // other does not run, so there is no result
			wants(t, otherErr, context.Canceled)
			return err
		}))
	}
}

// expired returns a context of ctx that has ended.
func expired(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}

// A panic in the body is the error of Run, as it is of the future of Go.
func TestRunPanic(t *testing.T) {
	l := newLoop(t, nil)
	l.SetExceptionHandler(func(_ *zmqio.EventLoop, c zmqio.ExceptionContext) { t.Errorf("reported: %+v", c) })
	cause := errors.New("cause")
	err := l.Run(bounded(t), func(context.Context) error { panic(cause) })
	wants(t, err, cause)
	var p *zmqio.PanicError
	if !errors.As(err, &p) || p.Value != any(cause) || !strings.Contains(string(p.Stack), "TestRunPanic") {
		t.Errorf("%+v", p)
	}
	wants(t, l.Run(bounded(t), func(context.Context) error { return cause }), cause) // the loop is reusable
}

// A panic of a body that goes on after Stop reaches the exception handler, because Run has
// returned.
func TestRunPanicAfterStop(t *testing.T) {
	l := newLoop(t, nil)
	told := make(chan zmqio.ExceptionContext, 1)
	l.SetExceptionHandler(func(_ *zmqio.EventLoop, c zmqio.ExceptionContext) { told <- c })
	cause := errors.New("cause")
	returned := make(chan struct{})
	err := l.Run(bounded(t), func(context.Context) error {
		l.Stop()
		<-returned
		panic(cause)
	})
	wants(t, err, zmqio.ErrLoopStopped)
	close(returned)
	wantTold(t, told, cause)
}

// The same holds after a callback has ended the goroutine of Run.
func TestRunPanicAfterGoexit(t *testing.T) {
	l := newLoop(t, nil)
	told := make(chan zmqio.ExceptionContext, 1)
	l.SetExceptionHandler(func(_ *zmqio.EventLoop, c zmqio.ExceptionContext) { told <- c })
	cause := errors.New("cause")
	onGoroutine(func() {
		_ = l.Run(bounded(t), func(ctx context.Context) error {
			soon(t, l, runtime.Goexit)
			<-ctx.Done() // as the goroutine of Run ends
			panic(cause)
		})
	})
	wantTold(t, told, cause)
}

func wantTold(t *testing.T, told chan zmqio.ExceptionContext, cause error) {
	t.Helper()
	select {
	case c := <-told:
		wants(t, c.Err, cause)
		if c.Message != "the body of Run panicked after Run returned" || len(c.Stack) == 0 {
			t.Errorf("told %+v", c)
		}
	case <-bounded(t).Done():
		t.Error("the exception handler was not told")
	}
}
