package conformance

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// wantMade fails the test unless CreateZmqConnection returned after ConnectionMade.
func wantMade(t testing.TB, all ...*recorder) {
	t.Helper()
	for _, r := range all {
		r.wants(t, "made")
	}
}

// closeAll closes the transports and waits for each ConnectionLost.
func closeAll(t testing.TB, l *zmqio.EventLoop, transports ...*zmqio.Transport) {
	t.Helper()
	for _, tr := range transports {
		must(t, tr.Close())
	}
	for _, tr := range transports {
		r := tr.Protocol().(*recorder)
		await(t, l, r.did("lost"))
		if got := r.happened(); !slices.Equal(got, []string{"made", "lost"}) || r.err != nil {
			t.Errorf("%v: %v, %v", tr, got, r.err)
		}
	}
}

func TestReqRep(t *testing.T) {
	l := newLoop(t, nil)
	server, client := &recorder{}, &recorder{}
	rep := create(t, l, server, zmq.REP, bindTo(anyPort))
	wantMade(t, server)
	req := create(t, l, client, zmq.REQ, connectTo(rep.Listeners()...))
	wantMade(t, client)
	server.onMsg = func([][]byte) { must(t, rep.Write(msg("rep", "ly"))) }
	must(t, req.Write(msg("request", "2")))
	await(t, l, client.has(1))
	server.wants(t, "made", "request|2")
	client.wants(t, "made", "rep|ly")
	closeAll(t, l, req, rep)
}

func TestPubSub(t *testing.T) {
	l := newLoop(t, nil)
	server, client := &recorder{}, &recorder{}
	pub := create(t, l, server, zmq.PUB, bindTo("inproc://pubsub"))
	sub := create(t, l, client, zmq.SUB, zmqio.ConnectionConfig{
		Connect:   []string{"inproc://pubsub"},
		Configure: func(o zmq.Sockopts) error { return o.SetSubscribe([]byte("node_id")) },
	})
	wantMade(t, server, client)
	// A PUB learns of a subscription when it reads from its pipe, in one of these calls.
	for !client.has(1)() {
		must(t, pub.Write(msg("other", "1")))
		must(t, pub.Write(msg("node_id", "publish")))
		pass(t, l)
	}
	if got := client.got()[0]; got != "node_id|publish" {
		t.Errorf("got %q", got)
	}
	closeAll(t, l, pub, sub)
}

func TestDealerRouter(t *testing.T) {
	l := newLoop(t, nil)
	server, client := &recorder{}, &recorder{}
	router := create(t, l, server, zmq.ROUTER, bindTo(anyPort))
	dealer := create(t, l, client, zmq.DEALER, zmqio.ConnectionConfig{
		Connect:   router.Listeners(),
		Configure: func(o zmq.Sockopts) error { return o.SetRoutingID([]byte("dealer")) },
	})
	wantMade(t, server, client)
	must(t, dealer.Write(msg("request", "body")))
	await(t, l, server.has(1))
	must(t, router.Write(msg("dealer", "answer", "")))
	await(t, l, client.has(1))
	server.wants(t, "made", "dealer|request|body")
	client.wants(t, "made", "answer|")
	closeAll(t, l, router, dealer)
}

// A routing id alone sends nothing, also to a peer that is unknown. The next message arrives whole.
func TestRoutingIDAlone(t *testing.T) {
	l := zmqiotest.RunLoop(t, nil)
	router := zmqiotest.Open(t, zmq.ROUTER, zmqio.StreamConfig{Loop: l, Bind: []string{anyPort}, Configure: func(o zmq.Sockopts) error {
		return o.SetRouterMandatory(true)
	}})
	dealer := zmqiotest.Open(t, zmq.DEALER, zmqio.StreamConfig{Loop: l, Connect: []string{router.Addr()}, Configure: func(o zmq.Sockopts) error {
		return o.SetRoutingID([]byte("dealer"))
	}})
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	must(t, dealer.Send(ctx, []byte("here")))
	_, err := router.Recv(ctx)
	must(t, err)
	for _, id := range []string{"dealer", "nobody", "dealer"} {
		must(t, router.Send(ctx, []byte(id)))
	}
	must(t, router.Send(ctx, []byte("dealer"), []byte("a"), []byte("b")))
	got, err := dealer.Recv(ctx)
	must(t, err)
	if string(bytes.Join(got, []byte("|"))) != "a|b" {
		t.Errorf("got %q", got)
	}
}

