package conformance

import (
	"context"
	"errors"
	"iter"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

func TestStreamWaitConnected(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	loop := zmqiotest.RunLoop(t, nil)
	b := zmqiotest.Open(t, zmq.PULL, zmqio.StreamConfig{Loop: loop, Bind: []string{"tcp://127.0.0.1:*"}})
	waiting := make(chan error, 1)
	go func() { waiting <- b.WaitConnected(ctx, 2) }()
	// A stranger has a TCP connection, and makes no handshake.
	stranger, err := net.Dial("tcp", strings.TrimPrefix(b.Addr(), "tcp://"))
	zmqiotest.Must(t, err)
	defer stranger.Close()
	one := zmqiotest.Open(t, zmq.PUSH, zmqio.StreamConfig{Loop: loop, Connect: []string{b.Addr()}})
	zmqiotest.Must(t, one.WaitConnected(ctx, 1))
	zmqiotest.Must(t, b.WaitConnected(ctx, 1))
	select {
	case err := <-waiting:
		t.Fatalf("two are connected: %v", err)
	default:
	}
	two := zmqiotest.Open(t, zmq.PUSH, zmqio.StreamConfig{Loop: loop, Connect: []string{b.Addr()}})
	zmqiotest.Must(t, <-waiting)

	// Ends of connections count, also that of the stranger.
	lost := nextEvents(ctx, b, zmq.EVENT_DISCONNECTED)
	zmqiotest.Must(t, stranger.Close())
	<-lost
	zmqiotest.Must(t, b.WaitConnected(ctx, 2))
	lost = nextEvents(ctx, b, zmq.EVENT_DISCONNECTED)
	zmqiotest.Must(t, two.Abort())
	<-lost
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if err := b.WaitConnected(short, 2); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("two connections are counted: %v", err)
	}
	zmqiotest.Must(t, b.WaitConnected(ctx, 1))
	zmqiotest.Must(t, one.Transport().Disconnect(b.Addr()))
	short, cancel = context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if err := one.WaitConnected(short, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the connection is still counted: %v", err)
	}
	go func() { waiting <- one.WaitConnected(ctx, 1) }()
	zmqiotest.Must(t, one.Abort())
	if err := <-waiting; !errors.Is(err, zmqio.ErrTransportClosed) {
		t.Errorf("the stream has ended: %v", err)
	}
	if err := b.WaitConnected(ctx, 0); !errors.Is(err, zmqio.ErrInvalidArgument) {
		t.Error(err)
	}
}

// nextEvents returns a channel that is closed when an event of that kind has come.
func nextEvents(ctx context.Context, s *zmqio.Stream, kind zmq.Event) <-chan struct{} {
	come := make(chan struct{})
	events := s.Events(ctx)
	go func() {
		defer close(come)
		for ev, err := range events {
			if err != nil || ev.Event == kind {
				return
			}
		}
	}()
	return come
}

// Over inproc libzmq reports nothing.
func TestStreamWaitConnectedInproc(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	loop := zmqiotest.RunLoop(t, nil)
	b := zmqiotest.Open(t, zmq.PULL, zmqio.StreamConfig{Loop: loop, Bind: []string{"inproc://wait"}})
	c := zmqiotest.Open(t, zmq.PUSH, zmqio.StreamConfig{Loop: loop, Connect: []string{"inproc://wait"}})
	zmqiotest.Must(t, c.WaitConnected(ctx, 1))
	if err := b.WaitConnected(ctx, 1); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a stream that is bound over inproc: %v", err)
	}
}

