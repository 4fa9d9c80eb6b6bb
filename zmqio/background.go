package zmqio

import (
	"context"
	"errors"
	"sync"
)

// Start runs the loop in the background, on a goroutine of its own, until Stop or Close. The
// loop runs when Start returns. Close stops that run and waits for its end, except in the
// loop's own callbacks, where Close returns ErrLoopRunning.
//
// A callback that calls runtime.Goexit does not end the run. An error of the system call that
// waits ends the run; the exception handler gets that error.
//
// Errors:
//   - [ErrLoopClosed]: the loop is closed.
//   - [ErrLoopRunning]: the loop runs already.
//   - [ErrWouldDeadlock]: the calling goroutine works in the loop's place, in ConnectionMade
//     for example.
//
// asyncio: a thread that calls run_forever
func (l *EventLoop) Start() error {
	return l.refuse("Start", l.reactor.Start(func(err error) {
		l.CallExceptionHandler(ExceptionContext{Message: "event loop has stopped: it cannot wait", Err: err})
	}))
}

// common is the loop that DefaultLoop returns.
var common struct {
	mu   sync.Mutex
	loop *EventLoop
}

// DefaultLoop returns a loop that runs in the background, named "default", for programs that
// need no loop of their own. The first call makes the loop. A call after its Close makes
// another, and a call after Stop starts it again. The loop keeps no process alive: see
// [ShutdownDefault].
//
// The errors are those of NewEventLoop.
func DefaultLoop() (*EventLoop, error) {
	common.mu.Lock()
	defer common.mu.Unlock()
	if l := common.loop; l != nil {
		if l.IsRunning() {
			return l, nil
		}
		if err := l.Start(); !errors.Is(err, ErrLoopClosed) {
			return l, nil // The loop runs, or will: another goroutine works in its place.
		}
	}
	l, err := NewEventLoop(&LoopConfig{Name: "default"})
	if err != nil {
		return nil, err
	}
	if err := l.Start(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	common.loop = l
	return l, nil
}

// ShutdownDefault ends the loop that DefaultLoop returns, by Shutdown, Stop and Close. Call it
// at the end of programs, whose messages may still be on their way, and of tests that look for
// goroutines. Without such a loop ShutdownDefault does nothing. ctx bounds Shutdown alone. Close
// then waits for up to LoopConfig.Linger.
//
// The errors are ErrInvalidArgument for a nil ctx, and those of EventLoop.Shutdown and
// EventLoop.Close.
func ShutdownDefault(ctx context.Context) error {
	if ctx == nil {
		return errNilContext("ShutdownDefault")
	}
	common.mu.Lock()
	l := common.loop
	common.mu.Unlock()
	if l == nil {
		return nil
	}
	err := l.Shutdown(ctx)
	switch {
	case errors.Is(err, ErrLoopClosed):
		return nil
	case errors.Is(err, ErrWouldDeadlock), errors.Is(err, ErrLoopRunning):
		return err
	}
	l.Stop()
	return errors.Join(err, l.Close())
}
