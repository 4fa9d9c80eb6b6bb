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

// An empty host is every address of this one, of both families, one listener each.
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
			continue // another process was faster
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

// Addresses that are given twice are listened on once.
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

// setReusePort sets SO_REUSEPORT on what it is given.
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

// An error of ListenConfig.Control is the server's, and leaves nothing.
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
	// What has been bound by then is closed.
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

// The socket of a server that has gone is in nobody's way.
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

// Any other file is, and stays.
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

// Differs: a socket on which a server listens is in use, where asyncio takes it over.
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

// After Close new clients are refused, and the connections that are there go on.
func TestNetServerClose(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			l := startLoop(t)
			s, made := serve(t, l, network, netio.ServerConfig{})
			addr := s.Addrs()[0]
			client := dialNet(t, addr)
			p := next(t, made)
			for range 2 {
				must(t, s.Close())
			}
			if len(s.Addrs()) != 0 || s.IsServing() {
				t.Errorf("addresses %v, serving %t", s.Addrs(), s.IsServing())
			}
			if c, err := net.Dial(addr.Network(), addr.String()); err == nil {
				c.Close()
				t.Error("a client was accepted after Close")
			} else if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.ENOENT) {
				t.Error(err)
			}
			writeString(t, client, "xxx")
			p.awaitData(3)
			must(t, p.tr.Write([]byte("yyy")))
			if got := readString(t, client, 3); got != "yyy" {
				t.Errorf("got %q", got)
			}
		})
	}
}

// Wait ends when the server has been closed and the last connection has been lost.
func TestNetServerWait(t *testing.T) {
	l := startLoop(t)
	s, made := serve(t, l, "tcp4", netio.ServerConfig{})
	client := dialNet(t, s.Addrs()[0])
	p := next(t, made)
	ended, cancel := context.WithCancelCause(bounded(t))
	cause := errors.New("cause")
	cancel(cause)
	wants(t, s.Wait(ended), cause)
	lostAtLast := false
	p.Change(func() { p.onLost = func(error) { lostAtLast = true } })
	done := make(chan error, 1)
	go func() { done <- s.Wait(bounded(t)) }()
	must(t, s.Close())
	wants(t, s.Wait(ended), cause) // a connection is left
	must(t, client.Close())
	must(t, <-done)
	if !lostAtLast {
		t.Error("Wait ended before the last connection did")
	}
	must(t, s.Wait(bounded(t)))
}

// close_clients flushes, abort_clients does not; asyncio has both since 3.13.
func TestNetServerCloseClients(t *testing.T) {
	l := startLoop(t)
	s, made := serve(t, l, "tcp4", netio.ServerConfig{})
	client, other := dialNet(t, s.Addrs()[0]), dialNet(t, s.Addrs()[0])
	parties := []*party{next(t, made), next(t, made)}
	sent := stuff(t, parties[0].tr)
	must(t, s.Close())
	s.CloseClients()
	for _, p := range parties {
		if !p.tr.IsClosing() {
			t.Error("a client is not closing")
		}
	}
	first, second := client, other
	if parties[0].tr.RemoteAddr().String() != client.LocalAddr().String() {
		first, second = other, client
	}
	if got := readString(t, first, len(sent)); got != string(sent) {
		t.Error("what was buffered did not come")
	}
	readEnd(t, first)
	readEnd(t, second)
	must(t, s.Wait(bounded(t)))
}

func TestNetServerAbortClients(t *testing.T) {
	l := startLoop(t)
	s, made := serve(t, l, "tcp4", netio.ServerConfig{})
	dialNet(t, s.Addrs()[0])
	p := next(t, made)
	stuff(t, p.tr)
	must(t, s.Close())
	s.AbortClients()
	must(t, p.awaitLost())
	must(t, s.Wait(bounded(t)))
}

