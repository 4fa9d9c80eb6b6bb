package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/zmqio/zmq"
)

// grace is how long close waits for delivery, unless it waits without a limit. Tests set it.
var grace = time.Second

// noLimit is the loop's linger, so that zmqcat itself decides when to give up.
const noLimit = 24 * 24 * time.Hour

var errUndelivered = errors.New("not everything that was sent could be delivered")

// close ends the work.
func (c *cat) close(ctx context.Context) error {
	c.gate.stop()
	return c.session.close(ctx, c.printer, c.toTheLast, c.isOnItsWay)
}

// isOnItsWay reports whether libzmq may hold what was sent. A request has arrived if its reply has
// come.
func (c *cat) isOnItsWay() bool {
	if c.cfg.typ == zmq.REQ {
		return c.gate.holds(turn)
	}
	return c.figures.sent.messages.Load() > 0
}

// close waits until messages on their way are delivered: for grace, or with toTheLast until ctx
// ends. Then it waits until p has printed everything, at most until grace after the end of ctx. It
// returns the error of the work.
func (s *session) close(ctx context.Context, p *printer, toTheLast bool, onItsWay func() bool) error {
	deliver := ctx
	if !toTheLast {
		var cancel context.CancelFunc
		deliver, cancel = context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
	}
	undelivered := s.deliver(deliver, onItsWay)
	write, cancel := outlasting(ctx, grace)
	defer cancel()
	return errors.Join(s.err, undelivered, p.close(write))
}

// outlasting returns a context that ends d after ctx has ended.
func outlasting(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(d, cancel) })
	return late, func() {
		stop()
		cancel()
	}
}

// deliver closes the transports and the loop, and waits for this until ctx ends. If anything is on
// its way by then, the error says what is undelivered, as far as known. If nothing is, the machine
// was just busy for so long. A request that is begun meanwhile counts.
func (s *session) deliver(ctx context.Context, onItsWay func() bool) error {
	undelivered := s.loop.Shutdown(ctx)
	// libzmq does not say what it has not delivered: Close just does not return.
	var err error
	closed := make(chan struct{})
	go func() {
		err = s.loop.Close()
		close(closed)
	}()
	switch inTime := await(ctx, closed); {
	case !inTime && !onItsWay():
		return nil
	case undelivered != nil && onItsWay():
		return fmt.Errorf("%w: %s", errUndelivered, strings.ReplaceAll(undelivered.Error(), "\n", ": "))
	case !inTime:
		return fmt.Errorf("%w: libzmq has not sent everything, and does not say how much is missing", errUndelivered)
	}
	return err
}

// await waits until done is closed or ctx ends, and reports whether done is closed.
func await(ctx context.Context, done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-ctx.Done():
	}
	select {
	case <-done:
		return true
	default:
		return false
	}
}
