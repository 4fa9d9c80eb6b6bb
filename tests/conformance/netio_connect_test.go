package conformance

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

const (
	getRequest  = "GET / HTTP/1.0\r\nHost: example.com\r\n\r\n"
	getResponse = "HTTP/1.0 200 OK\r\nContent-Length: 12\r\n\r\nTest message"
)

// answerOnce answers one request as an HTTP server does, and closes the connection.
func answerOnce(ln net.Listener) <-chan error {
	done := make(chan error, 1)
	go func() {
		c, err := ln.Accept()
		if err != nil {
			done <- err
			return
		}
		defer c.Close()
		for r := bufio.NewReader(c); err == nil; {
			var line string
			if line, err = r.ReadString('\n'); line == "\r\n" {
				_, err = c.Write([]byte(getResponse))
				break
			}
		}
		done <- err
	}()
	return done
}

// ask returns a ConnectionMade that writes a request.
func ask(t testing.TB) func(*netio.Transport) {
	return func(tr *netio.Transport) { must(t, tr.Write([]byte(getRequest))) }
}

// checkAnswered waits for the end of a connection whose ConnectionMade was ask.
func checkAnswered(t testing.TB, tr *netio.Transport, p *party, server <-chan error) {
	t.Helper()
	if !p.is(func() bool { return p.tr == tr }) {
		t.Error("ConnectionMade has not been called, or with another transport")
	}
	if tr.LocalAddr() == nil || tr.ExtraInfo("sockname", nil) == nil {
		t.Errorf("local address %v, %v", tr.LocalAddr(), tr.ExtraInfo("sockname", nil))
	}
	if err := p.awaitLost(); err != nil || string(p.data) != getResponse || !p.eof {
		t.Errorf("lost with %v after %q, eof %t", err, p.data, p.eof)
	}
	must(t, <-server)
	must(t, tr.Close())
}

func TestNetCreateConnection(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6"} {
		t.Run(network, func(t *testing.T) {
			l, ln := startLoop(t), listen(t, network)
			server := answerOnce(ln)
			p := newParty(t, l)
			p.onMade = ask(t)
			tr := connect(t, l, p, ln.Addr(), netio.Config{})
			if got := tr.RemoteAddr().String(); got != ln.Addr().String() {
				t.Errorf("remote address %s, want %v", got, ln.Addr())
			}
			checkAnswered(t, tr, p, server)
		})
	}
}

// This covers test_create_unix_connection_pathlib too, together with the tests of errors.
func TestNetCreateUnixConnection(t *testing.T) {
	l, ln := startLoop(t), listen(t, "unix")
	server := answerOnce(ln)
	p := newParty(t, l)
	p.onMade = ask(t)
	checkAnswered(t, connect(t, l, p, ln.Addr(), netio.Config{}), p, server)
}

// ConnectionMade comes before the creator returns and before waiting data. The addresses are known
// in it.
func TestNetConnectionMadeComesFirst(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			l, ln := startLoop(t), listen(t, network)
			p := newParty(t, l)
			p.onMade = func(tr *netio.Transport) {
				c := accept(t, ln)
				writeString(t, c, "early")
				if tr.RemoteAddr().String() != ln.Addr().String() || tr.LocalAddr() == nil {
					t.Errorf("addresses %v and %v", tr.LocalAddr(), tr.RemoteAddr())
				}
				must(t, tr.Write([]byte("hello"))) // the peer has it before the loop goes on
				if got := readString(t, c, 5); got != "hello" {
					t.Errorf("the peer got %q", got)
				}
			}
			connect(t, l, p, ln.Addr(), netio.Config{})
			if !p.is(p.made) {
				t.Error("ConnectionMade has not been called")
			}
			if got := p.awaitData(5); got != "early" {
				t.Errorf("got %q", got)
			}
		})
	}
}

// A creator returns the protocol with its own type.
func TestNetCreateTyped(t *testing.T) {
	l, ln := startLoop(t), listen(t, "tcp4")
	tr, p, err := netio.CreateConnection(bounded(t), l, func() *party { return newParty(t, l) }, "tcp", ln.Addr().String(), netio.Config{})
	must(t, err)
	abortInTheEnd(t, tr)
	if tr.Protocol() != netio.Protocol(p) || p.tr != tr {
		t.Errorf("protocol %v, transport %v", tr.Protocol(), p.tr)
	}
}

