package zmqio

import (
	"context"
	"sync"

	"github.com/zmqio/zmq/zmqio/internal/reactor"
)

// DefaultExecutorLimit is the LoopConfig.ExecutorLimit that 0 stands for.
const DefaultExecutorLimit = 32

// An Executor runs the functions that [Go] is given. A loop begins with one of its own, which
// runs each function on a new goroutine, at most LoopConfig.ExecutorLimit at the same time. The
// methods must be safe for concurrent use.
//
// asyncio: concurrent.futures.Executor
type Executor interface {
	// Execute arranges for fn to be called once, on another goroutine than the caller's. It
	// does not wait for fn, because the caller may be the loop. If Execute returns an error, it
	// must not call fn. After Shutdown it returns ErrExecutorShutdown.
	//
	// fn recovers from panics. It may call runtime.Goexit, which ends its goroutine.
	//
	// asyncio: submit
	Execute(fn func()) error
	// Shutdown makes Execute refuse functions, and waits for the accepted ones to return. If
	// ctx ends first, Shutdown returns the cause, and the functions go on. It may be repeated.
	//
	// asyncio: shutdown
	Shutdown(ctx context.Context) error
}

// SetDefaultExecutor makes e the executor of functions that Go is given from now on. The
// executor before keeps the functions that it has; the caller may shut it down. Loops can share
// e, until one of them shuts it down, as Close of a loop does.
//
// Errors:
//   - [ErrInvalidArgument]: e is nil, or holds a nil pointer.
//   - [ErrLoopClosed]: the loop is closed.
//
// asyncio: set_default_executor
func (l *EventLoop) SetDefaultExecutor(e Executor) error {
	if isNil(e) {
		return invalid("SetDefaultExecutor: nil executor")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.IsClosed() {
		return l.refuse("SetDefaultExecutor", ErrLoopClosed)
	}
	l.executor = e
	return nil
}

// ShutdownDefaultExecutor shuts the loop's executor down, and waits for the functions that Go
// was given to return. Until the next SetDefaultExecutor, Go, GetAddrInfo, GetNameInfo and
// ResolveEndpoint fail with ErrExecutorShutdown. If ctx ends first, the functions go on. The
// call may be repeated, and may come after Close of the loop, which does not wait for the
// functions.
//
// Errors:
//   - The cause of ctx: ctx ended first.
//   - [ErrInvalidArgument]: ctx is nil.
//   - [ErrWouldDeadlock]: the caller is the loop goroutine, for which a function may wait.
//   - Those of an executor that SetDefaultExecutor has set.
//
// asyncio: shutdown_default_executor
func (l *EventLoop) ShutdownDefaultExecutor(ctx context.Context) error {
	switch {
	case ctx == nil:
		return errNilContext("ShutdownDefaultExecutor")
	case l.InLoop():
		return l.refuse("ShutdownDefaultExecutor", ErrWouldDeadlock)
	}
	return l.defaultExecutor().Shutdown(ctx)
}

func (l *EventLoop) defaultExecutor() Executor {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.executor
}

// refuseFunctions makes the executor of a closing loop refuse functions. It does not wait.
func (l *EventLoop) refuseFunctions() {
	defer l.recovered(ExceptionContext{Message: "Shutdown of an executor panicked"})
	_ = l.defaultExecutor().Shutdown(l.alive) // l.alive has ended: Shutdown does not wait for functions that run, and that is no error
}

// Go calls fn off the loop, on a goroutine of its own, where fn may block. It returns a future
// of l, which gets the result of fn on the loop. Go does not wait. l must not be nil.
//
// The loop's [Executor] calls fn. The one that a loop begins with runs at most
// LoopConfig.ExecutorLimit functions at the same time; the others wait for their turn, in
// order.
//
// The context of fn ends with ctx, and when the future is done. So cancelling the future does
// not stop fn, but fn can see it. The context carries l for FromContext. The goroutine of fn
// runs no loop: RunningLoop returns nil there, and GetEventLoop asks the policy.
//
// If ctx ends before fn has started, fn is not called. When the loop is closed, futures that
// are not done fail, and their callbacks are not called. The result of an fn that returns later
// is dropped.
//
// Errors of the future, beside those of fn:
//   - The cause of ctx: ctx ended before fn started.
//   - [ErrLoopClosed]: the loop is closed.
//   - [ErrExecutorShutdown], or another error of the executor.
//   - A *PanicError if fn panicked, and ErrGoexit if it called runtime.Goexit.
//   - [ErrInvalidArgument]: ctx or fn is nil.
//
// asyncio: run_in_executor
func Go[T any](ctx context.Context, l *EventLoop, fn func(context.Context) (T, error)) *Future[T] {
	return offLoop(ctx, l, "Go", fn)
}

// offLoop is Go for call, which errors name.
func offLoop[T any](ctx context.Context, l *EventLoop, call string, fn func(context.Context) (T, error)) *Future[T] {
	f := NewFuture[T](l)
	switch {
	case ctx == nil:
		_ = f.SetError(errNilContext(call))
	case fn == nil:
		_ = f.SetError(invalid("%s: nil function", call))
	case l.IsClosed():
		_ = f.SetError(l.refuse(call, ErrLoopClosed))
	default:
		ctx, f.end = context.WithCancelCause(NewContext(ctx, l))
		f.execute(ctx, call, fn)
	}
	return f
}

// execute gives fn to the executor. The loop sets the result.
func (f *Future[T]) execute(ctx context.Context, call string, fn func(context.Context) (T, error)) {
	var zero T
	open := context.AfterFunc(f.loop.alive, func() { _ = f.SetError(f.loop.refuse(call, ErrLoopClosed)) })
	deliver := func(value T, err error) {
		_ = f.loop.reactor.CallSoon(reactor.NewHandle(func() { // fails only on a closed loop
			open()
			_ = f.finish(value, err) // fails only if the future is done
		}, nil))
	}
	// start reports whether fn must be called: false if ctx has ended.
	start := context.AfterFunc(ctx, func() { deliver(zero, context.Cause(ctx)) })
	err := f.loop.defaultExecutor().Execute(func() {
		if start() {
			work(ctx, fn, deliver)
		}
	})
	if err != nil && start() {
		open()
		_ = f.SetError(f.loop.refuse(call, err))
	}
}

// work calls fn and delivers its result.
func work[T any](ctx context.Context, fn func(context.Context) (T, error), deliver func(T, error)) {
	var value T
	err := ErrGoexit // fn replaces it, unless it calls Goexit
	defer func() {
		if v := recover(); v != nil {
			err = NewPanicError(v)
		}
		deliver(value, err)
	}()
	value, err = fn(ctx)
}

// A pool is the executor that a new loop has. Each running function has a goroutine; idle, a pool
// has none.
type pool struct {
	mu      sync.Mutex
	limit   int
	running int
	waiting []func() // functions over the limit, first come first served
	shut    bool
	idle    chan struct{} // closed when no function runs; nil while no Shutdown waits
}

// Execute implements Executor.
func (p *pool) Execute(fn func()) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.shut:
		return ErrExecutorShutdown
	case p.running == p.limit:
		p.waiting = append(p.waiting, fn)
	default:
		p.running++
		go p.run(fn)
	}
	return nil
}

// run calls fn, and starts the next function even if fn calls runtime.Goexit.
func (p *pool) run(fn func()) {
	defer p.next()
	fn()
}

// next starts the function that has waited longest, after another has returned.
func (p *pool) next() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) > 0 {
		fn := p.waiting[0]
		p.waiting[0] = nil
		p.waiting = p.waiting[1:]
		go p.run(fn)
		return
	}
	p.running--
	if p.running == 0 && p.idle != nil {
		close(p.idle)
		p.idle = nil
	}
}

// Shutdown implements Executor.
func (p *pool) Shutdown(ctx context.Context) error {
	idle := p.refuse()
	if idle == nil {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// refuse makes Execute refuse functions. It returns a channel that closes when the accepted
// functions have returned, or nil if they have.
func (p *pool) refuse() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = true
	if p.running > 0 && p.idle == nil {
		p.idle = make(chan struct{})
	}
	return p.idle
}
