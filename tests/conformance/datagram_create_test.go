package conformance

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

func TestCreateDatagramEndpoint(t *testing.T) {
	for _, network := range datagramNetworks {
		t.Run(network, func(t *testing.T) {
			l := endpointLoop(t)
			server := newMailbox(t, l)
			server.onData = func(data []byte, from net.Addr) {
				if err := server.tr.SendTo(append([]byte("resp:"), data...), from); err != nil {
					t.Error(err)
				}
			}
			addEndpoint(t, server, network, netio.DatagramConfig{Local: anyEndpoint(t, network)})
			cfg := netio.DatagramConfig{Remote: server.tr.LocalAddr().String()}
			if network == "unixgram" { // else the server cannot answer
				cfg.Local = anyEndpoint(t, network)
			}
			client := endpoint(t, l, network, cfg)
			must(t, client.tr.SendTo([]byte("xxx"), nil))
			server.wants("xxx")
			client.wants("resp:xxx")
			if got := client.tr.ExtraInfo("sockname", nil); got != client.tr.LocalAddr() {
				t.Errorf("sockname is %v", got)
			}
			if got := client.tr.ExtraInfo("peername", nil); got != client.tr.RemoteAddr() || client.tr.RemoteAddr().String() != server.tr.LocalAddr().String() {
				t.Errorf("peername is %v, the server's address %v", got, server.tr.LocalAddr())
			}
			if got := server.tr.ExtraInfo("peername", "none"); got != "none" || server.tr.RemoteAddr() != nil {
				t.Errorf("peername of a transport without one is %v", got)
			}
			if from := server.from[0].String(); from != client.tr.LocalAddr().String() {
				t.Errorf("the sender was %v, not %v", from, client.tr.LocalAddr())
			}
			client.end()
			server.end()
		})
	}
}

// A network without a family takes that of the name's first address, on both sides.
func TestCreateDatagramEndpointByName(t *testing.T) {
	l := endpointLoop(t)
	server := endpoint(t, l, "udp4", netio.DatagramConfig{Local: "localhost:0"})
	_, port, err := net.SplitHostPort(server.tr.LocalAddr().String())
	must(t, err)
	client := endpoint(t, l, "udp4", netio.DatagramConfig{Local: "localhost:0", Remote: "localhost:" + port})
	must(t, client.tr.SendTo([]byte("by name"), nil))
	server.wants("by name")
}

func TestCreateDatagramEndpointSock(t *testing.T) {
	for _, network := range datagramNetworks {
		t.Run(network, func(t *testing.T) {
			l := endpointLoop(t)
			conn, err := net.ListenPacket(network, anyEndpoint(t, network))
			if err != nil && network == "udp6" {
				t.Skip(err)
			}
			must(t, err)
			m := endpoint(t, l, "", netio.DatagramConfig{Conn: conn})
			if m.tr.LocalAddr() != conn.LocalAddr() {
				t.Errorf("the address is %v, not %v", m.tr.LocalAddr(), conn.LocalAddr())
			}
			if err := conn.Close(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("the socket was not closed: %v", err)
			}
			must(t, m.tr.SendTo([]byte("to itself"), m.tr.LocalAddr()))
			m.wants("to itself")
			m.end()
		})
	}
}

// A connected socket keeps its peer.
func TestCreateDatagramEndpointSockConnected(t *testing.T) {
	l := endpointLoop(t)
	peer := packetConn(t, "udp4", "127.0.0.1:0")
	conn, err := net.Dial("udp4", peer.LocalAddr().String())
	must(t, err)
	m := endpoint(t, l, "", netio.DatagramConfig{Conn: conn.(*net.UDPConn)})
	must(t, m.tr.SendTo([]byte("to the peer"), nil))
	if got := readPacket(t, peer); got != "to the peer" {
		t.Errorf("got %q", got)
	}
	if m.tr.RemoteAddr().String() != peer.LocalAddr().String() {
		t.Errorf("the peer is %v, not %v", m.tr.RemoteAddr(), peer.LocalAddr())
	}
}

