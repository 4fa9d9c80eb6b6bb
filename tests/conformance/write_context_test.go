package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// narrow returns a PUSH and a PULL with little room in between.
func narrow(t testing.TB, l *zmqio.EventLoop, pushing, pulling zmqio.Protocol) (push, pull *zmqio.Transport) {
	t.Helper()
	push = create(t, l, pushing, zmq.PUSH, zmqio.ConnectionConfig{
		Bind: []string{"inproc://narrow"}, Configure: func(o zmq.Sockopts) error { return o.SetSndHWM(2) },
	})
	pull = create(t, l, pulling, zmq.PULL, zmqio.ConnectionConfig{
		Connect: []string{"inproc://narrow"}, Configure: func(o zmq.Sockopts) error { return o.SetRcvHWM(2) },
	})
	return push, pull
}

// untilWaiting waits until n goroutines wait in WriteContext. Nothing tells of that but
// their stacks.
func untilWaiting(ctx context.Context, n int) error {
	buf := make([]byte, 1<<22)
	for {
		waiting := 0
		for stack := range bytes.SplitSeq(buf[:runtime.Stack(buf, true)], []byte("\n\n")) {
			state, _, _ := bytes.Cut(stack, []byte("\n"))
			if bytes.Contains(state, []byte("[select")) && bytes.Contains(stack, []byte("(*Transport).WriteContext(")) {
				waiting++
			}
		}
		switch {
		case waiting == n:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("%d wait, not %d: %w", waiting, n, context.Cause(ctx))
		}
		runtime.Gosched()
	}
}

// With room WriteContext is Write, with its errors.
func TestWriteContext(t *testing.T) {
	l := newLoop(t, nil)
	push := blocked(t, l, &recorder{})
	pull := pullFrom(t, l, push)
	must(t, push.WriteContext(bounded(t), nil))
	for _, m := range [][][]byte{msg("a", "", "b"), msg("")} {
		must(t, push.WriteContext(bounded(t), m))
	}
	await(t, l, pull.has(2))
	pull.wants(t, "made", "a||b", "")
	wants(t, create(t, l, &recorder{}, zmq.PULL, bindTo(anyPort)).WriteContext(bounded(t), msg("x")), zmq.ENOTSUP)
	wants(t, create(t, l, &recorder{}, zmq.REP, bindTo(anyPort)).WriteContext(bounded(t), msg("x")), zmq.EFSM)
	must(t, push.Close())
	wants(t, push.WriteContext(bounded(t), msg("x")), zmqio.ErrTransportClosed)
}

// The buffer never holds more than the high-water mark, or one message that is larger.
func TestWriteContextWaitsForRoom(t *testing.T) {
	for _, c := range []struct{ high, size, most int }{{50, 10, 50}, {50, 9, 45}, {0, 10, 10}, {5, 10, 10}, {0, 0, 0}} {
		t.Run(fmt.Sprintf("%d bytes, mark %d", c.size, c.high), func(t *testing.T) {
			l := newLoop(t, nil)
			p, r := &recorder{live: true}, &recorder{live: true}
			push, _ := narrow(t, l, p, r)
			must(t, push.SetWriteBufferLimits(c.high, zmqio.DefaultLimit))
			const n = 500
			m := msg(strings.Repeat("x", c.size))
			must(t, l.Run(bounded(t), func(ctx context.Context) error {
				most := 0
				for range n {
					if err := push.WriteContext(ctx, m); err != nil {
						return err
					}
					most = max(most, push.WriteBufferSize())
				}
				if most > c.most {
					t.Errorf("%d bytes buffered", most)
				}
				return r.until(ctx, r.has(n))
			}))
			r.wants(t, "made", slices.Repeat([]string{text(m)}, n)...)
			if events := strings.Join(p.happened(), " "); c.most <= c.high && c.high > 0 && events != "made" {
				t.Errorf("called %q, though it never went over", events)
			}
		})
	}
}

// A message whose context has ended, before or while it waits, is not sent, and those
// that are behind it are.
func TestWriteContextEnds(t *testing.T) {
	l := newLoop(t, nil)
	push := blocked(t, l, zmqio.BaseProtocol{})
	must(t, push.SetWriteBufferLimits(5, 5))
	writeAll(t, push, "first")
	mine := errors.New("mine")
	r := &recorder{live: true}
	must(t, l.Run(bounded(t), func(ctx context.Context) error {
		ended, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		var given, others sync.WaitGroup
		for range 20 {
			given.Go(func() { wants(t, push.WriteContext(ended, msg("given up")), mine) })
			others.Go(func() {
				if err := push.WriteContext(ctx, msg("other")); err != nil {
					t.Error(err)
				}
			})
		}
		if err := untilWaiting(ctx, 40); err != nil {
			return err
		}
		cancel(mine)
		given.Wait()
		wants(t, push.WriteContext(ended, msg("given up")), mine)
		timeout, stop := context.WithTimeout(ctx, 1)
		defer stop()
		wants(t, push.WriteContext(timeout, msg("given up")), context.DeadlineExceeded)
		if n := push.WriteBufferSize(); n != 5 {
			t.Errorf("%d bytes buffered", n)
		}
		_, _, err := l.CreateZmqConnection(ctx, func() zmqio.Protocol { return r }, zmq.PULL, connectTo(push.Listeners()...))
		if err != nil {
			return err
		}
		others.Wait()
		if err := push.WriteContext(ctx, msg("last")); err != nil {
			return err
		}
		return r.until(ctx, r.has(22))
	}))
	r.wants(t, "made", append(append([]string{"first"}, slices.Repeat([]string{"other"}, 20)...), "last")...)
}

