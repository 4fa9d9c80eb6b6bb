package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// sendNumbers sends a message for each number below n.
func sendNumbers(ctx context.Context, t *testing.T, s *zmqio.Stream, n int) {
	t.Helper()
	for i := range n {
		zmqiotest.Must(t, s.Send(ctx, fmt.Append(nil, i)))
	}
}

// recvNumbers receives the messages with the numbers from from to below to, in order.
func recvNumbers(ctx context.Context, t *testing.T, s *zmqio.Stream, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		msg, err := s.Recv(ctx)
		zmqiotest.Must(t, err)
		if string(msg[0]) != fmt.Sprint(i) {
			t.Fatalf("got %s, want %d", msg[0], i)
		}
	}
}

// A range over Messages that breaks off leaves the next message in the stream.
func TestStreamMessagesBreaksOff(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	b, c := zmqiotest.Streams(t, zmq.PULL, zmq.PUSH, zmqio.StreamConfig{})
	sendNumbers(ctx, t, c, 10)
	n := 0
	for msg, err := range b.Messages(ctx) {
		zmqiotest.Must(t, err)
		if string(msg[0]) != fmt.Sprint(n) {
			t.Errorf("got %s, want %d", msg[0], n)
		}
		if n++; n == 4 {
			break
		}
	}
	recvNumbers(ctx, t, b, 4, 10)
	ended, cancel := context.WithCancel(ctx)
	cancel()
	for msg, err := range b.Messages(ended) {
		if n++; msg != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("got %q, %v", msg, err)
		}
	}
	if n != 5 {
		t.Errorf("Messages yielded %d times after its context had ended", n-4)
	}
}

// A message that was not taken from the channel is the next one of the stream.
func TestStreamChan(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	b, c := zmqiotest.Streams(t, zmq.PULL, zmq.PUSH, zmqio.StreamConfig{})
	sendNumbers(ctx, t, c, 10)
	reading, cancel := context.WithCancel(ctx)
	ch := b.Chan(reading)
	for i := range 4 {
		if msg := <-ch; string(msg[0]) != fmt.Sprint(i) {
			t.Errorf("got %s, want %d", msg[0], i)
		}
	}
	cancel()
	next := 4
	for msg := range ch { // the channel may have offered one already
		if string(msg[0]) != fmt.Sprint(next) {
			t.Errorf("got %s, want %d", msg[0], next)
		}
		next++
	}
	if err := b.Err(); err != nil {
		t.Errorf("the stream is open: %v", err)
	}
	recvNumbers(ctx, t, b, next, 10)
	ch = b.Chan(ctx)
	zmqiotest.Must(t, b.Close())
	if msg, ok := <-ch; ok {
		t.Errorf("got %q", msg)
	}
}

// offered returns a stream whose channel offers a message, and a function that ends the channel's
// context.
func offered(ctx context.Context, t *testing.T, bound, connected zmq.SocketType) (s *zmqio.Stream, giveBack func()) {
	t.Helper()
	s, c := zmqiotest.Streams(t, bound, connected, zmqio.StreamConfig{})
	reading, cancel := context.WithCancel(ctx)
	t.Cleanup(cancel)
	ch := s.Chan(reading)
	zmqiotest.Must(t, c.Send(ctx, []byte("1")))
	<-ch // the channel offers the next one
	if bound == zmq.REP {
		zmqiotest.Must(t, s.Send(ctx, []byte("reply")))
		if _, err := c.Recv(ctx); err != nil {
			t.Fatal(err)
		}
	}
	zmqiotest.Must(t, c.Send(ctx, []byte("2")))
	await := func(unread, dropped uint64) {
		t.Helper()
		for {
			if s := s.Transport().Stats(); s.Received.Messages == 2 && s.Unread.Messages == unread && s.Dropped.Unread.Messages == dropped {
				return
			}
			zmqiotest.Must(t, ctx.Err())
			time.Sleep(time.Millisecond)
		}
	}
	await(0, 0) // the channel's goroutine has taken it
	return s, func() {
		cancel()
		if s.Err() == nil { // before the channel has a receiver
			await(1, 0)
		} else {
			await(0, 1)
		}
		for msg := range ch {
			t.Fatalf("got %q, which the stream got back", msg)
		}
	}
}

