package errors_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// badStream returns the provocation of a stream that cannot be opened.
func badStream(typ zmq.SocketType, cfg zmqio.StreamConfig) func(t *testing.T) error {
	return func(t *testing.T) error {
		cfg.Loop = zmqiotest.RunLoop(t, nil)
		_, err := zmqio.Open(bounded(t), typ, cfg)
		return err
	}
}

// stream opens a bound stream.
func stream(t *testing.T, typ zmq.SocketType) *zmqio.Stream {
	t.Helper()
	return zmqiotest.Open(t, typ, zmqio.StreamConfig{Bind: []string{"tcp://127.0.0.1:*"}})
}

// onStream returns the provocation of a call on a stream.
func onStream(typ zmq.SocketType, do func(s *zmqio.Stream) error) func(t *testing.T) error {
	return func(t *testing.T) error { return do(stream(t, typ)) }
}

func receive(ctx context.Context) func(s *zmqio.Stream) error {
	return func(s *zmqio.Stream) error {
		_, err := s.Recv(ctx)
		return err
	}
}

// firstError returns the first error of an iterator.
func firstError[T any](items iter.Seq2[T, error]) error {
	for _, err := range items {
		if err != nil {
			return err
		}
	}
	return nil
}

var streamCases = []provocation{
	{"Open, nil context", zmqio.ErrInvalidArgument, says{"Open"}, func(*testing.T) error {
		_, err := zmqio.Open(noContext, zmq.PULL, zmqio.StreamConfig{Bind: []string{}})
		return err
	}},
	{"Open, nothing given", zmqio.ErrInvalidArgument, says{"Bind, Connect or Socket"}, badStream(zmq.PULL, zmqio.StreamConfig{})},
	{"Dial, no endpoint", zmqio.ErrInvalidArgument, says{"Dial", "endpoint", "StreamConfig.Connect"}, func(t *testing.T) error {
		_, err := zmqio.Dial(bounded(t), zmq.PUSH)
		return err
	}},
	{"Listen, empty list of endpoints", zmqio.ErrInvalidArgument, says{"Listen", "endpoint", "StreamConfig.Bind"}, func(t *testing.T) error {
		_, err := zmqio.Listen(bounded(t), zmq.PULL, []string{}...)
		return err
	}},
	{"Open, Socket and Bind", zmqio.ErrInvalidArgument, says{"Socket", "Bind"}, func(t *testing.T) error {
		return badStream(zmq.PULL, zmqio.StreamConfig{Bind: []string{}, Socket: socket(t, 7)})(t)
	}},
	{
		"Open, MaxReadBuffer negative", zmqio.ErrInvalidArgument,
		says{"MaxReadBuffer", "-1"},
		badStream(zmq.PULL, zmqio.StreamConfig{Bind: []string{}, MaxReadBuffer: -1}),
	},
	{
		"Open, Liveness.Idle too short", zmqio.ErrInvalidArgument,
		says{"Liveness.Idle", "1µs"},
		badStream(zmq.PULL, zmqio.StreamConfig{Bind: []string{}, Liveness: zmqio.Liveness{Idle: time.Microsecond}}),
	},
	{
		"Open, Liveness.Notify without Idle", zmqio.ErrInvalidArgument,
		says{"Liveness.Notify", "Idle"},
		badStream(zmq.PULL, zmqio.StreamConfig{Bind: []string{}, Liveness: zmqio.Liveness{Notify: func(zmqio.LivenessEvent) {}}}),
	},
	{"Open, Subscribe on a PULL", zmqio.ErrSocketType, says{"PULL"}, badStream(zmq.PULL, zmqio.StreamConfig{Bind: []string{}, Subscribe: []string{"news"}})},
	{"Open, endpoint that is none", zmq.EINVAL, says{"PULL", `bind "5555"`}, badStream(zmq.PULL, zmqio.StreamConfig{Bind: []string{"5555"}})},
	{"Open, host name", zmqio.ErrDNSEndpoint, says{`connect "tcp://localhost:5555"`}, badStream(zmq.PULL, zmqio.StreamConfig{Connect: []string{"tcp://localhost:5555"}})},
	{"Open, loop's own goroutine of one that does not run", zmqio.ErrLoopClosed, says{"PULL"}, func(t *testing.T) error {
		_, err := zmqio.Open(bounded(t), zmq.PULL, zmqio.StreamConfig{Loop: closedLoop(t), Bind: []string{}})
		return err
	}},
	{"Send, nil context", zmqio.ErrInvalidArgument, says{"Send"}, onStream(zmq.PUSH, func(s *zmqio.Stream) error { return s.Send(noContext, []byte("x")) })},
	{"Send, ended context", context.Canceled, nil, onStream(zmq.PUSH, func(s *zmqio.Stream) error { return s.Send(ended(), []byte("x")) })},
	{"Send, no frames", zmqio.ErrInvalidArgument, says{"write"}, onStream(zmq.PUSH, func(s *zmqio.Stream) error { return s.Send(context.Background()) })},
	{"Send, type that cannot send", zmq.ENOTSUP, says{"write"}, func(t *testing.T) error {
		s := stream(t, zmq.PULL)
		return onLoop(t, s.Transport().Loop(), func() error { return s.Send(context.Background(), []byte("x")) })
	}},
	{"Send, REP out of turn", zmq.EFSM, says{"write", "REP"}, onStream(zmq.REP, func(s *zmqio.Stream) error { return s.Send(context.Background(), []byte("x")) })},
	{"Send, REQ out of turn", zmq.EFSM, says{"write", "REQ"}, onStream(zmq.REQ, func(s *zmqio.Stream) error {
		return errors.Join(s.TrySend([]byte("x")), s.TrySend([]byte("y")))
	})},
	{"Send, ROUTER to an unknown peer", zmq.EHOSTUNREACH, says{"write", `"nobody"`}, func(t *testing.T) error {
		s := zmqiotest.Open(t, zmq.ROUTER, zmqio.StreamConfig{
			Bind: []string{}, Configure: func(o zmq.Sockopts) error { return o.SetRouterMandatory(true) },
		})
		return onLoop(t, s.Transport().Loop(), func() error { return s.Send(context.Background(), []byte("nobody"), []byte("x")) })
	}},
	{"Send, loop's own goroutine", zmqio.ErrWouldDeadlock, says{"write"}, func(t *testing.T) error {
		s := stream(t, zmq.PUSH)
		zmqiotest.Must(t, s.Transport().SetWriteBufferLimits(0, 0))
		zmqiotest.Must(t, s.TrySend([]byte("x")))
		return onLoop(t, s.Transport().Loop(), func() error { return s.Send(context.Background(), []byte("y")) })
	}},
	{"TrySend, full buffer", zmqio.ErrBufferFull, says{"write", "1 byte"}, func(t *testing.T) error {
		s := stream(t, zmq.PUSH)
		zmqiotest.Must(t, s.Transport().SetWriteBufferLimits(0, 0))
		zmqiotest.Must(t, s.TrySend([]byte("x")))
		return s.TrySend([]byte("y"))
	}},
	{"Send, closed stream", zmqio.ErrTransportClosed, says{"write"}, onStream(zmq.PUSH, func(s *zmqio.Stream) error {
		return errors.Join(s.Close(), s.Send(context.Background(), []byte("x")))
	})},
	{"Recv, nil context", zmqio.ErrInvalidArgument, says{"Recv"}, onStream(zmq.PULL, receive(noContext))},
	{"Recv, ended context", context.Canceled, nil, onStream(zmq.PULL, receive(ended()))},
	{"Recv, loop's own goroutine", zmqio.ErrWouldDeadlock, nil, func(t *testing.T) error {
		s := stream(t, zmq.PULL)
		return onLoop(t, s.Transport().Loop(), func() error { return receive(context.Background())(s) })
	}},
	{"Recv, closed stream", io.EOF, nil, onStream(zmq.PULL, func(s *zmqio.Stream) error { return errors.Join(s.Close(), receive(context.Background())(s)) })},
	{"Recv, aborted stream", zmqio.ErrTransportClosed, nil, onStream(zmq.PULL, func(s *zmqio.Stream) error {
		return errors.Join(s.Abort(), receive(context.Background())(s))
	})},
	{"Recv, stream with an error", zmqio.ErrMultipart, says{"CONFLATE"}, func(t *testing.T) error {
		loop := zmqiotest.RunLoop(t, nil)
		loop.SetExceptionHandler(func(*zmqio.EventLoop, zmqio.ExceptionContext) {})
		cfg := conflating()
		s := zmqiotest.Open(t, zmq.PULL, zmqio.StreamConfig{Loop: loop, Bind: cfg.Bind, Configure: cfg.Configure})
		sendMore(t, s.Addr())
		return receive(bounded(t))(s)
	}},
	{"Messages, nil context", zmqio.ErrInvalidArgument, says{"Messages"}, onStream(zmq.PULL, func(s *zmqio.Stream) error { return firstError(s.Messages(noContext)) })},
	{"Messages, ended context", context.Canceled, nil, onStream(zmq.PULL, func(s *zmqio.Stream) error { return firstError(s.Messages(ended())) })},
	{"Events, nil context", zmqio.ErrInvalidArgument, says{"Events"}, onStream(zmq.PULL, func(s *zmqio.Stream) error { return firstError(s.Events(noContext)) })},
	{"Events, slow reader", zmqio.ErrEventsDropped, nil, func(t *testing.T) error {
		s := stream(t, zmq.PULL)
		events := s.Events(bounded(t))
		for range 1100 {
			addr, err := s.Transport().Bind("tcp://127.0.0.1:*")
			zmqiotest.Must(t, err)
			zmqiotest.Must(t, s.Transport().Unbind(addr))
		}
		return firstError(events)
	}},
	{"Peers, nil context", zmqio.ErrInvalidArgument, says{"Peers"}, onStream(zmq.PULL, func(s *zmqio.Stream) error { return firstError(s.Peers(noContext)) })},
	{"Peers, STREAM", errors.ErrUnsupported, says{"STREAM"}, onStream(zmq.STREAM, func(s *zmqio.Stream) error { return firstError(s.Peers(context.Background())) })},
	{"WaitConnected, nil context", zmqio.ErrInvalidArgument, says{"WaitConnected"}, onStream(zmq.PULL, func(s *zmqio.Stream) error { return s.WaitConnected(noContext, 1) })},
	{"WaitConnected, for none", zmqio.ErrInvalidArgument, says{"WaitConnected", "0"}, onStream(zmq.PULL, func(s *zmqio.Stream) error { return s.WaitConnected(context.Background(), 0) })},
	{"WaitConnected, ended context", context.Canceled, nil, onStream(zmq.PULL, func(s *zmqio.Stream) error { return s.WaitConnected(ended(), 1) })},
	{"WaitConnected, not in time", context.DeadlineExceeded, nil, onStream(zmq.PULL, func(s *zmqio.Stream) error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		return s.WaitConnected(ctx, 1)
	})},
	{"WaitConnected, bound over inproc", errors.ErrUnsupported, says{"inproc"}, func(t *testing.T) error {
		return zmqiotest.Open(t, zmq.PULL, zmqio.StreamConfig{Bind: []string{"inproc://here"}}).WaitConnected(bounded(t), 1)
	}},
	{"WaitConnected, loop's own goroutine", zmqio.ErrWouldDeadlock, nil, func(t *testing.T) error {
		s := stream(t, zmq.PULL)
		return onLoop(t, s.Transport().Loop(), func() error { return s.WaitConnected(context.Background(), 1) })
	}},
	{"WaitConnected, closed stream", zmqio.ErrTransportClosed, nil, onStream(zmq.PULL, func(s *zmqio.Stream) error {
		return errors.Join(s.Abort(), s.WaitConnected(context.Background(), 1))
	})},
	{"WaitSubscribed, PUB", zmqio.ErrSocketType, says{"XPUB", "PUB"}, onStream(zmq.PUB, func(s *zmqio.Stream) error {
		return s.WaitSubscribed(context.Background(), "news", 1)
	})},
	{"WaitSubscribed, two", zmqio.ErrInvalidArgument, says{"WaitSubscribed", "2", "XPUB_VERBOSER"}, onStream(zmq.XPUB, func(s *zmqio.Stream) error {
		return s.WaitSubscribed(context.Background(), "news", 2)
	})},
	{"Subscribe, PULL", zmqio.ErrSocketType, says{"PULL"}, onStream(zmq.PULL, func(s *zmqio.Stream) error { return s.Subscribe("news") })},
	{
		"Unsubscribe, topic that is not subscribed to", zmqio.ErrInvalidArgument,
		says{"nsubscribe", `"news"`},
		onStream(zmq.SUB, func(s *zmqio.Stream) error { return s.Unsubscribe("news") }),
	},
	{"Shutdown, nil context", zmqio.ErrInvalidArgument, says{"Shutdown"}, onStream(zmq.PUSH, func(s *zmqio.Stream) error { return s.Shutdown(noContext) })},
	{"Shutdown, not in time", zmqio.ErrUndelivered, says{"PUSH", "1 message, 1 byte"}, onStream(zmq.PUSH, func(s *zmqio.Stream) error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		return errors.Join(s.TrySend([]byte("x")), s.Shutdown(ctx))
	})},
	{"Shutdown, loop's own goroutine", zmqio.ErrWouldDeadlock, nil, func(t *testing.T) error {
		s := stream(t, zmq.PUSH)
		return onLoop(t, s.Transport().Loop(), func() error { return s.Shutdown(context.Background()) })
	}},
}

