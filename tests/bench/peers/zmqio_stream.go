package peers

import (
	"context"
	"fmt"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/rpc"
)

// open opens a stream on the default loop.
func (j job) open(typ zmq.SocketType, cfg zmqio.StreamConfig) *zmqio.Stream {
	cfg.Configure = j.configure()
	s, err := zmqio.Open(context.Background(), typ, cfg)
	must(err)
	return s
}

// streamRecv keeps the last messages, as receiver does.
func streamRecv(j job) error {
	ctx := context.Background()
	s := j.open(zmq.PULL, zmqio.StreamConfig{Bind: []string{j.endpoint}})
	if err := tellEndpoint(s.Addr()); err != nil {
		return err
	}
	kept, m := newRing[[][]byte](j.keep), meter{job: j}
	for !m.tick() {
		msg, err := s.Recv(ctx)
		if err != nil {
			return err
		}
		kept.put(msg)
	}
	return tell(m.result)
}

func streamSend(j job) error {
	ctx := context.Background()
	s := j.open(zmq.PUSH, zmqio.StreamConfig{Connect: []string{j.endpoint}})
	msg, m := j.message(), meter{job: j}
	for !m.tick() {
		if err := s.Send(ctx, msg...); err != nil {
			return err
		}
	}
	return tell(m.result)
}

// streamRoundTrip keeps j.inflight requests in flight.
func streamRoundTrip(j job) error {
	ctx := context.Background()
	s := j.open(zmq.DEALER, zmqio.StreamConfig{Connect: []string{j.endpoint}})
	for range j.inflight {
		must(s.Send(ctx, j.message()...))
	}
	for m := (meter{job: j}); ; {
		msg, err := s.Recv(ctx)
		if err != nil {
			return err
		}
		if m.tick() {
			return tell(m.result)
		}
		if err := s.Send(ctx, msg...); err != nil {
			return err
		}
	}
}

// zmqioRPC measures calls of j.callers goroutines with one client.
func zmqioRPC(j job) error {
	ctx := context.Background()
	c, err := rpc.NewClient(ctx, rpc.Config{Endpoints: []string{j.endpoint}, Configure: j.configure()})
	if err != nil {
		return err
	}
	return j.fromGoroutines(j.callers, func() func([][]byte) error {
		return func(msg [][]byte) error {
			reply, err := c.Call(ctx, msg...)
			if err == nil && len(reply) != len(msg) {
				return fmt.Errorf("a reply of %d frames", len(reply))
			}
			return err
		}
	})
}