func TestCreateDatagramEndpointWrongSock(t *testing.T) {
	l := endpointLoop(t)
	ln, err := net.Listen("unix", anyEndpoint(t, "unixgram"))
	must(t, err)
	defer ln.Close()
	stream, err := net.Dial("unix", ln.Addr().String())
	must(t, err)
	defer stream.Close()
	for name, conn := range map[string]net.PacketConn{
		"a stream":       stream.(*net.UnixConn),
		"no descriptor":  struct{ net.PacketConn }{},
		"a closed one":   closedPacketConn(t),
		"one that is no": (*net.UDPConn)(nil),
	} {
		_, _, err := netio.CreateDatagramEndpoint(bounded(t), l, noMailbox(t), "", netio.DatagramConfig{Conn: conn})
		if !errors.Is(err, zmqio.ErrInvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func closedPacketConn(t *testing.T) net.PacketConn {
	c := packetConn(t, "udp4", "127.0.0.1:0")
	must(t, c.Close())
	return c
}

func TestCreateDatagramEndpointSockSockopts(t *testing.T) {
	l := endpointLoop(t)
	conn := packetConn(t, "udp4", "127.0.0.1:0")
	refuse := func(name, network string, cfg netio.DatagramConfig) {
		t.Helper()
		cfg.Conn = conn
		_, _, err := netio.CreateDatagramEndpoint(bounded(t), l, noMailbox(t), network, cfg)
		if !errors.Is(err, zmqio.ErrInvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	refuse("Local", "", netio.DatagramConfig{Local: "127.0.0.1:0"})
	refuse("Remote", "", netio.DatagramConfig{Remote: "127.0.0.1:9"})
	refuse("the network", "udp4", netio.DatagramConfig{})
	refuse("ListenConfig", "", netio.DatagramConfig{ListenConfig: &net.ListenConfig{}})
	refuse("Broadcast", "", netio.DatagramConfig{Broadcast: true})
	refuse("MaxWriteBuffer", "", netio.DatagramConfig{MaxWriteBuffer: -1})
	must(t, conn.Close()) // the creation did not take it
}

func TestCreateDatagramEndpointArguments(t *testing.T) {
	l := endpointLoop(t)
	for name, c := range map[string]struct {
		network string
		cfg     netio.DatagramConfig
	}{
		"noaddr_nofamily":           {"udp", netio.DatagramConfig{}},
		"no network":                {"", netio.DatagramConfig{Local: "127.0.0.1:0"}},
		"a stream's network":        {"tcp", netio.DatagramConfig{Local: "127.0.0.1:0"}},
		"addr_error, local":         {"udp", netio.DatagramConfig{Local: "localhost"}},
		"addr_error, remote":        {"udp", netio.DatagramConfig{Remote: "localhost:1:2:3"}},
		"addr_error, both":          {"udp", netio.DatagramConfig{Local: "localhost", Remote: "127.0.0.1:9"}},
		"addr_error, broadcast":     {"udp", netio.DatagramConfig{Remote: "127.0.0.1", Broadcast: true}},
		"no_matching_family":        {"udp", netio.DatagramConfig{Local: "[::1]:0", Remote: "127.0.0.1:9"}},
		"no_matching_family, local": {"udp4", netio.DatagramConfig{Local: "[::1]:0"}},
		"no_matching_family, bcast": {"udp", netio.DatagramConfig{Local: "[::1]:0", Remote: "127.0.0.1:9", Broadcast: true}},
		"broadcast of Unix sockets": {"unixgram", netio.DatagramConfig{Broadcast: true}},
	} {
		_, _, err := netio.CreateDatagramEndpoint(bounded(t), l, noMailbox(t), c.network, c.cfg)
		if !errors.Is(err, zmqio.ErrInvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCreateDatagramEndpointNoAddrinfo(t *testing.T) {
	l := endpointLoop(t)
	for _, cfg := range []netio.DatagramConfig{
		{Local: "nowhere.invalid:0"},
		{Remote: "nowhere.invalid:9"},
		{Local: "nowhere.invalid:0", Remote: "127.0.0.1:9"},
		{Remote: "nowhere.invalid:9", Broadcast: true},
	} {
		_, _, err := netio.CreateDatagramEndpoint(bounded(t), l, noMailbox(t), "udp", cfg)
		var of *net.DNSError
		if !errors.As(err, &of) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

// On the loop no address is looked up, and a name is refused.
func TestCreateDatagramEndpointIPAddr(t *testing.T) {
	l := endpointLoop(t)
	must(t, l.Do(bounded(t), func() error {
		m := newMailbox(t, l)
		factory := func() *mailbox { return m }
		tr, _, err := netio.CreateDatagramEndpoint(bounded(t), l, factory, "udp4", netio.DatagramConfig{Local: "127.0.0.1:0", Remote: "127.0.0.1:9"})
		if err != nil {
			return err
		}
		for _, cfg := range []netio.DatagramConfig{{Local: "localhost:0"}, {Remote: "localhost:9"}} {
			_, _, err := netio.CreateDatagramEndpoint(bounded(t), l, noMailbox(t), "udp4", cfg)
			wants(t, err, zmqio.ErrWouldDeadlock)
		}
		return tr.Abort()
	}))
}

func TestCreateDatagramEndpointCantBind(t *testing.T) {
	for _, network := range []string{"udp4", "unixgram"} {
		l := endpointLoop(t)
		taken := packetConn(t, network, anyEndpoint(t, network))
		for _, cfg := range []netio.DatagramConfig{{}, {Remote: packetConn(t, network, anyEndpoint(t, network)).LocalAddr().String()}} {
			cfg.Local = taken.LocalAddr().String()
			_, _, err := netio.CreateDatagramEndpoint(bounded(t), l, noMailbox(t), network, cfg)
			wants(t, err, syscall.EADDRINUSE)
		}
	}
}

// A failed creation closes the socket: newLoop checks for leaks.
func TestCreateDatagramEndpointSocketErr(t *testing.T) {
	l := endpointLoop(t)
	refused := errors.New("refused")
	fails := &net.ListenConfig{Control: func(string, string, syscall.RawConn) error { return refused }}
	for _, cfg := range []netio.DatagramConfig{{}, {Local: "127.0.0.1:0"}, {Remote: "127.0.0.1:9"}, {Remote: "127.0.0.1:9", Broadcast: true}} {
		cfg.ListenConfig = fails
		_, _, err := netio.CreateDatagramEndpoint(bounded(t), l, noMailbox(t), "udp4", cfg)
		wants(t, err, refused)
	}
}

func TestCreateDatagramEndpointConnectErr(t *testing.T) {
	l := endpointLoop(t)
	dead := anyEndpoint(t, "unixgram")
	must(t, packetConn(t, "unixgram", dead).Close())
	for _, c := range []struct {
		network, remote string
		want            error
	}{
		{"unixgram", filepath.Join(zmqiotest.SocketDir(t), "none"), syscall.ENOENT},
		{"unixgram", dead, syscall.ECONNREFUSED},
		{"udp4", "127.255.255.255:9", syscall.EACCES}, // without Broadcast
	} {
		_, _, err := netio.CreateDatagramEndpoint(bounded(t), l, noMailbox(t), c.network, netio.DatagramConfig{Remote: c.remote})
		wants(t, err, c.want)
	}
}

func TestCreateDatagramEndpointFactoryFails(t *testing.T) {
	l := newLoop(t, nil)
	var told error
	l.SetExceptionHandler(func(_ *zmqio.EventLoop, c zmqio.ExceptionContext) { told = c.Err })
	must(t, l.Start())
	path := anyEndpoint(t, "unixgram")
	cfg := netio.DatagramConfig{Local: path}
	_, _, err := netio.CreateDatagramEndpoint(bounded(t), l, func() *mailbox { panic("no") }, "unixgram", cfg)
	var of *zmqio.PanicError
	if !errors.As(err, &of) || told != err {
		t.Errorf("returned %v, and told the handler of %v", err, told)
	}
	_, _, err = netio.CreateDatagramEndpoint(bounded(t), l, func() *mailbox { return nil }, "unixgram", cfg)
	wants(t, err, zmqio.ErrInvalidArgument)
	_, _, err = netio.CreateDatagramEndpoint[*mailbox](bounded(t), l, nil, "unixgram", cfg)
	wants(t, err, zmqio.ErrInvalidArgument)
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file of the socket is left: %v", err)
	}
}

func TestCreateDatagramEndpointClosedLoop(t *testing.T) {
	l := newLoop(t, nil)
	must(t, l.Close())
	_, _, err := netio.CreateDatagramEndpoint(bounded(t), l, noMailbox(t), "udp4", netio.DatagramConfig{})
	wants(t, err, zmqio.ErrLoopClosed)
}

// With a family alone the kernel chooses an address.
func TestCreateDatagramEndpointSockUnix(t *testing.T) {
	l := endpointLoop(t)
	for _, network := range []string{"unixgram", "udp4"} {
		m := endpoint(t, l, network, netio.DatagramConfig{})
		if got := m.tr.LocalAddr().Network(); !strings.HasPrefix(network, got) {
			t.Errorf("%s: the network is %s", network, got)
		}
		m.end()
	}
}

func TestCreateDatagramEndpointExistingSockUnix(t *testing.T) {
	l := endpointLoop(t)
	path := anyEndpoint(t, "unixgram")
	must(t, packetConn(t, "unixgram", path).Close())
	if _, err := os.Lstat(path); err != nil {
		t.Fatal("the socket has left no file")
	}
	endpoint(t, l, "unixgram", netio.DatagramConfig{Local: path}).end()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is left: %v", err)
	}
	must(t, os.WriteFile(path, []byte("no socket"), 0o600))
	_, _, err := netio.CreateDatagramEndpoint(bounded(t), l, noMailbox(t), "unixgram", netio.DatagramConfig{Local: path})
	wants(t, err, syscall.EADDRINUSE)
	if text, err := os.ReadFile(path); string(text) != "no socket" {
		t.Errorf("the file is %q: %v", text, err)
	}
}

// A creation sets only the options that the configuration has.
func TestCreateDatagramEndpointSockopts(t *testing.T) {
	l := endpointLoop(t)
	everyone := packetConn(t, "udp4", "0.0.0.0:0")
	_, port, err := net.SplitHostPort(everyone.LocalAddr().String())
	must(t, err)
	broadcast, err := net.ResolveUDPAddr("udp4", "127.255.255.255:"+port)
	must(t, err)
	plain := endpoint(t, l, "udp4", netio.DatagramConfig{Local: "127.0.0.1:0"})
	wants(t, plain.tr.SendTo([]byte("not allowed"), broadcast), syscall.EACCES)
	wants(t, plain.nextError(1), syscall.EACCES)
	_, _, err = netio.CreateDatagramEndpoint(bounded(t), l, noMailbox(t), "udp4", netio.DatagramConfig{Local: plain.tr.LocalAddr().String()})
	wants(t, err, syscall.EADDRINUSE)

	shared := &net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		failed := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
		return errors.Join(failed, err)
	}}
	one := endpoint(t, l, "udp4", netio.DatagramConfig{Local: "127.0.0.1:0", ListenConfig: shared, Broadcast: true})
	other := endpoint(t, l, "udp4", netio.DatagramConfig{Local: one.tr.LocalAddr().String(), ListenConfig: shared})
	if one.tr.LocalAddr().String() != other.tr.LocalAddr().String() {
		t.Errorf("two addresses: %v and %v", one.tr.LocalAddr(), other.tr.LocalAddr())
	}
	must(t, one.tr.SendTo([]byte("to all"), broadcast))
	if got := readPacket(t, everyone); got != "to all" {
		t.Errorf("got %q", got)
	}
}

// With Broadcast a transport has a peer without being connected to it.
func TestCreateDatagramEndpointAllowBroadcast(t *testing.T) {
	l := endpointLoop(t)
	everyone := packetConn(t, "udp4", "0.0.0.0:0")
	_, port, err := net.SplitHostPort(everyone.LocalAddr().String())
	must(t, err)
	m := endpoint(t, l, "udp", netio.DatagramConfig{Remote: "127.255.255.255:" + port, Local: "127.0.0.1:0", Broadcast: true})
	must(t, m.tr.SendTo([]byte("to all"), nil))
	if got := readPacket(t, everyone); got != "to all" {
		t.Errorf("got %q", got)
	}
	wants(t, m.tr.SendTo([]byte("to one"), everyone.LocalAddr()), zmqio.ErrInvalidArgument)
	stranger := packetConn(t, "udp4", "127.0.0.1:0")
	_, err = stranger.WriteTo([]byte("an answer"), m.tr.LocalAddr())
	must(t, err)
	m.wants("an answer")
	m.end()
}
