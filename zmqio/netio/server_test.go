package netio

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/internal/testkit"
)

// A server makes a transport for each client. Close refuses new clients and keeps the old. Wait
// ends with the last client.
func TestServer(t *testing.T) {
	onEach(t, func(t *testing.T, n network) {
		testkit.CheckLeaks(t)
		l, _ := newLoop(t)
		clients := make(chan *recorder, 10)
		s, address := n.serve(t, l, func() *recorder {
			r := newRecorder()
			r.onData = func(tr *Transport, b []byte) { must(t, tr.Write(b)) }
			clients <- r
			return r
		}, ServerConfig{})
		if !s.IsServing() || s.Loop() != l || len(s.Addrs()) != 1 {
			t.Errorf("%v is not serving", s)
		}
		conn := n.dialTo(t, address)
		send(t, conn, "hello")
		if got := readN(t, conn, 5); string(got) != "hello" {
			t.Errorf("read %q", got)
		}
		r := wait(t, clients)
		tr := <-r.made
		if tr.LocalAddr().String() != conn.RemoteAddr().String() || tr.RemoteAddr().Network() != n.name {
			t.Errorf("the client is %v", tr)
		}
		must(t, s.Close())
		must(t, s.Close())
		if s.IsServing() || len(s.Addrs()) != 0 {
			t.Errorf("%v is serving", s)
		}
		if _, err := net.Dial(n.name, address); err == nil {
			t.Error("connected to a closed server")
		}
		if err := s.StartServing(); !errors.Is(err, ErrServerClosed) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("StartServing: %v", err)
		}
		send(t, conn, "still")
		readN(t, conn, 5)
		ended, cancel := context.WithCancelCause(context.Background())
		mine := errors.New("mine")
		cancel(mine)
		if err := s.Wait(ended); err != mine {
			t.Errorf("Wait with a client: %v", err)
		}
		do(t, l, func() {
			if err := s.Wait(context.Background()); !errors.Is(err, zmqio.ErrWouldDeadlock) {
				t.Errorf("Wait on the loop: %v", err)
			}
		})
		conn.Close()
		must(t, s.Wait(bounded(t)))
		must(t, wait(t, r.lost))
	})
}

// CloseClients flushes, and AbortClients does not.
func TestCloseClients(t *testing.T) {
	l, _ := newLoop(t)
	clients := make(chan *recorder, 10)
	s, address := networks[0].serve(t, l, func() *recorder {
		r := newRecorder()
		clients <- r
		return r
	}, ServerConfig{})
	first, second := networks[0].dialTo(t, address), networks[0].dialTo(t, address)
	a, b := wait(t, clients), wait(t, clients)
	want := pattern(16 << 20)
	must(t, wait(t, a.made).Write(want))
	wait(t, b.made)
	s.CloseClients()
	if got := readN(t, first, len(want)); !bytes.Equal(got, want) {
		t.Error("other bytes came")
	}
	must(t, wait(t, a.lost))
	must(t, wait(t, b.lost))
	if _, err := second.Read(make([]byte, 1)); err == nil {
		t.Error("the second is open")
	}

	third := networks[0].dialTo(t, address)
	c := wait(t, clients)
	must(t, wait(t, c.made).Write(want))
	must(t, s.Close())
	s.AbortClients()
	must(t, s.Wait(bounded(t)))
	if _, dropped := c.t.Undelivered(); dropped == 0 {
		t.Error("nothing was dropped")
	}
	third.Close()
}

// A deferred server accepts after StartServing. ServeForever ends with its context.
func TestServeForever(t *testing.T) {
	l, _ := newLoop(t)
	clients := make(chan *recorder, 10)
	s, address := networks[0].serve(t, l, func() *recorder {
		r := newRecorder()
		clients <- r
		return r
	}, ServerConfig{Deferred: true})
	conn := networks[0].dialTo(t, address)
	do(t, l, func() {})
	if s.IsServing() || len(clients) > 0 {
		t.Error("the server serves")
	}
	do(t, l, func() {
		if err := s.ServeForever(context.Background()); !errors.Is(err, zmqio.ErrWouldDeadlock) {
			t.Errorf("on the loop: %v", err)
		}
	})
	ctx, cancel := context.WithCancelCause(context.Background())
	result := make(chan error)
	go func() { result <- s.ServeForever(ctx) }()
	r := wait(t, clients)
	wait(t, r.made) // else Close refuses the client
	if err := s.ServeForever(ctx); !errors.Is(err, zmqio.ErrInvalidState) {
		t.Errorf("twice: %v", err)
	}
	must(t, s.StartServing())
	mine := errors.New("mine")
	cancel(mine)
	if err := wait(t, result); err != mine {
		t.Errorf("ServeForever: %v", err)
	}
	if err := s.ServeForever(context.Background()); !errors.Is(err, ErrServerClosed) || !strings.Contains(err.Error(), "is closed") {
		t.Errorf("closed: %v", err)
	}
	conn.Close()
	must(t, wait(t, r.lost))

	s, _ = networks[0].serve(t, l, newRecorder, ServerConfig{})
	go func() { result <- s.ServeForever(context.Background()) }()
	for begun := false; !begun; runtime.Gosched() {
		s.mu.Lock()
		begun = s.forever
		s.mu.Unlock()
	}
	must(t, s.Close())
	if err := wait(t, result); !errors.Is(err, ErrServerClosed) {
		t.Errorf("closed meanwhile: %v", err)
	}
}

