package conformance

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

func TestBinds(t *testing.T) {
	l := newLoop(t, nil)
	tr := create(t, l, &recorder{}, zmq.DEALER, bindTo(anyPort, "inproc://binds"))
	if got := tr.Listeners(); len(got) != 2 || got[0] != "inproc://binds" || !strings.HasPrefix(got[1], "tcp://127.0.0.1:") || strings.Contains(got[1], "*") {
		t.Errorf("%v", got)
	}
	third, err := tr.Bind(anyPort)
	must(t, err)
	if got := tr.Listeners(); len(got) != 3 || !slices.Contains(got, third) || !slices.IsSorted(got) {
		t.Errorf("%v, bound %s", got, third)
	}
	must(t, tr.Unbind(third))
	if got := tr.Listeners(); len(got) != 2 || slices.Contains(got, third) {
		t.Errorf("%v, unbound %s", got, third)
	}
	if len(tr.Connections()) != 0 {
		t.Errorf("connected to %v", tr.Connections())
	}
}

func TestConnects(t *testing.T) {
	l := newLoop(t, nil)
	tr := create(t, l, &recorder{}, zmq.DEALER, connectTo("tcp://127.0.0.1:5998", "inproc://connects"))
	if got := tr.Connections(); !slices.Equal(got, []string{"inproc://connects", "tcp://127.0.0.1:5998"}) {
		t.Errorf("%v", got)
	}
	third, err := tr.Connect("tcp://127.0.0.1:5999")
	must(t, err)
	if got := tr.Connections(); third != "tcp://127.0.0.1:5999" || len(got) != 3 || got[2] != third {
		t.Errorf("%v, connected %s", got, third)
	}
	must(t, tr.Disconnect(third))
	if got := tr.Connections(); len(got) != 2 || slices.Contains(got, third) {
		t.Errorf("%v, disconnected %s", got, third)
	}
	if len(tr.Listeners()) != 0 {
		t.Errorf("bound to %v", tr.Listeners())
	}
}

// Listeners and Connections return copies.
func TestEndpointsAreSnapshots(t *testing.T) {
	l := newLoop(t, nil)
	tr := create(t, l, &recorder{}, zmq.DEALER, bindTo("inproc://a", "inproc://b"))
	_, err := tr.Connect("inproc://c")
	must(t, err)
	for _, list := range []func() []string{tr.Listeners, tr.Connections} {
		first := list()
		want := slices.Clone(first)
		first[0] = "changed"
		_ = append(first[:0], "and grown")
		if got := list(); !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	before := tr.Listeners()
	must(t, tr.Unbind("inproc://a"))
	if !slices.Equal(before, []string{"inproc://a", "inproc://b"}) {
		t.Errorf("Unbind changed a list from before: %v", before)
	}
}

func TestUnbindFromNonbindedAddr(t *testing.T) {
	l := newLoop(t, nil)
	tr := create(t, l, &recorder{}, zmq.DEALER, bindTo(anyPort))
	bound := tr.Listeners()
	for _, endpoint := range []string{"tcp://127.0.0.1:1", "inproc://nobody", "ipc:///nobody"} {
		for _, err := range []error{tr.Unbind(endpoint), tr.Disconnect(endpoint)} {
			for _, want := range []error{zmq.ENOENT, syscall.ENOENT, fs.ErrNotExist} {
				wantError(t, endpoint, err, want)
			}
		}
	}
	if got := tr.Listeners(); !slices.Equal(got, bound) || len(tr.Connections()) != 0 {
		t.Errorf("%v", tr)
	}
	must(t, tr.Unbind(bound[0]))
	wants(t, tr.Unbind(bound[0]), zmq.ENOENT)
}

// A wildcard endpoint is replaced by the bound one. Peers can connect to it, and Unbind accepts
// both names.
func TestWildcards(t *testing.T) {
	for _, given := range []string{anyPort, "tcp://*:*", "tcp://lo:*", "tcp://0.0.0.0:0", "ipc://*"} {
		t.Run(given, func(t *testing.T) {
			if _, err := net.InterfaceByName("lo"); err != nil && strings.Contains(given, "lo:") {
				t.Skip(err)
			}
			l := newLoop(t, nil)
			for _, byGiven := range []bool{false, true} {
				pull := &recorder{}
				tr := create(t, l, pull, zmq.PULL, bindTo(given))
				bound := tr.Listeners()[0]
				if strings.Contains(bound, "*") || strings.HasSuffix(bound, ":0") {
					t.Errorf("bound %s", bound)
				}
				push := create(t, l, &recorder{}, zmq.PUSH, connectTo(strings.Replace(bound, "0.0.0.0", "127.0.0.1", 1)))
				writeAll(t, push, "x")
				await(t, l, pull.has(1))
				if byGiven {
					bound = given
				}
				must(t, tr.Unbind(bound))
				if got := tr.Listeners(); len(got) != 0 {
					t.Errorf("%v", got)
				}
				must(t, push.Abort())
			}
		})
	}
}

// exchange binds a PULL to endpoint, connects a PUSH to the bound endpoint, and sends a message.
func exchange(t *testing.T, endpoint string) (bound, connected string) {
	t.Helper()
	l := newLoop(t, nil)
	ipv6 := func(o zmq.Sockopts) error { return o.SetIPv6(true) }
	p := &recorder{}
	pull := create(t, l, p, zmq.PULL, zmqio.ConnectionConfig{Bind: []string{endpoint}, Configure: ipv6})
	bound = pull.Listeners()[0]
	push := create(t, l, &recorder{}, zmq.PUSH, zmqio.ConnectionConfig{Connect: []string{bound}, Configure: ipv6})
	connected = push.Connections()[0]
	writeAll(t, push, "x")
	await(t, l, p.has(1))
	must(t, pull.Unbind(bound))
	must(t, push.Disconnect(connected))
	return bound, connected
}

// hasAddress skips the test unless the machine has addr.
func hasAddress(t *testing.T, addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", net.JoinHostPort(addr, "0"))
	if err != nil {
		t.Skip(err)
	}
	must(t, ln.Close())
}

func TestIPv6(t *testing.T) {
	hasAddress(t, "::1")
	bound, connected := exchange(t, "tcp://[::1]:*")
	if !strings.HasPrefix(bound, "tcp://[::1]:") || bound != connected {
		t.Errorf("bound %s, connected %s", bound, connected)
	}
}

// A link-local address has a zone: the network interface.
func TestIPv6Zone(t *testing.T) {
	addr := linkLocal(t)
	if major, minor, patch := zmq.LibraryVersion(); major == 4 && minor == 3 && patch == 3 {
		t.Skip("libzmq 4.3.3 takes no link-local address, see its issue 4108")
	}
	bound, connected := exchange(t, "tcp://["+addr+"]:*")
	if !strings.HasPrefix(bound, "tcp://[fe80:") || bound != connected {
		t.Errorf("bound %s, connected %s", bound, connected)
	}
}

// linkLocal returns a link-local address of this machine with its zone.
func linkLocal(t *testing.T) string {
	t.Helper()
	interfaces, err := net.Interfaces()
	must(t, err)
	for _, i := range interfaces {
		addrs, err := i.Addrs()
		must(t, err)
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && i.Flags&net.FlagUp != 0 && n.IP.To4() == nil && n.IP.IsLinkLocalUnicast() {
				addr := n.IP.String() + "%" + i.Name
				hasAddress(t, addr)
				return addr
			}
		}
	}
	t.Skip("this machine has no link-local address")
	return ""
}