// test_start_server_1 and test_start_unix_server_1: a server that does not serve before it is
// told to, serves until its context ends, and is closed then.
func TestNetServeForever(t *testing.T) {
	for _, network := range networks {
		for _, startServing := range []bool{false, true} {
			t.Run(network, func(t *testing.T) {
				l := startLoop(t)
				s, made := serve(t, l, network, netio.ServerConfig{Deferred: true})
				if s.IsServing() {
					t.Error("serves before it is told to")
				}
				addr := s.Addrs()[0]
				if startServing {
					for range 2 {
						must(t, s.StartServing())
					}
					if !s.IsServing() {
						t.Error("does not serve")
					}
				}
				cause := errors.New("cause")
				ctx, cancel := context.WithCancelCause(bounded(t))
				done := make(chan error, 1)
				go func() { done <- s.ServeForever(ctx) }()
				client := dialNet(t, addr)
				hello := strings.Repeat("1", 5<<10) + "\n"
				writeString(t, client, hello)
				p := next(t, made)
				if got := p.awaitData(len(hello)); got != hello {
					t.Error("got something else")
				}
				if !s.IsServing() {
					t.Error("does not serve")
				}
				cancel(cause)
				wants(t, <-done, cause)
				must(t, p.tr.Write([]byte("1")))
				must(t, p.tr.Close())
				if got := readString(t, client, 1); got != "1" {
					t.Errorf("got %q", got)
				}
				readEnd(t, client)
				if len(s.Addrs()) != 0 || s.IsServing() {
					t.Errorf("addresses %v, serving %t", s.Addrs(), s.IsServing())
				}
				for _, err := range []error{s.ServeForever(bounded(t)), s.StartServing()} {
					wants(t, err, netio.ErrServerClosed)
				}
			})
		}
	}
}

// Clients of a server that does not serve yet wait, and are served then.
func TestNetServerDeferred(t *testing.T) {
	l := startLoop(t)
	s, made := serve(t, l, "tcp4", netio.ServerConfig{Deferred: true})
	client := dialNet(t, s.Addrs()[0])
	writeString(t, client, "xxx")
	onLoop(t, l, func() {})
	select {
	case <-made:
		t.Error("served before StartServing")
	default:
	}
	must(t, s.StartServing())
	if got := next(t, made).awaitData(3); got != "xxx" {
		t.Errorf("got %q", got)
	}
}

// ServeForever serves once at a time, ends with Close, and needs a context.
func TestNetServeForeverErrors(t *testing.T) {
	l := startLoop(t)
	s, made := serve(t, l, "tcp4", netio.ServerConfig{Deferred: true})
	var none context.Context
	wants(t, s.ServeForever(none), zmqio.ErrInvalidArgument)
	wants(t, s.Wait(none), zmqio.ErrInvalidArgument)
	done := make(chan error, 1)
	go func() { done <- s.ServeForever(bounded(t)) }()
	dialNet(t, s.Addrs()[0])
	next(t, made) // by now the first one serves
	failed(t, s.ServeForever(bounded(t)))
	must(t, s.Close())
	wants(t, <-done, netio.ErrServerClosed)
	var on error
	onLoop(t, l, func() { on = s.ServeForever(bounded(t)) })
	failed(t, on)
}

// All clients that wait are accepted: test_accept_connection_multiple.
func TestNetAcceptMultiple(t *testing.T) {
	l := startLoop(t)
	s, made := serve(t, l, "tcp4", netio.ServerConfig{Deferred: true})
	const clients = 100
	for range clients {
		dialNet(t, s.Addrs()[0])
	}
	must(t, s.StartServing())
	for range clients {
		next(t, made)
	}
}

// A client that has gone by the time it is accepted disturbs no other.
func TestNetAcceptAfterReset(t *testing.T) {
	l := startLoop(t)
	s, made := serve(t, l, "tcp4", netio.ServerConfig{Deferred: true})
	for range 3 {
		c := dialNet(t, s.Addrs()[0]).(*net.TCPConn)
		must(t, c.SetLinger(0))
		must(t, c.Close())
	}
	client := dialNet(t, s.Addrs()[0])
	must(t, s.StartServing())
	for {
		if p := next(t, made); p.tr.RemoteAddr().String() == client.LocalAddr().String() {
			writeString(t, client, "xxx")
			p.awaitData(3)
			return
		}
	}
}