// An empty host has a listener for each family, and both can be reached.
func TestDualStack(t *testing.T) {
	probe, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6")
	}
	probe.Close()
	l, _ := newLoop(t)
	clients := make(chan *recorder, 10)
	s, err := CreateServer(bounded(t), l, func() *recorder {
		r := newRecorder()
		clients <- r
		return r
	}, "tcp", []string{":0", ":0"}, ServerConfig{})
	must(t, err)
	addrs := s.Addrs()
	if len(addrs) != 2 { // the second is a duplicate
		t.Fatalf("listens on %v", addrs)
	}
	for _, a := range addrs {
		a := a.(*net.TCPAddr)
		host := net.IPv4(127, 0, 0, 1)
		if a.IP.To4() == nil {
			host = net.IPv6loopback
		}
		conn := networks[0].dialTo(t, (&net.TCPAddr{IP: host, Port: a.Port}).String())
		tr := wait(t, wait(t, clients).made)
		if tr.RemoteAddr().String() != conn.LocalAddr().String() {
			t.Errorf("the peer is %v, not %v", tr.RemoteAddr(), conn.LocalAddr())
		}
	}
}

// If one address fails, all listeners are closed. The error has the errno and the address.
func TestListenFails(t *testing.T) {
	testkit.CheckLeaks(t)
	l, _ := newLoop(t)
	taken := networks[0].listen(t)
	files := len(testkit.Descriptors(t))
	_, err := CreateServer(bounded(t), l, newRecorder, "tcp", []string{"127.0.0.1:0", taken.Addr().String()}, ServerConfig{})
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Errorf("in use: %v", err)
	}
	if n := len(testkit.Descriptors(t)); n != files {
		t.Errorf("%d descriptors, %d before", n, files)
	}
	for _, test := range []struct {
		network   string
		addresses []string
		cfg       ServerConfig
	}{
		{"udp", []string{"127.0.0.1:0"}, ServerConfig{}},
		{"tcp", nil, ServerConfig{}},
		{"tcp", []string{"127.0.0.1"}, ServerConfig{}},
		{"tcp", []string{"127.0.0.1:0"}, ServerConfig{Listener: taken}},
		{"tcp", []string{"127.0.0.1:0"}, ServerConfig{Config: Config{MaxWriteBuffer: -1}}},
		{"tcp", []string{"127.0.0.1:0"}, ServerConfig{Config: Config{HandshakeTimeout: time.Second}}},
	} {
		if _, err := CreateServer(bounded(t), l, newRecorder, test.network, test.addresses, test.cfg); !errors.Is(err, zmqio.ErrInvalidArgument) {
			t.Errorf("%v: %v", test, err)
		}
	}
	do(t, l, func() {
		if _, err := CreateServer(bounded(t), l, newRecorder, "tcp", []string{"localhost:0"}, ServerConfig{}); !errors.Is(err, zmqio.ErrWouldDeadlock) {
			t.Errorf("a name on the loop: %v", err)
		}
		s, err := CreateServer(bounded(t), l, newRecorder, "tcp", []string{"127.0.0.1:0"}, ServerConfig{})
		must(t, err)
		must(t, s.Close())
	})
}

// A stale Unix socket is replaced, and any other file is kept.
func TestUnixFiles(t *testing.T) {
	l, _ := newLoop(t)
	path := filepath.Join(t.TempDir(), "socket")
	stale, err := net.Listen("unix", path)
	must(t, err)
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	create := func() (*Server, error) {
		return CreateServer(bounded(t), l, newRecorder, "unix", []string{path}, ServerConfig{})
	}
	if _, err := create(); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("in use: %v", err)
	}
	stale.Close()
	s, err := create()
	must(t, err)
	must(t, s.Close())
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the file stays: %v", err)
	}
	s, err = create()
	must(t, err)
	must(t, os.Remove(path))
	must(t, os.WriteFile(path, []byte("mine"), 0o600))
	must(t, s.Close())
	if b, err := os.ReadFile(path); err != nil || string(b) != "mine" {
		t.Errorf("another's file: %q, %v", b, err)
	}
	if _, err := create(); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), path) {
		t.Errorf("a regular file: %v", err)
	}
}

