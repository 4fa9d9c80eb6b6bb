package conformance

import (
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// wantNumber fails the test unless err is an error of a libzmq call that matches errno and the
// classes.
func wantNumber(t testing.TB, err error, errno zmq.Errno, classes ...error) {
	t.Helper()
	var call *os.SyscallError
	var number syscall.Errno
	if !errors.As(err, &call) || !errors.As(err, &number) || int(number) != int(errno) {
		t.Errorf("got %v, want a system call that failed with %v", err, errno)
	}
	for _, class := range append(classes, errno, syscall.Errno(errno)) {
		wants(t, err, class)
	}
}

// A context that is terminated elsewhere ends each of its transports with ETERM, in any state. The
// exception handler gets each error.
func TestContextTerminatedElsewhere(t *testing.T) {
	ctx, l := newContext(t)
	reported := caught(l)
	var all []*recorder
	add := func(typ zmq.SocketType, cfg zmqio.ConnectionConfig, then func(*zmqio.Transport)) {
		p := &recorder{}
		if tr := create(t, l, p, typ, cfg); then != nil {
			then(tr)
		}
		all = append(all, p)
	}
	add(zmq.PULL, bindTo(anyPort), nil)
	add(zmq.PULL, bindTo(anyPort), func(tr *zmqio.Transport) { must(t, tr.PauseReading()) })
	add(zmq.PUSH, bindTo(anyPort), func(tr *zmqio.Transport) { writeAll(t, tr, "buffered") })
	add(zmq.PUSH, bindTo(anyPort), nil)
	add(zmq.REQ, bindTo(anyPort), nil)
	add(zmq.DEALER, connectTo("inproc://nobody"), func(tr *zmqio.Transport) { writeAll(t, tr, "with libzmq") })
	term := make(chan error)
	soon(t, l, func() { go func() { term <- ctx.Term() }() })
	await(t, l, func() bool {
		for _, p := range all {
			if !p.did("lost")() {
				return false
			}
		}
		return true
	})
	must(t, <-term)
	for _, p := range all {
		p.wants(t, "made lost")
		wantNumber(t, p.err, zmq.ETERM, net.ErrClosed)
	}
	if len(*reported) != len(all) {
		t.Fatalf("reported: %v", *reported)
	}
	for _, c := range *reported {
		wantNumber(t, c.Err, zmq.ETERM, net.ErrClosed)
		if c.Transport == nil || c.Transport.Protocol() != c.Protocol || c.Message == "" {
			t.Errorf("reported %+v", c)
		}
	}
	_, _, err := l.CreateZmqConnection(bounded(t), func() zmqio.Protocol { return &recorder{} }, zmq.PULL, bindTo(anyPort))
	wantNumber(t, err, zmq.ETERM)
	must(t, l.Close())
}

// A Write that meets ETERM returns it, and ConnectionLost follows.
func TestWriteToATerminatedContext(t *testing.T) {
	ctx, l := newContext(t)
	reported := caught(l)
	p := &recorder{}
	tr := blocked(t, l, p)
	term := make(chan error)
	go func() { term <- ctx.Term() }()
	var err error
	for err == nil { // until libzmq has sent the socket the command
		err = tr.Write(msg("x"))
	}
	if !errors.Is(err, zmqio.ErrTransportClosed) { // as if the loop had seen it first
		wantNumber(t, err, zmq.ETERM)
	}
	await(t, l, p.did("lost"))
	must(t, <-term)
	pass(t, l)
	wantNumber(t, p.err, zmq.ETERM)
	wants(t, tr.Write(msg("x")), zmqio.ErrTransportClosed)
	if len(*reported) != 1 {
		t.Errorf("reported %v", *reported)
	}
	p.wants(t, "made lost")
}

// A call on a socket that was closed elsewhere returns ENOTSOCK. A Write also ends the transport,
// and the exception handler gets the error.
func TestCloseOnError(t *testing.T) {
	l := newLoop(t, nil)
	reported := caught(l)
	p := &recorder{}
	tr := create(t, l, p, zmq.PUSH, bindTo(anyPort))
	must(t, tr.ExtraInfo("zmq_socket", nil).(*zmq4.Socket).Close())
	_, err := tr.Getsockopt(zmq.SNDHWM)
	wantNumber(t, err, zmq.ENOTSOCK)
	wantNumber(t, tr.Setsockopt(zmq.SNDHWM, 1), zmq.ENOTSOCK)
	_, err = tr.Bind("inproc://x")
	wantNumber(t, err, zmq.ENOTSOCK)
	_, err = tr.Connect("inproc://x")
	wantNumber(t, err, zmq.ENOTSOCK)
	wantNumber(t, tr.Write(msg("x")), zmq.ENOTSOCK, net.ErrClosed)
	if !tr.IsClosing() {
		t.Error("the transport is open")
	}
	await(t, l, p.did("lost"))
	p.wants(t, "made lost")
	wantNumber(t, p.err, zmq.ENOTSOCK)
	if len(*reported) != 1 || (*reported)[0].Transport != tr || (*reported)[0].Protocol != zmqio.Protocol(p) {
		t.Fatalf("reported %+v", *reported)
	}
	wantNumber(t, (*reported)[0].Err, zmq.ENOTSOCK)
}

// Out of turn, REQ and REP refuse a message with EFSM. The turns stay as they were.
func TestOutOfTurn(t *testing.T) {
	l := newLoop(t, nil)
	reported := caught(l)
	server, client := &recorder{}, &recorder{}
	rep := create(t, l, server, zmq.REP, bindTo("inproc://turns"))
	req := create(t, l, client, zmq.REQ, connectTo("inproc://turns"))
	var want []string
	for _, s := range numbers(5) {
		wantNumber(t, rep.Write(msg("reply before the request")), zmq.EFSM)
		must(t, req.Write(msg("request", s)))
		wantNumber(t, req.Write(msg("second request")), zmq.EFSM)
		wantNumber(t, req.Write(msg("in", "parts")), zmq.EFSM)
		want = append(want, "request|"+s)
		await(t, l, server.has(len(want)))
		must(t, rep.Write(msg("request", s)))
		wantNumber(t, rep.Write(msg("second reply")), zmq.EFSM)
		wantNumber(t, rep.Write(msg("in", "parts")), zmq.EFSM)
		await(t, l, client.has(len(want)))
	}
	for _, tr := range []*zmqio.Transport{req, rep} {
		if tr.IsClosing() || tr.WriteBufferSize() != 0 {
			t.Errorf("%v with %d bytes", tr, tr.WriteBufferSize())
		}
	}
	server.wants(t, "made", want...)
	client.wants(t, "made", want...)
	if len(*reported) != 0 {
		t.Errorf("reported %v", *reported)
	}
}

// Requests are buffered if no peer is there for the first. Each is then sent after the reply to the
// one before, also while the transport closes.
func TestRequestsWaitForReplies(t *testing.T) {
	for _, closing := range []bool{false, true} {
		l := newLoop(t, nil)
		client, server := &recorder{}, &recorder{}
		req := create(t, l, client, zmq.REQ, bindTo("inproc://requests"))
		all := numbers(5)
		writeAll(t, req, all...)
		if closing {
			must(t, req.Close())
		}
		var rep *zmqio.Transport
		server.onMsg = func(m [][]byte) { must(t, rep.Write(m)) }
		rep = create(t, l, server, zmq.REP, connectTo("inproc://requests"))
		if closing {
			await(t, l, func() bool { return client.did("lost")() && server.has(len(all))() })
			client.wants(t, "made lost")
		} else {
			await(t, l, client.has(len(all)))
			client.wants(t, "made", all...)
		}
		server.wants(t, "made", all...)
		must(t, l.Close())
	}
}

// A mandatory router refuses a message for an unknown peer, if Write learns of it. It sends a
// message for a known peer.
func TestHostUnreachable(t *testing.T) {
	l := newLoop(t, nil)
	reported := caught(l)
	p := &recorder{}
	router := create(t, l, p, zmq.ROUTER, zmqio.ConnectionConfig{
		Bind: []string{"inproc://router"}, Configure: func(o zmq.Sockopts) error { return o.SetRouterMandatory(true) },
	})
	somebody := &recorder{}
	create(t, l, somebody, zmq.DEALER, zmqio.ConnectionConfig{
		Connect: []string{"inproc://router"}, Configure: func(o zmq.Sockopts) error { return o.SetRoutingID([]byte("somebody")) },
	})
	for range 3 {
		wantNumber(t, router.Write(msg("nobody", "x")), zmq.EHOSTUNREACH)
		must(t, router.Write(msg("somebody", "x")))
	}
	await(t, l, somebody.has(3))
	somebody.wants(t, "made", "x", "x", "x")
	p.wants(t, "made")
	if len(*reported) != 0 || router.WriteBufferSize() != 0 || router.IsClosing() {
		t.Errorf("reported %v, %v with %d bytes", *reported, router, router.WriteBufferSize())
	}
}

// In a batch, the transport learns later that a peer is unknown. It drops only those messages, and
// the exception handler gets their number.
func TestHostUnreachableLater(t *testing.T) {
	l := newLoop(t, nil)
	reported := caught(l)
	p := &recorder{}
	router := create(t, l, p, zmq.ROUTER, zmqio.ConnectionConfig{
		Bind: []string{"inproc://router"}, Configure: func(o zmq.Sockopts) error { return o.SetRouterMandatory(true) },
	})
	p.onMsg = func(m [][]byte) {
		for range 3 {
			must(t, router.Write(msg("nobody", "in", "parts")))
			must(t, router.Write(m))
		}
		must(t, router.Write(msg("nobody", "x")))
	}
	dealer := &recorder{}
	writeAll(t, create(t, l, dealer, zmq.DEALER, connectTo("inproc://router")), "ping")
	await(t, l, dealer.has(3))
	pass(t, l) // the handler is posted
	dealer.wants(t, "made", "ping", "ping", "ping")
	if len(*reported) != 1 || router.IsClosing() || router.WriteBufferSize() != 0 {
		t.Fatalf("reported %v, %v with %d bytes", *reported, router, router.WriteBufferSize())
	}
	c := (*reported)[0]
	wantNumber(t, c.Err, zmq.EHOSTUNREACH)
	if c.Transport != router || c.Protocol != zmqio.Protocol(p) || !strings.Contains(c.Err.Error(), `4 messages, the last one for routing id "nobody"`) {
		t.Errorf("reported %+v", c)
	}
}

// The transport drops buffered messages when libzmq can no longer take them. It ends with the
// reason, even if it is closing.
func TestBadPendingWrite(t *testing.T) {
	for name, look := range map[string]func(*zmqio.Transport) error{
		"Write": func(tr *zmqio.Transport) error { return tr.Write(msg("more")) },
		"Close": (*zmqio.Transport).Close,
		"limits": func(tr *zmqio.Transport) error {
			return tr.SetWriteBufferLimits(0, 0) // the transport offers everything before it pauses
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLoop(t, nil)
			reported := caught(l)
			p := &recorder{}
			tr := blocked(t, l, p)
			writeAll(t, tr, "data")
			must(t, tr.ExtraInfo("zmq_socket", nil).(*zmq4.Socket).Close())
			must(t, look(tr))
			if n := tr.WriteBufferSize(); n != 0 || !tr.IsClosing() {
				t.Errorf("%d bytes, closing %t", n, tr.IsClosing())
			}
			await(t, l, p.did("lost"))
			p.wants(t, "made lost")
			wantNumber(t, p.err, zmq.ENOTSOCK)
			if len(*reported) != 1 {
				t.Errorf("reported %v", *reported)
			}
		})
	}
}

// The same holds for a receive, when the loop looks at the socket.
func TestBadRead(t *testing.T) {
	l := newLoop(t, nil)
	reported := caught(l)
	p := &recorder{}
	tr := create(t, l, p, zmq.PULL, bindTo(anyPort))
	must(t, tr.PauseReading())
	pass(t, l)
	must(t, tr.ExtraInfo("zmq_socket", nil).(*zmq4.Socket).Close())
	must(t, tr.ResumeReading())
	await(t, l, p.did("lost"))
	p.wants(t, "made lost")
	wantNumber(t, p.err, zmq.ENOTSOCK)
	if len(*reported) != 1 || !tr.IsClosing() {
		t.Errorf("reported %v", *reported)
	}
}