// Out of descriptors the exception handler is told, and accepting goes on after a second.
func TestNetAcceptOutOfDescriptors(t *testing.T) {
	l := startLoop(t)
	told := collect(l)
	s, made := serve(t, l, "tcp4", netio.ServerConfig{Deferred: true})
	client := dialNet(t, s.Addrs()[0])
	refill := exhaust(t)
	must(t, s.StartServing())
	c := told.only(t)
	wants(t, c.Err, syscall.EMFILE)
	if c.Message == "" || c.Source == nil {
		t.Errorf("%+v", c)
	}
	refill()
	writeString(t, client, "xxx")
	if got := next(t, made).awaitData(3); got != "xxx" {
		t.Errorf("got %q", got)
	}
	told.only(t)
}

// exhaust takes all descriptors that the process may have. What it returns gives them back.
func exhaust(t testing.TB) (giveBack func()) {
	t.Helper()
	var before unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &before))
	few := before
	few.Cur = min(few.Cur, 1024)
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &few))
	var taken []int
	var once bool
	giveBack = func() {
		if once {
			return
		}
		once = true
		for _, fd := range taken {
			_ = unix.Close(fd)
		}
		must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &before))
	}
	t.Cleanup(giveBack)
	for {
		fd, err := unix.Dup(0)
		if errors.Is(err, unix.EMFILE) {
			return giveBack
		}
		must(t, err)
		taken = append(taken, fd)
	}
}

// A factory that panics, or returns nil, loses that client and no other.
func TestNetServerFactoryFails(t *testing.T) {
	l := startLoop(t)
	told := collect(l)
	cause := errors.New("cause")
	calls := 0
	s, err := netio.CreateServer(bounded(t), l, func() netio.Protocol {
		switch calls++; calls {
		case 1:
			panic(cause)
		case 2:
			return nil
		}
		return newParty(t, l)
	}, "tcp", []string{"127.0.0.1:0"}, netio.ServerConfig{})
	must(t, err)
	for _, want := range []error{cause, zmqio.ErrInvalidArgument} {
		c := dialNet(t, s.Addrs()[0])
		readEnd(t, c)
		wants(t, told.only(t).Err, want)
		told.Change(func() { told.all = nil })
	}
	c := dialNet(t, s.Addrs()[0])
	must(t, s.Close())
	must(t, c.Close())
	must(t, s.Wait(bounded(t)))
}

// Close of the loop ends servers and their connections.
func TestNetServerEndsWithTheLoop(t *testing.T) {
	l := startLoop(t)
	s, err := netio.CreateServer(bounded(t), l, func() *party { return newParty(t, l) }, "tcp", []string{"127.0.0.1:0"}, netio.ServerConfig{})
	must(t, err)
	c := dialNet(t, s.Addrs()[0])
	must(t, l.Close())
	if s.IsServing() || len(s.Addrs()) != 0 {
		t.Errorf("addresses %v, serving %t", s.Addrs(), s.IsServing())
	}
	must(t, s.Wait(bounded(t)))
	must(t, c.Close())
}

// Shutdown of the loop closes servers, and sends what their connections have accepted.
func TestNetServerShutdown(t *testing.T) {
	l := startLoop(t)
	s, made := serve(t, l, "tcp4", netio.ServerConfig{})
	client := dialNet(t, s.Addrs()[0])
	sent := stuff(t, next(t, made).tr)
	done := make(chan error, 1)
	go func() { done <- l.Shutdown(bounded(t)) }()
	if got := readString(t, client, len(sent)); got != string(sent) {
		t.Error("what was buffered did not come")
	}
	readEnd(t, client)
	must(t, <-done)
	if s.IsServing() {
		t.Error("serves after Shutdown")
	}
}
