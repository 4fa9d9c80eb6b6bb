package zmqio

import (
	"context"
	"errors"
)

// Shutdown closes all transports, also those that come meanwhile, and waits until they
// have sent what Write accepted and ConnectionLost has been called for each. While
// nobody runs the loop, Shutdown runs it. Then it waits until receivers over ipc have read
// what is on its way, also for transports that were closed before; see Transport.Close.
// The loop stays open; Close comes next.
//
// When ctx ends first, what is left in the transports' buffers is dropped, and so are
// the transports. The error is then the cause of ctx and, if anything was dropped,
// ErrUndelivered, which counts it transport by transport; ConnectionLost may come
// later. Messages that libzmq has taken do not count, except over ipc: there the error
// gives an upper bound of what the receivers have not read, and says if libzmq has not sent
// everything. libzmq goes on to send for as long as ZMQ_LINGER says, and at most for
// LoopConfig.Linger if ctx ended; connections over ipc stay open as long, and Close waits
// for them. What an error of libzmq made a transport drop meanwhile is ErrUndelivered as
// well, and so is what was lost over ipc since the last call.
//
// Callbacks go on meanwhile, and one that does not return keeps Shutdown, or the closing,
// waiting for it.
//
// The other errors are ErrWouldDeadlock on the loop's own goroutine, ErrLoopRunning
// on one that runs another loop, and ErrLoopClosed.
func (l *EventLoop) Shutdown(ctx context.Context) error {
	switch running := RunningLoop(); {
	case ctx == nil:
		return errNilContext()
	case l.IsClosed():
		return ErrLoopClosed
	case l.onLoop():
		return ErrWouldDeadlock
	case running != nil:
		return ErrLoopRunning
	}
	closing := make(map[uint64]*Transport)
	closeAll := func() error { // on the loop, or while this goroutine takes its place
		for _, t := range l.openTransports() {
			closing[t.id] = t
			_ = t.Close() // is always nil
		}
		return nil
	}
	done := func() bool { return len(l.openTransports()) == 0 || ctx.Err() != nil }
	for {
		changed := l.change()
		if done() {
			break
		}
		err := l.await(ctx, closeAll) // not while one is being made
		if err == nil {
			_, err = l.runUntil(ctx, func() bool { return closeAll() != nil || done() })
		}
		switch {
		case err == nil, ctx.Err() != nil:
			continue
		case !errors.Is(err, ErrLoopRunning):
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	open := l.openTransports()
	for _, t := range open {
		closing[t.id] = t
	}
	left := l.endAll(sorted(closing))
	onTheWay := l.awaitDepartures(ctx, false, false)
	err := undelivered(append(left, onTheWay...))
	if len(open) > 0 || len(onTheWay) > 0 && ctx.Err() != nil {
		err = errors.Join(context.Cause(ctx), err)
	}
	return err
}

// openTransports returns the transports whose ConnectionLost has not returned.
func (l *EventLoop) openTransports() []*Transport {
	l.mu.Lock()
	defer l.mu.Unlock()
	return sorted(l.transports)
}
