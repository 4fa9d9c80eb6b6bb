package zmqio

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/zmqio/zmq/zmqio/internal/outbox"
	"github.com/zmqio/zmq/zmqio/internal/reactor"
)

// Shutdown closes all transports and other residents, also those that come meanwhile. It waits
// until they have sent what they accepted and left; a transport has left when ConnectionLost
// has been called. While no goroutine runs the loop, Shutdown runs it. Then it waits until
// receivers over ipc have read what is on its way, also for transports that were closed
// before; see Transport.Close. The loop stays open; Close comes next.
//
// A ZAP handler, package zap's or a transport bound to inproc://zeromq.zap.01, is closed when
// the others have left. Servers on other loops of its context must have been closed before.
//
// When ctx ends first, what is left in the transports' buffers is dropped, and so are the
// transports; other residents are aborted. The error is then the cause of ctx and, if anything was
// dropped, ErrUndelivered, which counts it transport by transport; ConnectionLost may come later.
// Messages that libzmq has taken do not count, except over ipc: there the error gives an upper
// bound of what the receivers have not read, and says if libzmq has not sent everything. libzmq
// goes on to send for as long as ZMQ_LINGER says, and at most for LoopConfig.Linger if ctx ended;
// connections over ipc stay open as long, and Close waits for them. What an error of libzmq made a
// transport drop meanwhile is ErrUndelivered as well. So is what was lost over ipc since the last
// call.
//
// Callbacks go on meanwhile, and one that does not return keeps Shutdown, or the closing,
// waiting for it.
//
// The other errors are ErrWouldDeadlock on the loop's own goroutine, ErrLoopRunning
// on one that runs another loop, and ErrLoopClosed.
func (l *EventLoop) Shutdown(ctx context.Context) error {
	switch running := RunningLoop(); {
	case ctx == nil:
		return errNilContext("EventLoop.Shutdown")
	case l.IsClosed():
		return ErrLoopClosed
	case l.InLoop():
		return ErrWouldDeadlock
	case running != nil:
		return ErrLoopRunning
	}
	closing := make(map[*reactor.Residence]bool)
	var failed []error
	closeAll := func() error { // on the loop, or while this goroutine takes its place
		order, due := l.reactor.Departing()
		for _, p := range order[:due] {
			if !closing[p] {
				closing[p] = true
				if err := p.Resident().Close(); err != nil {
					failed = append(failed, err)
				}
			}
		}
		return nil
	}
	done := func() bool { return len(l.reactor.Residents()) == 0 || ctx.Err() != nil }
	for {
		changed := l.reactor.Changed()
		if done() {
			break
		}
		err := l.reactor.Do(ctx, closeAll) // not while one is being made
		if err == nil {
			_, err = l.reactor.Run(ctx, func() bool {
				_ = closeAll()
				return done()
			})
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
	open, _ := l.reactor.Departing()
	for _, p := range open {
		delete(closing, p)
	}
	for _, p := range reactor.Sorted(maps.Keys(closing)) { // those that have left
		if err := p.Resident().(inhabitant).loss(); err != nil {
			failed = append(failed, err)
		}
	}
	failed = append(failed, reactor.EndAll(open, time.Now())...)
	onTheWay := l.awaitDepartures(ctx, false, false)
	err := joinLosses(append(failed, onTheWay...))
	if len(open) > 0 || len(onTheWay) > 0 && ctx.Err() != nil {
		err = errors.Join(context.Cause(ctx), err)
	}
	return err
}

// A loss says what a resident has dropped at its end, or what did not arrive after that. It
// is ErrUndelivered.
type loss string

func (e loss) Error() string { return string(e) }

func (e loss) Is(target error) bool { return target == ErrUndelivered }

// newLoss returns the loss of r, or nil if it has dropped nothing.
func newLoss(r Resident, dropped outbox.Tally) error {
	if dropped == (outbox.Tally{}) {
		return nil
	}
	if dropped.Messages == 0 { // of a stream of bytes
		return loss(fmt.Sprintf("%v: %d bytes", r, dropped.Bytes))
	}
	return loss(fmt.Sprintf("%v: %d messages, %d bytes", r, dropped.Messages, dropped.Bytes))
}

// joinLosses joins errors, and makes one of those that are losses.
func joinLosses(errs []error) error {
	var lost []string
	var others []error
	for _, err := range errs {
		if _, ok := err.(loss); ok {
			lost = append(lost, err.Error())
		} else {
			others = append(others, err)
		}
	}
	var undelivered error
	if lost != nil {
		undelivered = fmt.Errorf("%w: %s", ErrUndelivered, strings.Join(lost, "; "))
	}
	if others == nil {
		return undelivered
	}
	return errors.Join(append(others, undelivered)...)
}
