package zmqio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
)

// A recorder is a Protocol that logs its calls. Only one goroutine may look at a time.
type recorder struct {
	mu     sync.Mutex
	events []string
	msgs   [][][]byte
	onMade func(*Transport)
	onMsg  func([][]byte)
	onLost func(error)
	err    error
}

func (r *recorder) note(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, s)
}

func (r *recorder) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

func (r *recorder) ConnectionMade(t *Transport) {
	r.note("made")
	if r.onMade != nil {
		r.onMade(t)
	}
}

func (r *recorder) ConnectionLost(err error) {
	r.err = err
	r.note("lost")
	if r.onLost != nil {
		r.onLost(err)
	}
}

func (r *recorder) PauseWriting()  { r.note("pause") }
func (r *recorder) ResumeWriting() { r.note("resume") }

func (r *recorder) MsgReceived(msg [][]byte) {
	r.mu.Lock()
	r.msgs = append(r.msgs, msg)
	r.mu.Unlock()
	if r.onMsg != nil {
		r.onMsg(msg)
	}
}

func create(t testing.TB, l *EventLoop, p Protocol, typ zmq.SocketType, cfg ConnectionConfig) *Transport {
	t.Helper()
	tr, got, err := l.CreateZmqConnection(bounded(t), func() Protocol { return p }, typ, cfg)
	must(t, err)
	if got != p {
		t.Fatalf("protocol %v", got)
	}
	return tr
}

func bindTo(endpoints ...string) ConnectionConfig    { return ConnectionConfig{Bind: endpoints} }
func connectTo(endpoints ...string) ConnectionConfig { return ConnectionConfig{Connect: endpoints} }

func msg(frames ...string) [][]byte {
	m := make([][]byte, len(frames))
	for i, f := range frames {
		m[i] = []byte(f)
	}
	return m
}

func text(m [][]byte) string { return string(bytes.Join(m, []byte("|"))) }

const anyPort = "tcp://127.0.0.1:*"

func TestDealerRouter(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	var server *Transport
	echo := &recorder{onMsg: func(m [][]byte) { must(t, server.Write(m)) }}
	server = create(t, l, echo, zmq.ROUTER, bindTo(anyPort))
	client := &recorder{}
	c := create(t, l, client, zmq.DEALER, connectTo(server.Listeners()...))
	client.onMsg = func([][]byte) {
		if len(client.msgs) == 3 {
			must(t, c.Close())
			must(t, server.Close())
		}
	}
	lost := 0
	client.onLost = func(error) {
		if lost++; lost == 2 {
			l.Stop()
		}
	}
	echo.onLost = client.onLost
	for _, m := range [][][]byte{msg("a"), msg("b", "", "c"), msg("")} {
		must(t, c.Write(m))
	}
	must(t, l.RunForever(bounded(t)))
	var got []string
	for _, m := range client.msgs {
		got = append(got, text(m))
	}
	if want := []string{"a", "b||c", ""}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, r := range []*recorder{echo, client} {
		if want := []string{"made", "lost"}; !slices.Equal(r.got(), want) || r.err != nil {
			t.Errorf("%v, %v", r.got(), r.err)
		}
	}
	if len(echo.msgs[0]) != 2 {
		t.Error("the router did not prepend the identity")
	}
}

// Two goroutines send to each other. They soon miss a message if a Write consumes the signal on
// ZMQ_FD and is not followed up.
func TestTwoWayStressFromGoroutines(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	const writers, each = 4, 5000
	var count [2]atomic.Int64
	var ends [2]*Transport
	var done sync.WaitGroup
	done.Add(2)
	for i := range ends {
		p := &recorder{onMsg: func([][]byte) {
			if count[i].Add(1) == writers*each {
				done.Done()
			}
		}}
		cfg := bindTo(anyPort)
		if i == 1 {
			cfg = connectTo(ends[0].Listeners()...)
		}
		ends[i] = create(t, l, p, zmq.DEALER, cfg)
	}
	err := l.Run(bounded(t), func(context.Context) error {
		for i := range ends {
			for range writers {
				go func() {
					for n := range each {
						if err := ends[i].Write(msg(fmt.Sprint(n))); err != nil {
							t.Error(err)
						}
					}
				}()
			}
		}
		done.Wait()
		return nil
	})
	must(t, err)
}