func TestGetsockopt(t *testing.T) {
	l := newLoop(t, nil)
	tr := create(t, l, &recorder{}, zmq.DEALER, bindTo(anyPort))
	if v, err := tr.Getsockopt(zmq.TYPE); v != zmq.DEALER || err != nil {
		t.Errorf("%v, %v", v, err)
	}
	must(t, tr.Setsockopt(zmq.RCVHWM, 5))
	if v, err := tr.Getsockopt(zmq.RCVHWM); v != 5 || err != nil {
		t.Errorf("%v, %v", v, err)
	}
	if v, err := tr.Sockopts().RcvHWM(); v != 5 || err != nil {
		t.Errorf("%v, %v", v, err)
	}
}

func TestSockoptBadopt(t *testing.T) {
	l := newLoop(t, nil)
	tr := create(t, l, &recorder{}, zmq.DEALER, bindTo(anyPort))
	_, err := tr.Getsockopt(1111)
	wants(t, err, zmq.EINVAL)
	wants(t, tr.Setsockopt(1111, 1), zmq.EINVAL)
	wants(t, tr.Setsockopt(zmq.SNDHWM, -1), zmq.EINVAL)
	if tr.IsClosing() {
		t.Error("the transport was lost")
	}
}

// A transport uses the caller's socket as it is. Listeners does not have the socket's earlier
// endpoints. The socket stays open until the transport closes it, and its context is not
// terminated.
func TestZmqSocket(t *testing.T) {
	ctx, l := newContext(t)
	z := rawSocket(t, ctx, zmq4.PULL)
	must(t, z.Bind("inproc://mine"))
	p := &recorder{}
	tr := create(t, l, p, zmq.PULL, zmqio.ConnectionConfig{Socket: z})
	wantMade(t, p)
	if tr.ExtraInfo("zmq_socket", nil) != z || len(tr.Listeners()) != 0 || len(tr.Connections()) != 0 {
		t.Errorf("%v", tr)
	}
	push := create(t, l, &recorder{}, zmq.PUSH, connectTo("inproc://mine"))
	writeAll(t, push, "to mine")
	await(t, l, p.has(1))
	p.wants(t, "made", "to mine")
	bound, err := tr.Bind(anyPort)
	must(t, err)
	if got := tr.Listeners(); !slices.Equal(got, []string{bound}) {
		t.Errorf("%v", got)
	}
	must(t, tr.Close())
	await(t, l, p.did("lost"))
	wantSocketClosed(t, tr)
}

// A loop does not terminate a context that was made elsewhere.
func TestExternalContext(t *testing.T) {
	ctx, l := newContext(t)
	create(t, l, &recorder{}, zmq.PULL, bindTo("inproc://external"))
	must(t, l.Close())
	z, err := ctx.NewSocket(zmq4.PULL)
	must(t, err)
	must(t, z.Close())
}

// A socket of another context than the loop's may be passed in.
func TestZmqSocketOfAnotherContext(t *testing.T) {
	ctx, _ := newContext(t)
	z := rawSocket(t, ctx, zmq4.PULL)
	must(t, z.Bind("tcp://127.0.0.1:*"))
	endpoint, err := z.GetLastEndpoint()
	must(t, err)
	l := newLoop(t, nil)
	p := &recorder{}
	tr := create(t, l, p, zmq.PULL, zmqio.ConnectionConfig{Socket: z})
	writeAll(t, create(t, l, &recorder{}, zmq.PUSH, connectTo(endpoint)), "hello")
	await(t, l, p.has(1))
	p.wants(t, "made", "hello")
	must(t, tr.Abort())
}

func TestZmqSocketInvalidType(t *testing.T) {
	ctx, l := newContext(t)
	z := rawSocket(t, ctx, zmq4.PUSH)
	factory := func() zmqio.Protocol { t.Error("a protocol was made"); return zmqio.BaseProtocol{} }
	_, _, err := l.CreateZmqConnection(bounded(t), factory, zmq.PULL, zmqio.ConnectionConfig{Socket: z})
	wants(t, err, zmqio.ErrSocketType)
	wants(t, err, zmqio.ErrInvalidArgument)
	if typ, err := z.GetType(); typ != zmq4.PUSH || err != nil {
		t.Errorf("the socket was closed: %v", err)
	}
}

// A closed socket is refused, and the factory is not called.
func TestCreateZmqConnectionZMQError(t *testing.T) {
	ctx, l := newContext(t)
	z := rawSocket(t, ctx, zmq4.PULL)
	must(t, z.Close())
	factory := func() zmqio.Protocol { t.Error("a protocol was made"); return zmqio.BaseProtocol{} }
	_, _, err := l.CreateZmqConnection(bounded(t), factory, zmq.PULL, zmqio.ConnectionConfig{Socket: z})
	wants(t, err, zmq.ENOTSOCK)
}