// Those who wait are served in the order in which they came, with large messages and
// small ones.
func TestWriteContextInTurn(t *testing.T) {
	l := newLoop(t, nil)
	push := blocked(t, l, zmqio.BaseProtocol{})
	must(t, push.SetWriteBufferLimits(50, 40))
	writeAll(t, push, strings.Repeat("x", 50)) // no room is left, so that nobody is passed over
	var want []string
	r := &recorder{live: true}
	must(t, l.Run(bounded(t), func(ctx context.Context) error {
		var writers sync.WaitGroup
		for i := range 20 {
			m := strings.Repeat(numbersUpTo[i%10], 1+i*7%20)
			want = append(want, m)
			writers.Go(func() {
				if err := push.WriteContext(ctx, msg(m)); err != nil {
					t.Error(err)
				}
			})
			if err := untilWaiting(ctx, i+1); err != nil {
				return err
			}
		}
		_, _, err := l.CreateZmqConnection(ctx, func() zmqio.Protocol { return r }, zmq.PULL, connectTo(push.Listeners()...))
		if err != nil {
			return err
		}
		writers.Wait()
		return r.until(ctx, r.has(len(want)+1))
	}))
	if got := r.got(); !slices.Equal(got[1:], want) {
		t.Errorf("received %q, want %q", got[1:], want)
	}
}

// A thousand that wait are all served, and whoever gives up among them is not sent.
func TestWriteContextThousandWaiters(t *testing.T) {
	l := newLoop(t, nil)
	push := blocked(t, l, zmqio.BaseProtocol{})
	must(t, push.SetWriteBufferLimits(100, 10))
	const n = 1000
	writeAll(t, push, strings.Repeat("x", 100)) // no room is left
	r := &recorder{live: true}
	var sent []string
	var mu sync.Mutex
	must(t, l.Run(bounded(t), func(ctx context.Context) error {
		var writers sync.WaitGroup
		ended, cancel := context.WithCancel(ctx)
		defer cancel()
		for i, s := range numbers(n) {
			writers.Go(func() {
				c := ctx
				if i%10 == 0 {
					c = ended
				}
				switch err := push.WriteContext(c, msg(s)); {
				case err == nil:
					mu.Lock()
					defer mu.Unlock()
					sent = append(sent, s)
				case c != ended || !errors.Is(err, context.Canceled):
					t.Error(err)
				}
			})
		}
		if err := untilWaiting(ctx, n); err != nil {
			return err
		}
		_, _, err := l.CreateZmqConnection(ctx, func() zmqio.Protocol { return r }, zmq.PULL, connectTo(push.Listeners()...))
		if err != nil {
			return err
		}
		cancel()
		writers.Wait()
		return r.until(ctx, r.has(len(sent)+1))
	}))
	if len(sent) < n*9/10 {
		t.Errorf("%d were sent", len(sent))
	}
	got := r.got()[1:]
	slices.Sort(got)
	slices.Sort(sent)
	if !slices.Equal(got, sent) {
		t.Errorf("received %d, sent %d", len(got), len(sent))
	}
}

// What waits when the transport is closed is refused; what was accepted goes out on
// Close, and not on Abort.
func TestWriteContextClosed(t *testing.T) {
	for _, order := range orders {
		t.Run(order, func(t *testing.T) {
			l := newLoop(t, nil)
			p := &recorder{live: true}
			push := blocked(t, l, p)
			endpoint := push.Listeners()[0]
			must(t, push.SetWriteBufferLimits(0, 0))
			writeAll(t, push, "accepted")
			r := &recorder{live: true}
			must(t, l.Run(bounded(t), func(ctx context.Context) error {
				var writers sync.WaitGroup
				for range 50 {
					writers.Go(func() { wants(t, push.WriteContext(ctx, msg("waiting")), zmqio.ErrTransportClosed) })
				}
				if err := untilWaiting(ctx, 50); err != nil {
					return err
				}
				shutDown(t, push, order)
				writers.Wait()
				if !strings.Contains(order, "abort") {
					_, _, err := l.CreateZmqConnection(ctx, func() zmqio.Protocol { return r }, zmq.PULL, connectTo(endpoint))
					if err = errors.Join(err, r.until(ctx, r.has(1))); err != nil {
						return err
					}
				}
				return p.until(ctx, p.did("lost"))
			}))
			p.wants(t, "made pause lost")
			if got := r.got(); len(got) > 1 || len(got) == 1 && got[0] != "accepted" {
				t.Errorf("received %q", got)
			}
		})
	}
}

