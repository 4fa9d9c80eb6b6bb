package zmqio

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/zmqio/zmq"
)

const (
	noTransport = "missing tcp:// or another transport"
	noPort      = "missing the port"
	toBind      = "is only for a bind"
	noNumber    = "is not a number from 1 to 65535"
)

func TestMisfit(t *testing.T) {
	for _, c := range []struct{ endpoint, bind, connect string }{ // bind and connect are parts of the hints
		{"", noTransport, noTransport},
		{"127.0.0.1:5555", noTransport, noTransport},
		{"tcp:127.0.0.1:5555", noTransport, noTransport},
		{"tcp:/127.0.0.1:5555", noTransport, noTransport},
		{"://127.0.0.1:5555", noTransport, noTransport},
		{"tcp://", "nothing behind tcp://", "nothing behind tcp://"},
		{"ipc://", "nothing behind ipc://", "nothing behind ipc://"},
		{"inproc://", "nothing behind inproc://", "nothing behind inproc://"},

		{"tcp://127.0.0.1", noPort, noPort},
		{"tcp://eth0", noPort, noPort},
		{"tcp://[::1]", noPort, noPort},
		{"tcp://:5555", "* is every interface", "missing the address"},
		{"tcp://127.0.0.1:", noNumber, noNumber},
		{"tcp://127.0.0.1:99999", noNumber, noNumber},
		{"tcp://127.0.0.1:65536", noNumber, noNumber},
		{"tcp://127.0.0.1:4294967317", noNumber, noNumber}, // 21, modulo 65536
		{"tcp://127.0.0.1:-1", noNumber, noNumber},
		{"tcp://127.0.0.1:+22", noNumber, noNumber},
		{"tcp://127.0.0.1: 22", noNumber, noNumber},
		{"tcp://127.0.0.1:22\n", noNumber, noNumber},
		{"tcp://127.0.0.1:22x", noNumber, noNumber},
		{"tcp://127.0.0.1:22/", noNumber, noNumber},
		{"tcp://127.0.0.1:!", noNumber, noNumber}, // czmq's form, for which czmq picks a port itself
		{"tcp://127.0.0.1:http", noNumber, noNumber},
		{"tcp://127.0.0.1:00", noNumber, noNumber},
		{"tcp://[::1]:99999", noNumber, noNumber},
		{"tcp://lo:99999;127.0.0.1:22", noNumber, noNumber},
		{"tcp://lo;127.0.0.1:22", noPort, noPort},
		{"tcp://;127.0.0.1:22", noPort, noPort},
		{"tcp://:0;127.0.0.1:22", "missing the address", "missing the address"},
		{"tcp://[fe80::1%]:22", "missing the zone", "missing the zone"},
		{"udp://239.0.0.1:99999", noNumber, noNumber},
		{"udp://lo;239.0.0.1:99999", noNumber, noNumber},
		{"ws://127.0.0.1:99999/path", noNumber, noNumber},
		{"wss://127.0.0.1/path:1", noPort, noPort},

		{"tcp://127.0.0.1:*", "", toBind},
		{"tcp://127.0.0.1:0", "", toBind},
		{"tcp://*:*", "", toBind},
		{"tcp://eth0:0", "", toBind},
		{"tcp://[::]:0", "", toBind},
		{"ws://*:*/path", "", toBind},

		{"tcp://127.0.0.1:1", "", ""},
		{"tcp://127.0.0.1:65535", "", ""},
		{"tcp://127.0.0.1:05555", "", ""},
		{"tcp://lo:5555", "", ""},
		{"tcp://0.0.0.0:5555", "", ""},
		{"tcp://::1:5555", "", ""},
		{"tcp://[fe80::1%eth0]:5555", "", ""},
		{"tcp://127.0.0.1:*;127.0.0.1:5555", "", ""},
		{"tcp://eth0:0;[::1]:5555", "", ""},
		{"tcp://localhost:5555", "", ""}, // a name is ErrDNSEndpoint or ENODEV
		{"ipc://*", "", "* is only for a bind"},
		{"ipc://@abstract:99999", "", ""},
		{"ipc:///tmp/a;b:c", "", ""},
		{"inproc://a:99999", "", ""},
		{"udp://239.0.0.1:5555", "", ""},
		{"udp://eth0;239.0.0.1:5555", "", ""},
		{"ws://127.0.0.1:5555", "", ""},
		{"ws://127.0.0.1:5555/a:b/c", "", ""},
		{"wss://[::1]:5555/path", "", ""},
		{"pgm://eth0;239.0.0.1:5555", "", ""},
		{"epgm://eth0;239.0.0.1:5555", "", ""},
		{"norm://eth0;239.0.0.1:5555", "", ""},
		{"tipc://{5555,0,0}", "", ""},
		{"vmci://*:5555", "", ""},
		{"vsock://*:5555", "", ""},
		{"htpp://x", "", ""}, // EPROTONOSUPPORT
	} {
		for bind, want := range map[bool]string{true: c.bind, false: c.connect} {
			if got := misfit(c.endpoint, bind); (got == "") != (want == "") || !strings.Contains(got, want) {
				t.Errorf("%q, bind %t: %q, want %q", c.endpoint, bind, got, want)
			}
		}
	}
}

