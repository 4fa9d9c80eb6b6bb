package zmqio

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/zmqio/zmq/zmqio/internal/outbox"
	"github.com/zmqio/zmq/zmqio/internal/reactor"
)

// Shutdown closes all transports and other residents, those that come meanwhile too. It waits
// until each has sent what it accepted and has left; a transport leaves with ConnectionLost.
// While no goroutine runs the loop, Shutdown runs it. Then Shutdown waits until peers over ipc
// have read what is on its way, from transports closed before too; see [Transport.Close]. The
// loop stays open: Close comes next.
//
// A ZAP handler ends when the others have left. It is a server of package zap, or a transport
// bound to inproc://zeromq.zap.01. Close servers on other loops of its libzmq context before.
//
// When ctx ends first, Shutdown drops the transports and their write buffers, and aborts other
// residents. ConnectionLost may come later. The error then is the cause of ctx and, if anything
// was dropped, ErrUndelivered.
//
// The ErrUndelivered counts what was dropped, transport by transport. It does not count
// messages that libzmq has taken, except over ipc: there it gives an upper bound of what peers
// have not read. It also counts what an error of libzmq made a transport drop, and what was
// lost over ipc since the last call. libzmq goes on to send for as long as ZMQ_LINGER says; if
// ctx ended, at most for LoopConfig.Linger. Connections over ipc stay open as long, and Close
// waits for them.
//
// Callbacks go on meanwhile. A callback that does not return keeps Shutdown waiting.
//
// Errors:
//   - [ErrUndelivered] and the cause of ctx: as above.
//   - [ErrInvalidArgument]: ctx is nil.
//   - [ErrLoopClosed]: the loop is closed.
//   - [ErrWouldDeadlock]: the caller is the loop goroutine.
//   - [ErrLoopRunning]: the calling goroutine runs another loop.
func (l *EventLoop) Shutdown(ctx context.Context) error {
	switch running := RunningLoop(); {
	case ctx == nil:
		return errNilContext("EventLoop.Shutdown")
	case l.IsClosed():
		return l.refuse("EventLoop.Shutdown", ErrLoopClosed)
	case l.InLoop():
		return l.refuse("EventLoop.Shutdown", ErrWouldDeadlock)
	case running != nil:
		return l.refuse("EventLoop.Shutdown", reactor.ErrNested)
	}
	closing := make(map[*reactor.Residence]bool)
	var failed []error
	closeAll := func() error { // runs on the loop, or on this goroutine in its place
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
		err := l.reactor.Do(ctx, closeAll) // not while a resident is being made
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
			return l.refuse("EventLoop.Shutdown", err)
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
	for _, p := range reactor.Sorted(maps.Keys(closing)) { // residents that have left
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

// A loss says what a resident dropped at its end, or what did not arrive after it. It is
// ErrUndelivered.
type loss string

func (e loss) Error() string { return string(e) }

func (e loss) Is(target error) bool { return target == ErrUndelivered }

// newLoss returns the loss of r, or nil if it has dropped nothing.
func newLoss(r Resident, dropped outbox.Tally) error {
	if dropped == (outbox.Tally{}) {
		return nil
	}
	if dropped.Messages == 0 { // a stream of bytes has no messages
		return loss(fmt.Sprintf("%v: %s", r, amount(dropped.Bytes, "byte")))
	}
	return loss(fmt.Sprintf("%v: %s", r, inMessages(dropped.Messages, dropped.Bytes)))
}

// inMessages returns a number of messages with their bytes, for a text.
func inMessages(messages, bytes int) string {
	return amount(messages, "message") + ", " + amount(bytes, "byte")
}

// amount returns n with its unit, which is in the plural unless n is 1.
func amount(n int, unit string) string {
	if n != 1 {
		unit += "s"
	}
	return strconv.Itoa(n) + " " + unit
}

// joinLosses joins errors. All losses among them become one error.
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
