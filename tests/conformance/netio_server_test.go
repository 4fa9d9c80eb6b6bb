package conformance

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// test_create_server and test_create_unix_server.
func TestNetCreateServer(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			l := startLoop(t)
			s, made := serve(t, l, network, netio.ServerConfig{})
			if addrs := s.Addrs(); len(addrs) != 1 || !s.IsServing() || s.Loop() != l {
				t.Fatalf("addresses %v, serving %t", addrs, s.IsServing())
			}
			client := dialNet(t, s.Addrs()[0])
			writeString(t, client, "xxx")
			p := next(t, made)
			if got := p.awaitData(3); got != "xxx" {
				t.Errorf("got %q", got)
			}
			if p.tr.LocalAddr().String() != s.Addrs()[0].String() || p.tr.ExtraInfo("peername", nil) == nil {
				t.Errorf("addresses %v and %v", p.tr.LocalAddr(), p.tr.ExtraInfo("peername", nil))
			}
			if network != "unix" && p.tr.RemoteAddr().String() != client.LocalAddr().String() {
				t.Errorf("the peer is %v, not %v", p.tr.RemoteAddr(), client.LocalAddr())
			}
			must(t, p.tr.Close())
			must(t, p.awaitLost())
			readEnd(t, client)
			must(t, s.Close())
		})
	}
}

// An empty host has a listener for each address family.
func TestNetCreateServerDualStack(t *testing.T) {
	listen(t, "tcp6") // or the test is skipped
	l := startLoop(t)
	for range 20 {
		free := listen(t, "tcp4")
		port := portOf(free.Addr())
		must(t, free.Close())
		s, err := netio.CreateServer(bounded(t), l, func() *party {
			p := newParty(t, l)
			p.keepOpen = true
			p.onData = func(data []byte) { must(t, p.tr.Write(data)) }
			return p
		}, "tcp", []string{":" + port}, netio.ServerConfig{})
		if errors.Is(err, syscall.EADDRINUSE) {
			continue // another process has taken the port
		}
		must(t, err)
		if len(s.Addrs()) != 2 {
			t.Errorf("addresses: %v", s.Addrs())
		}
		for _, host := range []string{"127.0.0.1", "::1"} {
			c, err := net.Dial("tcp", net.JoinHostPort(host, port))
			must(t, err)
			patient(t, c)
			writeString(t, c, "xxx")
			if got := readString(t, c, 3); got != "xxx" {
				t.Errorf("%s: %q", host, got)
			}
		}
		must(t, s.Close())
		s.AbortClients()
		must(t, s.Wait(bounded(t)))
		return
	}
	t.Error("no port is free in both families")
}

// A repeated address has one listener.
func TestNetCreateServerMultipleHosts(t *testing.T) {
	for network, hosts := range map[string][]string{
		"tcp4": {"127.0.0.1", "127.0.0.2", "127.0.0.1"},
		"tcp6": {"::1", "::1"},
	} {
		t.Run(network, func(t *testing.T) {
			l := startLoop(t)
			free := listen(t, network)
			port := portOf(free.Addr())
			must(t, free.Close())
			var addresses, want []string
			for _, host := range hosts {
				addresses = append(addresses, net.JoinHostPort(host, port))
			}
			s, made := serve(t, l, network, netio.ServerConfig{}, addresses...)
			want = slices.Compact(slices.Sorted(slices.Values(addresses)))
			var got []string
			for _, addr := range s.Addrs() {
				got = append(got, addr.String())
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("addresses %v, want %v", got, want)
			}
			for _, addr := range s.Addrs() {
				c := dialNet(t, addr)
				p := next(t, made)
				must(t, c.Close()) // first, so that the port is free for the next run
				must(t, p.awaitLost())
			}
		})
	}
}

// setReusePort sets SO_REUSEPORT on the socket c.
func setReusePort(_, _ string, c syscall.RawConn) error {
	var err error
	failed := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
	return errors.Join(failed, err)
}

