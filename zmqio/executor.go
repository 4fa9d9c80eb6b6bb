package zmqio

import (
	"context"

	"github.com/zmqio/zmq/zmqio/internal/reactor"
)

// DefaultExecutorLimit is how many functions that were given to Go run at the same
// time where LoopConfig.ExecutorLimit is 0.
const DefaultExecutorLimit = 32

// Go calls fn on a goroutine of its own, where it may block, and returns a future
// of l that gets fn's result, on the loop. It may be called from everywhere. l must not
// be nil.
//
// At most LoopConfig.ExecutorLimit functions run at the same time; others wait for
// their turn, in no particular order, and Go itself never does.
//
// The context of fn ends with ctx, and when the future is done: cancelling the future
// does not stop fn, but tells it that no goroutine waits. A function that has not started
// when its context ends is not called, and ctx's cause is the future's error.
// What fn returns is dropped if the future is done by then.
//
// The context of fn carries l: FromContext returns it. The goroutine of fn runs no loop,
// so that GetEventLoop there asks the policy, and RunningLoop is nil.
//
// When the loop is closed, futures that are not done fail with ErrLoopClosed, and
// none of their callbacks is called any more; on a closed loop Go returns such a
// future. A panic in fn makes a *PanicError the result, runtime.Goexit makes it
// ErrGoexit, and a nil ctx or fn ErrInvalidArgument.
//
// asyncio: run_in_executor
func Go[T any](ctx context.Context, l *EventLoop, fn func(context.Context) (T, error)) *Future[T] {
	f := NewFuture[T](l)
	switch {
	case ctx == nil:
		_ = f.SetError(errNilContext())
	case fn == nil:
		_ = f.SetError(invalid("nil function"))
	case l.IsClosed():
		_ = f.SetError(ErrLoopClosed)
	default:
		ctx, f.end = context.WithCancelCause(NewContext(ctx, l))
		stop := context.AfterFunc(l.alive, func() { _ = f.SetError(ErrLoopClosed) })
		go f.work(ctx, fn, stop)
	}
	return f
}

// work calls fn when it is its turn and has the loop set its result. stop ends the
// wait for the loop to be closed, once the result is there.
func (f *Future[T]) work(ctx context.Context, fn func(context.Context) (T, error), stop func() bool) {
	var value T
	err := ErrGoexit // unless fn returns
	defer func() {
		if v := recover(); v != nil {
			err = NewPanicError(v)
		}
		_ = f.loop.reactor.CallSoon(reactor.NewHandle(func() { // unless the loop is closed
			stop()
			_ = f.finish(value, err) // dropped if the future is done
		}, nil))
	}()
	select {
	case f.loop.slots <- struct{}{}:
		defer func() { <-f.loop.slots }()
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
		return
	}
	value, err = fn(ctx)
}
