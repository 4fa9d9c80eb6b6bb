package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/rpc"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// A service is a server on its own stream, with a client.
type service struct {
	*rpc.Client
	stream *zmqio.Stream
	stop   context.CancelFunc // ends Serve
	served chan error         // gets its result
}

func serve(t *testing.T, typ zmq.SocketType, h rpc.Handler, server rpc.ServerConfig, client rpc.Config) *service {
	t.Helper()
	loop := zmqiotest.RunLoop(t, nil)
	s, err := zmqio.Open(t.Context(), typ, zmqio.StreamConfig{Loop: loop, Bind: []string{"tcp://127.0.0.1:*"}})
	zmqiotest.Must(t, err)
	t.Cleanup(func() { zmqiotest.Must(t, s.Abort()) })
	ctx, stop := context.WithCancel(context.Background())
	v := &service{stream: s, stop: stop, served: make(chan error, 1)}
	if server.Logger == nil {
		server.Logger = slog.New(slog.DiscardHandler)
	}
	go func() { v.served <- rpc.Serve(ctx, s, h, server) }()
	t.Cleanup(stop)
	client.Loop, client.Endpoints = loop, append([]string{s.Addr()}, client.Endpoints...)
	v.Client, err = rpc.NewClient(t.Context(), client)
	zmqiotest.Must(t, err)
	t.Cleanup(func() { zmqiotest.Must(t, v.Close()) })
	return v
}

// patientDrain is a DrainTimeout for tests that must not meet it. After a quarter of it Serve takes
// no further requests.
const patientDrain = 4 * zmqiotest.Patience

func echo(_ context.Context, req [][]byte) ([][]byte, error) { return req, nil }

func TestCall(t *testing.T) {
	for _, typ := range []zmq.SocketType{zmq.ROUTER, zmq.REP} {
		t.Run(typ.String(), func(t *testing.T) {
			zmqiotest.CheckLeaks(t)
			ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
			v := serve(t, typ, echo, rpc.ServerConfig{}, rpc.Config{})
			var group sync.WaitGroup
			for i := range 100 {
				group.Go(func() {
					for j := range 10 {
						body := fmt.Sprintf("%d.%d", i, j)
						got, err := v.Call(ctx, []byte(body), nil, []byte("end"))
						if err != nil || fmt.Sprintf("%q", got) != fmt.Sprintf("%q", []string{body, "", "end"}) {
							t.Errorf("got %q, %v; want %s", got, err, body)
						}
					}
				})
			}
			group.Wait()
			if got := v.Stats(); got != (rpc.ClientStats{Calls: 1000, Replies: 1000}) {
				t.Errorf("stats: %+v", got)
			}
		})
	}
}

func TestInvoke(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	type sum struct{ A, B int }
	v := serve(t, zmq.ROUTER, rpc.Typed(nil, func(_ context.Context, s sum) (int, error) {
		if s.A == s.B {
			return 0, errors.New("the same")
		}
		return s.A + s.B, nil
	}), rpc.ServerConfig{}, rpc.Config{})
	if got, err := rpc.Invoke[int](ctx, v.Client, sum{1, 2}); got != 3 || err != nil {
		t.Errorf("got %d, %v", got, err)
	}
	var failed *rpc.Error
	if _, err := rpc.Invoke[int](ctx, v.Client, sum{}); !errors.As(err, &failed) || failed.Text != "the same" {
		t.Errorf("error: %v", err)
	}
	if _, err := rpc.Invoke[int](ctx, v.Client, "text"); !errors.As(err, &failed) || !strings.Contains(failed.Text, "decode") {
		t.Errorf("wrong request: %v", err)
	}
	if _, err := rpc.Invoke[string](ctx, v.Client, sum{1, 2}); err == nil || errors.As(err, &failed) {
		t.Errorf("wrong response: %v", err)
	}
	if _, err := rpc.Invoke[int](ctx, v.Client, func() {}); err == nil {
		t.Error("a function was encoded")
	}
}