func TestNetLocalAddr(t *testing.T) {
	l, ln := startLoop(t), listen(t, "tcp4")
	free := listen(t, "tcp4")
	local := free.Addr().(*net.TCPAddr)
	must(t, free.Close())
	p := newParty(t, l)
	tr := connect(t, l, p, ln.Addr(), netio.Config{Dialer: &net.Dialer{LocalAddr: local}})
	c := accept(t, ln)
	if tr.LocalAddr().String() != local.String() || c.RemoteAddr().String() != local.String() {
		t.Errorf("local address %v, the peer's remote %v, want %v", tr.LocalAddr(), c.RemoteAddr(), local)
	}
	must(t, c.Close()) // first, so that the port is free for the next run
	must(t, p.awaitLost())
}

// A local address of one family does not connect to an address of the other.
func TestNetLocalAddrOfAnotherFamily(t *testing.T) {
	l, ln := startLoop(t), listen(t, "tcp4")
	cfg := netio.Config{Dialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv6loopback}}}
	_, _, err := netio.CreateConnection(bounded(t), l, noFactory(t), "tcp", ln.Addr().String(), cfg)
	var op *net.OpError
	if !errors.As(err, &op) {
		t.Errorf("error: %v", err)
	}
	// The name has addresses of both families, and the matching one is tried.
	cfg.Dialer = &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, Resolver: bothFamilies.resolver()}
	p := newParty(t, l)
	tr, _, err := netio.CreateConnection(bounded(t), l, func() *party { return p }, "tcp", net.JoinHostPort("peer.test", portOf(ln.Addr())), cfg)
	must(t, err)
	abortInTheEnd(t, tr)
	if got := tr.RemoteAddr().String(); got != ln.Addr().String() {
		t.Errorf("connected to %s", got)
	}
}

// bothFamilies has the loopback addresses for each name.
var bothFamilies = records{typeA: {{127, 0, 0, 1}}, typeAAAA: {netip.IPv6Loopback().AsSlice()}}

func portOf(addr net.Addr) string { return strconv.Itoa(addr.(*net.TCPAddr).Port) }

func TestNetLocalAddrInUse(t *testing.T) {
	l, ln := startLoop(t), listen(t, "tcp4")
	_, _, err := netio.CreateConnection(bounded(t), l, noFactory(t), "tcp", ln.Addr().String(),
		netio.Config{Dialer: &net.Dialer{LocalAddr: ln.Addr()}})
	wants(t, err, syscall.EADDRINUSE)
	if err != nil && !strings.Contains(err.Error(), ln.Addr().String()) {
		t.Errorf("the address is not in %q", err)
	}
}

// refusing returns the address of a port on which no socket listens.
func refusing(t testing.TB) net.Addr {
	t.Helper()
	ln := listen(t, "tcp4")
	must(t, ln.Close())
	return ln.Addr()
}

func TestNetConnectErrors(t *testing.T) {
	l := startLoop(t)
	dir := zmqiotest.SocketDir(t)
	for _, c := range []struct {
		network, address string
		want             error
	}{
		{"tcp", refusing(t).String(), syscall.ECONNREFUSED},
		{"unix", filepath.Join(dir, "none"), syscall.ENOENT},
		{"unix", dir, syscall.ECONNREFUSED},
	} {
		_, _, err := netio.CreateConnection(bounded(t), l, noFactory(t), c.network, c.address, netio.Config{})
		wantError(t, c.address, err, c.want)
		if err != nil && !strings.Contains(err.Error(), c.address) {
			t.Errorf("the address is not in %q", err)
		}
	}
}

// Each address of a name is tried, and the error names all failures.
func TestNetMultipleErrors(t *testing.T) {
	l := startLoop(t)
	two := records{typeA: {{127, 0, 0, 1}, {127, 0, 0, 2}}}
	_, _, err := netio.CreateConnection(bounded(t), l, noFactory(t), "tcp4", net.JoinHostPort("peer.test", portOf(refusing(t))),
		netio.Config{Dialer: &net.Dialer{Resolver: two.resolver()}})
	wants(t, err, syscall.ECONNREFUSED)
	for _, host := range []string{"127.0.0.1", "127.0.0.2"} {
		if err != nil && !strings.Contains(err.Error(), host) {
			t.Errorf("%s is not in %q", host, err)
		}
	}
}

// The error names failures to bind a local address and failures to connect.
func TestNetMultipleErrorsLocalAddr(t *testing.T) {
	l, in := startLoop(t), listen(t, "tcp4")
	two := records{typeA: {{127, 0, 0, 1}, {127, 0, 0, 2}}}
	_, _, err := netio.CreateConnection(bounded(t), l, noFactory(t), "tcp4", net.JoinHostPort("peer.test", portOf(refusing(t))),
		netio.Config{Dialer: &net.Dialer{LocalAddr: in.Addr(), Resolver: two.resolver()}})
	wants(t, err, syscall.EADDRINUSE)
}

