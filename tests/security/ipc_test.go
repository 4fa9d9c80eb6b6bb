package security

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// idle makes a DEALER that is neither bound nor connected.
func idle(t testing.TB, loop *zmqio.EventLoop) *party {
	t.Helper()
	p, err := create(t, loop, zmqio.ConnectionConfig{Bind: []string{}})
	must(t, err)
	return p
}

// listen makes a plain Unix socket whose file stays when it is closed.
func listen(t testing.TB, path string) *net.UnixListener {
	t.Helper()
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	must(t, err)
	ln.SetUnlinkOnClose(false)
	t.Cleanup(func() { ln.Close() })
	return ln
}

// stale leaves the file of a socket without a listener.
func stale(t testing.TB, path string) { must(t, listen(t, path).Close()) }

// A bind does not touch the file at its path, except a stale socket.
func TestIPCPathInUse(t *testing.T) {
	checkLeaks(t)
	loop := newLoop(t, nil)
	datagrams := func(t *testing.T, path string) *net.UnixConn {
		t.Helper()
		conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
		must(t, err)
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	for _, c := range []struct {
		name string
		make func(t *testing.T, path string)
		want error // nil: the bind succeeds
	}{
		{"nothing", func(*testing.T, string) {}, nil},
		{"a stale socket", func(t *testing.T, path string) { stale(t, path) }, nil},
		{"a stale datagram socket", func(t *testing.T, path string) {
			c := datagrams(t, path)
			must(t, c.Close())
			if _, err := os.Lstat(path); err != nil {
				t.Skip(err)
			}
		}, nil},
		{"a live socket", func(t *testing.T, path string) { listen(t, path) }, zmq.EADDRINUSE},
		{"a socket whose backlog is full", fillBacklog, zmq.EADDRINUSE},
		{"a live datagram socket", func(t *testing.T, path string) { datagrams(t, path) }, zmq.EADDRINUSE},
		{"a file", func(t *testing.T, path string) { must(t, os.WriteFile(path, []byte("mine"), 0o600)) }, zmq.EADDRINUSE},
		{"an empty file", func(t *testing.T, path string) { must(t, os.WriteFile(path, nil, 0)) }, zmq.EADDRINUSE},
		{"a directory", func(t *testing.T, path string) { must(t, os.Mkdir(path, 0o700)) }, zmq.EADDRINUSE},
		{"a fifo", func(t *testing.T, path string) { must(t, syscall.Mkfifo(path, 0o600)) }, zmq.EADDRINUSE},
		{"a link to nothing", func(t *testing.T, path string) { must(t, os.Symlink(path+"x", path)) }, zmq.EADDRINUSE},
		{"a link to a stale socket", func(t *testing.T, path string) {
			stale(t, path+"x")
			must(t, os.Symlink(path+"x", path))
		}, zmq.EADDRINUSE},
		{"a link to a live socket", func(t *testing.T, path string) {
			listen(t, path+"x")
			must(t, os.Symlink(path+"x", path))
		}, zmq.EADDRINUSE},
	} {
		for _, how := range []string{"Bind", "ConnectionConfig.Bind"} {
			t.Run(c.name+"/"+how, func(t *testing.T) {
				path := socketPath(t)
				c.make(t, path)
				before, _ := os.Lstat(path)
				bindsTo(t, loop, how, "ipc://"+path, c.want)
				after, err := os.Lstat(path)
				if c.want != nil && (err != nil || !os.SameFile(before, after) || before.Mode() != after.Mode() || before.Size() != after.Size()) {
					t.Errorf("the file was %v and is %v, %v", before, after, err)
				}
			})
		}
	}
}

// bindsTo binds as how says and checks the error. A bind that succeeds gets a message.
func bindsTo(t *testing.T, loop *zmqio.EventLoop, how, endpoint string, want error) {
	t.Helper()
	var p *party
	var err error
	if how == "Bind" {
		p = idle(t, loop)
		_, err = p.tr.Bind(endpoint)
	} else {
		p, err = create(t, loop, zmqio.ConnectionConfig{Bind: []string{endpoint}})
	}
	if want == nil {
		must(t, err)
		client := connect(t, loop, p)
		client.write("from the client")
		p.waitGot("from the client")
		client.abort()
		p.abort()
		return
	}
	var se *os.SyscallError
	if !errors.Is(err, want) || !errors.As(err, &se) || se.Syscall != "zmq_bind" || !strings.Contains(err.Error(), endpoint) {
		t.Fatalf("%v, want %v", err, want)
	}
	if how != "Bind" {
		return
	}
	if got := p.tr.Listeners(); len(got) != 0 || p.tr.IsClosing() {
		t.Errorf("%v", p.tr)
	}
	p.wait(func() bool { return p.events&zmq.EVENT_BIND_FAILED != 0 })
	p.abort()
}

// fillBacklog makes a socket that accepts no more connections.
func fillBacklog(t *testing.T, path string) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	must(t, err)
	t.Cleanup(func() { syscall.Close(fd) })
	must(t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}))
	must(t, syscall.Listen(fd, 0))
	for range 10 {
		conn, err := net.Dial("unix", path)
		if errors.Is(err, syscall.EAGAIN) {
			return
		}
		must(t, err)
		t.Cleanup(func() { conn.Close() })
	}
	t.Skip("the backlog does not fill")
}

