package zmqio

import (
	"context"
	"sync"

	"github.com/zmqio/zmq/zmqio/internal/reactor"
)

// DefaultExecutorLimit is the LoopConfig.ExecutorLimit that 0 stands for.
const DefaultExecutorLimit = 32

// An Executor runs the functions that [Go] is given. A loop begins with one of its own,
// which runs each on a new goroutine, LoopConfig.ExecutorLimit of them at the same time.
// Its methods must be safe to be called from every goroutine.
//
// asyncio: concurrent.futures.Executor
type Executor interface {
	// Execute arranges for fn to be called once, on another goroutine than the caller's,
	// and returns without waiting for that. The caller may be the loop. If Execute returns
	// an error, it must not call fn. After Shutdown it returns ErrExecutorShutdown.
	//
	// fn recovers from panics. It may call runtime.Goexit and so end its goroutine.
	Execute(fn func()) error
	// Shutdown makes Execute refuse functions, and waits until those that it accepted have
	// returned. If ctx ends first it returns the cause, and the functions go on. It may be
	// repeated.
	Shutdown(ctx context.Context) error
}

// SetDefaultExecutor makes e the executor of what Go is given from now on. The one before
// it goes on with what it has, and is not shut down: the caller may do that. Loops can
// share e, until one of them shuts it down; Close of a loop does.
//
// The errors are ErrInvalidArgument for a nil e, or a nil pointer in e, and ErrLoopClosed.
//
// asyncio: set_default_executor
func (l *EventLoop) SetDefaultExecutor(e Executor) error {
	if isNil(e) {
		return invalid("SetDefaultExecutor: nil executor")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.IsClosed() {
		return ErrLoopClosed
	}
	l.executor = e
	return nil
}

// ShutdownDefaultExecutor shuts the loop's executor down, and waits until the functions that
// Go was given have returned. Go then refuses functions with ErrExecutorShutdown, and with
// it GetAddrInfo, GetNameInfo and ResolveEndpoint do, until SetDefaultExecutor sets another
// executor. If ctx ends first, ShutdownDefaultExecutor returns the cause, and the functions
// go on. It may be repeated, and called after Close of the loop, which does not wait for
// the functions.
//
// ErrInvalidArgument means a nil ctx. ErrWouldDeadlock means a call on the loop's own
// goroutine, for which a function may wait. The other errors are those of the executor that
// was set.
//
// asyncio: shutdown_default_executor
func (l *EventLoop) ShutdownDefaultExecutor(ctx context.Context) error {
	switch {
	case ctx == nil:
		return errNilContext("ShutdownDefaultExecutor")
	case l.InLoop():
		return ErrWouldDeadlock
	}
	return l.defaultExecutor().Shutdown(ctx)
}

func (l *EventLoop) defaultExecutor() Executor {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.executor
}

// refuseFunctions has the executor of a loop that closes refuse functions, without waiting.
func (l *EventLoop) refuseFunctions() {
	defer l.recovered(ExceptionContext{Message: "Shutdown of an executor panicked"})
	_ = l.defaultExecutor().Shutdown(l.alive) // which has ended: functions go on, and that is no error
}

// Go calls fn on a goroutine of its own, where fn may block. It returns a future of l that
// gets fn's result, on the loop. It may be called from everywhere. l must not be nil.
//
// The loop's [Executor] calls fn. The one that a loop begins with runs at most
// LoopConfig.ExecutorLimit functions at the same time; others wait for their turn, first
// come first served, and Go itself never does. What an executor refuses fails with its error:
// ErrExecutorShutdown after ShutdownDefaultExecutor.
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
		_ = f.SetError(errNilContext("Go"))
	case fn == nil:
		_ = f.SetError(invalid("Go: nil function"))
	case l.IsClosed():
		_ = f.SetError(ErrLoopClosed)
	default:
		ctx, f.end = context.WithCancelCause(NewContext(ctx, l))
		f.execute(ctx, fn)
	}
	return f
}

// execute has the executor call fn and the loop set its result.
func (f *Future[T]) execute(ctx context.Context, fn func(context.Context) (T, error)) {
	var zero T
	open := context.AfterFunc(f.loop.alive, func() { _ = f.SetError(ErrLoopClosed) })
	deliver := func(value T, err error) {
		_ = f.loop.reactor.CallSoon(reactor.NewHandle(func() { // unless the loop is closed
			open()
			_ = f.finish(value, err) // dropped if the future is done
		}, nil))
	}
	// start reports whether fn is still to be called: not twice, and not after ctx has ended.
	start := context.AfterFunc(ctx, func() { deliver(zero, context.Cause(ctx)) })
	err := f.loop.defaultExecutor().Execute(func() {
		if start() {
			work(ctx, fn, deliver)
		}
	})
	if err != nil && start() {
		open()
		_ = f.SetError(err)
	}
}

// work calls fn and delivers its result.
func work[T any](ctx context.Context, fn func(context.Context) (T, error), deliver func(T, error)) {
	var value T
	err := ErrGoexit // unless fn returns
	defer func() {
		if v := recover(); v != nil {
			err = NewPanicError(v)
		}
		deliver(value, err)
	}()
	value, err = fn(ctx)
}

// A pool is the executor that a loop begins with. It has a goroutine for each function that
// runs, and none while no function does.
type pool struct {
	mu      sync.Mutex
	limit   int
	running int
	waiting []func() // until a function that runs returns
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

// run calls fn, which may call runtime.Goexit, and starts the next function.
func (p *pool) run(fn func()) {
	defer p.next()
	fn()
}

// next starts the function that waits longest, in place of one that has returned.
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

// refuse makes Execute refuse functions. It returns a channel that is closed when those that
// were accepted have returned, or nil if they have.
func (p *pool) refuse() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = true
	if p.running > 0 && p.idle == nil {
		p.idle = make(chan struct{})
	}
	return p.idle
}