// A Write that sends at once may consume the signal of a message, on a transport that the loop is
// not serving. Without high-water marks libzmq sends no further signals that could make up for
// this.
func TestPacedWritesLoseNoMessage(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	const each = 5000
	var ends [2]*Transport
	var done sync.WaitGroup
	done.Add(2)
	for i := range ends {
		n := 0
		p := &receiver{fn: func([][]byte) {
			if n++; n == each {
				done.Done()
			}
		}}
		cfg := bindTo(anyPort)
		if i == 1 {
			cfg = connectTo(ends[0].Listeners()...)
		}
		cfg.Configure = func(o zmq.Sockopts) error { return errors.Join(o.SetSndHWM(0), o.SetRcvHWM(0)) }
		ends[i] = create(t, l, p, zmq.PAIR, cfg)
	}
	must(t, l.Run(bounded(t), func(ctx context.Context) error {
		for _, end := range ends {
			go func() {
				for range each {
					for last := l.Time(); l.Time()-last < 2*quickly; { // so that each is sent at once
					}
					if err := end.Write(msg("x")); err != nil {
						t.Error(err)
					}
				}
			}()
		}
		arrived := make(chan struct{})
		go func() { done.Wait(); close(arrived) }()
		select {
		case <-arrived:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}))
}

func TestTransportsOfAllKinds(t *testing.T) {
	pairs := []struct {
		from, to zmq.SocketType
		m, want  string
	}{
		{zmq.PUSH, zmq.PULL, "a|b", "a|b"},
		{zmq.PAIR, zmq.PAIR, "a|b", "a|b"},
		{zmq.REQ, zmq.REP, "a|b", "a|b"},
		{zmq.REQ, zmq.ROUTER, "a", "me||a"},
		{zmq.DEALER, zmq.ROUTER, "a", "me|a"},
		{zmq.DEALER, zmq.REP, "|a", "a"},
		{zmq.XSUB, zmq.XPUB, "\x01topic", "\x01topic"},
	}
	for _, transport := range []string{"tcp", "ipc", "inproc"} {
		for _, c := range pairs {
			t.Run(fmt.Sprintf("%s/%v-%v", transport, c.from, c.to), func(t *testing.T) {
				leakCheck(t)
				l := newLoop(t)
				r := &recorder{onMsg: func([][]byte) { l.Stop() }}
				to := create(t, l, r, c.to, bindTo(map[string]string{"tcp": anyPort, "ipc": "ipc://*", "inproc": "inproc://x"}[transport]))
				from := create(t, l, &recorder{}, c.from, ConnectionConfig{
					Connect:   to.Listeners(),
					Configure: func(o zmq.Sockopts) error { return o.SetRoutingID([]byte("me")) },
				})
				must(t, from.Write(msg(strings.Split(c.m, "|")...)))
				must(t, l.RunForever(bounded(t)))
				if got := text(r.msgs[0]); got != c.want {
					t.Errorf("got %q, want %q", got, c.want)
				}
			})
		}
	}
}

func TestPubSub(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	pub := &recorder{}
	p := create(t, l, pub, zmq.XPUB, bindTo(anyPort))
	sub := &recorder{onMsg: func([][]byte) { l.Stop() }}
	s := create(t, l, sub, zmq.SUB, connectTo(p.Listeners()...))
	pub.onMsg = func([][]byte) { must(t, p.Write(msg("other", "1"))); must(t, p.Write(msg("topic", "2"))) }
	must(t, s.Setsockopt(zmq.SUBSCRIBE, []byte("topic")))
	must(t, l.RunForever(bounded(t)))
	if got := text(sub.msgs[0]); len(sub.msgs) != 1 || got != "topic|2" {
		t.Errorf("got %q", got)
	}
}

func TestLifecycleOffTheLoop(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	r := &recorder{}
	must(t, l.Run(bounded(t), func(c context.Context) error {
		tr, p, err := CreateZmqConnection(c, l, func() *recorder { return r }, zmq.PULL, bindTo(anyPort))
		if err != nil {
			return err
		}
		if got := r.got(); p != r || !slices.Equal(got, []string{"made"}) {
			t.Errorf("%v", got)
		}
		if tr.IsClosing() {
			t.Error("closing")
		}
		lost := make(chan struct{})
		r.onLost = func(error) {
			if !l.InLoop() {
				t.Error("ConnectionLost is not on the loop")
			}
			close(lost)
		}
		must(t, tr.Close())
		must(t, tr.Close())
		must(t, tr.Abort())
		if !tr.IsClosing() {
			t.Error("not closing")
		}
		<-lost
		return nil
	}))
	if got := r.got(); !slices.Equal(got, []string{"made", "lost"}) || r.err != nil {
		t.Errorf("%v %v", got, r.err)
	}
}

func TestEndpoints(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	tr := create(t, l, BaseProtocol{}, zmq.DEALER, bindTo(anyPort))
	ep, err := tr.Bind("tcp://127.0.0.1:*")
	must(t, err)
	if l := tr.Listeners(); len(l) != 2 || !slices.Contains(l, ep) || strings.Contains(ep, "*") {
		t.Errorf("%v, %v", ep, l)
	}
	must(t, tr.Unbind(ep))
	if err := tr.Unbind(ep); !errors.Is(err, zmq.ENOENT) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("unbound twice: %v", err)
	}
	for _, c := range []string{"tcp://127.0.0.1:5999", "tcp://[::1]:5999", "inproc://nobody", "ipc:///tmp/zmqio-nobody", "tcp://127.0.0.1:0;127.0.0.1:5998"} {
		if strings.Contains(c, "[") {
			must(t, tr.Sockopts().SetIPv6(true))
		}
		actual, err := tr.Connect(c)
		if err != nil {
			t.Errorf("%s: %v", c, err)
			continue
		}
		if got := tr.Connections(); !slices.Equal(got, []string{actual}) {
			t.Errorf("%s: %v, connections %v", c, actual, got)
		}
		if err := tr.Disconnect(c); err != nil {
			t.Errorf("disconnect %s (%s): %v", c, actual, err)
		}
		if got := tr.Connections(); len(got) != 0 {
			t.Errorf("connections %v", got)
		}
	}
	for _, c := range []string{"tcp://localhost:1", "tcp://example.com:1", "tcp://lo:1", "tcp://*:1", "tcp://127.0.0.1:0;localhost:1"} {
		if _, err := tr.Connect(c); !errors.Is(err, ErrDNSEndpoint) {
			t.Errorf("%s: %v", c, err)
		}
	}
	must(t, tr.Abort())
	_, bindErr := tr.Bind(anyPort)
	_, connectErr := tr.Connect("tcp://127.0.0.1:1")
	for _, err := range []error{bindErr, connectErr, tr.Unbind("x"), tr.Disconnect("x"), tr.Write(msg("x")), tr.Setsockopt(zmq.SNDHWM, 1)} {
		if !errors.Is(err, ErrTransportClosed) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Abort: %v", err)
		}
	}
}