// proxied returns two streams of one loop, and a proxy for them.
func proxied(t *testing.T, front, back zmq.SocketType, cfg *zmqio.ProxyConfig) (*zmqio.Stream, *zmqio.Stream, *zmqio.Proxy, error) {
	t.Helper()
	loop := zmqiotest.RunLoop(t, nil)
	f := zmqiotest.Open(t, front, zmqio.StreamConfig{Loop: loop, Bind: []string{"tcp://127.0.0.1:*"}})
	b := zmqiotest.Open(t, back, zmqio.StreamConfig{Loop: loop, Bind: []string{"tcp://127.0.0.1:*"}})
	p, err := zmqio.NewProxy(f, b, cfg)
	return f, b, p, err
}

func badProxy(front, back zmq.SocketType, cfg *zmqio.ProxyConfig) func(t *testing.T) error {
	return func(t *testing.T) error {
		_, _, _, err := proxied(t, front, back, cfg)
		return err
	}
}

var proxyCases = []provocation{
	{"nil stream", zmqio.ErrInvalidArgument, says{"proxy", "back"}, func(t *testing.T) error {
		_, err := zmqio.NewProxy(stream(t, zmq.PULL), nil, nil)
		return err
	}},
	{"one stream twice", zmqio.ErrInvalidArgument, says{"proxy"}, func(t *testing.T) error {
		s := stream(t, zmq.ROUTER)
		_, err := zmqio.NewProxy(s, s, nil)
		return err
	}},
	{"two loops", zmqio.ErrInvalidArgument, says{"proxy", "loop"}, func(t *testing.T) error {
		_, err := zmqio.NewProxy(stream(t, zmq.ROUTER), stream(t, zmq.DEALER), nil)
		return err
	}},
	{"types that both send", zmqio.ErrInvalidArgument, says{"proxy", "PUSH", "PUB"}, badProxy(zmq.PUSH, zmq.PUB, nil)},
	{"types that cannot take turns", zmqio.ErrInvalidArgument, says{"proxy", "REP"}, badProxy(zmq.REP, zmq.REP, nil)},
	{"DrainTimeout negative", zmqio.ErrInvalidArgument, says{"DrainTimeout", "-1s"}, badProxy(zmq.PULL, zmq.PUSH, &zmqio.ProxyConfig{DrainTimeout: -time.Second})},
	{"capture that cannot send", zmqio.ErrInvalidArgument, says{"proxy", "capture", "PULL"}, func(t *testing.T) error {
		loop := zmqiotest.RunLoop(t, nil)
		open := func(typ zmq.SocketType) *zmqio.Stream {
			return zmqiotest.Open(t, typ, zmqio.StreamConfig{Loop: loop, Bind: []string{}})
		}
		_, err := zmqio.NewProxy(open(zmq.PULL), open(zmq.PUSH), &zmqio.ProxyConfig{Capture: open(zmq.PULL)})
		return err
	}},
	{"Run, nil context", zmqio.ErrInvalidArgument, says{"Run"}, func(t *testing.T) error {
		_, _, p, err := proxied(t, zmq.PULL, zmq.PUSH, nil)
		zmqiotest.Must(t, err)
		return p.Run(noContext)
	}},
	{"Run, loop's own goroutine", zmqio.ErrWouldDeadlock, nil, func(t *testing.T) error {
		f, _, p, err := proxied(t, zmq.PULL, zmq.PUSH, nil)
		zmqiotest.Must(t, err)
		return onLoop(t, f.Transport().Loop(), func() error { return p.Run(context.Background()) })
	}},
	{"Run, closed front", io.EOF, says{"front"}, func(t *testing.T) error {
		f, _, p, err := proxied(t, zmq.PULL, zmq.PUSH, nil)
		zmqiotest.Must(t, err)
		zmqiotest.Must(t, f.Close())
		return p.Run(bounded(t))
	}},
	{"Run, aborted back", zmqio.ErrTransportClosed, says{"back"}, func(t *testing.T) error {
		_, b, p, err := proxied(t, zmq.PULL, zmq.PUSH, nil)
		zmqiotest.Must(t, err)
		zmqiotest.Must(t, b.Abort())
		return p.Run(bounded(t))
	}},
	{"Run, twice", zmqio.ErrProxyRunning, says{"PULL"}, func(t *testing.T) error {
		f, b, p, err := proxied(t, zmq.PULL, zmq.PUSH, nil)
		zmqiotest.Must(t, err)
		ctx, cancel := context.WithCancel(bounded(t))
		ran := make(chan error, 2)
		other, err := zmqio.NewProxy(f, b, nil)
		zmqiotest.Must(t, err)
		go func() { ran <- p.Run(ctx) }()
		go func() { ran <- other.Run(ctx) }()
		err = <-ran // the second of two calls
		cancel()
		zmqiotest.Must(t, <-ran)
		return err
	}},
	{"Run, not drained", zmqio.ErrNotDrained, nil, func(t *testing.T) error {
		seen := make(chan struct{})
		f, _, p, err := proxied(t, zmq.PULL, zmq.PUSH, &zmqio.ProxyConfig{
			DrainTimeout: time.Millisecond,
			Filter: func(_ zmqio.ProxyDirection, msg zmqio.Message) (forward, answer [][]byte) {
				close(seen)
				return msg.Frames, nil
			},
		})
		zmqiotest.Must(t, err)
		source := zmqiotest.Open(t, zmq.PUSH, zmqio.StreamConfig{Loop: f.Transport().Loop(), Connect: []string{f.Addr()}})
		zmqiotest.Must(t, source.Send(bounded(t), []byte("x")))
		ctx, cancel := context.WithCancel(bounded(t))
		ran := make(chan error, 1)
		go func() { ran <- p.Run(ctx) }()
		<-seen
		cancel()
		return <-ran
	}},
}
