package ipc

import (
	"os"
	"strconv"
	"syscall"
	"unsafe"
)

// Find returns this process's connections of ends. Some may belong to other sockets that use the
// same path.
func Find(ends []End) ([]Found, error) {
	if len(ends) == 0 {
		return nil, nil
	}
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	names, err := dir.Readdirnames(-1)
	dir.Close()
	if err != nil {
		return nil, err
	}
	patterns := patternsOf(ends)
	var found []Found
	for _, name := range names {
		fd, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		for _, end := range patterns.of(fd, ends) {
			if id, err := identify(fd); err == nil {
				found = append(found, Found{fd, id, end})
			}
		}
	}
	return found, nil
}

type patterns []pattern

func patternsOf(ends []End) patterns {
	p := make(patterns, len(ends))
	for i, e := range ends {
		p[i] = e.pattern()
	}
	return p
}

// of returns the ends that the descriptor is a connection of. A listening socket is none, because
// it has no peer.
func (p patterns) of(fd int, ends []End) (matches []int) {
	peer, err := syscall.Getpeername(fd)
	if err != nil {
		return nil
	}
	there, ok := peer.(*syscall.SockaddrUnix)
	if !ok {
		return nil
	}
	own, err := syscall.Getsockname(fd)
	if err != nil {
		return nil
	}
	here, ok := own.(*syscall.SockaddrUnix)
	if !ok { // the number now belongs to another file
		return nil
	}
	for i, e := range ends {
		address := there.Name
		if e.Bound {
			address = here.Name
		}
		if p[i].matches(address) {
			matches = append(matches, i)
		}
	}
	return matches
}

func identify(fd int) (ID, error) {
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return ID{}, err
	}
	return ID{uint64(st.Dev), st.Ino}, nil
}

// A Conn keeps a connection open.
type Conn struct {
	id       ID
	fd, orig int
}

// Keep duplicates the descriptor of f. It returns nil without an error if the connection of f has
// been closed.
func Keep(f Found) (*Conn, error) {
	fd, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(f.FD), syscall.F_DUPFD_CLOEXEC, 0)
	switch {
	case errno == syscall.EBADF:
		return nil, nil
	case errno != 0:
		return nil, os.NewSyscallError("fcntl", errno)
	}
	c := &Conn{id: f.ID, fd: int(fd), orig: f.FD}
	if id, err := identify(c.fd); err != nil || id != c.id {
		c.Close()
		return nil, nil
	}
	return c, nil
}

// Take makes a Conn of fd, a duplicate of orig. If fd is no connection of ends, Take closes it and
// returns nil.
func Take(fd, orig int, ends []End) *Conn {
	c := &Conn{fd: fd, orig: orig}
	var err error
	if c.id, err = identify(fd); err != nil || patternsOf(ends).of(fd, ends) == nil {
		c.Close()
		return nil
	}
	return c
}

// ID returns the ID of the connection.
func (c *Conn) ID() ID { return c.id }

// FD returns the original descriptor.
func (c *Conn) FD() int { return c.orig }

// InUse reports whether the original descriptor is still open for this connection.
func (c *Conn) InUse() bool {
	id, err := identify(c.orig)
	return err == nil && id == c.id
}

// Unread returns how much kernel memory holds bytes that the peer has not read. The memory is more
// than the payload. 0 means that the peer has read everything.
func (c *Conn) Unread() int {
	var n int32
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(c.fd), syscall.TIOCOUTQ, uintptr(unsafe.Pointer(&n))); errno != 0 {
		return 0
	}
	return int(n)
}

// Drain receives and drops the peer's bytes. closed means that the peer has closed its end, and
// reset that it did so with bytes unread. Drain must not be called while the connection is in use.
func (c *Conn) Drain() (closed, reset bool) {
	var buf [4096]byte
	for range 16 { // bounded, so that a peer that always sends cannot block the caller
		n, _, err := syscall.Recvfrom(c.fd, buf[:], syscall.MSG_DONTWAIT)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return false, false
		case err != nil:
			return true, err == syscall.ECONNRESET
		case n == 0:
			return true, false
		}
	}
	return false, false
}

// Close closes the duplicate.
func (c *Conn) Close() { _ = syscall.Close(c.fd) }
