package main

import (
	"context"
	"fmt"
	"time"

	"github.com/zmqio/zmq/zmqio"
)

// A session is a loop with work that ends once. Loop goroutine only, unless a method says
// otherwise. While the loop does not run, another goroutine may use the session.
type session struct {
	loop    *zmqio.EventLoop
	console *console
	err     error
	done    *zmqio.Future[struct{}] // done when the work is over
	// after calls fn on its own goroutine when d has passed, unless stop is called first.
	after func(d time.Duration, fn func()) (stop func())
}

func newSession(con *console) (*session, error) {
	loop, err := zmqio.NewEventLoop(&zmqio.LoopConfig{Linger: noLimit})
	if err != nil {
		return nil, err
	}
	s := &session{loop: loop, console: con, done: zmqio.NewFuture[struct{}](loop)}
	s.after = func(d time.Duration, fn func()) func() {
		timer := time.AfterFunc(d, fn)
		return func() { timer.Stop() }
	}
	loop.SetExceptionHandler(s.unexpected)
	return s, nil
}

// work runs the loop until finish is called or ctx ends. The end of ctx is no error.
func (s *session) work(ctx context.Context) {
	if _, err := zmqio.RunUntilComplete(ctx, s.loop, s.done); err != nil && ctx.Err() == nil {
		s.finish(err)
	}
	s.finish(nil) // needed if ctx has ended
}

// finish ends the work. The first error counts.
func (s *session) finish(err error) {
	if err != nil && s.err == nil {
		s.err = err
	}
	_ = s.done.SetResult(struct{}{}) // fails only if the work has ended already
}

// unexpected is the loop's exception handler.
func (s *session) unexpected(loop *zmqio.EventLoop, e zmqio.ExceptionContext) {
	if e.Stack != nil {
		loop.DefaultExceptionHandler(e) // a bug in zmqcat: print the stack
	}
	s.finish(fmt.Errorf("%s: %w", e.Message, e.Err))
}

// soon and later make the loop call fn. On a closed loop, where the work is over, they do nothing.
// Both are safe for concurrent use.
func (s *session) soon(fn func())                   { _, _ = s.loop.CallSoon(fn) }
func (s *session) later(d time.Duration, fn func()) { _, _ = s.loop.CallLater(d, fn) }