// Events begin with the call. The stream counts the events that a slow reader misses.
func TestStreamEvents(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	loop := zmqiotest.RunLoop(t, nil)
	s := zmqiotest.Open(t, zmq.PULL, zmqio.StreamConfig{Loop: loop, Bind: []string{"tcp://127.0.0.1:*"}})
	slow := s.Events(ctx)
	const bound = 1500
	for range bound { // each connection is an event
		addr, err := s.Transport().Bind("tcp://127.0.0.1:*")
		zmqiotest.Must(t, err)
		zmqiotest.Must(t, s.Transport().Unbind(addr))
	}
	late := s.Events(ctx)
	last, err := s.Transport().Bind("tcp://127.0.0.1:*")
	zmqiotest.Must(t, err)
	next, stop := iter.Pull2(late)
	defer stop()
	for { // events of an Unbind before the call may come after it
		ev, err, ok := next()
		if !ok || err != nil {
			t.Fatalf("%v, %t", err, ok)
		}
		if ev.Event == zmq.EVENT_LISTENING {
			if ev.Endpoint != last {
				t.Errorf("listening at %s, want %s", ev.Endpoint, last)
			}
			break
		}
	}
	zmqiotest.Must(t, s.Close())
	kept, dropped := 0, false
	for ev, err := range slow {
		switch {
		case errors.Is(err, zmqio.ErrEventsDropped):
			dropped = true
		case err != nil:
			t.Error(err)
		case ev.Event == 0:
			t.Error("an event without a number")
		default:
			kept++
		}
	}
	if kept != 1024 || !dropped {
		t.Errorf("%d events were kept, others dropped with a word: %t", kept, dropped)
	}
	for ev, err := range s.Events(ctx) {
		t.Errorf("after the end: %v, %v", ev, err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	for _, err := range s.Events(ended) {
		if !errors.Is(err, context.Canceled) && !errors.Is(err, zmqio.ErrTransportClosed) {
			t.Error(err)
		}
	}
}

// Events without a context returns an error. A context that does not end keeps no stream in memory.
func TestStreamEventsOfContexts(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	loop := zmqiotest.RunLoop(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s, err := zmqio.Open(ctx, zmq.PULL, zmqio.StreamConfig{Loop: loop, Bind: []string{}})
	zmqiotest.Must(t, err)
	n := 0
	var none context.Context
	for _, err := range s.Events(none) {
		if n++; !errors.Is(err, zmqio.ErrInvalidArgument) {
			t.Error(err)
		}
	}
	if n != 1 {
		t.Errorf("%d results without a context", n)
	}
	s.Events(ctx)
	forgotten := make(chan struct{})
	runtime.AddCleanup(s, func(end chan struct{}) { close(end) }, forgotten)
	zmqiotest.Must(t, s.Close())
	s = nil
	for begin := time.Now(); time.Since(begin) < zmqiotest.Patience; time.Sleep(10 * time.Millisecond) {
		runtime.GC()
		select {
		case <-forgotten:
			return
		default:
		}
	}
	t.Error("the context keeps the stream")
}

// A cable stalls, as if it were pulled out. Liveness reports that the stream is stale and its
// endpoint gone, and later that both are back.
func TestStreamLiveness(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	loop := zmqiotest.RunLoop(t, nil)
	push := zmqiotest.Open(t, zmq.PUSH, zmqio.StreamConfig{Loop: loop, Bind: []string{"tcp://127.0.0.1:*"}})
	cable := zmqiotest.NewCable(t, push.Addr())
	events := make(chan zmqio.LivenessEvent, 100)
	pull := zmqiotest.Open(t, zmq.PULL, zmqio.StreamConfig{
		Loop: loop, Connect: []string{cable.Endpoint()},
		// A second for a heartbeat, because a late one ends the connection, and with it the message on its way.
		Liveness:  zmqio.Liveness{Idle: 1500 * time.Millisecond, Notify: func(ev zmqio.LivenessEvent) { events <- ev }},
		Configure: func(o zmq.Sockopts) error { return o.SetHeartbeatTTL(time.Hour) },
	})
	ttl, err := pull.Transport().Sockopts().HeartbeatTTL()
	if err != nil || ttl != time.Hour {
		t.Errorf("an option that was set by hand is %v, %v", ttl, err)
	}
	if ivl, err := pull.Transport().Sockopts().HeartbeatInterval(); err != nil || ivl != 500*time.Millisecond {
		t.Errorf("HEARTBEAT_IVL is %v, %v", ivl, err)
	}
	wait := func(wants ...zmqio.LivenessEvent) {
		t.Helper()
		for len(wants) > 0 {
			select {
			case ev := <-events:
				left := wants[:0]
				for _, w := range wants {
					if w != ev {
						left = append(left, w)
					}
				}
				wants = left
			case <-ctx.Done():
				t.Fatalf("did not come: %v", wants)
			}
		}
	}
	zmqiotest.Must(t, push.Send(ctx, []byte("1")))
	recvNumbers(ctx, t, pull, 1, 2)
	wait(zmqio.LivenessEvent{State: zmqio.LivenessStale}) // nothing is sent
	zmqiotest.Must(t, push.Send(ctx, []byte("2")))
	wait(zmqio.LivenessEvent{State: zmqio.LivenessBack})
	cable.Stall()
	wait(zmqio.LivenessEvent{State: zmqio.LivenessGone, Endpoint: cable.Endpoint()}, zmqio.LivenessEvent{State: zmqio.LivenessStale})
	cable.Flow()
	wait(zmqio.LivenessEvent{State: zmqio.LivenessBack, Endpoint: cable.Endpoint()})
	zmqiotest.Must(t, push.Send(ctx, []byte("3")))
	wait(zmqio.LivenessEvent{State: zmqio.LivenessBack})
	recvNumbers(ctx, t, pull, 2, 4)
}

// When libzmq connects again to a host name, its events have the address. For Liveness that is the
// same endpoint.
func TestStreamLivenessOfNames(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	loop := zmqiotest.RunLoop(t, nil)
	push := zmqiotest.Open(t, zmq.PUSH, zmqio.StreamConfig{Loop: loop, Bind: []string{"tcp://127.0.0.1:*"}})
	addr := push.Addr()
	named := strings.Replace(addr, "127.0.0.1", "localhost", 1)
	events := make(chan zmqio.LivenessEvent, 100)
	pull := zmqiotest.Open(t, zmq.PULL, zmqio.StreamConfig{
		Loop: loop, Connect: []string{named}, AllowHostnames: true,
		Liveness: zmqio.Liveness{Idle: time.Minute, Notify: func(ev zmqio.LivenessEvent) { events <- ev }},
	})
	zmqiotest.Must(t, pull.WaitConnected(ctx, 1))
	wants := func(state zmqio.LivenessState) {
		t.Helper()
		select {
		case ev := <-events:
			if want := (zmqio.LivenessEvent{State: state, Endpoint: named}); ev != want {
				t.Errorf("%+v, want %+v", ev, want)
			}
		case <-ctx.Done():
			t.Fatalf("%v did not come", state)
		}
	}
	for range 2 {
		closed := nextEvents(ctx, push, zmq.EVENT_CLOSED)
		zmqiotest.Must(t, push.Transport().Unbind(addr))
		wants(zmqio.LivenessGone)
		<-closed
		_, err := push.Transport().Bind(addr)
		zmqiotest.Must(t, err)
		wants(zmqio.LivenessBack)
	}
}
