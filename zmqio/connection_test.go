package zmqio

import (
	"context"
	"errors"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
)

func TestCreateWhileTheLoopDoesNotRun(t *testing.T) {
	leakCheck(t)
	l, err := NewEventLoop(nil)
	must(t, err)
	inner := &recorder{}
	r := &recorder{onMade: func(tr *Transport) {
		create(t, tr.Loop(), inner, zmq.PULL, bindTo(anyPort)) // in a callback
		if err := l.RunForever(bounded(t)); !errors.Is(err, ErrWouldDeadlock) {
			t.Errorf("run inside ConnectionMade: %v", err)
		}
	}}
	create(t, l, r, zmq.PULL, bindTo(anyPort))
	must(t, l.Close())
	for _, r := range []*recorder{r, inner} {
		if got := r.got(); !slices.Equal(got, []string{"made", "lost"}) {
			t.Errorf("%v", got)
		}
	}
}

func TestCreateFailures(t *testing.T) {
	leakCheck(t)
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // keeps finalizers from closing what the test leaks
	l := newLoop(t)
	taken := create(t, l, BaseProtocol{}, zmq.PULL, bindTo(anyPort)).Listeners()[0]
	boom := errors.New("boom")
	l.SetExceptionHandler(func(*EventLoop, ExceptionContext) {})
	ok := func() Protocol { return BaseProtocol{} }
	tests := map[string]struct {
		typ     zmq.SocketType
		factory func() Protocol
		cfg     ConnectionConfig
		want    error
	}{
		"nothing given":     {zmq.PULL, ok, ConnectionConfig{}, ErrInvalidArgument},
		"two given":         {zmq.PULL, ok, ConnectionConfig{Bind: []string{}, Connect: []string{}}, ErrInvalidArgument},
		"nil factory":       {zmq.PULL, nil, bindTo(anyPort), ErrInvalidArgument},
		"nil protocol":      {zmq.PULL, func() Protocol { return nil }, bindTo(anyPort), ErrInvalidArgument},
		"factory panics":    {zmq.PULL, func() Protocol { panic(boom) }, bindTo(anyPort), boom},
		"name":              {zmq.PULL, ok, connectTo("tcp://localhost:5555"), ErrDNSEndpoint},
		"name is argument":  {zmq.PULL, ok, connectTo("tcp://localhost:5555"), ErrInvalidArgument},
		"no endpoint":       {zmq.PULL, ok, bindTo("nonsense"), zmq.EINVAL},
		"no port":           {zmq.PULL, ok, connectTo("tcp://127.0.0.1"), syscall.EINVAL},
		"NUL":               {zmq.PULL, ok, bindTo("inproc://a\x00b"), zmq.EINVAL},
		"no such transport": {zmq.PULL, ok, bindTo("carrier://pigeon"), zmq.EPROTONOSUPPORT},
		"in use":            {zmq.PULL, ok, bindTo(anyPort, taken), zmq.EADDRINUSE},
		"in use, POSIX":     {zmq.PULL, ok, bindTo(taken), syscall.EADDRINUSE},
		"configure":         {zmq.PULL, ok, ConnectionConfig{Bind: []string{}, Configure: func(zmq.Sockopts) error { return boom }}, boom},
		"thread-safe type":  {zmq.SERVER, ok, bindTo(anyPort), ErrSocketType},
		"unsupported type":  {zmq.CLIENT, ok, bindTo(anyPort), errors.ErrUnsupported},
		"unknown type":      {zmq.SocketType(99), ok, bindTo(anyPort), ErrSocketType},
	}
	before := countFDs(t)
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			tr, p, err := l.CreateZmqConnection(bounded(t), c.factory, c.typ, c.cfg)
			if tr != nil || p != nil || !errors.Is(err, c.want) {
				t.Errorf("got %v, %v, %v, want %v", tr, p, err, c.want)
			}
		})
	}
	left := 0
	for _, r := range l.Residents() {
		if !r.(*Transport).IsClosing() {
			left++
		}
	}
	if left != 1 {
		t.Errorf("%d transports are open", left)
	}
	for ctx := bounded(t); countFDs(t) > before; runtime.Gosched() { // until libzmq's reaper has closed the last ones
		if ctx.Err() != nil {
			t.Fatal("descriptors left open")
		}
	}
}