// A handler that panics, exits its goroutine or fails still sends a reply.
func TestHandlerThatDoesNotReturn(t *testing.T) {
	for _, typ := range []zmq.SocketType{zmq.ROUTER, zmq.REP} {
		t.Run(typ.String(), func(t *testing.T) {
			zmqiotest.CheckLeaks(t)
			ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
			v := serve(t, typ, func(_ context.Context, req [][]byte) ([][]byte, error) {
				switch string(req[0]) {
				case "panic":
					panic("on purpose")
				case "exit":
					runtime.Goexit()
				case "fail":
					return nil, errors.New("failed")
				}
				return nil, nil
			}, rpc.ServerConfig{}, rpc.Config{})
			for req, want := range map[string]string{"panic": rpc.ErrPanicked.Error(), "exit": rpc.ErrPanicked.Error(), "fail": "failed"} {
				got, err := v.Call(ctx, []byte(req))
				if typ == zmq.REP { // a REP cannot mark an error
					if err != nil || len(got) != 1 || string(got[0]) != want {
						t.Errorf("%s: got %q, %v", req, got, err)
					}
					continue
				}
				var failed *rpc.Error
				if !errors.As(err, &failed) || failed.Text != want {
					t.Errorf("%s: %v", req, err)
				}
			}
			if got, err := v.Call(ctx, []byte("empty")); err != nil || typ == zmq.ROUTER && len(got) != 0 {
				t.Errorf("an empty reply: %q, %v", got, err)
			}
		})
	}
}

// A failedError is an error whose methods panic on a nil pointer.
type failedError struct{ text string }

func (e *failedError) Error() string { return e.text }

// A handler returns an error whose Error panics, and ErrorReply panics.
func TestErrorThatPanics(t *testing.T) {
	for _, typ := range []zmq.SocketType{zmq.ROUTER, zmq.REP} {
		t.Run(typ.String(), func(t *testing.T) {
			zmqiotest.CheckLeaks(t)
			ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
			v := serve(t, typ, func(context.Context, [][]byte) ([][]byte, error) {
				var err *failedError
				return nil, err
			}, rpc.ServerConfig{ErrorReply: func(err error) [][]byte { return [][]byte{[]byte(err.Error())} }}, rpc.Config{})
			got, err := v.Call(ctx, nil)
			if text := fmt.Sprintf("%s %v", got, err); !strings.Contains(text, rpc.ErrPanicked.Error()) {
				t.Error(text)
			}
		})
	}
}

// A foreign client whose routing id looks like the id of a request gets its error reply.
func TestRoutingIDLikeAnID(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	v := serve(t, zmq.ROUTER, func(context.Context, [][]byte) ([][]byte, error) { return nil, errors.New("failed") }, rpc.ServerConfig{}, rpc.Config{})
	req, err := zmqio.Open(ctx, zmq.REQ, zmqio.StreamConfig{
		Loop: v.stream.Transport().Loop(), Connect: []string{v.stream.Addr()},
		Configure: func(o zmq.Sockopts) error { return o.SetRoutingID([]byte("\xA1routing\x01")) },
	})
	zmqiotest.Must(t, err)
	defer req.Abort()
	zmqiotest.Must(t, req.Send(ctx, []byte("x")))
	if got, err := req.Recv(ctx); err != nil || len(got) != 1 || string(got[0]) != "failed" {
		t.Errorf("got %q, %v", got, err)
	}
}

// The stream ends while a handler runs, before or after the context of Serve.
func TestServeOfAStreamThatEnds(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	for name, test := range map[string]struct {
		end  func(*service) error
		want error
	}{
		"before": {func(v *service) error { return v.stream.Close() }, io.EOF},
		"behind": {func(v *service) error { v.stop(); return v.stream.Transport().Close() }, rpc.ErrNotDrained},
	} {
		started, release := make(chan struct{}), make(chan struct{})
		v := serve(t, zmq.ROUTER, func(context.Context, [][]byte) ([][]byte, error) {
			close(started)
			<-release
			return nil, nil
		}, rpc.ServerConfig{DrainTimeout: 100 * time.Millisecond}, rpc.Config{})
		short, cancel := context.WithCancel(ctx)
		called := make(chan struct{})
		go func() { v.Call(short, nil); close(called) }()
		<-started
		zmqiotest.Must(t, test.end(v))
		select {
		case err := <-v.served:
			if !errors.Is(err, test.want) && !errors.Is(err, zmqio.ErrTransportClosed) {
				t.Errorf("%s: %v", name, err)
			}
		case <-ctx.Done():
			t.Fatalf("%s: Serve waits for the handler", name)
		}
		close(release)
		cancel()
		<-called
	}
}

// If the stream has ended, replies are counted as unsent.
func TestServeDrainsIntoAStreamThatEnds(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	started := make(chan struct{})
	var v *service
	v = serve(t, zmq.ROUTER, func(context.Context, [][]byte) ([][]byte, error) {
		v.stop()
		for stacks := make([]byte, 1<<20); ; time.Sleep(time.Millisecond) { // until Serve waits for this handler
			zmqiotest.Must(t, ctx.Err())
			if bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("rpc.(*server).await(")) {
				break
			}
		}
		zmqiotest.Must(t, v.stream.Close())
		close(started)
		return nil, nil
	}, rpc.ServerConfig{DrainTimeout: patientDrain}, rpc.Config{})
	short, cancel := context.WithCancel(ctx)
	called := make(chan struct{})
	go func() { v.Call(short, nil); close(called) }()
	<-started
	if err := <-v.served; !errors.Is(err, rpc.ErrNotDrained) || !errors.Is(err, zmqio.ErrTransportClosed) {
		t.Errorf("Serve: %v", err)
	}
	cancel()
	<-called
}

