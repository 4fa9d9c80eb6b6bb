package zmqio

import (
	"context"
	"sync"
	"sync/atomic"
)

// RunForever runs the loop on the calling goroutine until Stop is called, and then
// returns nil, or until ctx ends, and then returns its cause. The loop can be run
// again afterwards.
//
// It returns ErrLoopClosed, ErrLoopRunning if the loop runs already or the goroutine
// runs another one, or an error of the system call that waits. While another
// goroutine creates a transport on the idle loop, it waits; on that goroutine, in
// ConnectionMade, it returns ErrWouldDeadlock.
func (l *EventLoop) RunForever(ctx context.Context) error {
	if ctx == nil {
		return errNilContext("RunForever")
	}
	stopped, err := l.reactor.Run(ctx, func() bool { return ctx.Err() != nil })
	if err != nil || stopped {
		return err
	}
	return context.Cause(ctx)
}

// Run runs body on a goroutine of its own and the loop on the calling one, until
// body returns. It returns what body returned. A panic in body makes Run return a
// *PanicError, and runtime.Goexit ErrGoexit, as with [Go].
//
// The context that body gets ends with ctx. Run goes on until body has returned all
// the same, so that body can finish what it began. If Stop is called first, Run
// returns ErrLoopStopped at once and the context of body ends with that cause. A panic
// in body after that goes to the exception handler, on body's goroutine.
//
// The context of body carries the loop: FromContext returns it. The goroutine of body
// runs no loop, so that GetEventLoop there asks the policy, and RunningLoop is nil.
func (l *EventLoop) Run(ctx context.Context, body func(context.Context) error) error {
	switch {
	case ctx == nil:
		return errNilContext("Run")
	case body == nil:
		return invalid("Run: nil function")
	}
	bodyCtx, cancel := context.WithCancelCause(NewContext(ctx, l))
	defer cancel(nil)
	var start sync.Once
	var result error
	var over atomic.Bool // result is there, or Run returns without it
	defer over.Store(true)
	stopped, err := l.reactor.Run(context.WithoutCancel(ctx), func() bool {
		start.Do(func() { // the loop is ours by now
			go l.runBody(func() error { return body(bodyCtx) }, &result, &over)
		})
		return over.Load()
	})
	switch {
	case err != nil:
		return err
	case stopped && !over.Swap(true):
		cancel(ErrLoopStopped)
		return ErrLoopStopped
	}
	return result
}

// runBody calls the body of Run and sets its result. The exception handler is told of a
// panic after Run has returned.
func (l *EventLoop) runBody(body func() error, result *error, over *atomic.Bool) {
	defer l.reactor.Wake()
	err := ErrGoexit // unless body returns
	defer func() {
		var p *PanicError
		if v := recover(); v != nil {
			p = NewPanicError(v)
			err = p
		}
		*result = err
		if over.Swap(true) && p != nil {
			l.CallExceptionHandler(ExceptionContext{Message: "the body of Run panicked after Run returned", Err: p, Stack: p.Stack})
		}
	}()
	err = body()
}

// RunUntilComplete runs l until f is done and returns f's result.
//
// If ctx ends first it returns the cause, and if Stop is called first
// ErrLoopStopped; f goes on to live in both cases. A nil f, or one of another loop,
// is ErrInvalidArgument.
//
// asyncio: run_until_complete
func RunUntilComplete[T any](ctx context.Context, l *EventLoop, f *Future[T]) (T, error) {
	var zero T
	if ctx == nil {
		return zero, errNilContext("RunUntilComplete")
	}
	if l == nil || f == nil || f.loop != l {
		return zero, invalid("RunUntilComplete: the future is not one of the loop")
	}
	var done atomic.Bool // the callback may come in a later run
	id := f.AddDoneCallback(func(*Future[T]) { done.Store(true) })
	defer f.RemoveDoneCallback(id)
	stopped, err := l.reactor.Run(ctx, func() bool { return done.Load() || ctx.Err() != nil })
	switch {
	case err != nil:
		return zero, err
	case done.Load():
		return f.Result()
	case stopped:
		return zero, ErrLoopStopped
	}
	return zero, context.Cause(ctx)
}

// Stop makes the loop return from the method that runs it, once the callbacks that
// are ready now have run. If the loop does not run, the next run makes one pass
// over what is ready, without waiting, and returns.
func (l *EventLoop) Stop() { l.reactor.Stop() }
