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
		return errNilContext()
	}
	stopped, err := l.runUntil(ctx, func() bool { return ctx.Err() != nil })
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
		return errNilContext()
	case body == nil:
		return invalid("nil function")
	}
	bodyCtx, cancel := context.WithCancelCause(NewContext(ctx, l))
	defer cancel(nil)
	var start sync.Once
	var result error
	var over atomic.Bool // result is there, or Run returns without it
	defer over.Store(true)
	stopped, err := l.runUntil(context.WithoutCancel(ctx), func() bool {
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
	defer l.wake()
	err := ErrGoexit // unless body returns
	defer func() {
		var p *PanicError
		if v := recover(); v != nil {
			p = newPanicError(v)
			err = p
		}
		*result = err
		if over.Swap(true) && p != nil {
			l.CallExceptionHandler(ExceptionContext{Message: "the body of Run panicked after Run returned", Err: p, Stack: p.Stack})
		}
	}()
	err = body()
}

// RunUntilComplete runs l until f is done and returns f's result. It stands for
// run_until_complete.
//
// If ctx ends first it returns the cause, and if Stop is called first
// ErrLoopStopped; f goes on to live in both cases. A nil f, or one of another loop,
// is ErrInvalidArgument.
func RunUntilComplete[T any](ctx context.Context, l *EventLoop, f *Future[T]) (T, error) {
	var zero T
	if ctx == nil {
		return zero, errNilContext()
	}
	if l == nil || f == nil || f.loop != l {
		return zero, invalid("RunUntilComplete needs a loop and a future of that loop")
	}
	var done atomic.Bool // the callback may come in a later run
	id := f.AddDoneCallback(func(*Future[T]) { done.Store(true) })
	defer f.RemoveDoneCallback(id)
	stopped, err := l.runUntil(ctx, func() bool { return done.Load() || ctx.Err() != nil })
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
func (l *EventLoop) Stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopping = true
	l.wakeLocked()
}

// runUntil runs the loop until leave returns true or Stop is called, which it
// reports. leave is called on the loop, and ctx ending makes it be called again.
func (l *EventLoop) runUntil(ctx context.Context, leave func() bool) (stopped bool, err error) {
	if RunningLoop() != nil {
		return false, ErrLoopRunning
	}
	if err := l.acquire(ctx, forRunning); err != nil {
		return false, err
	}
	defer l.release() // also when a callback calls runtime.Goexit
	defer l.chooseWait()()
	defer setRunningLoop(l)()
	defer context.AfterFunc(ctx, l.wake)()
	for {
		if err := l.runOnce(leave); err != nil {
			return false, err
		}
		l.mu.Lock()
		stopped := l.stopping
		l.mu.Unlock()
		if stopped || leave() {
			return stopped, nil
		}
	}
}

// runOnce is one iteration: wait for I/O, then run what was ready before, what I/O
// made ready and the timers that are due, in this order. What these callbacks make
// ready is for the next iteration, so that nobody can keep I/O waiting.
func (l *EventLoop) runOnce(leave func() bool) error {
	n, err := l.wait(leave)
	l.mu.Lock()
	l.sleeping = false
	for _, ev := range l.events[:n] {
		l.queueReady(ev)
	}
	l.dueTimers()
	batch := l.ready
	l.ready = l.spare
	l.mu.Unlock()
	l.spare = nil
	l.runBatch(batch)
	l.spare = batch[:0]
	return err
}

// runBatch calls the callbacks in batch and clears it. When one calls
// runtime.Goexit, the others are left for the next run.
func (l *EventLoop) runBatch(batch []*Handle) {
	next := 0
	defer func() {
		if next < len(batch) {
			l.mu.Lock()
			l.ready = append(append([]*Handle(nil), batch[next:]...), l.ready...)
			l.mu.Unlock()
		}
	}()
	for next < len(batch) {
		h := batch[next]
		batch[next] = nil
		next++
		if fn := h.take(); fn != nil {
			l.call(h, fn)
		}
	}
}

// A purpose is what a goroutine acquires the loop for.
type purpose int

const (
	forRunning purpose = iota
	forCreating
	forClosing
)

// acquire makes the calling goroutine the loop's owner. It waits for an owner that
// creates a transport; one that runs the loop is ErrLoopRunning.
func (l *EventLoop) acquire(ctx context.Context, why purpose) error {
	for {
		l.mu.Lock()
		if l.closed {
			l.mu.Unlock()
			return ErrLoopClosed
		}
		if l.owner.Load() == 0 {
			l.owner.Store(goroutineID())
			l.running.Store(why == forRunning)
			l.closed = why == forClosing
			l.notifyLocked()
			l.mu.Unlock()
			return nil
		}
		running, changed := l.running.Load(), l.changed
		l.mu.Unlock()
		switch {
		case running:
			return ErrLoopRunning
		case l.onLoop():
			return ErrWouldDeadlock
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// release ends what acquire began. Messages that were left to the loop go out
// first: it may never run again.
func (l *EventLoop) release() {
	l.mu.Lock()
	var unsent []*Transport
	if l.running.Swap(false) {
		l.stopping, l.sleeping = false, false
		for _, t := range l.transports {
			if t.io.phase.Load() == ioQueued {
				unsent = append(unsent, t)
			}
		}
	}
	l.mu.Unlock()
	for _, t := range unsent {
		t.flush()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.owner.Store(0)
	l.notifyLocked()
}

func (l *EventLoop) notifyLocked() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// change returns a channel that is closed when the owner changes or the loop is
// closed.
func (l *EventLoop) change() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}
