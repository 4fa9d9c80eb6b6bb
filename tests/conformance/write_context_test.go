package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
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

// countWaiting returns how many goroutines wait in WriteContext. It does not count one that is
// being woken. Only their stacks show this.
func countWaiting() (n int) {
	buf := make([]byte, 1<<22)
	for stack := range bytes.SplitSeq(buf[:runtime.Stack(buf, true)], []byte("\n\n")) {
		state, _, _ := bytes.Cut(stack, []byte("\n"))
		if bytes.Contains(state, []byte("[select")) && bytes.Contains(stack, []byte("(*Transport).WriteContext(")) {
			n++
		}
	}
	return n
}

// untilWaiting waits until n goroutines wait in WriteContext.
func untilWaiting(ctx context.Context, n int) error {
	for {
		waiting := countWaiting()
		switch {
		case waiting == n:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("%d wait, not %d: %w", waiting, n, context.Cause(ctx))
		}
		runtime.Gosched()
	}
}

// waiting starts a WriteContext, and waits until n writers wait.
func waiting(t testing.TB, ctx context.Context, tr *zmqio.Transport, n int, text string) <-chan error {
	t.Helper()
	result := make(chan error, 1)
	go func() { result <- tr.WriteContext(ctx, msg(text)) }()
	must(t, untilWaiting(bounded(t), n))
	return result
}

// If there is room, WriteContext behaves as Write does, with the same errors.
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

// A message whose context ends before its turn is not sent. The messages behind it are sent.
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

// Waiting writers are served in the order in which they came, whatever the size of their messages.
// One case has no room at all, the other too little.
func TestWriteContextInTurn(t *testing.T) {
	for name, c := range map[string]struct {
		high, low int
		first     string
		text      func(i int) string
	}{
		"full":       {50, 40, strings.Repeat("x", 50), func(i int) string { return strings.Repeat(numbersUpTo[i%10], 1+i*7%20) }},
		"too little": {6, 3, "first", func(i int) string { return fmt.Sprint(1000 + i) }},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLoop(t, nil)
			inBackground(t, l)
			push := blocked(t, l, zmqio.BaseProtocol{})
			must(t, push.SetWriteBufferLimits(c.high, c.low))
			writeAll(t, push, c.first)
			want := []string{c.first}
			var results []<-chan error
			for i := range 50 {
				results = append(results, waiting(t, bounded(t), push, i+1, c.text(i)))
				want = append(want, c.text(i))
			}
			if n := push.WriteBufferSize(); n != len(c.first) {
				t.Errorf("%d bytes buffered: a message went in without room", n)
			}
			r := &recorder{live: true}
			create(t, l, r, zmq.PULL, connectTo(push.Listeners()...))
			for _, result := range results {
				must(t, <-result)
			}
			must(t, r.until(bounded(t), r.has(len(want))))
			r.wants(t, "made", want...)
		})
	}
}

// A smaller message may fit when a larger one before it gives up. Raising the marks makes room, and
// Close ends the wait.
func TestWriteContextGivesUp(t *testing.T) {
	l := newLoop(t, nil)
	inBackground(t, l)
	push := blocked(t, l, zmqio.BaseProtocol{})
	must(t, push.SetWriteBufferLimits(10, 10))
	writeAll(t, push, "12345")
	ctx, cancel := context.WithCancelCause(context.Background())
	large := waiting(t, ctx, push, 1, "123456")
	small := waiting(t, bounded(t), push, 2, "1")
	mine := errors.New("mine")
	cancel(mine)
	if err := <-large; err != mine {
		t.Errorf("the large one: %v", err)
	}
	must(t, <-small)
	if n := push.WriteBufferSize(); n != 6 {
		t.Errorf("%d bytes buffered", n)
	}
	must(t, push.SetWriteBufferLimits(6, 6))
	grown := waiting(t, bounded(t), push, 1, "123456")
	must(t, push.SetWriteBufferLimits(12, 12))
	must(t, <-grown)
	closed := waiting(t, bounded(t), push, 1, "1")
	must(t, push.Close())
	wants(t, <-closed, zmqio.ErrTransportClosed)
	must(t, push.Abort())
}

// While the protocol is paused, waiting writers do not keep the buffer above the low mark.
func TestWriteContextLetsTheProtocolResume(t *testing.T) {
	l := newLoop(t, nil)
	inBackground(t, l)
	p := &recorder{live: true}
	push := blocked(t, l, p)
	must(t, push.SetWriteBufferLimits(10, 0))
	writeAll(t, push, "12345678901")
	w := waiting(t, bounded(t), push, 1, "x")
	must(t, push.SetWriteBufferLimits(100, 0)) // marks above the buffer's size do not resume
	if n := countWaiting(); n != 1 {
		t.Error("a writer got in while the protocol is paused")
	}
	create(t, l, &recorder{live: true}, zmq.PULL, connectTo(push.Listeners()...))
	must(t, <-w)
	must(t, p.until(bounded(t), p.did("resume")))
	p.wants(t, "made pause resume")
}