// If the first address of a name refuses, the next is tried.
func TestNetMultipleAddresses(t *testing.T) {
	l, ln := startLoop(t), listen(t, "tcp4")
	p := newParty(t, l)
	tr, _, err := netio.CreateConnection(bounded(t), l, func() *party { return p }, "tcp", net.JoinHostPort("peer.test", portOf(ln.Addr())),
		netio.Config{Dialer: &net.Dialer{Resolver: bothFamilies.resolver()}})
	must(t, err)
	abortInTheEnd(t, tr)
	if got := tr.RemoteAddr().String(); got != ln.Addr().String() {
		t.Errorf("connected to %s", got)
	}
}

func TestNetNoAddresses(t *testing.T) {
	l := startLoop(t)
	_, _, err := netio.CreateConnection(bounded(t), l, noFactory(t), "tcp", "peer.test:80", netio.Config{Dialer: &net.Dialer{Resolver: records{}.resolver()}})
	var dns *net.DNSError
	if !errors.As(err, &dns) {
		t.Errorf("error: %v", err)
	}
}

// The loop's resolver looks up names if the dialer has no resolver.
func TestNetResolverOfTheLoop(t *testing.T) {
	l := newLoop(t, &zmqio.LoopConfig{Resolver: bothFamilies.resolver()})
	must(t, l.Start())
	ln := listen(t, "tcp4")
	tr, _, err := netio.CreateConnection(bounded(t), l, func() *party { return newParty(t, l) }, "tcp", net.JoinHostPort("peer.test", portOf(ln.Addr())), netio.Config{})
	must(t, err)
	abortInTheEnd(t, tr)
}

// The end of the context ends connecting, and closes the socket.
func TestNetCreateConnectionTimeout(t *testing.T) {
	l := startLoop(t)
	cause := errors.New("cause")
	ctx, cancel := context.WithCancelCause(bounded(t))
	dialer := &net.Dialer{ControlContext: func(ctx context.Context, _, _ string, _ syscall.RawConn) error {
		cancel(cause)
		<-ctx.Done()
		return ctx.Err()
	}}
	_, _, err := netio.CreateConnection(ctx, l, noFactory(t), "tcp", refusing(t).String(), netio.Config{Dialer: dialer})
	if !errors.Is(err, cause) && !errors.Is(err, context.Canceled) {
		t.Errorf("error: %v", err)
	}
}

// A creator accepts IP addresses, with a zone, and names of services.
func TestNetAddresses(t *testing.T) {
	l := startLoop(t)
	refused := errors.New("refused")
	for address, want := range map[string]string{
		"1.2.3.4:80":     "1.2.3.4:80",
		"[::1]:80":       "[::1]:80",
		"127.0.0.1:http": "127.0.0.1:80",
		"[fe80::1%1]:80": "[fe80::1%1]:80",
	} {
		var got string
		dialer := &net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
			got = address
			return refused
		}}
		_, _, err := netio.CreateConnection(bounded(t), l, noFactory(t), "tcp", address, netio.Config{Dialer: dialer})
		if wants(t, err, refused); got != want {
			t.Errorf("%s: dialled %q", address, got)
		}
	}
	_, _, err := netio.CreateConnection(bounded(t), l, noFactory(t), "tcp", "127.0.0.1:nonsense", netio.Config{})
	var dns *net.DNSError
	if !errors.As(err, &dns) {
		t.Errorf("error of an unknown service: %v", err)
	}
}

func TestNetCreateConnectionArguments(t *testing.T) {
	l := startLoop(t)
	var noContext context.Context
	addr := refusing(t).String()
	for name, c := range map[string]struct {
		ctx              context.Context
		factory          func() netio.Protocol
		network, address string
	}{
		"no context":         {noContext, noFactory(t), "tcp", addr},
		"no factory":         {bounded(t), nil, "tcp", addr},
		"an unknown network": {bounded(t), noFactory(t), "none", addr},
		"datagrams":          {bounded(t), noFactory(t), "udp", addr},
		"unix datagrams":     {bounded(t), noFactory(t), "unixgram", addr},
		"no address":         {bounded(t), noFactory(t), "tcp", ""},
		"no path":            {bounded(t), noFactory(t), "unix", ""},
	} {
		_, _, err := netio.CreateConnection(c.ctx, l, c.factory, c.network, c.address, netio.Config{})
		wantError(t, name, err, zmqio.ErrInvalidArgument)
	}
	_, _, err := netio.CreateConnection(bounded(t), l, noFactory(t), "tcp", addr, netio.Config{MaxWriteBuffer: -1})
	wantError(t, "a negative buffer", err, zmqio.ErrInvalidArgument)
	var on error
	onLoop(t, l, func() { _, _, on = netio.CreateConnection(bounded(t), l, noFactory(t), "tcp", addr, netio.Config{}) })
	wantError(t, "on the loop", on, zmqio.ErrWouldDeadlock)
	must(t, l.Close())
	_, _, err = netio.CreateConnection(bounded(t), l, noFactory(t), "tcp", addr, netio.Config{})
	wantError(t, "a closed loop", err, zmqio.ErrLoopClosed)
}