// If the caller has paused reading, the drain does not resume it.
func TestServeDrainsWhilePaused(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	var v *service
	begun, goOn := make(chan struct{}, 1000), make(chan struct{})
	v = serve(t, zmq.ROUTER, func(context.Context, [][]byte) ([][]byte, error) {
		begun <- struct{}{}
		<-goOn
		return nil, nil
	}, rpc.ServerConfig{Handlers: 1, DrainTimeout: patientDrain}, rpc.Config{})
	short, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	const calls = 8
	for range calls {
		group.Go(func() { v.Call(short, nil) })
	}
	<-begun
	for v.stream.Transport().Stats().Received.Messages < calls { // until the others have come to the stream
		zmqiotest.Must(t, ctx.Err())
		time.Sleep(time.Millisecond)
	}
	zmqiotest.Must(t, v.stream.Transport().PauseReading())
	v.stop()
	close(goOn)
	zmqiotest.Must(t, <-v.served) // after a quarter of DrainTimeout Serve itself pauses reading
	zmqiotest.Must(t, v.stream.Transport().ResumeReading())
	cancel()
	group.Wait()
}

// The first endpoint has a peer that never replies. On a busy machine the other one may reply too
// late as well. Then the timeout grows.
func TestRetryAtTheNextEndpoint(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	for timeout := 300 * time.Millisecond; ; timeout *= 4 {
		got := retryAtTheNextEndpoint(t, timeout)
		if got.Calls == 10 && got.Replies == 10 && got.Retries == 1 && got.Timeouts == 1 {
			break
		}
		if busy := got.Timeouts > 1 || got.Replies < 10; !busy || timeout > 10*time.Second {
			t.Fatalf("stats: %+v", got)
		}
	}
}

// retryAtTheNextEndpoint makes ten calls, and returns the client's figures after them.
func retryAtTheNextEndpoint(t *testing.T, timeout time.Duration) rpc.ClientStats {
	t.Helper()
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	loop := zmqiotest.RunLoop(t, nil)
	mute, err := zmqio.Open(ctx, zmq.ROUTER, zmqio.StreamConfig{Loop: loop, Bind: []string{"tcp://127.0.0.1:*"}})
	zmqiotest.Must(t, err)
	defer mute.Abort()
	v := serve(t, zmq.ROUTER, echo, rpc.ServerConfig{}, rpc.Config{Endpoints: []string{mute.Addr()}, Timeout: timeout, Retries: 1})
	for range 10 { // the silent endpoint gets one call, and then none
		if _, err := v.Call(ctx, []byte("x")); err != nil && !errors.Is(err, rpc.ErrTimeout) {
			t.Error(err)
		}
	}
	stats := v.Stats()
	// A late reply is dropped and counted.
	late := v.Stats().Late
	msg, err := mute.Recv(ctx)
	zmqiotest.Must(t, err)
	zmqiotest.Must(t, mute.Send(ctx, msg...))
	for v.Stats().Late < late+1 {
		if ctx.Err() != nil {
			t.Fatalf("stats: %+v", v.Stats())
		}
		runtime.Gosched()
	}
	return stats
}

func TestCallEnds(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	started := make(chan struct{})
	v := serve(t, zmq.ROUTER, func(ctx context.Context, _ [][]byte) ([][]byte, error) {
		started <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}, rpc.ServerConfig{DrainTimeout: time.Millisecond}, rpc.Config{MaxInFlight: 1})
	cancelled, cancel := context.WithCancelCause(ctx)
	result := make(chan error)
	go func() { _, err := v.Call(cancelled, nil); result <- err }()
	<-started
	// A second call must wait for its turn.
	second, end := context.WithTimeout(ctx, 10*time.Millisecond)
	defer end()
	if _, err := v.Call(second); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("beyond MaxInFlight: %v", err)
	}
	why := errors.New("why")
	cancel(why)
	if err := <-result; !errors.Is(err, why) {
		t.Errorf("cancelled: %v", err)
	}
	go func() { _, err := v.Call(ctx, nil); result <- err }()
	<-started
	zmqiotest.Must(t, v.Close())
	if err := <-result; !errors.Is(err, rpc.ErrClientClosed) {
		t.Errorf("in flight at Close: %v", err)
	}
	if _, err := v.Call(ctx, nil); !errors.Is(err, rpc.ErrClientClosed) {
		t.Errorf("after Close: %v", err)
	}
	v.stop()
	if err := <-v.served; !errors.Is(err, rpc.ErrNotDrained) {
		t.Errorf("Serve: %v", err)
	}
}