// Small messages that fit do not delay a large one for ever.
func TestWriteContextIsPassedOverOnce(t *testing.T) {
	l := newLoop(t, nil)
	inBackground(t, l)
	push := blocked(t, l, zmqio.BaseProtocol{})
	must(t, push.SetWriteBufferLimits(10, 10))
	writeAll(t, push, "1")
	large := waiting(t, bounded(t), push, 1, "1234567890")
	small := waiting(t, bounded(t), push, 2, "2") // it has room, but must wait behind the large one
	r := &recorder{live: true}
	create(t, l, r, zmq.PULL, connectTo(push.Listeners()...))
	must(t, <-large)
	must(t, <-small)
	must(t, r.until(bounded(t), r.has(3)))
	r.wants(t, "made", "1", "1234567890", "2")
}

// A writer waits only while there is no room, and all writers get their turn.
func TestWriteContextLosesNoWakeUp(t *testing.T) {
	l := newLoop(t, nil)
	inBackground(t, l)
	push := blocked(t, l, zmqio.BaseProtocol{})
	must(t, push.Sockopts().SetSndHWM(1))
	received := make(chan struct{}, 16*300+2)
	create(t, zmqiotest.RunLoop(t, nil), receiver{received: func([][]byte) { received <- struct{}{} }}, zmq.PULL, connectTo(push.Listeners()...))
	ctx := bounded(t)
	var writers, marks sync.WaitGroup
	var sent atomic.Int64
	for range 16 {
		writers.Go(func() {
			for range 300 {
				mine, cancel := context.WithCancel(ctx)
				if rand.IntN(4) == 0 {
					go cancel()
				}
				err := push.WriteContext(mine, [][]byte{make([]byte, rand.IntN(30))})
				switch cancel(); {
				case err == nil:
					sent.Add(1)
				case ctx.Err() != nil || !errors.Is(err, context.Canceled):
					t.Error(err)
				}
			}
		})
	}
	marks.Go(func() { // run for a while only, because they would make up for a missing wake-up
		for sent.Load() < 16*300/4 && ctx.Err() == nil {
			high := rand.IntN(40)
			if err := push.SetWriteBufferLimits(high, high/4); err != nil {
				t.Error(err)
			}
			runtime.Gosched()
		}
	})
	writers.Wait()
	marks.Wait()
	// Two more writes show whether a waiter has left something behind.
	must(t, push.WriteContext(ctx, msg("last")))
	must(t, push.WriteContext(ctx, msg("last")))
	for got := range int(sent.Load()) + 2 {
		select {
		case <-received:
		case <-ctx.Done():
			t.Fatalf("%d messages of %d came", got, sent.Load()+2)
		}
	}
	must(t, push.Close())
}

// A thousand waiting writers are all served. The message of a writer that gives up is not
// sent.
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

// Close refuses messages of waiting writers. Accepted messages are sent on Close, and dropped on
// Abort.
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

// On the loop goroutine WriteContext does not wait, in any callback.
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

// On the loop goroutine it does not wait either if the protocol is not paused and the message has
// no room.
func TestWriteContextDoesNotWaitOnTheLoop(t *testing.T) {
	l := newLoop(t, nil)
	push := blocked(t, l, zmqio.BaseProtocol{})
	must(t, push.SetWriteBufferLimits(1, 1))
	soon(t, l, func() {
		must(t, push.WriteContext(bounded(t), msg("x")))
		wants(t, push.WriteContext(bounded(t), msg("y")), zmqio.ErrWouldDeadlock)
	})
	pass(t, l)
	if n := push.WriteBufferSize(); n != 1 {
		t.Errorf("%d bytes buffered", n)
	}
	must(t, push.Abort())
}

// It does not wait in the transport's own PauseWriting, on another goroutine: PauseWriting must
// return first.
func TestWriteContextInPauseWriting(t *testing.T) {
	l := newLoop(t, nil)
	inBackground(t, l)
	var push *zmqio.Transport
	err := errors.New("PauseWriting was not called")
	p := &recorder{live: true, onPause: func() { err = push.WriteContext(bounded(t), msg("y")) }}
	push = blocked(t, l, p)
	must(t, push.SetWriteBufferLimits(0, 0))
	writeAll(t, push, "x")
	wants(t, err, zmqio.ErrWouldDeadlock)
	must(t, push.Abort())
}

// A nosy context calls methods of the transport.
type nosy struct {
	context.Context
	tr *zmqio.Transport
}

func (c nosy) Value(key any) any {
	_ = c.tr.String()
	return c.Context.Value(key)
}

// The user's methods of a context are called without a lock.
func TestWriteContextAsksTheContextUnlocked(t *testing.T) {
	l := newLoop(t, nil)
	inBackground(t, l)
	push := blocked(t, l, zmqio.BaseProtocol{})
	must(t, push.SetWriteBufferLimits(1, 1))
	writeAll(t, push, "x")
	ctx, cancel := context.WithCancelCause(bounded(t))
	result := waiting(t, nosy{ctx, push}, push, 1, "y")
	reason := errors.New("reason")
	cancel(reason)
	wants(t, <-result, reason)
	must(t, push.Abort())
}

func TestPairingOfManyWritersThatWait(t *testing.T) {
	// Each message is over the mark, so each buffered message pauses.
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