// A server keeps its path, its peers and their messages if another server, or the same one, binds
// there. Its exception handler gets no error. Its monitor reports a connection that ends.
func TestIPCServerIsNotRobbed(t *testing.T) {
	checkLeaks(t)
	loop, other := newLoop(t, nil), newLoop(t, nil)
	endpoint := "ipc://" + socketPath(t)
	server, err := create(t, loop, zmqio.ConnectionConfig{Bind: []string{endpoint}})
	must(t, err)
	client := connect(t, loop, server)
	client.write("1")
	server.waitGot("1")
	for _, p := range []*party{server, idle(t, loop), idle(t, other)} {
		if _, err := p.tr.Bind(endpoint); !errors.Is(err, zmq.EADDRINUSE) {
			t.Errorf("%v: %v, want %v", p.tr, err, zmq.EADDRINUSE)
		}
	}
	late := connect(t, loop, server)
	late.write("2")
	server.waitGot("1", "2")
	client.write("3")
	server.waitGot("1", "2", "3")
	if handshakes.Require() == nil {
		server.waitVerdict(noDetail) // caused by the checks
		server.wantVerdicts(succeeded, noDetail)
		client.wantVerdicts(succeeded)
	}
	if got := server.tr.Listeners(); len(got) != 1 {
		t.Errorf("%v", server.tr)
	}
}

// Of several concurrent binds to one path one succeeds.
func TestIPCBindsAtOnce(t *testing.T) {
	checkLeaks(t)
	loop := newLoop(t, nil)
	for round := range 20 {
		endpoint := "ipc://" + socketPath(t)
		if round%2 == 0 {
			stale(t, strings.TrimPrefix(endpoint, "ipc://"))
		}
		var parties [8]*party
		for i := range parties {
			parties[i] = idle(t, loop)
		}
		var all sync.WaitGroup
		errs := make([]error, len(parties))
		for i, p := range parties {
			all.Go(func() { _, errs[i] = p.tr.Bind(endpoint) })
		}
		all.Wait()
		bound := 0
		for i, p := range parties {
			switch {
			case errs[i] == nil:
				bound++
				client := connect(t, loop, p)
				client.write("x")
				p.waitGot("x")
				client.abort()
			case !errors.Is(errs[i], zmq.EADDRINUSE):
				t.Error(errs[i])
			}
			p.abort()
		}
		if bound != 1 {
			t.Errorf("%d binds succeeded", bound)
		}
	}
}

// A path too long for a socket address is refused, and the file stays.
func TestIPCLongPath(t *testing.T) {
	checkLeaks(t)
	loop := newLoop(t, nil)
	dir := socketDir(t)
	room := len(syscall.RawSockaddrUnix{}.Path)
	longest := filepath.Join(dir, strings.Repeat("x", room-len(dir)-2))
	bindsTo(t, loop, "Bind", "ipc://"+longest, nil)
	must(t, os.WriteFile(longest+"x", []byte("mine"), 0o600))
	bindsTo(t, loop, "Bind", "ipc://"+longest+"x", zmq.ENAMETOOLONG)
	if b, err := os.ReadFile(longest + "x"); err != nil || string(b) != "mine" {
		t.Errorf("the file has %q, %v", b, err)
	}
}

