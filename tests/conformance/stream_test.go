package conformance

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

func TestStreamSendsAndReceives(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	b, c := zmqiotest.Streams(t, zmq.PAIR, zmq.PAIR, zmqio.StreamConfig{})
	for _, msg := range [][]string{{"one"}, {"", "two", ""}, {""}} {
		var frames [][]byte
		for _, f := range msg {
			frames = append(frames, []byte(f))
		}
		zmqiotest.Must(t, c.Send(ctx, frames...))
		got, err := b.Recv(ctx)
		zmqiotest.Must(t, err)
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", msg) {
			t.Errorf("got %q, want %q", got, msg)
		}
		zmqiotest.Must(t, b.TrySend(got...))
		if _, err := c.Recv(ctx); err != nil {
			t.Error(err)
		}
	}
	if got, err := b.TryRecv(); got != nil || err != nil {
		t.Errorf("TryRecv: %q, %v", got, err)
	}
	for _, err := range []error{b.Send(ctx), b.TrySend()} {
		if !errors.Is(err, zmqio.ErrInvalidArgument) {
			t.Errorf("no frames: %v", err)
		}
	}
}

// A hundred receivers wait with contexts that end at random. Each message goes to one receiver, and
// each receiver gets its messages in order.
func TestStreamCancelledReceiversLoseNothing(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	const receivers, messages = 100, 200_000
	ctx := zmqiotest.Bounded(t, 4*time.Minute)
	b, c := zmqiotest.Streams(t, zmq.PULL, zmq.PUSH, zmqio.StreamConfig{MaxReadBuffer: 8 << 10})
	var (
		mu        sync.Mutex
		seen      = make([]bool, messages)
		left      = messages
		cancelled int
		group     sync.WaitGroup
	)
	all, done := context.WithCancel(ctx)
	defer done()
	for range receivers {
		group.Go(func() {
			last := -1
			for all.Err() == nil {
				one, cancel := context.WithTimeout(all, time.Duration(rand.IntN(200))*time.Microsecond)
				msg, err := b.Recv(one)
				cancel()
				mu.Lock()
				switch {
				case err == nil:
					n := int(binary.BigEndian.Uint32(msg[0]))
					if seen[n] || n <= last {
						t.Errorf("message %d came after %d, seen before: %t", n, last, seen[n])
					}
					seen[n], last = true, n
					if left--; left == 0 {
						done()
					}
				case msg != nil:
					t.Errorf("a message with %v", err)
				case !errors.Is(err, context.DeadlineExceeded) && all.Err() == nil:
					t.Error(err)
					done()
				default:
					cancelled++
				}
				mu.Unlock()
			}
		})
	}
	for n := range messages {
		if err := c.Send(ctx, binary.BigEndian.AppendUint32(nil, uint32(n))); err != nil {
			t.Fatal(err)
		}
	}
	group.Wait()
	if left != 0 || cancelled == 0 {
		t.Errorf("%d messages did not come; %d receives were cancelled", left, cancelled)
	}
	t.Logf("%d receives were cancelled", cancelled)
}

// The stream bounds the messages that are received and not read. Then the sender waits, and other
// streams go on.
func TestStreamReadBufferIsBounded(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	const size = 1 << 10
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	few := func(o zmq.Sockopts) error {
		return errors.Join(o.SetSndHWM(10), o.SetRcvHWM(10), o.SetSndBuf(4<<10), o.SetRcvBuf(4<<10))
	}
	b, c := zmqiotest.Streams(t, zmq.PULL, zmq.PUSH, zmqio.StreamConfig{MaxReadBuffer: 16 << 10, Configure: few})
	sent := 0
filling:
	for {
		err := c.TrySend(binary.BigEndian.AppendUint32(make([]byte, 0, size), uint32(sent))[:size])
		if errors.Is(err, zmqio.ErrBufferFull) {
			one, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			err = c.Send(one, binary.BigEndian.AppendUint32(make([]byte, 0, size), uint32(sent))[:size])
			cancel()
			switch {
			case !errors.Is(err, context.DeadlineExceeded):
			case b.Transport().IsReading(): // the machine alone is slow
				zmqiotest.Must(t, ctx.Err())
				continue
			default:
				break filling
			}
		}
		zmqiotest.Must(t, err)
		if sent++; sent > 2000 {
			t.Fatal("the sender does not feel that nothing is read")
		}
	}
	other := zmqiotest.Open(t, zmq.PAIR, zmqio.StreamConfig{Loop: b.Transport().Loop(), Bind: []string{"inproc://a"}})
	peer := zmqiotest.Open(t, zmq.PAIR, zmqio.StreamConfig{Loop: b.Transport().Loop(), Connect: []string{"inproc://a"}})
	zmqiotest.Must(t, peer.Send(ctx, []byte("x")))
	if _, err := other.Recv(ctx); err != nil {
		t.Errorf("another stream: %v", err)
	}
	for n := range sent {
		msg, err := b.Recv(ctx)
		zmqiotest.Must(t, err)
		if got := int(binary.BigEndian.Uint32(msg[0])); got != n {
			t.Fatalf("got %d, want %d", got, n)
		}
	}
}

