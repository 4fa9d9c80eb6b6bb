package zmqio

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
)

// waiting starts a WriteContext that has to wait, and returns where its error comes
// when it waits.
func waiting(ctx context.Context, tr *Transport, m [][]byte) <-chan error {
	before := countWaiters(tr)
	result := make(chan error, 1)
	go func() { result <- tr.WriteContext(ctx, m) }()
	for countWaiters(tr) == before && len(result) == 0 {
		runtime.Gosched()
	}
	return result
}

func countWaiters(tr *Transport) int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.flow.Waiting()
}

// runAside runs l on a goroutine of its own until the test ends.
func runAside(t *testing.T, l *EventLoop) {
	t.Helper()
	stopped := make(chan error, 1)
	go func() { stopped <- l.RunForever(bounded(t)) }()
	started := make(chan struct{})
	soon(t, l, func() { close(started) })
	<-started
	t.Cleanup(func() {
		l.Stop()
		must(t, <-stopped)
	})
}

func TestWriteContextInTurn(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	runAside(t, l)
	tr := blocked(t, l, BaseProtocol{})
	must(t, tr.SetWriteBufferLimits(6, 3))
	must(t, tr.Write(msg("first")))
	const n = 50
	var results []<-chan error
	var want []string
	for i := range n {
		m := fmt.Sprint(1000 + i)
		results, want = append(results, waiting(bounded(t), tr, msg(m))), append(want, m)
	}
	if len(results[0]) > 0 || tr.WriteBufferSize() != len("first") {
		t.Fatal("a message went in without room")
	}
	var got []string
	all := make(chan struct{})
	drain(t, l, tr, func(m [][]byte) {
		if got = append(got, text(m)); len(got) == n+1 {
			close(all)
		}
	})
	for _, r := range results {
		must(t, <-r)
	}
	<-all
	if !slices.Equal(got[1:], want) {
		t.Errorf("got %q", got)
	}
}

// A smaller message may fit where the one before it, which gave up, did not.
func TestWriteContextGivesUp(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	runAside(t, l)
	tr := blocked(t, l, BaseProtocol{})
	must(t, tr.SetWriteBufferLimits(10, 10))
	must(t, tr.Write(msg("12345")))
	ctx, cancel := context.WithCancelCause(context.Background())
	large := waiting(ctx, tr, msg("123456"))
	small := waiting(bounded(t), tr, msg("1"))
	mine := errors.New("mine")
	cancel(mine)
	if err := <-large; err != mine {
		t.Errorf("the large one: %v", err)
	}
	must(t, <-small)
	if err := tr.WriteContext(ctx, msg("x")); err != mine {
		t.Errorf("after the end of ctx: %v", err)
	}
	if size := tr.WriteBufferSize(); size != 6 {
		t.Errorf("%d bytes are buffered", size)
	}
	must(t, tr.SetWriteBufferLimits(6, 6))
	grown := waiting(bounded(t), tr, msg("123456"))
	must(t, tr.SetWriteBufferLimits(12, 12))
	must(t, <-grown)
	closed := waiting(bounded(t), tr, msg("1"))
	must(t, tr.Close())
	if err := <-closed; !errors.Is(err, ErrTransportClosed) {
		t.Errorf("closed meanwhile: %v", err)
	}
	must(t, tr.Abort())
}

// While the protocol is paused, nobody keeps the buffer from coming down to the mark
// at which it is resumed.
func TestWriteContextLetsTheProtocolResume(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	runAside(t, l)
	p := &recorder{}
	tr := blocked(t, l, p)
	must(t, tr.SetWriteBufferLimits(10, 0))
	must(t, tr.Write(msg("12345678901")))
	w := waiting(bounded(t), tr, msg("x"))
	must(t, tr.SetWriteBufferLimits(100, 0)) // marks above do not resume
	if countWaiters(tr) != 1 {
		t.Error("a writer got in while the protocol is paused")
	}
	drain(t, l, tr, func([][]byte) {})
	must(t, <-w)
	done := make(chan struct{})
	soon(t, l, func() { close(done) })
	<-done
	if got := strings.Join(p.got(), " "); got != "made pause resume" {
		t.Error(got)
	}
}

