package netio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/internal/testkit"
)

// closedPort returns a port on which no process listens.
func closedPort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	must(t, err)
	return port
}

// A failed creation leaves nothing open, and makes no protocol.
func TestConnectFails(t *testing.T) {
	testkit.CheckLeaks(t)
	l, _ := newLoop(t)
	files := len(testkit.Descriptors(t))
	taken := networks[0].listen(t)
	factory := func() *recorder {
		t.Error("a protocol was made")
		return newRecorder()
	}
	port := closedPort(t)
	missing := t.TempDir() + "/missing"
	for _, test := range []struct {
		network, address string
		cfg              Config
		want             error
		text             string
	}{
		{"tcp", "127.0.0.1:" + port, Config{}, syscall.ECONNREFUSED, port},
		{"unix", missing, Config{}, os.ErrNotExist, missing},
		{"udp", "127.0.0.1:1", Config{}, zmqio.ErrInvalidArgument, "udp"},
		{"tcp", "127.0.0.1:" + port, Config{Dialer: &net.Dialer{LocalAddr: taken.Addr()}}, syscall.EADDRINUSE, taken.Addr().String()},
		{"tcp", "127.0.0.1:" + port, Config{ShutdownTimeout: 1}, zmqio.ErrInvalidArgument, "TLS"},
		{"tcp", "127.0.0.1:" + port, Config{HandshakeTimeout: -1}, zmqio.ErrInvalidArgument, "negative"},
	} {
		_, _, err := CreateConnection(bounded(t), l, factory, test.network, test.address, test.cfg)
		if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s %s: %v", test.network, test.address, err)
		}
	}
	var none context.Context
	for name, call := range map[string]func() error{
		"nil context": func() error { return second(CreateConnection(none, l, factory, "tcp", "127.0.0.1:1", Config{})) },
		"nil loop": func() error {
			return second(CreateConnection(bounded(t), nil, factory, "tcp", "127.0.0.1:1", Config{}))
		},
		"nil factory": func() error {
			return second(CreateConnection[*recorder](bounded(t), l, nil, "tcp", "127.0.0.1:1", Config{}))
		},
		"nil conn": func() error { return second(CreateTransport(bounded(t), l, factory, nil, Config{}, false)) },
	} {
		if err := call(); !errors.Is(err, zmqio.ErrInvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	do(t, l, func() {
		if _, _, err := CreateConnection(bounded(t), l, factory, "tcp", "127.0.0.1:1", Config{}); !errors.Is(err, zmqio.ErrWouldDeadlock) {
			t.Errorf("on the loop: %v", err)
		}
	})
	taken.Close()
	if n := len(testkit.Descriptors(t)); n > files {
		t.Errorf("%d descriptors, %d before", n, files)
	}
}

func second[A, P any](_ A, _ P, err error) error { return err }

// A factory that panics, or returns nil, fails the creation.
func TestFactoryFailsCreation(t *testing.T) {
	testkit.CheckLeaks(t)
	l, exceptions := newLoop(t)
	listener := networks[0].listen(t)
	create := func(factory func() *recorder) error {
		return second(CreateConnection(bounded(t), l, factory, "tcp", listener.Addr().String(), Config{}))
	}
	var p *zmqio.PanicError
	if err := create(func() *recorder { panic("mine") }); !errors.As(err, &p) || p.Value != "mine" {
		t.Errorf("panic: %v", err)
	}
	wait(t, exceptions)
	if err := create(func() *recorder { return nil }); !errors.Is(err, zmqio.ErrInvalidArgument) {
		t.Errorf("nil: %v", err)
	}
	if len(l.Residents()) > 0 {
		t.Errorf("residents: %v", l.Residents())
	}
}

// ctx ends the wait for a busy loop. The connection is closed.
func TestConnectWhileTheLoopIsBusy(t *testing.T) {
	testkit.CheckLeaks(t)
	l, _ := newLoop(t)
	listener := networks[0].listen(t)
	release, busy := make(chan struct{}), make(chan struct{})
	_, err := l.CallSoon(func() { close(busy); <-release })
	must(t, err)
	wait(t, busy)
	ctx, cancel := context.WithCancelCause(context.Background())
	mine := errors.New("mine")
	go func() {
		c, err := listener.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		cancel(mine)
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("the connection is open")
		}
		c.Close()
	}()
	_, _, err = CreateConnection(ctx, l, newRecorder, "tcp", listener.Addr().String(), Config{})
	if !errors.Is(err, mine) && !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(release)
}