// An endpoint that makes no sense is ErrInvalidArgument and libzmq's errno at once, in every call.
// The error names the endpoint and a hint in one line. The transport goes on.
func TestMalformedEndpointsAreRefused(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	tr := create(t, l, BaseProtocol{}, zmq.DEALER, ConnectionConfig{Bind: []string{}})
	for _, c := range []struct {
		call, endpoint string
		errno          zmq.Errno
		hint           string
	}{
		{"zmq_bind", "127.0.0.1:5555", zmq.EINVAL, noTransport},
		{"zmq_bind", "tcp://127.0.0.1:99999", zmq.EINVAL, `the port "99999" ` + noNumber},
		{"zmq_bind", "tcp://127.0.0.1:22x", zmq.EINVAL, `the port "22x" ` + noNumber},
		{"zmq_bind", "tcp://127.0.0.1", zmq.EINVAL, noPort},
		{"zmq_bind", "ipc://", zmq.EINVAL, "nothing behind ipc://"},
		{"zmq_bind", "tcp://localhost:5555", zmq.ENODEV, `"localhost" is neither an address nor an interface that has one`},
		{"zmq_bind", "tcp://[::1]:5555", zmq.ENODEV, ipv6Hint},
		{"zmq_bind", "htpp://127.0.0.1:5555", zmq.EPROTONOSUPPORT, `no transport is named "htpp"; the usual ones are tcp, ipc and inproc`},
		{"zmq_connect", "127.0.0.1:5555", zmq.EINVAL, noTransport},
		{"zmq_connect", "tcp://127.0.0.1:99999", zmq.EINVAL, `the port "99999" ` + noNumber},
		{"zmq_connect", "tcp://127.0.0.1:0", zmq.EINVAL, "the port 0 " + toBind},
		{"zmq_connect", "tcp://127.0.0.1:*", zmq.EINVAL, "the port * " + toBind},
		{"zmq_connect", "tcp://[::1]:5555", zmq.EINVAL, ipv6Hint},
		{"zmq_connect", "tcp://[::1]:0;127.0.0.1:5555", zmq.EINVAL, ipv6Hint},
		{"zmq_connect", "TCP://127.0.0.1:5555", zmq.EPROTONOSUPPORT, `no transport is named "TCP"; the usual ones are tcp, ipc and inproc`},
	} {
		if c.errno == zmq.ENODEV && strings.Contains(c.endpoint, "localhost") && !before(4, 3, 5) {
			continue // libzmq looks up the name
		}
		do, cfg := tr.Connect, connectTo(c.endpoint)
		if c.call == "zmq_bind" {
			do, cfg = tr.Bind, bindTo(c.endpoint)
		}
		_, err := do(c.endpoint)
		_, _, configErr := l.CreateZmqConnection(bounded(t), func() Protocol { return BaseProtocol{} }, zmq.DEALER, cfg)
		text := fmt.Sprintf("%s %q: %s: %v (%s)", strings.TrimPrefix(c.call, "zmq_"), c.endpoint, c.call, c.errno, c.hint)
		for text, err := range map[string]error{text: err, "create DEALER: " + text: configErr} {
			var se *os.SyscallError
			switch {
			case !errors.Is(err, ErrInvalidArgument), !errors.Is(err, c.errno), !errors.As(err, &se), se.Syscall != c.call:
				t.Errorf("%q: %v", c.endpoint, err)
			case err.Error() != text:
				t.Errorf("got  %v\nwant %s", err, text)
			}
		}
	}
	if _, err := tr.Connect("tcp://*:5555"); !errors.Is(err, ErrDNSEndpoint) || !strings.HasSuffix(err.Error(), "; * is only for a bind") {
		t.Errorf("%v", err)
	}
	if tr.IsClosing() || len(tr.Listeners())+len(tr.Connections()) != 0 {
		t.Errorf("%v", tr)
	}
}