// Abort also drops a message that a channel returns to the stream.
func TestStreamChanAfterAbort(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	s, giveBack := offered(ctx, t, zmq.PULL, zmq.PUSH)
	gone := s.Transport().Closed()
	zmqiotest.Must(t, s.Abort())
	<-gone
	giveBack()
	if msg, err := s.Recv(ctx); msg != nil || !errors.Is(err, zmqio.ErrTransportClosed) {
		t.Errorf("Recv: %q, %v", msg, err)
	}
}

// A request that a channel has returned to the stream can be replied to only after another Recv.
func TestStreamChanGivesTheTurnBack(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	s, giveBack := offered(ctx, t, zmq.REP, zmq.REQ)
	giveBack()
	if err := s.Send(ctx, []byte("too early")); !errors.Is(err, zmq.EFSM) {
		t.Errorf("Send: %v", err)
	}
	recvNumbers(ctx, t, s, 2, 3)
	zmqiotest.Must(t, s.Send(ctx, []byte("reply")))
}

// A REQ with REQ_RELAXED may send another request; the reply to an earlier one never comes.
func TestStreamAsksAnew(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	rep, req := zmqiotest.Streams(t, zmq.ROUTER, zmq.REQ, zmqio.StreamConfig{Configure: func(o zmq.Sockopts) error {
		if typ, err := o.Type(); err != nil || typ != zmq.REQ {
			return err
		}
		return errors.Join(o.SetReqRelaxed(true), o.SetReqCorrelate(true))
	}})
	for i := range 20 {
		zmqiotest.Must(t, req.Send(ctx, fmt.Append(nil, "old ", i)))
		msg, err := rep.Recv(ctx)
		zmqiotest.Must(t, err)
		zmqiotest.Must(t, rep.Send(ctx, msg...))
		if i%2 == 0 { // the reply has come to the stream, or is on its way
			zmqiotest.Must(t, rep.WaitConnected(ctx, 1))
		}
		zmqiotest.Must(t, req.Send(ctx, fmt.Append(nil, "new ", i)))
		msg, err = rep.Recv(ctx)
		zmqiotest.Must(t, err)
		zmqiotest.Must(t, rep.Send(ctx, msg...))
		got, err := req.Recv(ctx)
		zmqiotest.Must(t, err)
		if want := fmt.Sprintf("new %d", i); string(got[0]) != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

// A REQ with REQ_RELAXED ends as other streams do.
func TestStreamAsksAnewAfterTheEnd(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	loop, err := zmqio.NewEventLoop(nil)
	zmqiotest.Must(t, err)
	zmqiotest.Must(t, loop.Start())
	s, err := zmqio.Open(ctx, zmq.REQ, zmqio.StreamConfig{Loop: loop, Bind: []string{}, Configure: func(o zmq.Sockopts) error {
		return o.SetReqRelaxed(true)
	}})
	zmqiotest.Must(t, err)
	zmqiotest.Must(t, loop.Close())
	for _, err := range []error{s.Send(ctx, []byte("x")), s.TrySend([]byte("x"))} {
		if !errors.Is(err, zmqio.ErrTransportClosed) {
			t.Errorf("got %v", err)
		}
	}
}

// A REQ and a REP have one conversation at a time, whatever the loop has received.
func TestStreamTurns(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	rep, req := zmqiotest.Streams(t, zmq.REP, zmq.REQ, zmqio.StreamConfig{})
	outOfTurn := func(s *zmqio.Stream, when string) {
		t.Helper()
		for _, err := range []error{s.Send(ctx, []byte("x")), s.TrySend([]byte("x"))} {
			var op *zmqio.OpError
			if !errors.Is(err, zmq.EFSM) || !errors.As(err, &op) {
				t.Errorf("%s: %v", when, err)
			}
		}
	}
	outOfTurn(rep, "before the first request")
	for range 3 {
		zmqiotest.Must(t, req.Send(ctx, []byte("request")))
		outOfTurn(req, "before the reply")
		if _, err := rep.Recv(ctx); err != nil {
			t.Fatal(err)
		}
		zmqiotest.Must(t, rep.TrySend([]byte("reply")))
		outOfTurn(rep, "after the reply")
		outOfTurn(req, "before the reply is read")
		if _, err := req.Recv(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// A Send that fails gives the turn back.
func TestStreamTurnAfterAnError(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	req := zmqiotest.Open(t, zmq.REQ, zmqio.StreamConfig{
		Loop: zmqiotest.RunLoop(t, nil), Bind: []string{"tcp://127.0.0.1:*"}, MaxWriteBuffer: 1,
	})
	ended, cancel := context.WithCancel(ctx)
	cancel()
	for range 2 {
		wants(t, req.Send(ended, []byte("x")), context.Canceled)
		wants(t, req.TrySend([]byte("too large")), zmqio.ErrBufferFull)
	}
	zmqiotest.Must(t, req.TrySend([]byte("x")))
	wants(t, req.TrySend([]byte("y")), zmq.EFSM)
}

// A second Close waits for the first, which may still send.
func TestStreamClosedTwice(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	loop := zmqiotest.RunLoop(t, &zmqio.LoopConfig{Linger: zmqiotest.Patience})
	s := zmqiotest.Open(t, zmq.PUSH, zmqio.StreamConfig{Loop: loop, Bind: []string{"tcp://127.0.0.1:*"}})
	zmqiotest.Must(t, s.Send(ctx, []byte("0")))
	first, begun := make(chan error), make(chan struct{})
	go func() {
		_, err := s.Recv(ctx) // a PUSH receives nothing until Close
		if !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		close(begun)
	}()
	go func() { first <- s.Close() }()
	<-begun
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while the first waits: %v", err)
	}
	zmqiotest.Must(t, s.Abort()) // libzmq cannot send
	if err := <-first; err != nil && !errors.Is(err, zmqio.ErrUndelivered) {
		t.Error(err)
	}
	zmqiotest.Must(t, s.Close())
	cancel() // of a Shutdown that need not wait
	for range 100 {
		zmqiotest.Must(t, s.Shutdown(short))
	}
}

// On the loop goroutine, calls that would wait return ErrWouldDeadlock.
func TestStreamOnTheLoop(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	b, _ := zmqiotest.Streams(t, zmq.PULL, zmq.PUSH, zmqio.StreamConfig{})
	zmqiotest.Must(t, b.Transport().Loop().Do(ctx, func() error {
		_, err := b.Recv(ctx)
		for what, err := range map[string]error{"Recv": err, "Shutdown": b.Shutdown(ctx), "WaitConnected": b.WaitConnected(ctx, 1)} {
			if !errors.Is(err, zmqio.ErrWouldDeadlock) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if msg, err := b.TryRecv(); msg != nil || err != nil {
			t.Errorf("TryRecv: %q, %v", msg, err)
		}
		return b.Close()
	}))
	zmqiotest.Must(t, b.Shutdown(ctx)) // a Close on the loop has returned
}

func TestStreamRefuses(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	loop := zmqiotest.RunLoop(t, nil)
	for name, test := range map[string]struct {
		typ  zmq.SocketType
		cfg  zmqio.StreamConfig
		want error
	}{
		"nothing given":       {zmq.PULL, zmqio.StreamConfig{}, zmqio.ErrInvalidArgument},
		"a name":              {zmq.PULL, zmqio.StreamConfig{Connect: []string{"tcp://localhost:5555"}}, zmqio.ErrDNSEndpoint},
		"topics of a PULL":    {zmq.PULL, zmqio.StreamConfig{Bind: []string{}, Subscribe: []string{""}}, zmqio.ErrSocketType},
		"a negative buffer":   {zmq.PULL, zmqio.StreamConfig{Bind: []string{}, MaxReadBuffer: -1}, zmqio.ErrInvalidArgument},
		"no endpoint":         {zmq.PULL, zmqio.StreamConfig{Bind: []string{"no endpoint"}}, zmqio.ErrInvalidArgument},
		"Idle is too short":   {zmq.PULL, zmqio.StreamConfig{Bind: []string{}, Liveness: zmqio.Liveness{Idle: 1}}, zmqio.ErrInvalidArgument},
		"Notify without Idle": {zmq.PULL, zmqio.StreamConfig{Bind: []string{}, Liveness: zmqio.Liveness{Notify: func(zmqio.LivenessEvent) {}}}, zmqio.ErrInvalidArgument},
		"Configure fails":     {zmq.PULL, zmqio.StreamConfig{Bind: []string{}, Configure: func(zmq.Sockopts) error { return os.ErrNotExist }}, os.ErrNotExist},
	} {
		test.cfg.Loop = loop
		s, err := zmqio.Open(ctx, test.typ, test.cfg)
		if s != nil || !errors.Is(err, test.want) {
			t.Errorf("%s: %v, %v; want %v", name, s, err, test.want)
		}
	}
	for len(loop.Residents()) > 0 { // until ConnectionLost has been called
		if err := loop.Do(ctx, func() error { return ctx.Err() }); err != nil {
			t.Fatalf("left on the loop: %v", loop.Residents())
		}
	}
	s := zmqiotest.Open(t, zmq.PUSH, zmqio.StreamConfig{Loop: loop, Bind: []string{"inproc://a", "tcp://127.0.0.1:*"}, Connect: []string{"inproc://b"}})
	if addr := s.Addr(); addr != "inproc://a" {
		t.Errorf("Addr is %q", addr)
	}
	s.Transport().SetProtocol(zmqio.BaseProtocol{})
	if _, is := s.Transport().Protocol().(zmqio.BaseProtocol); is {
		t.Error("SetProtocol took the stream's place")
	}
	if err := s.WaitSubscribed(ctx, "", 1); !errors.Is(err, zmqio.ErrSocketType) {
		t.Errorf("WaitSubscribed on a PUSH: %v", err)
	}
	one := zmqiotest.Open(t, zmq.XPUB, zmqio.StreamConfig{Loop: loop, Bind: []string{}})
	if err := one.WaitSubscribed(ctx, "", 2); !errors.Is(err, zmqio.ErrInvalidArgument) {
		t.Errorf("two subscriptions without XPUB_VERBOSER: %v", err)
	}
}

// If its context ends, Shutdown says how much was not delivered.
func TestStreamShutdownWithoutPeer(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	loop := zmqiotest.RunLoop(t, nil)
	for name, messages := range map[string]int{"libzmq has them": 1, "libzmq has not taken all": 3000} {
		s := zmqiotest.Open(t, zmq.PUSH, zmqio.StreamConfig{Loop: loop, Connect: []string{"tcp://127.0.0.1:9"}})
		for range messages {
			zmqiotest.Must(t, s.TrySend([]byte("x")))
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		err := s.Shutdown(ctx)
		cancel()
		if !errors.Is(err, zmqio.ErrUndelivered) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		if counted := strings.Contains(fmt.Sprint(err), "2000 messages, 2000 bytes"); counted != (messages > 1) {
			t.Errorf("%s: %v", name, err)
		}
		if err := s.Shutdown(context.Background()); err != nil {
			t.Errorf("again: %v", err)
		}
		for bound := zmqiotest.Bounded(t, zmqiotest.Patience); len(loop.Residents()) > 0; { // the stream is aborted
			if err := loop.Do(bound, func() error { return bound.Err() }); err != nil {
				t.Fatalf("%s: left on the loop: %v", name, loop.Residents())
			}
		}
	}
}

// At the end of a program, a message that was sent before Close arrives. A program that forgets
// Close ends too.
func TestStreamOfAProgramThatEnds(t *testing.T) {
	const variable = "ZMQIO_STREAM_PROGRAM"
	if at := os.Getenv(variable); at != "" {
		how, endpoint, _ := strings.Cut(at, " ")
		ctx := context.Background()
		s, err := zmqio.Dial(ctx, zmq.PUSH, endpoint)
		zmqiotest.Must(t, err)
		for i := range 5000 {
			zmqiotest.Must(t, s.Send(ctx, fmt.Append(nil, i)))
		}
		if how == "close" {
			zmqiotest.Must(t, s.Close())
		}
		os.Exit(0)
	}
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	loop := zmqiotest.RunLoop(t, nil)
	self, err := os.Executable()
	zmqiotest.Must(t, err)
	for _, how := range []string{"close", "forget"} {
		s := zmqiotest.Open(t, zmq.PULL, zmqio.StreamConfig{Loop: loop, Bind: []string{"tcp://127.0.0.1:*"}})
		cmd := exec.CommandContext(ctx, self, "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), variable+"="+how+" "+s.Addr())
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", how, err, out)
		}
		if how == "close" {
			recvNumbers(ctx, t, s, 0, 5000)
		}
	}
}