func TestCallTimesOut(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	loop := zmqiotest.RunLoop(t, nil)
	c, err := rpc.NewClient(t.Context(), rpc.Config{Loop: loop, Endpoints: []string{"tcp://127.0.0.1:9"}, Timeout: 10 * time.Millisecond, Retries: 2})
	zmqiotest.Must(t, err)
	defer c.Close()
	_, err = c.Call(t.Context(), []byte("x"))
	var timeout interface{ Timeout() bool }
	if !errors.Is(err, rpc.ErrTimeout) || !errors.As(err, &timeout) || !timeout.Timeout() || !strings.Contains(err.Error(), "127.0.0.1:9") {
		t.Errorf("got %v", err)
	}
	if got := c.Stats(); got != (rpc.ClientStats{Calls: 1, Retries: 2, Timeouts: 3}) {
		t.Errorf("stats: %+v", got)
	}
}

// Requests that have come when the context of Serve ends get replies, even those that libzmq still
// holds.
func TestServeDrains(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	const calls = 5000
	loop := zmqiotest.RunLoop(t, nil)
	router, err := zmqio.Open(ctx, zmq.ROUTER, zmqio.StreamConfig{Loop: loop, Bind: []string{"inproc://drain"}, MaxReadBuffer: 1 << 10})
	zmqiotest.Must(t, err)
	dealer, err := zmqio.Open(ctx, zmq.DEALER, zmqio.StreamConfig{
		Loop: loop, Connect: []string{"inproc://drain"},
		Configure: func(o zmq.Sockopts) error { return errors.Join(o.SetSndHWM(0), o.SetRcvHWM(0)) },
	})
	zmqiotest.Must(t, err)
	entered, release := make(chan struct{}, calls), make(chan struct{})
	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() {
		served <- rpc.Serve(serving, router, func(ctx context.Context, req [][]byte) ([][]byte, error) {
			entered <- struct{}{}
			<-release
			return req, ctx.Err()
		}, rpc.ServerConfig{Handlers: 10, DrainTimeout: patientDrain})
	}()
	for i := range calls {
		zmqiotest.Must(t, dealer.Send(ctx, nil, fmt.Append(nil, i)))
	}
	for range 10 {
		<-entered
	}
	for dealer.Transport().WriteBufferSize() > 0 {
		runtime.Gosched()
	}
	stop()
	close(release)
	zmqiotest.Must(t, <-served)
	zmqiotest.Must(t, router.Close())
	answered := make(map[string]bool)
	for range calls {
		msg, err := dealer.Recv(ctx)
		if err != nil {
			t.Fatalf("%d of %d requests were answered: %v", len(answered), calls, err)
		}
		answered[string(msg[1])] = true
	}
	if len(answered) != calls {
		t.Errorf("%d of %d requests were answered", len(answered), calls)
	}
	zmqiotest.Must(t, dealer.Close())
}

func TestServeRefuses(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	loop := zmqiotest.RunLoop(t, nil)
	pull, err := zmqio.Open(t.Context(), zmq.PULL, zmqio.StreamConfig{Loop: loop, Bind: []string{"inproc://x"}})
	zmqiotest.Must(t, err)
	defer pull.Abort()
	router, err := zmqio.Open(t.Context(), zmq.ROUTER, zmqio.StreamConfig{Loop: loop, Bind: []string{"inproc://y"}})
	zmqiotest.Must(t, err)
	for name, err := range map[string]error{
		"type":    rpc.Serve(t.Context(), pull, echo, rpc.ServerConfig{}),
		"stream":  rpc.Serve(t.Context(), nil, echo, rpc.ServerConfig{}),
		"handler": rpc.Serve(t.Context(), router, nil, rpc.ServerConfig{}),
		"config":  rpc.Serve(t.Context(), router, echo, rpc.ServerConfig{Handlers: -1}),
	} {
		if !errors.Is(err, zmqio.ErrInvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	zmqiotest.Must(t, router.Close())
	if err := rpc.Serve(t.Context(), router, echo, rpc.ServerConfig{}); !errors.Is(err, io.EOF) {
		t.Errorf("a closed stream: %v", err)
	}
	for _, cfg := range []rpc.Config{{}, {Endpoints: []string{"x"}, Retries: 1}, {Endpoints: []string{"x"}, Timeout: -1}, {Endpoints: []string{"x"}, MaxInFlight: -1}} {
		if _, err := rpc.NewClient(t.Context(), cfg); !errors.Is(err, zmqio.ErrInvalidArgument) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}