func TestOptionsOfATransport(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	tr := create(t, l, BaseProtocol{}, zmq.DEALER, bindTo(anyPort))
	if v, err := tr.Getsockopt(zmq.TYPE); err != nil || v != zmq.DEALER {
		t.Errorf("TYPE: %v %v", v, err)
	}
	must(t, tr.Setsockopt(zmq.SNDHWM, 7))
	if v, err := tr.Sockopts().SndHWM(); v != 7 || err != nil {
		t.Errorf("SNDHWM: %v %v", v, err)
	}
	if _, err := tr.Getsockopt(zmq.Option(9999)); !errors.Is(err, zmq.EINVAL) {
		t.Errorf("unknown option: %v", err)
	}
	if err := tr.Setsockopt(zmq.SNDHWM, "seven"); err == nil {
		t.Error("a string for SNDHWM")
	}
	if tr.ExtraInfo("zmq_type", nil) != zmq.DEALER || tr.ExtraInfo("other", 5) != 5 {
		t.Error("ExtraInfo")
	}
	z, err := l.context.NewSocket(zmq4.PUB)
	must(t, err)
	defer z.Close()
	opts, err := SocketOptions(z)
	must(t, err)
	if typ, err := opts.Type(); typ != zmq.PUB || err != nil {
		t.Errorf("%v %v", typ, err)
	}
	if _, err := SocketOptions(nil); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("%v", err)
	}
}

