package zmqio

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/zmqio/zmq"
)

// FuzzEndpoint connects to any string. That never panics, and what goes to libzmq has
// no name in it that it would look up.
func FuzzEndpoint(f *testing.F) {
	for _, endpoint := range []string{
		"", "tcp", "tcp://", "tcp://127.0.0.1:5555", "tcp://localhost:80", "tcp://[::1]:5555", "tcp://[fe80::1%lo]:1",
		"tcp://127.0.0.1:0;127.0.0.1:5555", "tcp://;:", "tcp://eth0;[::1]:*", "tcp://*:*", "tcp://[]:1", "tcp://[:1", "tcp://:1",
		"ipc:///tmp/x", "ipc://@", "ipc://*", "inproc://x", "inproc://", "udp://127.0.0.1:1", "nothing://x", "\x00", "tcp://127.0.0.1:5\x00",
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
		if err := checkConnect(endpoint); errors.Is(err, ErrDNSEndpoint) != isName {
			t.Fatalf("name: %t, error: %v", isName, err)
		}
		if !isName && host != "" && port != "" {
			if _, err := netip.ParseAddr(host); err != nil {
				t.Fatalf("%q would be looked up: %v", host, err)
			}
		}
		if !isName && goesAbroad(endpoint, host) {
			return
		}
		cfg := ConnectionConfig{
			Connect:   []string{endpoint},
			Configure: func(s zmq.Sockopts) error { return s.SetLinger(0) },
		}
		tr, _, err := loop.CreateZmqConnection(context.Background(), func() Protocol { return BaseProtocol{} }, zmq.PUSH, cfg)
		switch {
		case isName && !errors.Is(err, ErrDNSEndpoint):
			t.Fatalf("connected to a name: %v", err)
		case err == nil:
			must(t, tr.Abort())
		}
	})
}

// goesAbroad reports whether to connect would leave the machine, or could.
func goesAbroad(endpoint, host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return !addr.IsLoopback()
	}
	return !strings.HasPrefix(endpoint, "ipc://") && !strings.HasPrefix(endpoint, "inproc://")
}
