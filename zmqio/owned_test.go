package zmqio

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
)

func bareSocket(t *testing.T, l *EventLoop, typ zmq4.Type) *zmq4.Socket {
	t.Helper()
	z, err := l.context.NewSocket(typ)
	must(t, err)
	t.Cleanup(func() { _ = z.Close() })
	return z
}

// A socket has one transport in the process, and no other user at the same time.
func TestOneTransportASocket(t *testing.T) {
	leakCheck(t)
	l, other := newLoop(t), newLoop(t)
	z := bareSocket(t, l, zmq4.PULL)
	opts, err := SocketOptions(z)
	must(t, err)
	must(t, opts.SetRcvHWM(5))
	tr := create(t, l, BaseProtocol{}, zmq.PULL, ConnectionConfig{Socket: z})
	for _, l := range []*EventLoop{l, other} {
		_, _, err := l.CreateZmqConnection(bounded(t), func() Protocol { return BaseProtocol{} }, zmq.PULL, ConnectionConfig{Socket: z})
		if !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("a second transport: %v", err)
		}
	}
	if _, err := SocketOptions(z); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("options of an owned socket: %v", err)
	}
	if _, err := opts.RcvHWM(); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("get by options from before: %v", err)
	}
	if err := opts.SetRcvHWM(6); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("set by options from before: %v", err)
	}
	if n, err := tr.Sockopts().RcvHWM(); n != 5 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	must(t, tr.Abort())
	if _, err := opts.RcvHWM(); !errors.Is(err, zmq.ENOTSOCK) {
		t.Errorf("after the end: %v", err)
	}
}

// A failed creation gives the socket back.
func TestRefusedSocketIsGivenBack(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	z := bareSocket(t, l, zmq4.PULL)
	opts, err := SocketOptions(z)
	must(t, err)
	broken := errors.New("broken")
	for _, c := range []struct {
		typ     zmq.SocketType
		factory func() Protocol
		cfg     ConnectionConfig
		want    error
	}{
		{zmq.PUSH, func() Protocol { return BaseProtocol{} }, ConnectionConfig{Socket: z}, ErrSocketType},
		{zmq.PULL, func() Protocol { return nil }, ConnectionConfig{Socket: z}, ErrInvalidArgument},
		{zmq.PULL, func() Protocol { panic(broken) }, ConnectionConfig{Socket: z}, broken},
		{zmq.PULL, nil, ConnectionConfig{Socket: z, Configure: func(zmq.Sockopts) error { return broken }}, broken},
	} {
		if c.factory == nil {
			c.factory = func() Protocol { return BaseProtocol{} }
		}
		l.SetExceptionHandler(func(*EventLoop, ExceptionContext) {})
		if _, _, err := l.CreateZmqConnection(bounded(t), c.factory, c.typ, c.cfg); !errors.Is(err, c.want) {
			t.Errorf("%v, want %v", err, c.want)
		}
		if typ, err := opts.Type(); typ != zmq.PULL || err != nil {
			t.Errorf("after %v: %v, %v", c.want, typ, err)
		}
	}
	must(t, create(t, l, BaseProtocol{}, zmq.PULL, ConnectionConfig{Socket: z}).Abort())
}

// If two loops get the same socket at the same time, one of them has it.
func TestLoopsRaceForASocket(t *testing.T) {
	leakCheck(t)
	loops := [2]*EventLoop{newLoop(t), newLoop(t)}
	for range 50 {
		z := bareSocket(t, loops[0], zmq4.PULL)
		opts, err := SocketOptions(z)
		must(t, err)
		var made [2]*Transport
		var racing sync.WaitGroup
		for i, l := range loops {
			racing.Go(func() {
				tr, _, err := l.CreateZmqConnection(bounded(t), func() Protocol { return BaseProtocol{} }, zmq.PULL, ConnectionConfig{Socket: z})
				if made[i] = tr; err != nil && !errors.Is(err, ErrInvalidArgument) {
					t.Error(err)
				}
			})
		}
		racing.Go(func() {
			for {
				if _, err := opts.RcvHWM(); errors.Is(err, ErrInvalidArgument) {
					return // the other loop owns it
				} else if err != nil {
					t.Error(err)
					return
				}
			}
		})
		racing.Wait()
		if (made[0] == nil) == (made[1] == nil) {
			t.Fatalf("made %v", made)
		}
		for _, tr := range made {
			if tr != nil {
				must(t, tr.Abort())
			}
		}
	}
}

// The PAIR of a monitor has an owner too. At the end no socket has one.
func TestMonitorOwnsItsSocket(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	_, tr := spyOn(t, l, zmq.PULL, ConnectionConfig{Bind: []string{}})
	must(t, tr.EnableMonitor(zmq.EVENT_ALL))
	pair := tr.monitor.pair.zsock
	if _, err := SocketOptions(pair); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("%v", err)
	}
	must(t, tr.DisableMonitor())
	if _, err := SocketOptions(pair); err != nil {
		t.Errorf("still owned: %v", err)
	}
}

// Configure may keep its options: they are those of the transport.
func TestOptionsOfConfigureAreKept(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	runAside(t, l)
	var kept zmq.Sockopts
	var users sync.WaitGroup
	cfg := ConnectionConfig{Bind: []string{}, Configure: func(o zmq.Sockopts) error {
		kept = o
		begun := make(chan struct{})
		users.Go(func() { // while the transport is made, and later
			close(begun)
			for i := range 200 {
				if err := errors.Join(o.SetSubscribe([]byte("a")), o.SetRcvHWM(i)); err != nil {
					t.Error(err)
				}
			}
		})
		<-begun
		return nil
	}}
	tr := create(t, l, BaseProtocol{}, zmq.SUB, cfg)
	for range 200 {
		must(t, tr.Subscribe("b"))
		_, err := tr.Sockopts().RcvHWM()
		must(t, err)
	}
	users.Wait()
	if got := tr.Subscriptions(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("subscriptions %q", got)
	}
	must(t, tr.Close())
	if _, err := kept.RcvHWM(); !errors.Is(err, ErrTransportClosed) {
		t.Errorf("after the end: %v", err)
	}

	broken := errors.New("broken")
	cfg.Configure = func(o zmq.Sockopts) error { kept = o; return broken }
	_, _, err := l.CreateZmqConnection(bounded(t), func() Protocol { return BaseProtocol{} }, zmq.SUB, cfg)
	if _, got := kept.RcvHWM(); !errors.Is(err, broken) || !errors.Is(got, ErrTransportClosed) {
		t.Errorf("after a creation that failed with %v: %v", err, got)
	}
}