// If the process has no descriptor for a listener's duplicate, the listener is closed and its file
// removed.
func TestListenWithoutDescriptors(t *testing.T) {
	testkit.CheckLeaks(t)
	l, _ := newLoop(t)
	path := filepath.Join(t.TempDir(), "socket")
	var limit unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	lc := &net.ListenConfig{Control: func(string, string, syscall.RawConn) error {
		return unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: limit.Max})
	}}
	_, err := CreateServer(bounded(t), l, newRecorder, "unix", []string{path}, ServerConfig{ListenConfig: lc})
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	if err == nil {
		t.Error("the server listens")
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the file stays: %v", err)
	}
}

// A server takes over a listener, with its file.
func TestListener(t *testing.T) {
	onEach(t, func(t *testing.T, n network) {
		testkit.CheckLeaks(t)
		l, _ := newLoop(t)
		given, err := net.Listen(n.name, n.address(t))
		must(t, err)
		address := given.Addr().String()
		made := make(chan *Transport, 1)
		s, err := CreateServer(bounded(t), l, func() *recorder {
			r := newRecorder()
			r.onMade = func(tr *Transport) { made <- tr }
			return r
		}, n.name, nil, ServerConfig{Listener: given})
		must(t, err)
		if _, err := given.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the listener is open: %v", err)
		}
		conn := n.dialTo(t, address)
		tr := wait(t, made)
		if n.name == "tcp" {
			checkOption(t, tr, unix.IPPROTO_TCP, unix.TCP_NODELAY)
			checkOption(t, tr, unix.SOL_SOCKET, unix.SO_KEEPALIVE)
		}
		conn.Close()
		must(t, s.Close())
		if _, err := os.Lstat(address); n.name == "unix" && err != nil {
			t.Errorf("the file has gone: %v", err)
		}
	})
}

func checkOption(t *testing.T, tr *Transport, level, opt int) {
	t.Helper()
	if on, err := unix.GetsockoptInt(int(tr.fd), level, opt); err != nil || on == 0 {
		t.Errorf("option %d is %d: %v", opt, on, err)
	}
}

// Without descriptors a server tells the exception handler, pauses, and goes on.
func TestAcceptWithoutDescriptors(t *testing.T) {
	l, exceptions := newLoop(t)
	clients := make(chan *recorder, 10)
	s, address := networks[0].serve(t, l, func() *recorder {
		r := newRecorder()
		clients <- r
		return r
	}, ServerConfig{})
	n := s.listeners[0]
	do(t, l, func() { n.rest(unix.EMFILE) })
	e := wait(t, exceptions)
	var op *net.OpError
	if !errors.Is(e.Err, syscall.EMFILE) || e.Source != s || !errors.As(e.Err, &op) || op.Op != "accept" {
		t.Errorf("the handler got %+v", e)
	}
	networks[0].dialTo(t, address)
	do(t, l, func() {})
	if len(clients) > 0 {
		t.Error("accepted without a pause")
	}
	do(t, l, n.resume) // as the timer does
	wait(t, clients)
}

// A factory that panics or returns nil refuses one client.
func TestFactoryFails(t *testing.T) {
	testkit.CheckLeaks(t)
	l, exceptions := newLoop(t)
	results := make(chan func() *recorder, 3)
	s, address := networks[0].serve(t, l, func() *recorder { return (<-results)() }, ServerConfig{})
	results <- func() *recorder { panic("mine") }
	conn := networks[0].dialTo(t, address)
	if e := wait(t, exceptions); e.Message != "protocol factory panicked" {
		t.Errorf("the handler got %+v", e)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is open")
	}
	results <- func() *recorder { return nil }
	networks[0].dialTo(t, address)
	if e := wait(t, exceptions); !errors.Is(e.Err, zmqio.ErrInvalidArgument) || e.Source != s {
		t.Errorf("the handler got %+v", e)
	}
	r := newRecorder()
	results <- func() *recorder { return r }
	networks[0].dialTo(t, address)
	must(t, wait(t, r.made).Abort())
	must(t, s.Close())
	must(t, s.Wait(bounded(t)))
}

// A server is a resident: Shutdown of the loop closes it, and Close aborts its clients.
func TestServerEndsWithTheLoop(t *testing.T) {
	testkit.CheckLeaks(t)
	l, _ := newLoop(t)
	s, address := networks[0].serve(t, l, newRecorder, ServerConfig{})
	if r := l.Residents(); !slices.Contains(r, zmqio.Resident(s)) {
		t.Errorf("residents: %v", r)
	}
	conn := networks[0].dialTo(t, address)
	must(t, l.Shutdown(bounded(t)))
	if s.IsServing() {
		t.Error("the server serves")
	}
	conn.Close()
	must(t, l.Close())
	if _, err := CreateServer(bounded(t), l, newRecorder, "tcp", []string{"127.0.0.1:0"}, ServerConfig{}); !errors.Is(err, zmqio.ErrLoopClosed) {
		t.Errorf("on a closed loop: %v", err)
	}
}