// A factory that returns nil or panics leaves no socket.
func TestNetFactoryFails(t *testing.T) {
	l, ln := startLoop(t), listen(t, "tcp4")
	_, _, err := netio.CreateConnection(bounded(t), l, func() netio.Protocol { return nil }, "tcp", ln.Addr().String(), netio.Config{})
	wants(t, err, zmqio.ErrInvalidArgument)
	readEnd(t, accept(t, ln))
}

// test_connect_accepted_socket, for each network.
func TestNetConnectAcceptedSocket(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			l, ln := startLoop(t), listen(t, network)
			client := dialNet(t, ln.Addr())
			writeString(t, client, "test data")
			p := newParty(t, l)
			p.onData = func([]byte) { must(t, p.tr.Write([]byte("roger"))) }
			tr := adoptConn(t, l, p, accept(t, ln), netio.Config{}, true)
			if got := readString(t, client, 5); got != "roger" {
				t.Errorf("the response is %q", got)
			}
			must(t, client.Close())
			if err := p.awaitLost(); err != nil || string(p.data) != "test data" {
				t.Errorf("%q, lost with %v", p.data, err)
			}
			must(t, tr.Close())
		})
	}
}

// adoptConn makes a transport of a connection.
func adoptConn(t testing.TB, l *zmqio.EventLoop, p *party, c net.Conn, cfg netio.Config, serverSide bool) *netio.Transport {
	t.Helper()
	tr, got, err := netio.CreateTransport(bounded(t), l, func() *party { return p }, c, cfg, serverSide)
	must(t, err)
	if got != p {
		t.Errorf("the protocol is %v, not %v", got, p)
	}
	abortInTheEnd(t, tr)
	return tr
}

// test_create_connection_wrong_sock and similar tests: a connection that is no stream gets no
// transport, and stays its owner's.
func TestNetWrongConn(t *testing.T) {
	l := startLoop(t)
	udp, err := net.Dial("udp", "127.0.0.1:9")
	must(t, err)
	defer udp.Close()
	pipe, _ := net.Pipe()
	closed := dialNet(t, listen(t, "tcp4").Addr())
	must(t, closed.Close())
	for name, c := range map[string]net.Conn{
		"datagrams": udp, "nil": nil, "a nil pointer": (*net.TCPConn)(nil), "no descriptor": pipe, "closed": closed,
	} {
		_, _, err := netio.CreateTransport(bounded(t), l, noFactory(t), c, netio.Config{}, false)
		wantError(t, name, err, zmqio.ErrInvalidArgument)
	}
	if _, err := udp.Write([]byte("x")); err != nil {
		t.Errorf("the connection that was refused: %v", err)
	}
}

// test_set_nodelay: small writes are sent at once.
func TestNetNoDelay(t *testing.T) {
	l := startLoop(t)
	ln := listen(t, "tcp4")
	tr := connect(t, l, newParty(t, l), ln.Addr(), netio.Config{})
	for _, addr := range []net.Addr{tr.LocalAddr(), accepted(t, l, ln).LocalAddr()} {
		if on := socketOption(t, addr, syscall.IPPROTO_TCP, syscall.TCP_NODELAY); on == 0 {
			t.Errorf("the socket with %v has no TCP_NODELAY", addr)
		}
	}
}

// accepted returns a transport of the next connection of ln.
func accepted(t testing.TB, l *zmqio.EventLoop, ln net.Listener) *netio.Transport {
	t.Helper()
	return adoptConn(t, l, newParty(t, l), accept(t, ln), netio.Config{}, true)
}

// socketOption returns an option of the connected socket of this process that has the local
// address addr.
func socketOption(t testing.TB, addr net.Addr, level, option int) int {
	t.Helper()
	for _, d := range zmqiotest.Descriptors(t) {
		number, _, _ := strings.Cut(d, " ")
		fd, err := strconv.Atoi(number)
		must(t, err)
		name, _ := syscall.Getsockname(fd)
		in, ok := name.(*syscall.SockaddrInet4)
		if _, err := syscall.Getpeername(fd); err != nil && option == syscall.TCP_NODELAY {
			continue
		}
		if ok && netip.AddrPortFrom(netip.AddrFrom4(in.Addr), uint16(in.Port)).String() == addr.String() {
			v, err := syscall.GetsockoptInt(fd, level, option)
			must(t, err)
			return v
		}
	}
	t.Fatalf("no socket with %v", addr)
	return 0
}