func TestAmbiguousArgs(t *testing.T) {
	ctx, l := newContext(t)
	z := rawSocket(t, ctx, zmq4.PULL)
	one := []string{"inproc://x"}
	factory := func() zmqio.Protocol { t.Error("a protocol was made"); return zmqio.BaseProtocol{} }
	for _, cfg := range []zmqio.ConnectionConfig{
		{},
		{Bind: one, Connect: one},
		{Bind: one, Socket: z},
		{Connect: one, Socket: z},
		{Bind: one, Connect: one, Socket: z},
		{Bind: []string{}, Socket: z}, // an empty list is given
	} {
		_, _, err := l.CreateZmqConnection(bounded(t), factory, zmq.PULL, cfg)
		wants(t, err, zmqio.ErrInvalidArgument)
	}
	if _, err := z.GetType(); err != nil {
		t.Errorf("the socket was closed: %v", err)
	}
	for _, cfg := range []zmqio.ConnectionConfig{{Bind: []string{}}, {Connect: []string{}}} {
		p := &recorder{}
		tr := create(t, l, p, zmq.PULL, cfg)
		if wantMade(t, p); len(tr.Listeners())+len(tr.Connections()) != 0 {
			t.Errorf("%v", tr)
		}
	}
}

// Much data in many frames arrives as it was sent.
func TestTransferBigData(t *testing.T) {
	l := newLoop(t, nil)
	push := blocked(t, l, &recorder{})
	m := bigMessage()
	want := text(m)
	const n = 2000
	received := 0
	create(t, l, receiver{received: func(got [][]byte) {
		if len(got) != len(m) || received%100 == 0 && text(got) != want {
			t.Errorf("message %d is not what was sent", received)
		}
		if received++; received == n {
			l.Stop()
		}
	}}, zmq.PULL, connectTo(push.Listeners()...))
	for range n {
		must(t, push.Write(m))
	}
	await(t, l, func() bool { return received == n })
}

// bigMessage has 26 frames of 1 kB.
func bigMessage() [][]byte {
	m := make([][]byte, 26)
	for i := range m {
		m[i] = slices.Repeat([]byte{byte('a' + i)}, 1000)
	}
	return m
}

// The test writes 260 MB without a peer, and closes the transport. All messages arrive.
func TestTransferBigDataSendAfterClosing(t *testing.T) {
	l := newLoop(t, nil)
	p := &recorder{}
	push := blocked(t, l, p)
	endpoint := push.Listeners()[0]
	m := bigMessage()
	const n = 10_000
	for range n {
		must(t, push.Write(m))
	}
	if got := push.WriteBufferSize(); got != n*26_000 {
		t.Errorf("%d bytes buffered", got)
	}
	p.wants(t, "made pause")
	must(t, push.Close())
	received := 0
	create(t, l, receiver{received: func(got [][]byte) {
		if received++; len(got) != len(m) || len(got[25]) != 1000 || got[25][999] != 'z' {
			t.Errorf("message %d is not what was sent", received)
		}
		if received == n {
			l.Stop()
		}
	}}, zmq.PULL, connectTo(endpoint))
	await(t, l, func() bool { return received == n && p.did("lost")() })
	if p.err != nil {
		t.Errorf("lost with %v", p.err)
	}
}

