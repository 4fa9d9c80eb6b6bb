package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// receiveAlive receives from a Stream with Liveness, and writes a line for each message and
// each change.
func receiveAlive(j job, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, in)
	}()
	tell := make(chan string, 1000) // one goroutine writes the lines
	j.Heartbeat, j.Relative = 0, false
	s, err := zmqio.Open(ctx, zmq.PULL, zmqio.StreamConfig{
		Connect:   []string{j.Endpoint},
		Configure: j.configure,
		Liveness:  zmqio.Liveness{Idle: j.Pace, Notify: func(ev zmqio.LivenessEvent) { tell <- fmt.Sprintln("told", ev.State, ev.Endpoint) }},
	})
	if err != nil {
		return err
	}
	tell <- "ready\n"
	msgs := s.Chan(ctx)
	for ctx.Err() == nil {
		select {
		case line := <-tell:
			io.WriteString(out, line)
		case msg, ok := <-msgs:
			if !ok {
				break
			}
			name, number, err := stream{size: j.Size}.parseMessage(msg)
			if err != nil {
				fmt.Fprintf(out, "wrong %v\n", err)
			}
			fmt.Fprintf(out, "got %d %d\n", name, number)
		}
	}
	return errors.Join(s.Close(), zmqio.ShutdownDefault(context.Background()))
}

// The test cuts and mends the network between two namespaces. A Stream with Liveness reports that
// it is stale, that its endpoint is gone, and that both are back. Messages then come again.
func TestLivenessInACut(t *testing.T) {
	checkLeaks(t)
	ctx := bounded(t, form(hang, 2*hang))
	c := newCut(t)
	sending := job{Role: "send", Endpoint: "tcp://" + addresses[1] + ":5555", Bind: true, HWM: 10, Buffer: 4 * kib, Size: 100, Name: 1, First: 1, Pace: time.Millisecond}
	receiving := sending
	receiving.Role, receiving.Bind, receiving.Pace = "alive", false, 300*time.Millisecond
	from, to := c.start(1, sending), c.start(0, receiving)
	to.reach(ctx, 1, 100)
	endpoint := sending.Endpoint
	for range form(1, 5) {
		to.Change(func() { to.told = nil })
		c.link(0, "down")
		to.waitTold(ctx, "stale ", "gone "+endpoint)
		before := to.track(1).last
		c.link(0, "up")
		to.waitTold(ctx, "back "+endpoint, "back ")
		to.reach(ctx, 1, before+10)
	}
	from.finish() // while its messages can go
	to.finish()
}

// waitTold waits until the process has written all these lines, in any order.
func (p *process) waitTold(ctx context.Context, lines ...string) {
	p.t.Helper()
	err := p.Until(ctx, func() bool {
		for _, l := range lines {
			if !slices.Contains(p.told, l) {
				return p.wrong != nil
			}
		}
		return true
	})
	p.check()
	if err != nil {
		p.t.Fatalf("told %q, want %q: %v", p.told, lines, err)
	}
}
