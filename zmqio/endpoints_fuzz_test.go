package zmqio

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/zmqio/zmq"
)

// FuzzEndpoint connects to arbitrary strings, and binds those that stay on this machine. No call
// panics, no name reaches libzmq that libzmq would look up, and a bind gets the port that was asked
// for.
func FuzzEndpoint(f *testing.F) {
	for _, endpoint := range []string{
		"", "tcp", "tcp://", "tcp://127.0.0.1:5555", "tcp://localhost:80", "tcp://[::1]:5555", "tcp://[fe80::1%lo]:1",
		"tcp://127.0.0.1:0;127.0.0.1:5555", "tcp://;:", "tcp://eth0;[::1]:*", "tcp://*:*", "tcp://[]:1", "tcp://[:1", "tcp://:1",
		"ipc:///tmp/x", "ipc://@", "ipc://*", "inproc://x", "inproc://", "udp://127.0.0.1:1", "nothing://x", "\x00", "tcp://127.0.0.1:5\x00",
		"tcp://127.0.0.1:0;localhost:1", "tcp://[localhost]:1", "tcp://lo:1;lo:2;127.0.0.1:1", "tcp://[::1]:0;[name]:2", "tcp://::1:1", "tcp://127.0.0.1:",
		"tcp://127.0.0.1:99999", "tcp://127.0.0.1:22x", "tcp://127.0.0.1:-1", "tcp://127.0.0.1: 9", "tcp://127.0.0.1:0x50", "tcp://127.0.0.1:65556",
		"tcp://127.0.0.1:*", "tcp://127.0.0.1:0;127.0.0.1:*", "tcp://[::ffff:127.0.0.1]:*", "127.0.0.1:5555", "tcp://127.0.0.1:09999",
	} {
		f.Add(endpoint)
	}
	loop, err := NewEventLoop(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { loop.Close() })
	f.Fuzz(func(t *testing.T, endpoint string) {
		before, peer := splitPeer(endpoint)
		if before+peer != endpoint || peer != "" && !strings.HasPrefix(before, "tcp://") {
			t.Fatalf("%q became %q and %q", endpoint, before, peer)
		}
		host, port, isName := splitName(peer)
		if isName && host+":"+port != peer && "["+host+"]:"+port != peer {
			t.Fatalf("%q became %q and %q", peer, host, port)
		}
		refused := errors.Is(checkConnect(endpoint), ErrDNSEndpoint)
		if want, sure := hasName(endpoint); sure && refused != want {
			t.Fatalf("%q: name: %t, refused: %t", endpoint, want, refused)
		}
		if !refused && goesAbroad(endpoint) {
			return
		}
		cfg := ConnectionConfig{
			Connect:   []string{endpoint},
			Configure: func(s zmq.Sockopts) error { return s.SetLinger(0) },
		}
		tr, _, err := loop.CreateZmqConnection(context.Background(), func() Protocol { return BaseProtocol{} }, zmq.PUSH, cfg)
		switch {
		case errors.Is(err, ErrDNSEndpoint) != refused:
			t.Fatalf("refused: %t, error: %v", refused, err)
		case err == nil:
			must(t, tr.Abort())
		}
		bindAny(t, loop, endpoint)
	})
}

// bindAny binds an endpoint whose address is of this machine alone.
func bindAny(t *testing.T, loop *EventLoop, endpoint string) {
	if _, ok := destination(endpoint); !ok || goesAbroad(endpoint) {
		return
	}
	tr, _, err := loop.CreateZmqConnection(context.Background(), func() Protocol { return BaseProtocol{} }, zmq.PULL, bindTo(endpoint))
	if err != nil {
		return
	}
	bound := tr.Listeners()[0]
	must(t, tr.Abort())
	asked, got := portOf(endpoint), portOf(bound)
	if asked = strings.TrimLeft(asked, "0"); asked != "" && asked != "*" && asked != got {
		t.Errorf("%q was bound as %q", endpoint, bound)
	}
}

// portOf returns the text after the last colon.
func portOf(endpoint string) string { return endpoint[strings.LastIndexByte(endpoint, ':')+1:] }

// hasName reports whether libzmq would look up a name in endpoint, by the rules of package net.
// sure is false if those rules do not apply.
func hasName(endpoint string) (name, sure bool) {
	host, sure := destination(endpoint)
	if !sure {
		return false, !strings.HasPrefix(endpoint, "tcp://")
	}
	_, err := netip.ParseAddr(host)
	return err != nil, true
}

// destination returns the host of a TCP endpoint, after a source.
func destination(endpoint string) (host string, ok bool) {
	addrs, isTCP := strings.CutPrefix(endpoint, "tcp://")
	all := strings.Split(addrs, ";")
	host, _, err := net.SplitHostPort(all[len(all)-1])
	return host, isTCP && err == nil && host != ""
}

// goesAbroad reports whether a connect to endpoint may leave the machine.
func goesAbroad(endpoint string) bool {
	if host, ok := destination(endpoint); ok {
		addr, err := netip.ParseAddr(host)
		return err != nil || !addr.IsLoopback()
	}
	return !strings.HasPrefix(endpoint, "ipc://") && !strings.HasPrefix(endpoint, "inproc://")
}