func TestStreamEndings(t *testing.T) {
	for name, test := range map[string]struct {
		end       func(*zmqio.Stream, *zmqio.EventLoop) error
		want      error
		keepsRead bool
	}{
		"Close":      {func(s *zmqio.Stream, _ *zmqio.EventLoop) error { return s.Close() }, io.EOF, true},
		"Shutdown":   {func(s *zmqio.Stream, _ *zmqio.EventLoop) error { return s.Shutdown(context.Background()) }, io.EOF, true},
		"Abort":      {func(s *zmqio.Stream, _ *zmqio.EventLoop) error { return s.Abort() }, zmqio.ErrTransportClosed, false},
		"loop's end": {func(_ *zmqio.Stream, l *zmqio.EventLoop) error { return l.Close() }, zmqio.ErrTransportClosed, false},
	} {
		t.Run(name, func(t *testing.T) {
			zmqiotest.CheckLeaks(t)
			ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
			loop, err := zmqio.NewEventLoop(nil)
			zmqiotest.Must(t, err)
			zmqiotest.Must(t, loop.Start())
			t.Cleanup(func() { zmqiotest.Must(t, loop.Close()) })
			s := zmqiotest.Open(t, zmq.PULL, zmqio.StreamConfig{Loop: loop, Bind: []string{"inproc://end"}})
			push := zmqiotest.Open(t, zmq.PUSH, zmqio.StreamConfig{Loop: loop, Connect: []string{"inproc://end"}})
			zmqiotest.Must(t, push.Send(ctx, []byte("first")))
			if _, err := s.Recv(ctx); err != nil {
				t.Fatal(err)
			}
			waiting := make(chan error)
			go func() { // takes nothing: the first has been read
				_, err := s.Recv(ctx)
				if err == nil { // the second came first
					_, err = s.Recv(ctx)
				}
				waiting <- err
			}()
			if err := test.end(s, loop); err != nil {
				t.Errorf("the end: %v", err)
			}
			if err := <-waiting; !errors.Is(err, test.want) {
				t.Errorf("a receiver that waits got %v, want %v", err, test.want)
			}
			if _, err := s.Recv(ctx); !errors.Is(err, test.want) {
				t.Errorf("Recv returned %v, want %v", err, test.want)
			}
			if err := s.Err(); !errors.Is(err, test.want) {
				t.Errorf("Err returned %v, want %v", err, test.want)
			}
			for _, err := range []error{s.Send(ctx, []byte("x")), s.TrySend([]byte("x"))} {
				if !errors.Is(err, zmqio.ErrTransportClosed) {
					t.Errorf("Send returned %v", err)
				}
			}
			for _, err := range s.Messages(ctx) {
				if test.want == io.EOF {
					t.Errorf("Messages yielded %v", err)
				}
			}
		})
	}
}

// Close and Shutdown of a stream that has already ended do not wait.
func TestStreamCloseAfterTheEnd(t *testing.T) {
	for name, end := range map[string]func(*zmqio.Stream) error{
		"Abort":              (*zmqio.Stream).Abort,
		"Transport.Close":    func(s *zmqio.Stream) error { return s.Transport().Close() },
		"EventLoop.Shutdown": func(s *zmqio.Stream) error { return s.Transport().Loop().Shutdown(context.Background()) },
		"EventLoop.Close":    func(s *zmqio.Stream) error { return s.Transport().Loop().Close() },
	} {
		t.Run(name, func(t *testing.T) {
			zmqiotest.CheckLeaks(t)
			ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
			loop, err := zmqio.NewEventLoop(nil)
			zmqiotest.Must(t, err)
			t.Cleanup(func() { zmqiotest.Must(t, loop.Close()) })
			zmqiotest.Must(t, loop.Start())
			s := zmqiotest.Open(t, zmq.PUSH, zmqio.StreamConfig{Loop: loop, Bind: []string{"tcp://127.0.0.1:*"}})
			zmqiotest.Must(t, end(s))
			for { // until the loop has closed the socket
				if _, err := s.Recv(ctx); errors.Is(err, zmqio.ErrTransportClosed) && len(loop.Residents()) == 0 {
					break
				}
				runtime.Gosched()
			}
			if err := s.Shutdown(ctx); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

// A Recv whose context has ended leaves a message that has come.
func TestStreamRecvAfterItsContext(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	b, c := zmqiotest.Streams(t, zmq.PULL, zmq.PUSH, zmqio.StreamConfig{})
	zmqiotest.Must(t, c.Send(ctx, []byte("x")))
	for b.Transport().Stats().Unread.Messages == 0 {
		zmqiotest.Must(t, ctx.Err())
		runtime.Gosched()
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if msg, err := b.Recv(ended); msg != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("got %q, %v", msg, err)
	}
	if msg, err := b.Recv(ctx); err != nil || string(msg[0]) != "x" {
		t.Errorf("got %q, %v", msg, err)
	}
}