func TestTransportRepr(t *testing.T) {
	l := newLoop(t, nil)
	tr := create(t, l, &recorder{}, zmq.PUSH, zmqio.ConnectionConfig{Bind: []string{}})
	wantText := func(want string) {
		t.Helper()
		if got := tr.String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	wantText("<Transport PUSH>")
	for _, name := range []string{"b", "a"} { // they come sorted
		_, err := tr.Bind("inproc://" + name)
		must(t, err)
	}
	wantText("<Transport PUSH bound [inproc://a inproc://b]>")
	must(t, tr.Unbind("inproc://b"))
	must(t, tr.Write(msg("x")))
	must(t, tr.Close())
	wantText("<Transport PUSH bound [inproc://a] closing>")
	must(t, tr.Abort())
	if got := tr.String(); !strings.HasSuffix(got, " closed>") {
		t.Errorf("%s", got)
	}
}

// CreateZmqConnection returns the protocol with its own type.
func TestCreateTyped(t *testing.T) {
	l := newLoop(t, nil)
	r := &recorder{}
	tr, p, err := zmqio.CreateZmqConnection(bounded(t), l, func() *recorder { return r }, zmq.PULL, bindTo(anyPort))
	must(t, err)
	if p != r || tr.Protocol() != zmqio.Protocol(r) {
		t.Errorf("%v", p)
	}
	_, _, err = zmqio.CreateZmqConnection[*recorder](bounded(t), nil, func() *recorder { return r }, zmq.PULL, bindTo(anyPort))
	wants(t, err, zmqio.ErrInvalidArgument)
	_, _, err = zmqio.CreateZmqConnection[*recorder](bounded(t), l, nil, zmq.PULL, bindTo(anyPort))
	wants(t, err, zmqio.ErrInvalidArgument)
}

// Transport has every method of aiozmq's ZmqTransport.
func TestInterface(t *testing.T) {
	tr := reflect.TypeFor[*zmqio.Transport]()
	for name, want := range map[string]any{
		"ExtraInfo":            (func(name string, def any) any)(nil),
		"Close":                (func() error)(nil),
		"Write":                (func(msg [][]byte) error)(nil),
		"Abort":                (func() error)(nil),
		"Getsockopt":           (func(zmq.Option) (any, error))(nil),
		"Setsockopt":           (func(zmq.Option, any) error)(nil),
		"SetWriteBufferLimits": (func(high, low int) error)(nil),
		"WriteBufferSize":      (func() int)(nil),
		"Bind":                 (func(string) (string, error))(nil),
		"Unbind":               (func(string) error)(nil),
		"Listeners":            (func() []string)(nil),
		"Connect":              (func(string) (string, error))(nil),
		"Disconnect":           (func(string) error)(nil),
		"Connections":          (func() []string)(nil),
		"IsClosing":            (func() bool)(nil),
		"WriteBufferLimits":    (func() (high, low int))(nil),
		"PauseReading":         (func() error)(nil),
		"ResumeReading":        (func() error)(nil),
		"IsReading":            (func() bool)(nil),
		"Protocol":             (func() zmqio.Protocol)(nil),
		"SetProtocol":          (func(zmqio.Protocol))(nil),
		"String":               (func() string)(nil),
	} {
		m, ok := tr.MethodByName(name)
		if !ok {
			t.Errorf("no %s", name)
			continue
		}
		if got := reflect.Zero(tr).Method(m.Index).Type(); got != reflect.TypeOf(want) {
			t.Errorf("%s is a %v, not a %T", name, got, want)
		}
	}
}

// Each method of BaseProtocol does nothing, and works on the zero value.
func TestBaseProtocol(t *testing.T) {
	l := newLoop(t, nil)
	reported := caught(l)
	push := blocked(t, l, zmqio.BaseProtocol{})
	must(t, push.SetWriteBufferLimits(0, 0))
	writeAll(t, push, "x") // PauseWriting
	pull := create(t, l, zmqio.BaseProtocol{}, zmq.PULL, connectTo(push.Listeners()...))
	passes(t, l, func() bool { return push.WriteBufferSize() == 0 }) // ResumeWriting
	must(t, push.Close())
	must(t, pull.Close())
	pass(t, l)
	if n := len(*reported); n > 0 {
		t.Errorf("reported: %v", *reported)
	}
	var p zmqio.Protocol = zmqio.BaseProtocol{}
	p.ConnectionMade(nil)
	p.ConnectionLost(errors.New("lost"))
	p.PauseWriting()
	p.ResumeWriting()
	p.MsgReceived(nil)
}

// Off the loop goroutine the creation works in the same way, while the loop runs.
func TestCreateOffTheLoop(t *testing.T) {
	l := newLoop(t, nil)
	server, client := &recorder{live: true}, &recorder{live: true}
	must(t, l.Run(bounded(t), func(ctx context.Context) error {
		rep, p, err := l.CreateZmqConnection(ctx, func() zmqio.Protocol { return server }, zmq.REP, bindTo(anyPort))
		if err != nil {
			return err
		}
		if wantMade(t, server); p != zmqio.Protocol(server) {
			t.Errorf("protocol %v", p)
		}
		server.mu.Lock()
		server.onMsg = func(m [][]byte) { must(t, rep.Write(m)) }
		server.mu.Unlock()
		req, _, err := l.CreateZmqConnection(ctx, func() zmqio.Protocol { return client }, zmq.REQ, connectTo(rep.Listeners()...))
		if err != nil {
			return err
		}
		if err := errors.Join(req.Write(msg("ping")), client.until(ctx, client.has(1)), rep.Close(), req.Close()); err != nil {
			return err
		}
		return errors.Join(server.until(ctx, server.did("lost")), client.until(ctx, client.did("lost")))
	}))
	server.wants(t, "made lost", "ping")
	client.wants(t, "made lost", "ping")
}
