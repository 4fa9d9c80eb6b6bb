package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/zmqio/zmq/zmqio"
)

// An intake compares what its transport receives with what a test expects.
type intake struct {
	mu     sync.Mutex
	want   *check     // nil: nothing
	done   chan error // gets the outcome of want
	strays int        // messages while nothing was expected

	arrived chan struct{} // holds a token once a message, or a probe, has arrived
	lost    chan error    // gets the error of ConnectionLost
}

func newIntake() intake {
	return intake{arrived: make(chan struct{}, 1), lost: make(chan error, 1)}
}

// expect sets the messages that must come next. The channel gets nil when all have arrived, or the
// first difference.
func (in *intake) expect(s series, prefix ...[]byte) <-chan error {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.want, in.done = &check{series: s, prefix: prefix}, make(chan error, 1)
	return in.done
}

func (in *intake) MsgReceived(msg [][]byte) {
	in.take(msg)
	select {
	case in.arrived <- struct{}{}:
	default:
	}
}

func (in *intake) take(msg [][]byte) {
	if len(msg) == 1 && bytes.Equal(msg[0], probe) {
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.want == nil {
		in.strays++
		return
	}
	if done, err := in.want.add(msg); done {
		in.done <- err
		in.want = nil
	}
}

func (in *intake) ConnectionLost(err error) { in.lost <- err }

// ended waits for ConnectionLost, and checks that no unexpected message came before.
func (in *intake) ended(ctx context.Context) error {
	if err := await(ctx, in.lost); err != nil {
		return err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.strays != 0 {
		return fmt.Errorf("%d messages too many", in.strays)
	}
	return nil
}

// await waits for an outcome.
func await(ctx context.Context, outcome <-chan error) error {
	select {
	case err := <-outcome:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A client sends on a test's goroutine, and waits while the transport pauses it.
type client struct {
	intake
	gate   sync.Mutex
	opened chan struct{} // closed by ResumeWriting; nil while writing is not paused
}

func newClient() *client { return &client{intake: newIntake()} }

func (c *client) ConnectionMade(*zmqio.Transport) {}

func (c *client) PauseWriting() {
	c.gate.Lock()
	defer c.gate.Unlock()
	c.opened = make(chan struct{})
}

func (c *client) ResumeWriting() {
	c.gate.Lock()
	defer c.gate.Unlock()
	close(c.opened)
	c.opened = nil
}

// send writes messages. It waits after each one that pauses writing.
func (c *client) send(ctx context.Context, t *zmqio.Transport, messages iter.Seq[[][]byte]) error {
	for msg := range messages {
		if err := t.Write(msg); err != nil {
			return err
		}
		c.gate.Lock()
		opened := c.opened
		c.gate.Unlock()
		if opened == nil {
			continue
		}
		select {
		case <-opened:
		case err := <-c.lost:
			return errors.Join(errors.New("connection lost"), err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// A service returns each message to its sender, on the loop goroutine. While its writing is paused
// it reads nothing.
type service struct {
	intake
	transport *zmqio.Transport
	failed    chan error // the first error, when there was one
}

func newService() *service {
	return &service{intake: newIntake(), failed: make(chan error, 1)}
}

func (s *service) ConnectionMade(t *zmqio.Transport) { s.transport = t }
func (s *service) PauseWriting()                     { s.note(s.transport.PauseReading()) }
func (s *service) ResumeWriting()                    { s.note(s.transport.ResumeReading()) }

func (s *service) MsgReceived(msg [][]byte) {
	s.intake.MsgReceived(msg)
	s.note(s.transport.Write(msg))
}

func (s *service) note(err error) {
	if err != nil {
		select {
		case s.failed <- err:
		default:
		}
	}
}

func (s *service) ended(ctx context.Context) error {
	err := s.intake.ended(ctx)
	select {
	case failure := <-s.failed:
		return errors.Join(failure, err)
	default:
		return err
	}
}