// In tcp://source;destination the connection comes from the source.
func TestSourceAddress(t *testing.T) {
	hasAddress(t, "127.0.0.2")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	l := newLoop(t, nil)
	endpoint := "tcp://127.0.0.2:0;" + ln.Addr().String()
	tr := create(t, l, &recorder{}, zmq.PUSH, connectTo(endpoint))
	if got := tr.Connections(); len(got) != 1 || !strings.HasSuffix(got[0], ln.Addr().String()) {
		t.Errorf("connected to %v", got)
	}
	conn, err := ln.Accept()
	must(t, err)
	defer conn.Close()
	if from := conn.RemoteAddr().(*net.TCPAddr).IP.String(); from != "127.0.0.2" {
		t.Errorf("the connection comes from %s", from)
	}
	must(t, tr.Disconnect(endpoint))
}

// Connect refuses host names that libzmq would look up while it blocks, behind the semicolon too.
// It accepts addresses.
func TestDNSInConnect(t *testing.T) {
	l := newLoop(t, nil)
	tr := create(t, l, &recorder{}, zmq.DEALER, zmqio.ConnectionConfig{Bind: []string{}})
	must(t, tr.Sockopts().SetIPv6(true))
	for _, endpoint := range []string{
		"tcp://localhost:5555", "tcp://example.com:5555", "tcp://lo:5555", "tcp://*:5555", "tcp://[localhost]:5555",
		"tcp://127.0.0.1:0;localhost:5555", "tcp://127.0.0.1.nip.io:5555", "tcp://256.0.0.1:5555",
	} {
		_, err := tr.Connect(endpoint)
		wantError(t, endpoint, err, zmqio.ErrDNSEndpoint)
		wantError(t, endpoint, err, zmqio.ErrInvalidArgument)
		factory := func() zmqio.Protocol { t.Error("a protocol was made"); return &recorder{} }
		_, _, err = l.CreateZmqConnection(bounded(t), factory, zmq.DEALER, connectTo("inproc://first", endpoint))
		wantError(t, endpoint, err, zmqio.ErrDNSEndpoint)
	}
	if len(tr.Connections()) != 0 {
		t.Errorf("connected to %v", tr.Connections())
	}
	for _, endpoint := range []string{
		"tcp://127.0.0.1:5555", "tcp://[::1]:5555", "tcp://[fe80::1%lo]:5555", "tcp://127.0.0.1:0;127.0.0.1:5555", "inproc://localhost",
	} {
		actual, err := tr.Connect(endpoint)
		if err != nil {
			t.Errorf("%s: %v", endpoint, err)
			continue
		}
		must(t, tr.Disconnect(actual))
	}
}

