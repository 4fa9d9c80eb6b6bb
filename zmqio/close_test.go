package zmqio

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/outbox"
)

func TestCloseFlushesToALatePeer(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	lost := false
	p := &recorder{onLost: func(error) { lost = true }}
	tr := blocked(t, l, p)
	const n = 10_000
	for i := range n {
		must(t, tr.Write(msg(fmt.Sprint(i), strings.Repeat("x", i%300))))
	}
	endpoint := tr.Listeners()[0]
	must(t, tr.Close())
	pass(t, l)
	if lost || !errors.Is(tr.Write(msg("late")), ErrTransportClosed) {
		t.Fatal("closed before the buffer was empty")
	}
	next := 0
	create(t, l, &recorder{onMsg: func(m [][]byte) {
		if string(m[0]) != fmt.Sprint(next) {
			t.Fatalf("got %s, want %d", m[0], next)
		}
		if next++; next == n {
			l.Stop()
		}
	}}, zmq.PULL, connectTo(endpoint))
	must(t, l.RunForever(bounded(t)))
	for !lost {
		pass(t, l)
	}
}

func TestAbortDropsTheBuffer(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	p := &recorder{}
	tr := blocked(t, l, p)
	must(t, tr.Write(msg("x")))
	must(t, tr.Close())
	must(t, tr.Abort())
	must(t, tr.Abort())
	if tr.WriteBufferSize() != 0 {
		t.Error("the buffer is not empty")
	}
	pass(t, l)
	if got := p.got(); !slices.Equal(got, []string{"made", "lost"}) || p.err != nil {
		t.Errorf("%v %v", got, p.err)
	}
}

func TestLoopCloseSaysWhatWasLost(t *testing.T) {
	leakCheck(t)
	l, err := NewEventLoop(nil)
	must(t, err)
	p, quiet := &recorder{}, &recorder{}
	tr := blocked(t, l, p)
	blocked(t, l, quiet)
	endpoint := tr.Listeners()[0]
	must(t, tr.Write(msg("12", "345")))
	must(t, tr.Write(msg("6")))
	err = l.Close()
	if !errors.Is(err, ErrUndelivered) || !strings.Contains(err.Error(), "PUSH bound ["+endpoint+"]") || !strings.Contains(err.Error(), "2 messages, 6 bytes") || strings.Count(err.Error(), "messages,") != 1 {
		t.Errorf("%v", err)
	}
	for _, p := range []*recorder{p, quiet} {
		if got := p.got(); !slices.Equal(got, []string{"made", "lost"}) {
			t.Errorf("%v", got)
		}
	}
	must(t, l.Close())
}

