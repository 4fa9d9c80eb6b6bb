package conformance

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
)

// After Close the server refuses new clients, and present connections go on.
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

// CloseClients flushes, and AbortClients does not; asyncio has both since 3.13.
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
		t.Error("the buffered data did not come")
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

// test_start_server_1 and test_start_unix_server_1: a deferred server serves from ServeForever
// until its context ends, and is closed then.
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

// Clients of a deferred server wait until it serves.
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

// Only one ServeForever runs at a time. Close ends it, and it needs a context.
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

// test_accept_connection_multiple: all waiting clients are accepted.
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

// A server without descriptors tells its exception handler, and accepts again after a second.
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

// exhaust takes all descriptors that the process can open. giveBack closes them.
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

// A factory that panics or returns nil loses its client, and no other.
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
		t.Error("the buffered data did not come")
	}
	readEnd(t, client)
	must(t, <-done)
	if s.IsServing() {
		t.Error("serves after Shutdown")
	}
}