// On the loop's own goroutine it does not wait, in whatever callback that is.
func TestWriteContextWouldDeadlock(t *testing.T) {
	l := newLoop(t, nil)
	var push *zmqio.Transport
	tried := 0
	try := func() {
		tried++
		wants(t, push.WriteContext(bounded(t), msg("refused")), zmqio.ErrWouldDeadlock)
	}
	p := &recorder{onPause: try}
	push, _ = narrow(t, l, p, &recorder{})
	must(t, push.SetWriteBufferLimits(0, 0))
	soon(t, l, func() {
		for !p.did("pause")() {
			writeAll(t, push, "taken")
		}
		try()
	})
	pass(t, l)
	if tried != 2 {
		t.Errorf("tried %d times", tried)
	}
	await(t, l, p.did("resume"))
	soon(t, l, func() { must(t, push.WriteContext(bounded(t), msg("taken"))) })
	pass(t, l)
}

func TestPairingOfManyWritersThatWait(t *testing.T) {
	// Each message is over the mark, so that each that is buffered pauses.
	manyWriters(t, 5, 0, func(ctx context.Context, tr *zmqio.Transport, _ int, m [][]byte) error {
		return tr.WriteContext(ctx, m)
	})
}

func TestPairingOfBothKindsOfWriters(t *testing.T) {
	manyWriters(t, 50, 10, func(ctx context.Context, tr *zmqio.Transport, w int, m [][]byte) error {
		if w%2 == 0 {
			return tr.Write(m)
		}
		return tr.WriteContext(ctx, m)
	})
}

// MaxWriteBuffer refuses what neither libzmq takes nor the buffer has place for. What
// was accepted arrives, in order and whole, and what comes when there is room again.
func TestMaxWriteBuffer(t *testing.T) {
	l := newLoop(t, nil)
	p := &recorder{}
	push := create(t, l, p, zmq.PUSH, zmqio.ConnectionConfig{Bind: []string{anyPort}, MaxWriteBuffer: 10})
	endpoint := push.Listeners()[0]
	var accepted []string
	for _, m := range [][][]byte{msg("12345"), msg("12", "34", "567"), msg("1234", "5"), msg("x"), msg("12345678901")} {
		err := push.Write(m)
		if err == nil {
			accepted = append(accepted, text(m))
			continue
		}
		wants(t, err, zmqio.ErrBufferFull)
	}
	if got := strings.Join(accepted, " "); got != "12345 1234|5" || push.WriteBufferSize() != 10 || push.IsClosing() {
		t.Errorf("accepted %s, %v with %d bytes", got, push, push.WriteBufferSize())
	}
	pull := &recorder{}
	create(t, l, pull, zmq.PULL, connectTo(endpoint))
	await(t, l, pull.has(2))
	for _, s := range numbers(100) { // libzmq takes them, so that nothing is refused
		s = strings.Repeat(s, 20)
		must(t, push.Write(msg(s)))
		accepted = append(accepted, s)
	}
	await(t, l, pull.has(len(accepted)))
	pull.wants(t, "made", accepted...)
	p.wants(t, "made")
}

// Many writers together do not get more into the buffer than it may hold.
func TestMaxWriteBufferOfManyWriters(t *testing.T) {
	l := newLoop(t, nil)
	push := create(t, l, zmqio.BaseProtocol{}, zmq.PUSH, zmqio.ConnectionConfig{Bind: []string{anyPort}, MaxWriteBuffer: 100})
	r := &recorder{live: true}
	accepted := 0
	var mu sync.Mutex
	must(t, l.Run(bounded(t), func(ctx context.Context) error {
		var writers sync.WaitGroup
		for range 50 {
			writers.Go(func() {
				for range 20 {
					err := push.Write(msg("123", "456"))
					if n := push.WriteBufferSize(); n > 100 {
						t.Errorf("%d bytes", n)
					}
					if err == nil {
						mu.Lock()
						accepted++
						mu.Unlock()
					} else {
						wants(t, err, zmqio.ErrBufferFull)
					}
				}
			})
		}
		writers.Wait()
		if accepted != 16 {
			t.Errorf("%d were accepted", accepted)
		}
		_, _, err := l.CreateZmqConnection(ctx, func() zmqio.Protocol { return r }, zmq.PULL, connectTo(push.Listeners()...))
		return errors.Join(err, r.until(ctx, r.has(accepted)))
	}))
	r.wants(t, "made", slices.Repeat([]string{"123|456"}, accepted)...)
}

func TestMaxWriteBufferInvalid(t *testing.T) {
	l := newLoop(t, nil)
	_, _, err := l.CreateZmqConnection(bounded(t), func() zmqio.Protocol { return &recorder{} }, zmq.PUSH,
		zmqio.ConnectionConfig{Bind: []string{}, MaxWriteBuffer: -1})
	wants(t, err, zmqio.ErrInvalidArgument)
}