// A relative path is relative to the working directory. A name behind @ is no path, but libzmq
// unlinks a file of that name, so zmqio refuses it.
func TestIPCRelativePath(t *testing.T) {
	checkLeaks(t)
	loop := newLoop(t, nil)
	t.Chdir(socketDir(t))
	stale(t, "s")
	bindsTo(t, loop, "Bind", "ipc://s", nil)
	listen(t, "live")
	bindsTo(t, loop, "Bind", "ipc://live", zmq.EADDRINUSE)
	bindsTo(t, loop, "Bind", "ipc://no/such/directory", zmq.ENOENT)
	must(t, os.WriteFile("file", nil, 0o600))
	bindsTo(t, loop, "Bind", "ipc://file", zmq.EADDRINUSE)
	bindsTo(t, loop, "Bind", "ipc://file/s", syscall.ENOTDIR)
	bindsTo(t, loop, "Bind", "ipc://", zmq.EINVAL)
	abstract := fmt.Sprintf("@zmqio-security-%d", os.Getpid())
	bindsTo(t, loop, "Bind", "ipc://"+abstract, nil)
	must(t, os.WriteFile(abstract+"-file", nil, 0o600))
	bindsTo(t, loop, "Bind", "ipc://"+abstract+"-file", zmq.EADDRINUSE)
	if _, err := os.Lstat(abstract + "-file"); err != nil {
		t.Error(err)
	}
	must(t, os.WriteFile("*", nil, 0o600))
	bindsTo(t, loop, "Bind", "ipc://*", nil)
	if _, err := os.Lstat("*"); err != nil {
		t.Error(err)
	}
}

// With USE_FD the socket is bound and listening already, and libzmq leaves the file alone.
func TestIPCGivenFD(t *testing.T) {
	checkLeaks(t)
	loop := newLoop(t, nil)
	path := socketPath(t)
	ln := listen(t, path)
	f, err := ln.File()
	must(t, err)
	fd, err := syscall.Dup(int(f.Fd())) // libzmq closes it
	must(t, err)
	must(t, f.Close())
	must(t, ln.Close())
	before, err := os.Lstat(path)
	must(t, err)
	use := func(o zmq.Sockopts) error { return o.SetUseFD(fd) }
	p, err := create(t, loop, zmqio.ConnectionConfig{Bind: []string{"ipc://" + path}}, use)
	must(t, err)
	client := connect(t, loop, p)
	client.write("x")
	p.waitGot("x")
	if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("the file was replaced: %v", err)
	}
}

// After Unbind, and after the end of the transport, the path can be bound again as soon as libzmq
// has closed the listener.
func TestIPCBindAgain(t *testing.T) {
	checkLeaks(t)
	loop := newLoop(t, nil)
	path := socketPath(t)
	p := idle(t, loop)
	for range 10 {
		bindSoon(t, p, "ipc://"+path)
		_, err := p.tr.Sockopts().Events() // else libzmq may forget to close a listener that is unbound at once
		must(t, err)
		must(t, p.tr.Unbind("ipc://"+path))
	}
	for range 10 {
		p := idle(t, loop)
		bindSoon(t, p, "ipc://"+path)
		p.abort()
	}
	if info, err := os.Lstat(path); err != nil || info.Mode().Type() != fs.ModeSocket {
		t.Errorf("%v, %v", info, err) // libzmq leaves it
	}
}

// bindSoon binds p to endpoint when that is free: libzmq closes in the background.
func bindSoon(t testing.TB, p *party, endpoint string) {
	t.Helper()
	for ctx := bounded(t); ; {
		_, err := p.tr.Bind(endpoint)
		if err == nil {
			return
		}
		if !errors.Is(err, zmq.EADDRINUSE) || ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

// The mode of the file follows the umask.
func TestIPCMode(t *testing.T) {
	loop := newLoop(t, nil)
	for _, c := range []struct{ umask, want int }{{0o077, 0o700}, {0o022, 0o755}} {
		path := socketPath(t)
		old := syscall.Umask(c.umask)
		p := idle(t, loop)
		_, err := p.tr.Bind("ipc://" + path)
		syscall.Umask(old)
		must(t, err)
		if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != fs.FileMode(c.want) {
			t.Errorf("umask %o: %v, %v", c.umask, info.Mode(), err)
		}
	}
}