func TestWriteErrors(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	pull := create(t, l, BaseProtocol{}, zmq.PULL, bindTo(anyPort))
	if err := pull.Write(msg("x")); !errors.Is(err, zmq.ENOTSUP) || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("PULL: %v", err)
	}
	rep := create(t, l, BaseProtocol{}, zmq.REP, bindTo(anyPort))
	if err := rep.Write(msg("x")); !errors.Is(err, zmq.EFSM) {
		t.Errorf("REP: %v", err)
	}
	router := create(t, l, BaseProtocol{}, zmq.ROUTER, ConnectionConfig{
		Bind: []string{anyPort}, Configure: func(o zmq.Sockopts) error { return o.SetRouterMandatory(true) },
	})
	if err := router.Write(msg("nobody", "x")); !errors.Is(err, zmq.EHOSTUNREACH) {
		t.Errorf("ROUTER: %v", err)
	}
	for _, tr := range []*Transport{pull, rep, router} {
		must(t, tr.Write(nil))
		must(t, tr.Write([][]byte{}))
		if tr.IsClosing() || tr.WriteBufferSize() != 0 {
			t.Errorf("%v: closing, or %d bytes", tr, tr.WriteBufferSize())
		}
	}
}

// Messages written while no goroutine runs the loop, or just before it stops, are sent.
func TestWritesOnAnIdleLoopGoOut(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	create(t, l, BaseProtocol{}, zmq.PULL, bindTo("inproc://idle"))
	five := func(tr *Transport) {
		for range 5 {
			must(t, tr.Write(msg("x")))
		}
	}
	push := create(t, l, &recorder{onMade: func(tr *Transport) {
		_, err := tr.Connect("inproc://idle")
		must(t, err)
		five(tr)
	}}, zmq.PUSH, ConnectionConfig{Connect: []string{}})
	if n := push.WriteBufferSize(); n != 0 {
		t.Errorf("after ConnectionMade %d bytes wait", n)
	}
	must(t, l.Run(bounded(t), func(context.Context) error { five(push); return nil }))
	if n := push.WriteBufferSize(); n != 0 {
		t.Errorf("after Run %d bytes wait", n)
	}
	five(push)
	if n := push.WriteBufferSize(); n != 0 {
		t.Errorf("on the idle loop %d bytes wait", n)
	}
}

func TestUnbindByAWildcardTakesTheFirst(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	tr := create(t, l, BaseProtocol{}, zmq.PULL, bindTo(anyPort))
	first := tr.Listeners()[0]
	second, err := tr.Bind(anyPort)
	must(t, err)
	must(t, tr.Unbind(anyPort))
	if got := tr.Listeners(); !slices.Equal(got, []string{second}) || second == first {
		t.Errorf("%v", got)
	}
}
