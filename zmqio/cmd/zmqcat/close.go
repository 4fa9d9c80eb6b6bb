package main

import (
	"context"
	"errors"
	"time"

	"github.com/zmqio/zmq/zmqio"
)

const (
	// grace is how long what was sent has to be delivered, unless it has as long
	// as it takes.
	grace = time.Second
	// noLimit is how long the loop's Close would wait, so that it is zmqcat which
	// gives up.
	noLimit = 365 * 24 * time.Hour
)

var errUndelivered = errors.New("not everything that was sent could be delivered")

// close ends the program's work: it waits until what was received is printed and what
// was sent is delivered, as long as it takes or for a grace period, which an
// interrupted program also has. It returns what went wrong.
func (c *cat) close(ctx context.Context, interrupted bool) error {
	c.gate.stop()
	if interrupted || !c.toTheLast {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
	}
	undelivered := c.deliver(ctx)
	return errors.Join(c.err, c.printer.close(ctx), undelivered)
}

// deliver closes the transport and the loop, and waits for that until ctx ends.
func (c *cat) deliver(ctx context.Context) error {
	_ = c.transport.Close() // returns nil
	if _, err := zmqio.RunUntilComplete(ctx, c.loop, c.lost); err != nil {
		_ = c.transport.Abort() // returns nil
		return errors.Join(errUndelivered, c.loop.Close())
	}
	// Only libzmq knows what it has not delivered yet, and tells by not returning.
	closed := make(chan error, 1)
	go func() { closed <- c.loop.Close() }()
	select {
	case err := <-closed:
		return err
	case <-ctx.Done():
		return errUndelivered
	}
}
