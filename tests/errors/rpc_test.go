package errors_test

import (
	"context"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/rpc"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// badClient returns the provocation of a client that cannot be made.
func badClient(cfg rpc.Config) func(t *testing.T) error {
	return func(t *testing.T) error {
		cfg.Loop = zmqiotest.RunLoop(t, nil)
		_, err := rpc.NewClient(bounded(t), cfg)
		return err
	}
}

// badServe returns the provocation of a Serve that is refused.
func badServe(typ zmq.SocketType, h rpc.Handler, cfg rpc.ServerConfig) func(t *testing.T) error {
	return func(t *testing.T) error { return rpc.Serve(bounded(t), stream(t, typ), h, cfg) }
}

func echo(_ context.Context, req [][]byte) ([][]byte, error) { return req, nil }

// client returns a client of a server with the handler.
func client(t *testing.T, h rpc.Handler, cfg rpc.Config) *rpc.Client {
	t.Helper()
	s := stream(t, zmq.ROUTER)
	ctx, cancel := context.WithCancel(bounded(t))
	served := make(chan error, 1)
	go func() { served <- rpc.Serve(ctx, s, h, rpc.ServerConfig{}) }()
	t.Cleanup(func() { cancel(); zmqiotest.Must(t, <-served) })
	cfg.Loop, cfg.Endpoints = s.Transport().Loop(), []string{s.Addr()}
	c, err := rpc.NewClient(ctx, cfg)
	zmqiotest.Must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// absent returns a client without a server.
func absent(t *testing.T, cfg rpc.Config) *rpc.Client {
	t.Helper()
	cfg.Loop, cfg.Endpoints = zmqiotest.RunLoop(t, nil), []string{zmqiotest.FreeEndpoint(t, "tcp")}
	cfg.Configure = func(o zmq.Sockopts) error { return o.SetLinger(0) }
	c, err := rpc.NewClient(bounded(t), cfg)
	zmqiotest.Must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

var rpcCases = []provocation{
	{"NewClient, nil context", zmqio.ErrInvalidArgument, says{"NewClient"}, func(*testing.T) error {
		_, err := rpc.NewClient(noContext, rpc.Config{Endpoints: []string{"inproc://here"}})
		return err
	}},
	{"NewClient, no endpoint", zmqio.ErrInvalidArgument, says{"rpc.Config", "Endpoints"}, badClient(rpc.Config{})},
	{"NewClient, Timeout negative", zmqio.ErrInvalidArgument, says{"Timeout", "-1s"}, badClient(rpc.Config{Endpoints: []string{"inproc://here"}, Timeout: -time.Second})},
	{"NewClient, Retries negative", zmqio.ErrInvalidArgument, says{"Retries", "-1"}, badClient(rpc.Config{Endpoints: []string{"inproc://here"}, Retries: -1})},
	{"NewClient, Retries without Timeout", zmqio.ErrInvalidArgument, says{"Retries", "Timeout"}, badClient(rpc.Config{Endpoints: []string{"inproc://here"}, Retries: 1})},
	{"NewClient, MaxInFlight negative", zmqio.ErrInvalidArgument, says{"MaxInFlight", "-1"}, badClient(rpc.Config{Endpoints: []string{"inproc://here"}, MaxInFlight: -1})},
	{"NewClient, endpoint that is none", zmq.EINVAL, says{`connect "5555"`}, badClient(rpc.Config{Endpoints: []string{"5555"}})},
	{"Call, nil context", zmqio.ErrInvalidArgument, says{"Call"}, func(t *testing.T) error {
		_, err := client(t, echo, rpc.Config{}).Call(noContext)
		return err
	}},
	{"Call, ended context", context.Canceled, nil, func(t *testing.T) error {
		_, err := client(t, echo, rpc.Config{}).Call(ended())
		return err
	}},
	{"Call, closed client", rpc.ErrClientClosed, nil, func(t *testing.T) error {
		c := client(t, echo, rpc.Config{})
		zmqiotest.Must(t, c.Close())
		_, err := c.Call(bounded(t))
		return err
	}},
	{"Call, no reply", rpc.ErrTimeout, says{"tcp://127.0.0.1:"}, func(t *testing.T) error {
		_, err := absent(t, rpc.Config{Timeout: 10 * time.Millisecond, Retries: 1}).Call(bounded(t), []byte("x"))
		return err
	}},
	{"Call, no place in flight in time", context.DeadlineExceeded, nil, func(t *testing.T) error {
		c := absent(t, rpc.Config{MaxInFlight: 1})
		first, cancel := context.WithCancel(bounded(t))
		over := make(chan struct{})
		go func() { defer close(over); _, _ = c.Call(first, []byte("x")) }()
		for c.Stats().InFlight == 0 {
			runtime.Gosched()
		}
		ctx, end := context.WithTimeout(context.Background(), time.Millisecond)
		defer end()
		_, err := c.Call(ctx, []byte("y"))
		cancel()
		<-over
		return err
	}},
	{"Call, handler that fails", errAny, says{"rpc", "boom"}, func(t *testing.T) error {
		_, err := client(t, func(context.Context, [][]byte) ([][]byte, error) { return nil, errBoom }, rpc.Config{}).Call(bounded(t))
		return err
	}},
	{"Call, handler that panics", errAny, says{"rpc", "panicked"}, func(t *testing.T) error {
		c := client(t, func(context.Context, [][]byte) ([][]byte, error) { panic(errBoom) }, rpc.Config{})
		_, err := c.Call(bounded(t))
		return err
	}},
	{"Invoke, value that cannot be encoded", errAny, says{"rpc", "encode chan int"}, func(t *testing.T) error {
		_, err := rpc.Invoke[int](bounded(t), client(t, echo, rpc.Config{}), make(chan int))
		return err
	}},
	{"Invoke, reply that cannot be decoded", errAny, says{"rpc", "decode *int"}, func(t *testing.T) error {
		_, err := rpc.Invoke[int](bounded(t), client(t, echo, rpc.Config{}), "text")
		return err
	}},
	{"Invoke, reply of no frame", errAny, says{"rpc", "0 frames", "*int"}, func(t *testing.T) error {
		c := client(t, func(context.Context, [][]byte) ([][]byte, error) { return nil, nil }, rpc.Config{})
		_, err := rpc.Invoke[int](bounded(t), c, "text")
		return err
	}},
	{"Serve, nil context", zmqio.ErrInvalidArgument, says{"Serve"}, func(t *testing.T) error {
		return rpc.Serve(noContext, stream(t, zmq.ROUTER), echo, rpc.ServerConfig{})
	}},
	{"Serve, nil stream", zmqio.ErrInvalidArgument, says{"Serve"}, func(*testing.T) error {
		return rpc.Serve(context.Background(), nil, echo, rpc.ServerConfig{})
	}},
	{"Serve, nil handler", zmqio.ErrInvalidArgument, says{"Serve"}, badServe(zmq.ROUTER, nil, rpc.ServerConfig{})},
	{"Serve, Handlers negative", zmqio.ErrInvalidArgument, says{"Handlers", "-1"}, badServe(zmq.ROUTER, echo, rpc.ServerConfig{Handlers: -1})},
	{"Serve, DrainTimeout negative", zmqio.ErrInvalidArgument, says{"DrainTimeout", "-1s"}, badServe(zmq.ROUTER, echo, rpc.ServerConfig{DrainTimeout: -time.Second})},
	{"Serve, type that cannot serve", zmqio.ErrInvalidArgument, says{"Serve", "PULL", "ROUTER"}, badServe(zmq.PULL, echo, rpc.ServerConfig{})},
	{"Serve, loop's own goroutine", zmqio.ErrWouldDeadlock, nil, func(t *testing.T) error {
		s := stream(t, zmq.ROUTER)
		return onLoop(t, s.Transport().Loop(), func() error { return rpc.Serve(context.Background(), s, echo, rpc.ServerConfig{}) })
	}},
	{"Serve, closed stream", io.EOF, nil, func(t *testing.T) error {
		s := stream(t, zmq.ROUTER)
		zmqiotest.Must(t, s.Close())
		return rpc.Serve(bounded(t), s, echo, rpc.ServerConfig{})
	}},
	{"Serve, not drained", rpc.ErrNotDrained, says{"DrainTimeout"}, notDrained},
}

// notDrained returns the error of a Serve that ends while a handler goes on.
func notDrained(t *testing.T) error {
	s := stream(t, zmq.ROUTER)
	started, release := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(bounded(t))
	served := make(chan error, 1)
	go func() {
		served <- rpc.Serve(ctx, s, func(context.Context, [][]byte) ([][]byte, error) {
			close(started)
			<-release
			return nil, nil
		}, rpc.ServerConfig{DrainTimeout: time.Millisecond})
	}()
	c, err := rpc.NewClient(bounded(t), rpc.Config{Loop: s.Transport().Loop(), Endpoints: []string{s.Addr()}})
	zmqiotest.Must(t, err)
	defer c.Close()
	calling, end := context.WithCancel(bounded(t))
	called := make(chan struct{})
	go func() { defer close(called); _, _ = c.Call(calling) }()
	<-started
	cancel()
	err = <-served
	close(release)
	end()
	<-called
	return err
}
