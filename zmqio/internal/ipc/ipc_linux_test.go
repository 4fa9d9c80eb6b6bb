package ipc

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/zmqio/zmq/zmqio/internal/testkit"
)

var must = testkit.Must

// connection makes a connection to path and returns its ends.
func connection(t *testing.T, path string) (client, server *net.UnixConn) {
	t.Helper()
	l, err := net.Listen("unix", path)
	must(t, err)
	t.Cleanup(func() { l.Close() })
	c, err := net.Dial("unix", path)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	s, err := l.Accept()
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return c.(*net.UnixConn), s.(*net.UnixConn)
}

// fdOf returns the descriptor of c.
func fdOf(t *testing.T, c *net.UnixConn) (fd int) {
	t.Helper()
	raw, err := c.SyscallConn()
	must(t, err)
	must(t, raw.Control(func(n uintptr) { fd = int(n) }))
	return fd
}

// only returns the single connection of ends, and fails the test if there are more or none.
func only(t *testing.T, ends ...End) Found {
	t.Helper()
	found, err := Find(ends)
	must(t, err)
	if len(found) != 1 {
		t.Fatalf("found %v of %v", found, ends)
	}
	return found[0]
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
	path := filepath.Join(dir, "s")
	link := filepath.Join(dir, "link")
	must(t, os.Symlink("s", link))
	client, server := connection(t, path)
	for _, c := range []struct {
		path string
		conn *net.UnixConn
	}{{path, client}, {link, client}, {filepath.Join(dir, "sub", "..", "s"), client}, {path, server}} {
		if f := only(t, End{c.path, c.conn == server}); f.FD != fdOf(t, c.conn) || f.End != 0 {
			t.Errorf("%s: found %+v, want descriptor %d", c.path, f, fdOf(t, c.conn))
		}
	}
	if found, err := Find([]End{{link, true}, {filepath.Join(dir, "other"), false}, {"@s", false}}); err != nil || found != nil {
		t.Errorf("found %v, %v", found, err)
	}

	abstract := fmt.Sprintf("@zmqio-find-%d", os.Getpid())
	client, server = connection(t, abstract)
	for conn, bound := range map[*net.UnixConn]bool{client: false, server: true} {
		if f := only(t, End{path + "x", bound}, End{abstract, bound}); f.FD != fdOf(t, conn) || f.End != 1 {
			t.Errorf("found %+v, want descriptor %d", f, fdOf(t, conn))
		}
	}
}

func TestKeep(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	client, server := connection(t, path)
	c, err := Keep(only(t, End{path, false}))
	must(t, err)
	defer c.Close()
	flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(c.fd), syscall.F_GETFD, 0)
	if errno != 0 || flags&syscall.FD_CLOEXEC == 0 {
		t.Errorf("flags %d, %v: a child would inherit the duplicate", flags, errno)
	}
	if !c.InUse() || c.Unread() != 0 {
		t.Errorf("in use: %t, unread: %d", c.InUse(), c.Unread())
	}
	_, err = client.Write([]byte("xyz"))
	must(t, err)
	must(t, client.Close())
	if c.InUse() || c.Unread() < 3 {
		t.Errorf("in use: %t, unread: %d", c.InUse(), c.Unread())
	}
	_, err = server.Write(make([]byte, 10_000)) // the peer sees no end while the duplicate is open
	must(t, err)
	if closed, reset := c.Drain(); closed || reset {
		t.Error("the peer has not closed")
	}
	_, err = server.Read(make([]byte, 3))
	must(t, err)
	if c.Unread() != 0 {
		t.Errorf("unread: %d", c.Unread())
	}
	must(t, server.Close())
	if closed, reset := c.Drain(); !closed || reset {
		t.Errorf("closed: %t, reset: %t", closed, reset)
	}
}

// Drain tells a peer that has read everything before it closed from one that has not.
func TestDrainTellsWhatIsLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	client, server := connection(t, path)
	c, err := Keep(only(t, End{path, false}))
	must(t, err)
	defer c.Close()
	_, err = client.Write([]byte("xyz"))
	must(t, err)
	must(t, client.Close())
	must(t, server.Close())
	if closed, reset := c.Drain(); !closed || !reset {
		t.Errorf("closed: %t, reset: %t", closed, reset)
	}
}

// Keep notices that a descriptor's number belongs to another file by now.
func TestNumberUsedAgain(t *testing.T) {
	dir := t.TempDir()
	client, _ := connection(t, filepath.Join(dir, "s"))
	f := only(t, End{filepath.Join(dir, "s"), false})
	other, _ := connection(t, filepath.Join(dir, "t"))
	f.FD = fdOf(t, other)
	if c, err := Keep(f); c != nil || err != nil {
		t.Errorf("kept %v, %v", c, err)
	}
	f.FD = 1 << 20
	if c, err := Keep(f); c != nil || err != nil {
		t.Errorf("kept %v, %v", c, err)
	}
	for _, want := range []bool{true, false} {
		from := map[bool]*net.UnixConn{true: client, false: other}[want]
		fd, err := syscall.Dup(fdOf(t, from))
		must(t, err)
		c := Take(fd, fdOf(t, from), []End{{filepath.Join(dir, "s"), false}})
		if (c != nil) != want {
			t.Errorf("took %v, want one: %t", c, want)
		}
		if c != nil {
			c.Close()
		}
		if _, err := identify(fd); !errors.Is(err, syscall.EBADF) {
			t.Errorf("the duplicate is open: %v", err)
		}
	}
}

func TestKeepWithoutDescriptors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	connection(t, path)
	f := only(t, End{path, false})
	var limit syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: uint64(f.FD), Max: limit.Max}))
	c, err := Keep(f)
	must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	if c != nil || !errors.Is(err, syscall.EMFILE) {
		t.Errorf("kept %v, %v", c, err)
	}
}