// CreateTransport takes over a connection, on the loop too. It refuses other types, which stay
// open.
func TestCreateTransport(t *testing.T) {
	onEach(t, func(t *testing.T, n network) {
		testkit.CheckLeaks(t)
		l, _ := newLoop(t)
		listener := n.listen(t)
		conn := n.dialTo(t, listener.Addr().String())
		accepted, err := listener.Accept()
		must(t, err)
		must(t, accepted.SetDeadline(time.Unix(1, 0))) // deadlines of before do not count
		r := newRecorder()
		var tr *Transport
		do(t, l, func() {
			tr, _, err = CreateTransport(bounded(t), l, func() *recorder { return r }, accepted, Config{}, true)
			must(t, err)
		})
		if err := accepted.SetDeadline(time.Time{}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the connection given is open: %v", err)
		}
		if got := tr.ExtraInfo("peername", nil); got != tr.RemoteAddr() || tr.ExtraInfo("sockname", nil) != tr.LocalAddr() {
			t.Errorf("peername: %v", got)
		}
		if got := tr.ExtraInfo("tls_connection_state", "none"); got != "none" {
			t.Errorf("TLS: %v", got)
		}
		send(t, conn, "hello")
		r.await(t, 5)
		must(t, tr.Write([]byte("world")))
		readN(t, conn, 5)
	})
	l, _ := newLoop(t)
	a, b := net.Pipe()
	defer b.Close()
	if _, _, err := CreateTransport(bounded(t), l, newRecorder, a, Config{}, false); !errors.Is(err, zmqio.ErrInvalidArgument) {
		t.Errorf("a pipe of package net: %v", err)
	}
	must(t, a.Close())
	datagrams, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	defer datagrams.Close()
	if _, _, err := CreateTransport(bounded(t), l, newRecorder, datagrams.(net.Conn), Config{}, false); !errors.Is(err, zmqio.ErrInvalidArgument) {
		t.Errorf("datagrams: %v", err)
	}
}

// A connection whose descriptor was set to block does not block the transport.
func TestCreateTransportOfBlocking(t *testing.T) {
	onEach(t, func(t *testing.T, n network) {
		l, _ := newLoop(t)
		conn := n.dialTo(t, n.listen(t).Addr().String())
		f, err := conn.(interface{ File() (*os.File, error) }).File()
		must(t, err)
		defer f.Close()
		f.Fd() // sets it to block
		tr, _, err := CreateTransport(bounded(t), l, newRecorder, conn, Config{}, false)
		must(t, err)
		written := make(chan error, 1)
		go func() { written <- tr.Write(make([]byte, 16<<20)) }()
		must(t, wait(t, written))
		if tr.WriteBufferSize() == 0 {
			t.Error("the buffer is empty")
		}
		must(t, tr.Abort())
	})
}

// The errors of several attempts are joined, and equal errors count once.
func TestDialErrors(t *testing.T) {
	port := closedPort(t)
	ips := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")}
	_, err := dialEach(bounded(t), new(net.Dialer), "tcp", ips, port)
	if !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), "127.0.0.1:"+port) || !strings.Contains(err.Error(), "127.0.0.2:"+port) {
		t.Errorf("two: %v", err)
	}
	_, err = dialEach(bounded(t), new(net.Dialer), "tcp", []netip.Addr{ips[0], ips[0]}, port)
	if strings.Count(err.Error(), port) != 1 {
		t.Errorf("the same twice: %v", err)
	}
	_, err = dialBoth(bounded(t), new(net.Dialer), "tcp", ips[:1], ips[1:], port)
	if !strings.Contains(err.Error(), "127.0.0.1:"+port) || !strings.Contains(err.Error(), "127.0.0.2:"+port) {
		t.Errorf("both families: %v", err)
	}
}

// The second address family is tried at once if the first fails, and after a head start if it takes
// long. The late connection is closed.
func TestHappyEyeballs(t *testing.T) {
	testkit.CheckLeaks(t)
	listener, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Skip(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	ips := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")}
	conn, err := dialBoth(bounded(t), &net.Dialer{FallbackDelay: time.Hour}, "tcp", ips[:1], ips[1:], port)
	must(t, err)
	conn.Close()
	stuck := make(chan struct{})
	slow := &net.Dialer{FallbackDelay: 1, ControlContext: func(ctx context.Context, _, address string, _ syscall.RawConn) error {
		if strings.HasPrefix(address, "127.0.0.1:") {
			close(stuck)
			<-ctx.Done()
			return ctx.Err()
		}
		<-stuck
		return nil
	}}
	conn, err = dialBoth(bounded(t), slow, "tcp", ips[:1], ips[1:], port)
	must(t, err)
	if conn.RemoteAddr().String() != listener.Addr().String() {
		t.Errorf("connected to %v", conn.RemoteAddr())
	}
	conn.Close()
}

func TestByFamily(t *testing.T) {
	v4, v6 := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")
	mapped := netip.MustParseAddr("::ffff:127.0.0.1")
	for _, test := range []struct {
		network string
		ips     []netip.Addr
		want    string
	}{
		{"tcp", []netip.Addr{v6, v4}, "[::1] [127.0.0.1]"},
		{"tcp", []netip.Addr{mapped, v6, v4}, "[127.0.0.1 127.0.0.1] [::1]"},
		{"tcp4", []netip.Addr{mapped, v4}, "[127.0.0.1 127.0.0.1] []"},
	} {
		first, second := byFamily(test.ips, test.network)
		if got := fmt.Sprint(first, second); got != test.want {
			t.Errorf("%v: %s", test, got)
		}
	}
}

// A host name is looked up.
func TestConnectToName(t *testing.T) {
	l, _ := newLoop(t)
	listener := networks[0].listen(t)
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	tr, _, err := CreateConnection(bounded(t), l, newRecorder, "tcp", "localhost:"+port, Config{})
	must(t, err)
	if tr.RemoteAddr().String() != listener.Addr().String() {
		t.Errorf("connected to %v", tr.RemoteAddr())
	}
	if _, _, err := CreateConnection(bounded(t), l, newRecorder, "tcp", "localhost:no-such-service", Config{}); err == nil {
		t.Error("connected to a service that does not exist")
	}
}