// After a failure that follows ConnectionMade, ConnectionLost gets the same error.
func TestFailureAfterConnectionMade(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	r := &recorder{}
	_, _, err := l.CreateZmqConnection(bounded(t), func() Protocol { return r }, zmq.PULL, bindTo("nonsense"))
	soon(t, l, l.Stop)
	must(t, l.RunForever(bounded(t)))
	if got := r.got(); !slices.Equal(got, []string{"made", "lost"}) || !errors.Is(err, r.err) || r.err == nil {
		t.Errorf("%v: %v, %v", got, r.err, err)
	}
	var se *os.SyscallError
	if !errors.As(err, &se) || se.Syscall != "zmq_bind" || !strings.Contains(err.Error(), `"nonsense"`) {
		t.Errorf("%v", err)
	}
}

func TestSocketMadeElsewhere(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	newSocket := func(typ zmq4.Type) *zmq4.Socket {
		z, err := l.context.NewSocket(typ)
		must(t, err)
		return z
	}
	factory := func() Protocol { return BaseProtocol{} }
	z := newSocket(zmq4.PUSH)
	if _, _, err := l.CreateZmqConnection(bounded(t), factory, zmq.PULL, ConnectionConfig{Socket: z}); !errors.Is(err, ErrSocketType) {
		t.Errorf("wrong type: %v", err)
	}
	if _, err := z.GetType(); err != nil {
		t.Errorf("the socket was closed on a refusal: %v", err)
	}
	must(t, z.Close())
	if _, _, err := l.CreateZmqConnection(bounded(t), factory, zmq.PUSH, ConnectionConfig{Socket: z}); !errors.Is(err, zmq.ENOTSOCK) {
		t.Errorf("closed socket: %v", err)
	}
	// A message that came before the socket had a transport is delivered.
	pull, push := newSocket(zmq4.PULL), newSocket(zmq4.PUSH)
	must(t, pull.Bind("inproc://elsewhere"))
	must(t, push.Connect("inproc://elsewhere"))
	_, err := push.Send("early", 0)
	must(t, err)
	if e, err := pull.GetEvents(); err != nil || e&zmq4.POLLIN == 0 { // consumes the signal
		t.Fatal(e, err)
	}
	r := &recorder{onMsg: func([][]byte) { l.Stop() }}
	tr := create(t, l, r, zmq.PULL, ConnectionConfig{Socket: pull})
	must(t, l.RunForever(bounded(t)))
	if text(r.msgs[0]) != "early" || tr.ExtraInfo("zmq_socket", nil) != pull || len(tr.Listeners()) != 0 {
		t.Error("not the caller's socket")
	}
	must(t, tr.Abort())
	must(t, push.Close())
}

func TestGoexitInConnectionMade(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	z, err := l.context.NewSocket(zmq4.PULL)
	must(t, err)
	for _, cfg := range []ConnectionConfig{bindTo(anyPort), {Socket: z}} {
		goexitInConnectionMade(t, l, cfg)
	}
	if _, err := z.GetType(); err != nil {
		t.Errorf("the caller's socket: %v", err)
	}
	must(t, z.Close())
}

func goexitInConnectionMade(t *testing.T, l *EventLoop, cfg ConnectionConfig) {
	t.Helper()
	var tr *Transport
	p := &recorder{onMade: func(made *Transport) { tr = made; runtime.Goexit() }}
	ran := make(chan struct{})
	running := make(chan struct{})
	soon(t, l, func() { close(running) })
	go func() {
		defer close(ran)
		_ = l.RunForever(context.Background())
	}()
	<-running
	_, _, err := l.CreateZmqConnection(bounded(t), func() Protocol { return p }, zmq.PULL, cfg)
	<-ran
	pass(t, l)
	if got := p.got(); !errors.Is(err, ErrGoexit) || !slices.Equal(got, []string{"made", "lost"}) || !tr.IsClosing() {
		t.Errorf("%v, %v", err, got)
	}
}

// ctx bounds the wait for the loop, and not the loop's work with the caller's socket: the caller
// has the socket again when the call returns.
func TestContextBoundsTheWaitForTheLoop(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	must(t, l.Run(bounded(t), func(runCtx context.Context) error {
		ctx, cancel := context.WithCancelCause(runCtx)
		why := errors.New("why")
		hold, held := make(chan struct{}), make(chan struct{})
		soon(t, l, func() { close(held); <-hold })
		<-held
		cancel(why)
		_, _, err := l.CreateZmqConnection(ctx, func() Protocol { t.Error("made"); return nil }, zmq.PULL, bindTo(anyPort))
		if !errors.Is(err, why) {
			t.Errorf("while the loop is busy: %v", err)
		}
		close(hold)
		ctx, cancel = context.WithCancelCause(runCtx)
		tr, _, err := l.CreateZmqConnection(ctx, func() Protocol { cancel(why); return BaseProtocol{} }, zmq.PULL, bindTo(anyPort))
		if tr == nil || err != nil {
			t.Errorf("ended while it was made: %v, %v", tr, err)
		}
		return nil
	}))
}