// Close waits at most its linger for messages that libzmq has for a peer that never comes, even if
// ZMQ_LINGER is infinite. The error says so.
func TestLoopCloseIsBounded(t *testing.T) {
	leakCheck(t)
	l, err := NewEventLoop(&LoopConfig{Linger: 20 * time.Millisecond})
	must(t, err)
	tr := create(t, l, BaseProtocol{}, zmq.PUSH, connectTo("tcp://127.0.0.1:9")) // the discard port
	must(t, tr.Write(msg("x")))
	if tr.WriteBufferSize() != 0 {
		t.Fatal("libzmq did not take the message")
	}
	if err := l.Close(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// A transport that was closed earlier left libzmq its messages with an infinite ZMQ_LINGER.
func TestLoopCloseSaysThatLibzmqDidNotFinish(t *testing.T) {
	leakCheck(t)
	l, err := NewEventLoop(&LoopConfig{Linger: time.Millisecond})
	must(t, err)
	endpoint := fmt.Sprintf("ipc://@zmqio-test-%d", os.Getpid())
	tr := create(t, l, BaseProtocol{}, zmq.PUSH, connectTo(endpoint))
	must(t, tr.Write(msg("x")))
	must(t, tr.Close())
	if err := l.Close(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
	// The peer comes after all, which ends libzmq's work in the background.
	other, err := NewEventLoop(nil)
	must(t, err)
	defer other.Close()
	create(t, other, &recorder{onMsg: func([][]byte) { other.Stop() }}, zmq.PULL, bindTo(endpoint))
	must(t, other.RunForever(bounded(t)))
}

// If two goroutines meet the error that ends a transport, the exception handler is told once.
func TestFatalErrorIsToldOnce(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	told := 0
	l.SetExceptionHandler(func(*EventLoop, ExceptionContext) { told++ })
	p := &recorder{}
	tr := create(t, l, p, zmq.PULL, bindTo(anyPort))
	tr.fatal(zmq.ENOTSOCK)
	tr.fatal(zmq.ETERM)
	pass(t, l)
	if told != 1 || p.err != zmq.ENOTSOCK {
		t.Errorf("told %d times, lost with %v", told, p.err)
	}
}

func TestContextTerminatedElsewhere(t *testing.T) {
	for _, typ := range []zmq.SocketType{zmq.PULL, zmq.PUSH} {
		t.Run(typ.String(), func(t *testing.T) { testContextTerminatedElsewhere(t, typ) })
	}
}

func testContextTerminatedElsewhere(t *testing.T, typ zmq.SocketType) {
	leakCheck(t)
	ctx, err := zmq4.NewContext()
	must(t, err)
	l, err := NewEventLoop(&LoopConfig{Context: ctx})
	must(t, err)
	var caught []ExceptionContext
	l.SetExceptionHandler(func(_ *EventLoop, c ExceptionContext) { caught = append(caught, c) })
	p := &recorder{onLost: func(error) { l.Stop() }}
	create(t, l, p, typ, bindTo(anyPort))
	done := make(chan error, 1)
	soon(t, l, func() { go func() { done <- ctx.Term() }() })
	must(t, l.RunForever(bounded(t)))
	must(t, <-done)
	if !errors.Is(p.err, zmq.ETERM) || len(caught) != 1 || !errors.Is(caught[0].Err, zmq.ETERM) || caught[0].Protocol != p {
		t.Errorf("lost with %v, handler got %+v", p.err, caught)
	}
	must(t, l.Close())
}

func TestPauseReading(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	push := create(t, l, BaseProtocol{}, zmq.PUSH, bindTo("inproc://reading"))
	var pull *Transport
	p := &recorder{}
	p.onMsg = func([][]byte) {
		if len(p.msgs) == 3 {
			must(t, pull.PauseReading())
			if err := pull.PauseReading(); !errors.Is(err, ErrAlreadyPaused) {
				t.Errorf("%v", err)
			}
			_, err := l.CallLater(0, l.Stop)
			must(t, err)
		}
		if len(p.msgs) == 10 {
			l.Stop()
		}
	}
	pull = create(t, l, p, zmq.PULL, connectTo("inproc://reading"))
	if err := pull.ResumeReading(); !errors.Is(err, ErrNotPaused) {
		t.Errorf("%v", err)
	}
	for i := range 10 {
		must(t, push.Write(msg(fmt.Sprint(i))))
	}
	must(t, l.RunForever(bounded(t)))
	for range 3 { // pausing costs no time: the loop consumes the signal
		pass(t, l)
	}
	if len(p.msgs) != 3 {
		t.Fatalf("%d messages while paused", len(p.msgs))
	}
	must(t, pull.ResumeReading())
	must(t, l.RunForever(bounded(t)))
	for i, m := range p.msgs {
		if text(m) != fmt.Sprint(i) {
			t.Errorf("message %d is %s", i, text(m))
		}
	}
	must(t, pull.Close())
	must(t, pull.ResumeReading())
	if err := pull.PauseReading(); !errors.Is(err, ErrTransportClosed) {
		t.Errorf("%v", err)
	}
}

// A panic or a Goexit in MsgReceived loses one message, and not those behind it.
func TestNothingReceivedIsDropped(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	panics := 0
	l.SetExceptionHandler(func(*EventLoop, ExceptionContext) { panics++ })
	push := create(t, l, BaseProtocol{}, zmq.PUSH, bindTo("inproc://dropped"))
	p := &recorder{}
	p.onMsg = func([][]byte) {
		switch len(p.msgs) {
		case 3:
			panic("three")
		case 5:
			runtime.Goexit()
		case 10:
			l.Stop()
		}
	}
	create(t, l, p, zmq.PULL, connectTo("inproc://dropped"))
	for i := range 10 {
		must(t, push.Write(msg(fmt.Sprint(i))))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = l.RunForever(context.Background())
	}()
	<-done
	must(t, l.RunForever(bounded(t)))
	for i, m := range p.msgs {
		if text(m) != fmt.Sprint(i) {
			t.Errorf("message %d is %s", i, text(m))
		}
	}
	if panics != 1 {
		t.Errorf("%d panics", panics)
	}
}

func TestNoMessageAfterClose(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	push := create(t, l, BaseProtocol{}, zmq.PUSH, bindTo("inproc://after"))
	var pull *Transport
	p := &recorder{onLost: func(error) { l.Stop() }}
	p.onMsg = func([][]byte) { must(t, pull.Close()) }
	pull = create(t, l, p, zmq.PULL, connectTo("inproc://after"))
	for range 10 {
		must(t, push.Write(msg("x")))
	}
	must(t, l.RunForever(bounded(t)))
	if len(p.msgs) != 1 {
		t.Errorf("%d messages", len(p.msgs))
	}
}

// On a ROUTER with ROUTER_MANDATORY a buffered message for an unknown peer is dropped. Those behind
// it are sent.
func TestUnroutableMessageLater(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	var dropped []ExceptionContext
	l.SetExceptionHandler(func(_ *EventLoop, c ExceptionContext) { dropped = append(dropped, c) })
	var router *Transport
	r := &recorder{onMsg: func(m [][]byte) { // both are written in a delivery, and so sent after it
		must(t, router.Write(msg("nobody", "a")))
		must(t, router.Write(m))
	}}
	router = create(t, l, r, zmq.ROUTER, ConnectionConfig{
		Bind: []string{anyPort}, Configure: func(o zmq.Sockopts) error { return o.SetRouterMandatory(true) },
	})
	d := &recorder{onMsg: func([][]byte) { l.Stop() }}
	dealer := create(t, l, d, zmq.DEALER, connectTo(router.Listeners()...))
	must(t, dealer.Write(msg("ping")))
	must(t, l.RunForever(bounded(t)))
	pass(t, l) // posts the call of the handler
	if len(dropped) != 1 || !errors.Is(dropped[0].Err, zmq.EHOSTUNREACH) || dropped[0].Transport != router {
		t.Errorf("%+v", dropped)
	}
	if text(d.msgs[0]) != "ping" || router.IsClosing() {
		t.Error("the message behind was lost, or the transport")
	}
}

// A ROUTER reports POLLOUT while any of its peers has room. So ZMQ_EVENTS and ZMQ_FD cannot tell
// when a refused message has room.
func TestFullRouterGoesOn(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	router := create(t, l, BaseProtocol{}, zmq.ROUTER, ConnectionConfig{
		Bind: []string{"inproc://full"}, Configure: func(o zmq.Sockopts) error {
			return errors.Join(o.SetSndHWM(2), o.SetRouterMandatory(true))
		},
	})
	const n = 1000
	d := &recorder{}
	d.onMsg = func([][]byte) {
		if len(d.msgs) == n {
			l.Stop()
		}
	}
	for name, p := range map[string]Protocol{"me": d, "other": BaseProtocol{}} {
		create(t, l, p, zmq.DEALER, ConnectionConfig{
			Connect: []string{"inproc://full"}, Configure: func(o zmq.Sockopts) error {
				return errors.Join(o.SetRcvHWM(2), o.SetRoutingID([]byte(name)))
			},
		})
	}
	for i := range n {
		must(t, router.Write(msg("me", fmt.Sprint(i))))
	}
	if router.WriteBufferSize() == 0 {
		t.Fatal("the router's peer is not full")
	}
	if _, timers := l.reactor.Queued(); timers != 1 {
		t.Errorf("%d timers to try again, want 1", timers)
	}
	must(t, l.RunForever(bounded(t)))
	for i, m := range d.msgs {
		if text(m) != fmt.Sprint(i) {
			t.Fatalf("message %d is %s", i, text(m))
		}
	}
}

// A second request that was buffered waits for the first reply.
func TestRequestsOutOfTurn(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	req := create(t, l, &recorder{onMsg: func([][]byte) { l.Stop() }}, zmq.REQ, bindTo(anyPort))
	var rep *Transport
	rep = create(t, l, &recorder{onMsg: func(m [][]byte) { must(t, rep.Write(m)) }}, zmq.REP, connectTo(req.Listeners()...))
	soon(t, l, func() { must(t, req.Write(msg("first"))) }) // no peer is connected yet, so it is buffered
	must(t, l.RunForever(bounded(t)))
	must(t, req.Write(msg("second")))
	if err := req.Write(msg("out of turn")); !errors.Is(err, zmq.EFSM) {
		t.Errorf("%v", err)
	}
	must(t, l.RunForever(bounded(t)))
	if req.IsClosing() || rep.IsClosing() {
		t.Error("a transport was lost")
	}
}

func TestTimerCancelledAfterClose(t *testing.T) {
	leakCheck(t)
	l, err := NewEventLoop(nil)
	must(t, err)
	h, err := l.CallLater(time.Hour, func() {})
	must(t, err)
	must(t, l.Close())
	h.Cancel()
}

func TestLoopCloseHandsOverEverything(t *testing.T) {
	leakCheck(t)
	l, err := NewEventLoop(nil)
	must(t, err)
	push := create(t, l, BaseProtocol{}, zmq.PUSH, bindTo("inproc://over"))
	for range 100 { // more than one flush takes
		must(t, push.Write([][]byte{make([]byte, outbox.BatchBytes+1)}))
	}
	create(t, l, BaseProtocol{}, zmq.PULL, connectTo("inproc://over"))
	must(t, l.Close())
}

func TestCloseWithTwoRequests(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	p := &recorder{onLost: func(error) { l.Stop() }}
	req := create(t, l, p, zmq.REQ, bindTo("inproc://two"))
	must(t, req.Write(msg("a")))
	must(t, req.Write(msg("b")))
	must(t, req.Close())
	r := &recorder{}
	var rep *Transport
	r.onMsg = func(m [][]byte) { must(t, rep.Write(m)) }
	rep = create(t, l, r, zmq.REP, connectTo("inproc://two"))
	must(t, l.RunForever(bounded(t)))
	pass(t, l)
	if len(r.msgs) != 2 || len(p.msgs) != 0 {
		t.Errorf("%d requests came, %d replies after Close", len(r.msgs), len(p.msgs))
	}
}

func TestAbortedIsNotUndelivered(t *testing.T) {
	leakCheck(t)
	l, err := NewEventLoop(nil)
	must(t, err)
	tr := blocked(t, l, BaseProtocol{})
	must(t, tr.Write(msg("x")))
	must(t, tr.Abort())
	must(t, l.Close())
}

func TestGoexitWhileClosing(t *testing.T) {
	leakCheck(t)
	l, err := NewEventLoop(nil)
	must(t, err)
	first, second := &recorder{onLost: func(error) { runtime.Goexit() }}, &recorder{}
	create(t, l, first, zmq.PULL, bindTo(anyPort))
	create(t, l, second, zmq.PULL, bindTo(anyPort))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = l.Close()
	}()
	<-done
	if got := second.got(); !slices.Equal(got, []string{"made", "lost"}) {
		t.Errorf("%v", got)
	}
}

func TestLoopCloseWhilePausing(t *testing.T) {
	leakCheck(t)
	l, err := NewEventLoop(&LoopConfig{Linger: time.Hour}) // Close would wait as long for its own context
	must(t, err)
	p := &pauser{onPause: func() {
		if err := l.Close(); !errors.Is(err, ErrUndelivered) {
			t.Errorf("%v", err)
		}
	}}
	tr := blocked(t, l, p)
	must(t, tr.SetWriteBufferLimits(0, 0))
	must(t, tr.Write(msg("x")))
	if got := p.got(); !slices.Equal(got, []string{"made", "pause", "lost"}) {
		t.Errorf("%v", got)
	}
}
