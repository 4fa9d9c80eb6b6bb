package conformance

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// newClient returns a REQ of libzmq that is connected to endpoint. It may send again if its request
// is lost.
func newClient(t *testing.T, ctx *zmq4.Context, endpoint string) *zmq4.Socket {
	t.Helper()
	z := rawSocket(t, ctx, zmq4.REQ)
	must(t, z.SetReqRelaxed(1))
	must(t, z.SetReqCorrelate(1))
	must(t, z.SetLinger(0))
	must(t, z.SetRcvtimeo(zmqiotest.Patience))
	must(t, z.Connect(endpoint))
	return z
}

func request(t *testing.T, z *zmq4.Socket, text string) {
	t.Helper()
	_, err := z.Send(text, 0)
	must(t, err)
}

// wantAnswer runs the loop until z has the reply.
func wantAnswer(t *testing.T, l *zmqio.EventLoop, z *zmq4.Socket, want string) {
	t.Helper()
	must(t, l.Run(bounded(t), func(context.Context) error {
		got, err := z.Recv(0)
		if err == nil && got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		return err
	}))
}

// answering returns a live protocol that sends each request back, and the channel of its replies.
func answering(t *testing.T) (*recorder, **zmqio.Transport) {
	r, tr := &recorder{live: true}, new(*zmqio.Transport)
	r.onMade = func(made *zmqio.Transport) { *tr = made }
	r.onMsg = func(m [][]byte) { must(t, (*tr).Write(m)) }
	return r, tr
}

// A successor replaces a REP, and counts the clients that have connected again.
type successor struct {
	*recorder
	accepted int
}

func (s *successor) EventReceived(zmq.MonitorEvent) {
	s.accepted++
	s.tell()
}

// A REP that fails before its reply ends, and so do the connections of its clients. They continue
// with its successor.
func TestRepPanicEndsTheTransport(t *testing.T) {
	cause := errors.New("cause")
	for name, fail := range map[string]func(){"panic": func() { panic(cause) }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			ctx, l := newContext(t)
			told := caught(l)
			p := &recorder{onMsg: func([][]byte) { fail() }}
			rep := create(t, l, p, zmq.REP, bindTo(anyPort))
			endpoint := rep.Listeners()[0]
			asked, idle := newClient(t, ctx, endpoint), newClient(t, ctx, endpoint)
			request(t, asked, "lost")
			onGoroutine(func() { await(t, l, p.did("lost")) }) // Goexit ends the goroutine
			await(t, l, p.did("lost"))
			p.wants(t, "made lost", "lost")
			wantSocketClosed(t, rep)

			var panicked *zmqio.PanicError
			switch {
			case name == "Goexit":
				wants(t, p.err, zmqio.ErrGoexit)
				if len(*told) != 0 {
					t.Errorf("told %+v", *told)
				}
			case !errors.As(p.err, &panicked) || !errors.Is(p.err, cause):
				t.Errorf("lost with %v", p.err)
			case len(*told) != 1 || (*told)[0].Message != "MsgReceived panicked" || (*told)[0].Err != p.err:
				t.Errorf("told %+v", *told)
			}

			p, _ = answering(t)
			p.live = false
			next := &successor{recorder: p}
			rep = create(t, l, next, zmq.REP, bindTo())
			must(t, rep.EnableMonitor(zmq.EVENT_ACCEPTED))
			bindSoon(t, rep, endpoint)
			await(t, l, func() bool { return next.accepted == 2 }) // earlier requests may go over the old connection
			next.live = true
			for _, client := range []*zmq4.Socket{asked, idle} {
				request(t, client, "again")
				wantAnswer(t, l, client, "again")
			}
		})
	}
}

// A REP that panics after it has written its reply goes on.
func TestRepPanicAfterTheReply(t *testing.T) {
	ctx, l := newContext(t)
	told := caught(l)
	p, tr := answering(t)
	p.onMsg = func(m [][]byte) {
		must(t, (*tr).Write(m))
		panic("after the reply")
	}
	client := newClient(t, ctx, create(t, l, p, zmq.REP, bindTo(anyPort)).Listeners()[0])
	for _, text := range []string{"1", "2"} {
		request(t, client, text)
		wantAnswer(t, l, client, text)
	}
	p.wants(t, "made", "1", "2")
	if len(*told) != 2 {
		t.Errorf("told %+v", *told)
	}
}

// If the callback also calls Close, ConnectionLost gets nil.
func TestRepPanicAfterClose(t *testing.T) {
	ctx, l := newContext(t)
	caught(l)
	p, tr := answering(t)
	p.live = false
	p.onMsg = func([][]byte) {
		must(t, (*tr).Close())
		panic("after Close")
	}
	request(t, newClient(t, ctx, create(t, l, p, zmq.REP, bindTo(anyPort)).Listeners()[0]), "1")
	await(t, l, p.did("lost"))
	wants(t, p.err, nil)
}