func TestWriteContextDoesNotWaitOnTheLoop(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	runAside(t, l)
	tr := blocked(t, l, BaseProtocol{})
	must(t, tr.SetWriteBufferLimits(1, 1))
	result := make(chan error, 2)
	soon(t, l, func() {
		result <- tr.WriteContext(bounded(t), msg("x"))
		result <- tr.WriteContext(bounded(t), msg("y"))
	})
	must(t, <-result)
	if err := <-result; !errors.Is(err, ErrWouldDeadlock) {
		t.Error(err)
	}
	if size := tr.WriteBufferSize(); size != 1 {
		t.Errorf("%d bytes are buffered", size)
	}
}

func TestMaxWriteBuffer(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	cfg := bindTo(anyPort)
	cfg.MaxWriteBuffer = 10
	tr := create(t, l, BaseProtocol{}, zmq.PUSH, cfg)
	full := func(m [][]byte) {
		t.Helper()
		if err := tr.Write(m); !errors.Is(err, ErrBufferFull) {
			t.Errorf("%q: %v", m, err)
		}
		if err := tr.WriteContext(bounded(t), m); sizeOf(m).Bytes > 10 && !errors.Is(err, ErrBufferFull) {
			t.Errorf("%q: %v", m, err)
		}
	}
	full(msg("12345678901"))
	full(msg("12345", "678901"))
	must(t, tr.Write(msg("12345", "")))
	must(t, tr.Write(msg("12345")))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = tr.WriteContext(ctx, msg("x"))
	if err := tr.Write(msg("x")); !errors.Is(err, ErrBufferFull) {
		t.Error(err)
	}
	for range 7 { // ten frames in all
		must(t, tr.Write(msg("")))
	}
	if err := tr.Write(msg("")); !errors.Is(err, ErrBufferFull) {
		t.Errorf("an eleventh frame: %v", err)
	}
	got := 0
	drain(t, l, tr, func([][]byte) {
		if got++; got == 9 {
			l.Stop()
		}
	})
	must(t, l.RunForever(bounded(t)))
	must(t, tr.Write(msg("123456789012"))) // libzmq takes it
	if _, _, err := l.CreateZmqConnection(bounded(t), func() Protocol { return BaseProtocol{} }, zmq.PUSH,
		ConnectionConfig{Bind: []string{}, MaxWriteBuffer: -1}); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("a negative size: %v", err)
	}
}

