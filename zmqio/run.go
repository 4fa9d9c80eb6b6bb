package zmqio

import (
	"context"
	"sync"
	"sync/atomic"
)

// RunForever runs the loop on the calling goroutine until Stop is called or ctx ends. After
// Stop it returns nil. After the end of ctx it returns the cause of ctx. The loop can be run
// again.
//
// While another goroutine works in the loop's place, to create a transport for example,
// RunForever waits for that goroutine.
//
// Errors:
//   - The cause of ctx.
//   - [ErrInvalidArgument]: ctx is nil.
//   - [ErrLoopClosed]: the loop is closed.
//   - [ErrLoopRunning]: the loop runs already, or the calling goroutine runs another loop.
//   - [ErrWouldDeadlock]: the calling goroutine works in the loop's place, in ConnectionMade
//     for example.
//   - The error of the system call that waits.
//
// asyncio: run_forever
func (l *EventLoop) RunForever(ctx context.Context) error {
	if ctx == nil {
		return errNilContext("RunForever")
	}
	stopped, err := l.reactor.Run(ctx, func() bool { return ctx.Err() != nil })
	if err != nil || stopped {
		return l.refuse("RunForever", err)
	}
	return context.Cause(ctx)
}

// Run runs body on a goroutine of its own and the loop on the calling one, until body returns.
// Run returns the result of body. If body panics, the error is a *PanicError; if it calls
// runtime.Goexit, the error is ErrGoexit.
//
// The context that body gets ends with ctx, and carries the loop for FromContext. After the end
// of ctx Run still waits for body to return. The goroutine of body runs no loop: RunningLoop
// returns nil there, and GetEventLoop asks the policy.
//
// After a call of Stop, Run returns ErrLoopStopped at once, and the context of body ends with
// that cause. If body panics later, the exception handler gets the panic on body's goroutine.
//
// The other errors are ErrInvalidArgument for a nil ctx or body, and those of RunForever but
// for the cause of ctx.
//
// asyncio: run
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
	var over atomic.Bool // result is set, or Run returns without it
	defer over.Store(true)
	stopped, err := l.reactor.Run(context.WithoutCancel(ctx), func() bool {
		start.Do(func() { // the loop is Run's by now
			go l.runBody(func() error { return body(bodyCtx) }, &result, &over)
		})
		return over.Load()
	})
	switch {
	case err != nil:
		return l.refuse("Run", err)
	case stopped && !over.Swap(true):
		cancel(ErrLoopStopped)
		return l.refuse("Run", ErrLoopStopped)
	}
	return result
}

// runBody calls the body of Run and sets its result. If Run has returned, a panic goes to the
// exception handler.
func (l *EventLoop) runBody(body func() error, result *error, over *atomic.Bool) {
	defer l.reactor.Wake()
	err := ErrGoexit // body replaces it, unless it calls Goexit
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

// RunUntilComplete runs l until f is done and returns the result of f.
//
// Errors beside those of f:
//   - The cause of ctx: ctx ended first. f goes on.
//   - [ErrLoopStopped]: Stop was called first. f goes on.
//   - [ErrInvalidArgument]: ctx, l or f is nil, or f belongs to another loop.
//   - Those of RunForever.
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
		return zero, l.refuse("RunUntilComplete", err)
	case done.Load():
		return f.Result()
	case stopped:
		return zero, l.refuse("RunUntilComplete", ErrLoopStopped)
	}
	return zero, context.Cause(ctx)
}

// Stop makes the running loop return after the callbacks that are ready now. If the loop does
// not run, the next run makes one pass over the ready callbacks and returns.
//
// asyncio: stop
func (l *EventLoop) Stop() { l.reactor.Stop() }