// An endpoint that some build of libzmq accepts is not refused.
func TestValidEndpointsAreNotRefused(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	tr := create(t, l, BaseProtocol{}, zmq.PUSH, ConnectionConfig{Bind: []string{}})
	for _, endpoint := range []string{"tcp://127.0.0.1:*;127.0.0.1:9", "tcp://nosuchinterface:0;127.0.0.1:9", "tcp://[::ffff:127.0.0.1]:9"} {
		_, err := tr.Connect(endpoint)
		must(t, err)
	}
	for _, endpoint := range []string{"ws://127.0.0.1:*", "pgm://lo;239.0.0.1:5555", "vsock://1:1", "norm://lo;239.0.0.1:5555"} {
		_, err := tr.Bind(endpoint)
		if errors.Is(err, ErrInvalidArgument) || errors.Is(err, zmq.EPROTONOSUPPORT) != strings.Contains(fmt.Sprint(err), "(this libzmq is built without ") {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
	must(t, tr.Sockopts().SetIPv6(true))
	_, err := tr.Connect("tcp://[::1]:9")
	must(t, err)
	must(t, tr.Abort())
}

// libzmq sends a SOCKS proxy an IPv6 address even without the option IPV6.
func TestEndpointBehindAProxy(t *testing.T) {
	leakCheck(t)
	proxy, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var conn net.Conn
	t.Cleanup(func() { // after the end of the loop: libzmq aborts in a close that follows a failure of the proxy
		if conn != nil {
			must(t, conn.Close())
		}
		must(t, proxy.Close())
	})
	l := newLoop(t)
	tr := create(t, l, BaseProtocol{}, zmq.PUSH, ConnectionConfig{Bind: []string{}})
	must(t, tr.Sockopts().SetSOCKSProxy(proxy.Addr().String()))
	_, err = tr.Connect("tcp://[::1]:9")
	must(t, err)
	conn, err = proxy.Accept()
	must(t, err)
	var version [1]byte
	if _, err := conn.Read(version[:]); err != nil || version[0] != 5 {
		t.Errorf("SOCKS %d, %v", version[0], err)
	}
	must(t, tr.Abort())
}

// With USE_FD libzmq ignores the address.
func TestEndpointOfUseFD(t *testing.T) {
	needs(t, "4.3.2", "earlier ones want an address all the same")
	leakCheck(t)
	l := newLoop(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	file, err := ln.(*net.TCPListener).File()
	must(t, err)
	fd, err := unix.Dup(int(file.Fd())) // libzmq will close it
	must(t, err)
	must(t, file.Close())
	tr := create(t, l, BaseProtocol{}, zmq.PULL, ConnectionConfig{Bind: []string{}})
	must(t, tr.Sockopts().SetUseFD(fd))
	if got, err := tr.Bind("tcp://activated"); err != nil || got != "tcp://"+ln.Addr().String() {
		t.Errorf("%s, %v", got, err)
	}
	must(t, tr.Abort())
}