func TestSubscriptions(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	cfg := bindTo(anyPort)
	cfg.Configure = func(opts zmq.Sockopts) error { return opts.SetSubscribe([]byte("c")) }
	sub := create(t, l, BaseProtocol{}, zmq.SUB, cfg)
	must(t, sub.Subscribe("b"))
	must(t, sub.Subscribe("b"))
	must(t, sub.Setsockopt(zmq.SUBSCRIBE, []byte("a")))
	is := func(want ...string) {
		t.Helper()
		if got := sub.Subscriptions(); !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	is("a", "b", "c")
	must(t, sub.Unsubscribe("b"))
	is("a", "b", "c")
	must(t, sub.Unsubscribe("b"))
	must(t, sub.Sockopts().SetUnsubscribe([]byte("c")))
	is("a")
	if err := sub.Unsubscribe("b"); !errors.Is(err, ErrInvalidArgument) {
		t.Error(err)
	}
	xsub := create(t, l, BaseProtocol{}, zmq.XSUB, bindTo(anyPort))
	if err := xsub.Subscribe(""); !errors.Is(err, ErrSocketType) {
		t.Error(err)
	}
	must(t, sub.Close())
	if err := sub.Subscribe(""); !errors.Is(err, ErrTransportClosed) {
		t.Error(err)
	}
}

// A socket that was closed behind the transport's back is an error, and not memory
// that libzmq has given back.
func TestSocketClosedElsewhere(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	var told []ExceptionContext
	l.SetExceptionHandler(func(_ *EventLoop, ctx ExceptionContext) { told = append(told, ctx) })
	p := &recorder{onLost: func(error) { l.Stop() }}
	tr := create(t, l, p, zmq.PUSH, bindTo(anyPort))
	must(t, tr.ExtraInfo("zmq_socket", nil).(*zmq4.Socket).Close())
	if err := tr.Write(msg("x")); !errors.Is(err, zmq.ENOTSOCK) {
		t.Error(err)
	}
	must(t, l.RunForever(bounded(t)))
	if !errors.Is(p.err, zmq.ENOTSOCK) || len(told) != 1 || told[0].Transport != tr || !tr.IsClosing() {
		t.Errorf("lost with %v, told %v", p.err, told)
	}
}

// turnWithoutRoom waits until somebody waits, and lets the turn come, but the room is
// gone again: the message is of one byte, as is what the buffer has and its mark.
func turnWithoutRoom(tr *Transport, before func()) {
	for countWaiters(tr) == 0 {
		runtime.Gosched()
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	before()
	tr.flow.SetMarks(100, 0, tr.pending())
	tr.flow.SetMarks(1, 0, tr.pending())
}

// Whoever gives up when its turn has just come, after having been passed over, leaves
// the way free for others.
func TestWriteContextGivesUpItsTurn(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	tr := blocked(t, l, BaseProtocol{})
	for range 20 {
		tr.mu.Lock()
		tr.flow.SetMarks(1, 0, tr.pending())
		tr.mu.Unlock()
		must(t, tr.Write(msg("x")))
		ctx, cancel := context.WithCancel(context.Background())
		w := waiting(ctx, tr, msg("y"))
		turnWithoutRoom(tr, func() {})
		turnWithoutRoom(tr, cancel)
		if err := <-w; err == nil {
			t.Fatal("the message had no room")
		}
		tr.mu.Lock()
		left, n := tr.flow.MustQueue(), tr.flow.Waiting()
		tr.mu.Unlock()
		if left || n > 0 {
			t.Fatalf("left behind: must queue %v, %d waiters", left, n)
		}
	}
}

// Small messages that find room do not keep a large one waiting for ever.
func TestWriteContextIsPassedOverOnce(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	runAside(t, l)
	tr := blocked(t, l, BaseProtocol{})
	must(t, tr.SetWriteBufferLimits(10, 10))
	must(t, tr.Write(msg("1")))
	large := waiting(bounded(t), tr, msg("1234567890"))
	small := waiting(bounded(t), tr, msg("2")) // has room, but so it would be for ever
	if len(small) > 0 {
		t.Error("a small message went first")
	}
	var got []string
	all := make(chan struct{})
	drain(t, l, tr, func(m [][]byte) {
		if got = append(got, text(m)); len(got) == 3 {
			close(all)
		}
	})
	must(t, <-large)
	must(t, <-small)
	<-all
	if !slices.Equal(got, []string{"1", "1234567890", "2"}) {
		t.Errorf("got %q", got)
	}
}

// A protocol that fills the buffer in each ResumeWriting takes the room of whoever is
// being woken, but only once.
func TestWriteContextTakesItsSecondTurn(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	tr := blocked(t, l, BaseProtocol{})
	must(t, tr.SetWriteBufferLimits(1, 1))
	must(t, tr.Write(msg("x")))
	w := waiting(bounded(t), tr, msg("y"))
	turnWithoutRoom(tr, func() {})
	turnWithoutRoom(tr, func() {
		if len(w) > 0 {
			t.Error("the first turn was without room, and yet taken")
		}
	})
	must(t, <-w)
	if n := tr.WriteBufferSize(); n != 2 {
		t.Errorf("%d bytes in the buffer", n)
	}
}

// In PauseWriting there is nobody to wait for but itself.
func TestWriteContextInPauseWriting(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	runAside(t, l)
	var tr *Transport
	var err error
	tr = blocked(t, l, &pauseFunc{fn: func() { err = tr.WriteContext(bounded(t), msg("y")) }})
	must(t, tr.SetWriteBufferLimits(0, 0))
	must(t, tr.Write(msg("x")))
	if !errors.Is(err, ErrWouldDeadlock) {
		t.Error(err)
	}
}

// A pauseFunc is a protocol that calls fn when it is paused.
type pauseFunc struct {
	BaseProtocol
	fn func()
}

func (p *pauseFunc) PauseWriting() { p.fn() }
