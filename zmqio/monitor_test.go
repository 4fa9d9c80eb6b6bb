package zmqio

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
)

// A spy is a recorder that logs events too.
type spy struct {
	recorder
	onEvent func(zmq.MonitorEvent)
}

func (s *spy) EventReceived(ev zmq.MonitorEvent) {
	s.note(ev.Event.String())
	if s.onEvent != nil {
		s.onEvent(ev)
	}
}

func spyOn(t *testing.T, l *EventLoop, typ zmq.SocketType, cfg ConnectionConfig) (*spy, *Transport) {
	t.Helper()
	s := &spy{}
	s.onMade = func(tr *Transport) { must(t, tr.EnableMonitor(zmq.EVENT_ALL)) }
	return s, create(t, l, s, typ, cfg)
}

// The logger gets messages of the PAIR that are no events, and they do no harm.
func TestMonitorEventOfTheWrongForm(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	var told []ExceptionContext
	l.SetExceptionHandler(func(_ *EventLoop, ctx ExceptionContext) { told = append(told, ctx) })
	s, tr := spyOn(t, l, zmq.PULL, bindTo(anyPort))
	wrong := [][][]byte{msg("123456"), msg("12345", "tcp://a"), msg("1234567", "tcp://a"), msg("123456", "tcp://a", "tcp://b")}
	soon(t, l, func() {
		for _, m := range wrong {
			tr.sockMu.Lock()
			tr.monitor.heardLocked(m)
			tr.sockMu.Unlock()
		}
	})
	for ctx := bounded(t); len(told) < len(wrong) || len(s.got()) < 2; pass(t, l) {
		must(t, ctx.Err())
	}
	for i, ctx := range told {
		if !errors.Is(ctx.Err, zmq.ErrValue) || ctx.Transport != tr || ctx.Protocol != Protocol(s) {
			t.Errorf("%q: %+v", wrong[i], ctx)
		}
	}
	if got := strings.Join(s.got(), " "); got != "made EVENT_LISTENING" || len(told) != len(wrong) {
		t.Errorf("%s; %v", got, told)
	}
}

// A socket that was closed elsewhere lingers in libzmq, and reports events. The departure must
// receive them, or libzmq's I/O thread would block.
func TestMonitorOfASocketClosedElsewhere(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	l.SetExceptionHandler(func(*EventLoop, ExceptionContext) {})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, listener.Close())
	cfg := connectTo("tcp://" + listener.Addr().String())
	cfg.Configure = func(o zmq.Sockopts) error {
		return errors.Join(o.SetReconnectInterval(time.Millisecond), o.SetLinger(300*time.Millisecond))
	}
	s, tr := spyOn(t, l, zmq.PUSH, cfg)
	must(t, tr.Write(msg("never arrives")))
	retried := 0
	s.onEvent = func(ev zmq.MonitorEvent) {
		if ev.Event == zmq.EVENT_CONNECT_RETRIED {
			retried++
		}
	}
	for ctx := bounded(t); retried < 3; pass(t, l) {
		must(t, ctx.Err())
	}
	must(t, tr.zsock.Close())
	if err := tr.Write(msg("x")); !errors.Is(err, zmq.ENOTSOCK) {
		t.Fatal(err)
	}
	retried = 0

	// The I/O thread works on.
	pull := create(t, l, &recorder{onMsg: func([][]byte) { l.Stop() }}, zmq.PULL, bindTo(anyPort))
	for range 100 {
		push := create(t, l, BaseProtocol{}, zmq.PUSH, connectTo(pull.Listeners()...))
		must(t, push.Write(msg("x")))
		must(t, l.RunForever(bounded(t)))
		must(t, push.Close())
	}
	if got := s.got(); got[len(got)-1] != "lost" || retried > 0 || !errors.Is(s.err, zmq.ENOTSOCK) {
		t.Errorf("%v, %v", got, s.err)
	}
	must(t, tr.DisableMonitor())
}

// The monitor's PAIR is in the transport's context. The transport learns from the monitor here that
// the context is gone.
func TestMonitorFindsTheContextTerminated(t *testing.T) {
	leakCheck(t)
	zctx, err := zmq4.NewContext()
	must(t, err)
	l, err := NewEventLoop(&LoopConfig{Context: zctx})
	must(t, err)
	defer func() { must(t, l.Close()) }()
	var told []ExceptionContext
	l.SetExceptionHandler(func(_ *EventLoop, ctx ExceptionContext) { told = append(told, ctx) })
	s, tr := spyOn(t, l, zmq.PULL, ConnectionConfig{Bind: []string{}})
	pair := tr.monitor.pair
	pass(t, l) // serves the transport and the monitor, because both are new
	done := make(chan error, 1)
	go func() { done <- zctx.Term() }()
	for ctx := bounded(t); !errors.Is(err, zmq.ETERM); _, err = rawSockopts(pair.sock).Events() {
		must(t, ctx.Err())
	}
	soon(t, l, tr.monitor.serve) // before any other callback
	for ctx := bounded(t); len(s.got()) < 2; pass(t, l) {
		must(t, ctx.Err())
	}
	must(t, <-done)
	if len(told) != 1 || told[0].Transport != tr || told[0].Protocol != Protocol(s) || !errors.Is(told[0].Err, zmq.ETERM) {
		t.Errorf("%+v", told)
	}
	if !errors.Is(s.err, zmq.ETERM) {
		t.Errorf("lost with %v", s.err)
	}
}
