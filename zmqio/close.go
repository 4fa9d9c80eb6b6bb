package zmqio

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
	"weak"

	"github.com/zmqio/zmq"
)

// lingerGrace is the time that Close adds to the linger, so that libzmq's threads can end on a busy
// machine.
const lingerGrace = 500 * time.Millisecond

// Close closes the loop and all its residents for good. It hands the write buffers of the
// transports to libzmq as far as libzmq takes them, and drops the rest. It aborts other
// residents. A ZAP handler ends last.
//
// Close returns after every ConnectionLost has been called. It drops queued callbacks, timers,
// readers, writers and signal handlers. If the libzmq context is the loop's own, Close then
// waits for libzmq to send what it has. With any libzmq context it waits until peers have read
// what is on its way over ipc; see [Transport.Close]. LoopConfig.Linger bounds the whole wait.
//
// Close stops a run that Start began, and waits for its end. A second Close returns nil.
//
// Errors:
//   - [ErrLoopRunning]: the loop runs and not by Start, or the caller is one of its callbacks.
//   - [ErrWouldDeadlock]: the calling goroutine works in the loop's place, in ConnectionMade
//     for example.
//   - [ErrUndelivered]: messages were dropped. The text counts them, resident by resident. Over
//     ipc it gives an upper bound of the bytes.
//   - os.ErrDeadlineExceeded: libzmq used the whole linger. Messages may be lost; libzmq does
//     not count them. For transports closed before with a longer ZMQ_LINGER, libzmq goes on to
//     send in the background.
//   - The error of zmq_ctx_term.
//
// asyncio: close
func (l *EventLoop) Close() (err error) {
	var begin time.Time
	var lost []error
	defer func() { // runs even if a ConnectionLost calls runtime.Goexit
		if begin.IsZero() {
			return
		}
		ctx, cancel := context.WithDeadline(context.Background(), begin.Add(l.linger))
		defer cancel()
		lost = append(lost, l.awaitDepartures(ctx, l.ownContext, true)...)
		err = errors.Join(joinLosses(lost), l.terminate(begin), err)
		close(l.over)
	}()
	lost, err = l.reactor.Close(l.linger, func() {
		begin = time.Now()
		l.letGo()
	})
	if errors.Is(err, ErrLoopClosed) {
		return nil
	}
	err = l.refuse("EventLoop.Close", err)
	if r, ok := err.(*refusal); ok && r.err == ErrLoopRunning {
		r.remedy = "call Stop, and Close after the run"
	}
	return err
}

// letGo is the first step of Close. It ends signals and functions of Go, and every follower forgets
// the loop.
func (l *EventLoop) letGo() {
	unlist(weak.Make(l))
	l.end()
	l.mu.Lock()
	for sig, w := range l.signals {
		l.dropSignalLocked(sig, w)
	}
	followers := slices.Clone(l.followers)
	l.mu.Unlock()
	for _, f := range followers {
		f.forget(l)
	}
	l.refuseFunctions()
}

// terminate terminates a context of the loop's own. The linger counts from begin.
func (l *EventLoop) terminate(begin time.Time) error {
	if !l.ownContext {
		return nil
	}
	result := make(chan error, 1)
	go func() { result <- l.context.Term() }()
	timeout := time.NewTimer(l.linger - time.Since(begin) + lingerGrace)
	defer timeout.Stop()
	select {
	case err := <-result:
		if l.hurried.Load() && time.Since(begin) > l.linger-time.Millisecond { // libzmq's timers are exact to 1 ms
			return fmt.Errorf("zmqio: libzmq took all of %v to send, and may have dropped messages: %w", l.linger, os.ErrDeadlineExceeded)
		}
		return zmq.Translate("zmq_ctx_term", err)
	case <-timeout.C:
		return fmt.Errorf("zmqio: libzmq still has messages to send after %v: %w", l.linger, os.ErrDeadlineExceeded)
	}
}