func TestNetCreateServerReusePort(t *testing.T) {
	l := startLoop(t)
	for _, reuse := range []bool{false, true} {
		cfg := netio.ServerConfig{}
		if reuse {
			cfg.ListenConfig = &net.ListenConfig{Control: setReusePort}
		}
		s, _ := serve(t, l, "tcp4", cfg)
		if on := socketOption(t, s.Addrs()[0], unix.SOL_SOCKET, unix.SO_REUSEPORT) != 0; on != reuse {
			t.Errorf("SO_REUSEPORT is %t, want %t", on, reuse)
		}
	}
}

// An error of ListenConfig.Control is the server's error, and leaves nothing open.
func TestNetCreateServerReusePortFails(t *testing.T) {
	l := startLoop(t)
	_, err := netio.CreateServer(bounded(t), l, noFactory(t), "tcp", []string{"127.0.0.1:0"}, netio.ServerConfig{
		ListenConfig: &net.ListenConfig{Control: func(string, string, syscall.RawConn) error { return syscall.ENOPROTOOPT }},
	})
	wants(t, err, syscall.ENOPROTOOPT)
}

func TestNetCreateServerListener(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			l, ln := startLoop(t), listen(t, network)
			s, made := serve(t, l, network, netio.ServerConfig{Listener: ln})
			if addrs := s.Addrs(); len(addrs) != 1 || addrs[0].String() != ln.Addr().String() {
				t.Errorf("addresses %v, want %v", addrs, ln.Addr())
			}
			client := dialNet(t, ln.Addr())
			writeString(t, client, "xxx")
			if got := next(t, made).awaitData(3); got != "xxx" {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestNetCreateServerAddrInUse(t *testing.T) {
	l, in := startLoop(t), listen(t, "tcp4")
	free := listen(t, "tcp4")
	must(t, free.Close())
	// Listeners that are already bound are closed.
	for _, addresses := range [][]string{{in.Addr().String()}, {free.Addr().String(), in.Addr().String()}} {
		_, err := netio.CreateServer(bounded(t), l, noFactory(t), "tcp", addresses, netio.ServerConfig{})
		wants(t, err, syscall.EADDRINUSE)
		if err != nil && !strings.Contains(err.Error(), in.Addr().String()) {
			t.Errorf("the address is not in %q", err)
		}
	}
	again, err := net.Listen("tcp4", free.Addr().String())
	must(t, err)
	must(t, again.Close())
}

func TestNetCreateServerCannotBind(t *testing.T) {
	l := startLoop(t)
	_, err := netio.CreateServer(bounded(t), l, noFactory(t), "tcp", []string{"192.0.2.1:0"}, netio.ServerConfig{})
	wants(t, err, syscall.EADDRNOTAVAIL)
	if err != nil && !strings.Contains(err.Error(), "192.0.2.1") {
		t.Errorf("the address is not in %q", err)
	}
}

func TestNetCreateServerNoAddresses(t *testing.T) {
	l := newLoop(t, &zmqio.LoopConfig{Resolver: records{}.resolver()})
	must(t, l.Start())
	_, err := netio.CreateServer(bounded(t), l, noFactory(t), "tcp", []string{"peer.test:0"}, netio.ServerConfig{})
	var dns *net.DNSError
	if !errors.As(err, &dns) {
		t.Errorf("error: %v", err)
	}
}

func TestNetCreateServerArguments(t *testing.T) {
	l, ln := startLoop(t), listen(t, "tcp4")
	var noContext context.Context
	both := netio.ServerConfig{Listener: ln}
	for name, c := range map[string]struct {
		ctx       context.Context
		factory   func() netio.Protocol
		network   string
		addresses []string
		cfg       netio.ServerConfig
	}{
		"no context":                {noContext, noFactory(t), "tcp", []string{"127.0.0.1:0"}, netio.ServerConfig{}},
		"no factory":                {bounded(t), nil, "tcp", []string{"127.0.0.1:0"}, netio.ServerConfig{}},
		"an unknown network":        {bounded(t), noFactory(t), "none", []string{"127.0.0.1:0"}, netio.ServerConfig{}},
		"datagrams":                 {bounded(t), noFactory(t), "udp", []string{"127.0.0.1:0"}, netio.ServerConfig{}},
		"neither":                   {bounded(t), noFactory(t), "tcp", nil, netio.ServerConfig{}},
		"an address and a listener": {bounded(t), noFactory(t), "tcp", []string{"127.0.0.1:0"}, both},
		"a path and a listener":     {bounded(t), noFactory(t), "unix", []string{"/test"}, both},
		"no path":                   {bounded(t), noFactory(t), "unix", nil, netio.ServerConfig{}},
		"an empty path":             {bounded(t), noFactory(t), "unix", []string{""}, netio.ServerConfig{}},
		"another network":           {bounded(t), noFactory(t), "unix", nil, both},
		"an unknown listener":       {bounded(t), noFactory(t), "tcp", nil, netio.ServerConfig{Listener: struct{ net.Listener }{ln}}},
		"a negative buffer":         {bounded(t), noFactory(t), "tcp", []string{"127.0.0.1:0"}, netio.ServerConfig{Config: netio.Config{MaxWriteBuffer: -1}}},
	} {
		_, err := netio.CreateServer(c.ctx, l, c.factory, c.network, c.addresses, c.cfg)
		wantError(t, name, err, zmqio.ErrInvalidArgument)
	}
	c := dialNet(t, ln.Addr()) // the listener has not been closed
	must(t, accept(t, ln).Close())
	readEnd(t, c)
	must(t, l.Close())
	_, err := netio.CreateServer(bounded(t), l, noFactory(t), "tcp", []string{"127.0.0.1:0"}, netio.ServerConfig{})
	wants(t, err, zmqio.ErrLoopClosed)
}

// The file of a server that has gone does not keep the next server from its path.
func TestNetUnixServerStaleSocket(t *testing.T) {
	l := startLoop(t)
	path := anyAddress(t, "unix")
	stale, err := net.Listen("unix", path)
	must(t, err)
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	must(t, stale.Close())
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	s, made := serve(t, l, "unix", netio.ServerConfig{}, path)
	dialNet(t, s.Addrs()[0])
	next(t, made)
}

// Any other file keeps the server from its path, and stays.
func TestNetUnixServerOtherFile(t *testing.T) {
	l := startLoop(t)
	path := anyAddress(t, "unix")
	must(t, os.WriteFile(path, []byte("mine"), 0o600))
	_, err := netio.CreateServer(bounded(t), l, noFactory(t), "unix", []string{path}, netio.ServerConfig{})
	wants(t, err, syscall.EADDRINUSE)
	if err != nil && !strings.Contains(err.Error(), path) {
		t.Errorf("the path is not in %q", err)
	}
	if text, err := os.ReadFile(path); string(text) != "mine" {
		t.Errorf("the file: %q, %v", text, err)
	}
}

// Differs: a socket with a listening server is in use, where asyncio takes over its path.
func TestNetUnixServerInUse(t *testing.T) {
	l, in := startLoop(t), listen(t, "unix")
	_, err := netio.CreateServer(bounded(t), l, noFactory(t), "unix", []string{in.Addr().String()}, netio.ServerConfig{})
	wants(t, err, syscall.EADDRINUSE)
	dialNet(t, in.Addr())
	accept(t, in)
}

func TestNetUnixServerCannotBind(t *testing.T) {
	l := startLoop(t)
	path := filepath.Join(zmqiotest.SocketDir(t), "none", "s")
	_, err := netio.CreateServer(bounded(t), l, noFactory(t), "unix", []string{path}, netio.ServerConfig{})
	wants(t, err, syscall.ENOENT)
	if err != nil && !strings.Contains(err.Error(), path) {
		t.Errorf("the path is not in %q", err)
	}
}