// An endpoint that libzmq refuses is an OpError with libzmq's error and the endpoint. The transport
// goes on.
func TestBadEndpoints(t *testing.T) {
	l := newLoop(t, nil)
	p := &recorder{}
	tr := create(t, l, p, zmq.DEALER, bindTo(anyPort))
	taken := tr.Listeners()[0]
	for _, c := range []struct {
		call     string
		do       func(string) (string, error)
		endpoint string
		want     error
	}{
		{"zmq_bind", tr.Bind, "nonsense", zmq.EINVAL},
		{"zmq_bind", tr.Bind, "", zmq.EINVAL},
		{"zmq_bind", tr.Bind, "tcp://127.0.0.1", zmq.EINVAL},
		{"zmq_bind", tr.Bind, "carrier://pigeon", zmq.EPROTONOSUPPORT},
		{"zmq_bind", tr.Bind, "udp://127.0.0.1:5555", zmq.ENOCOMPATPROTO},
		{"zmq_bind", tr.Bind, taken, zmq.EADDRINUSE},
		{"zmq_bind", tr.Bind, "tcp://192.0.2.1:5555", syscall.EADDRNOTAVAIL},
		{"zmq_connect", tr.Connect, "nonsense", zmq.EINVAL},
		{"zmq_connect", tr.Connect, "tcp://127.0.0.1", zmq.EINVAL},
		{"zmq_connect", tr.Connect, "carrier://pigeon", zmq.EPROTONOSUPPORT},
		{"zmq_connect", tr.Connect, "udp://127.0.0.1:5555", zmq.ENOCOMPATPROTO},
	} {
		_, err := c.do(c.endpoint)
		var se *os.SyscallError
		if !errors.Is(err, c.want) || !errors.As(err, &se) || se.Syscall != c.call || !strings.Contains(err.Error(), fmt.Sprintf("%q", c.endpoint)) {
			t.Errorf("%s %q: %v, want %v", c.call, c.endpoint, err, c.want)
		}
	}
	if got := tr.Listeners(); !slices.Equal(got, []string{taken}) || len(tr.Connections()) != 0 || tr.IsClosing() {
		t.Errorf("%v", tr)
	}
	pass(t, l)
	wantMade(t, p)
}

// If one of several endpoints fails, the call returns its error, and ConnectionLost gets the same.
// The new socket is closed, so the other endpoints are free.
func TestClosesSocketOnBadBind(t *testing.T) {
	l := newLoop(t, nil)
	reported := caught(l)
	taken := create(t, l, &recorder{}, zmq.PULL, bindTo(anyPort)).Listeners()[0]
	free := []string{"inproc://free", "ipc://" + t.TempDir() + "/free", ""}
	p := &recorder{}
	var tr *zmqio.Transport
	p.onMade = func(made *zmqio.Transport) {
		tr = made
		var err error
		free[2], err = tr.Bind(anyPort) // as if it came first in the list
		must(t, err)
	}
	got, _, err := l.CreateZmqConnection(bounded(t), func() zmqio.Protocol { return p }, zmq.PULL, bindTo(free[0], free[1], taken, "inproc://never"))
	if got != nil || !errors.Is(err, zmq.EADDRINUSE) || !strings.Contains(err.Error(), taken) {
		t.Errorf("%v, %v", got, err)
	}
	await(t, l, p.did("lost"))
	p.wants(t, "made lost")
	if !errors.Is(err, p.err) || p.err == nil {
		t.Errorf("returned %v, lost with %v", err, p.err)
	}
	wantSocketClosed(t, tr)
	if len(*reported) != 0 {
		t.Errorf("reported: %+v", *reported)
	}
	other := create(t, l, &recorder{}, zmq.PULL, zmqio.ConnectionConfig{Bind: []string{}})
	for _, endpoint := range free {
		bindSoon(t, other, endpoint)
	}
}

// bindSoon binds tr to endpoint as soon as libzmq, which closes in the background, has freed it.
func bindSoon(t testing.TB, tr *zmqio.Transport, endpoint string) {
	t.Helper()
	for ctx := bounded(t); ; {
		_, err := tr.Bind(endpoint)
		if err == nil {
			return
		}
		if !errors.Is(err, zmq.EADDRINUSE) || ctx.Err() != nil {
			t.Fatal(errors.Join(err, context.Cause(ctx)))
		}
		runtime.Gosched()
	}
}

func TestClosesSocketOnBadConnect(t *testing.T) {
	l := newLoop(t, nil)
	p := &recorder{}
	var tr *zmqio.Transport
	p.onMade = func(made *zmqio.Transport) { tr = made }
	_, _, err := l.CreateZmqConnection(bounded(t), func() zmqio.Protocol { return p }, zmq.PUSH, connectTo("inproc://first", "carrier://pigeon"))
	wants(t, err, zmq.EPROTONOSUPPORT)
	await(t, l, p.did("lost"))
	p.wants(t, "made lost")
	wants(t, p.err, zmq.EPROTONOSUPPORT)
	wantSocketClosed(t, tr)
}
