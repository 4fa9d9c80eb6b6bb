package netio

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/internal/flow"
)

// ConnectReadPipe makes a transport that reads f, with the protocol that factory returns. f is
// a FIFO, a stream socket, or a character device such as a terminal.
//
// At the end of f, or when a terminal hangs up, the protocol gets EOFReceived, whose result
// does not matter, and then ConnectionLost(nil). Methods that write return
// errors.ErrUnsupported.
//
// The transport takes a descriptor of its own and closes f. If ConnectReadPipe fails at its
// arguments, f stays open; if it fails later, f is closed. Standard streams, descriptors 0 to
// 2, are not closed: they become /dev/null.
//
// The transport makes the open file of f non-blocking, also for other processes that share it,
// as a terminal is shared. On Linux the transport instead opens a terminal again, and a FIFO
// that is written. Where that fails, the last transport on a character device makes it blocking
// again.
//
// ConnectReadPipe waits for the loop, and ctx bounds that wait. On the loop goroutine it does
// not wait. While no goroutine runs the loop, the calling goroutine works in its place.
//
// Errors:
//   - zmqio.ErrInvalidArgument: an argument is nil, f is another kind of file, or f cannot be
//     read.
//   - os.ErrClosed: f is closed.
//   - zmqio.ErrLoopClosed: the loop is closed.
//   - The cause of ctx: ctx ended first.
//   - A *zmqio.PanicError of factory.
//   - Those of the system.
//
// asyncio: connect_read_pipe
func ConnectReadPipe[P Protocol](ctx context.Context, l *zmqio.EventLoop, factory func() P, f *os.File) (*Transport, P, error) {
	return connectPipe(ctx, l, factory, f, toRead)
}

// ConnectWritePipe is ConnectReadPipe for a transport that writes f. WriteEOF is Close there.
// PauseReading and ResumeReading return errors.ErrUnsupported.
//
// The transport ends when the reader of a FIFO or a socket goes. ConnectionLost gets EPIPE if
// bytes are buffered or SendFile is in progress, and nil otherwise. The next Write finds out
// instead on a character device, and where the peer of a socket has sent something. The
// transport reads nothing from f.
//
// asyncio: connect_write_pipe
func ConnectWritePipe[P Protocol](ctx context.Context, l *zmqio.EventLoop, factory func() P, f *os.File) (*Transport, P, error) {
	return connectPipe(ctx, l, factory, f, toWrite)
}

func connectPipe[P Protocol](ctx context.Context, l *zmqio.EventLoop, factory func() P, f *os.File, way interest) (*Transport, P, error) {
	return typed(factory, func(factory func() Protocol) (*Transport, error) {
		call := "ConnectReadPipe"
		if way == toWrite {
			call = "ConnectWritePipe"
		}
		if err := checkAll(ctx, call, l, factory, Config{}); err != nil {
			return nil, err
		}
		if f == nil {
			return nil, invalid("netio.%s: nil file", call)
		}
		m := &material{pipe: &pipe{name: f.Name(), way: way}}
		m.local, m.remote = m.pipe, m.pipe
		if err := m.pipe.examine(f); err != nil {
			return nil, err
		}
		err := control(f, func(fd int) (err error) {
			m.fd, err = m.pipe.open(fd)
			return err
		})
		closePipe(f)
		if err != nil {
			return nil, err
		}
		m.stream = m.fd
		if m.pipe.device != 0 && isTerminal(int(m.fd)) {
			m.stream = terminal{m.fd}
		}
		return m.launch(ctx, l, factory, Config{})
	})
}

// A pipe describes the file of a Transport that reads or writes only. It is the address of both
// ends.
type pipe struct {
	name    string
	way     interest // toRead or toWrite
	notices bool     // the loop watches for the end of the reader; under Transport.mu
	device  uint64   // number of a character device; 0 for a FIFO and a socket
	borrows bool     // other programs use the open file too, and expect it to block
}

// is reports whether p is a pipe of the given direction. A nil p is no pipe.
func (p *pipe) is(way interest) bool { return p != nil && p.way == way }

// Network implements net.Addr.
func (p *pipe) Network() string { return "pipe" }

// String implements net.Addr.
func (p *pipe) String() string { return p.name }

var (
	errReadOnly  error = &sentinel{"netio: the pipe is for reading", errors.ErrUnsupported}
	errWriteOnly error = &sentinel{"netio: the pipe is for writing", errors.ErrUnsupported}
)

// examine returns an error unless f is a file of the right kind and direction.
func (p *pipe) examine(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	switch mode := info.Mode(); {
	case mode&os.ModeCharDevice != 0:
		p.device = uint64(info.Sys().(*syscall.Stat_t).Rdev)
	case mode&(os.ModeNamedPipe|os.ModeSocket) == 0:
		return invalid("netio: %s is no FIFO, socket or character device", p.name)
	case mode&os.ModeSocket != 0:
		if err := checkStream(f); err != nil {
			return err
		}
	}
	p.notices = p.way == toWrite && p.device == 0
	return control(f, func(fd int) error {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		switch access := flags & unix.O_ACCMODE; {
		case err != nil:
			return syscallError("fcntl", err)
		case p.way == toRead && access == unix.O_WRONLY:
			return invalid("netio: %s is not open for reading", p.name)
		case p.way == toWrite && access == unix.O_RDONLY:
			return invalid("netio: %s is not open for writing", p.name)
		}
		return nil
	})
}

// open returns a descriptor of the file of fd that does not block.
func (p *pipe) open(fd int) (descriptor, error) {
	if own, ok := p.reopen(fd); ok {
		return own, nil
	}
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, syscallError("fcntl", err)
	}
	if err := p.borrow(own); err != nil {
		_ = unix.Close(own)
		return -1, err
	}
	return descriptor(own), nil
}

// reopen opens the file of fd anew, so that no other process shares the open file. It never reopens
// a FIFO for reading: if the last writer has gone, the kernel would not report the end.
func (p *pipe) reopen(fd int) (own descriptor, ok bool) {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	own = -1
	switch {
	case err != nil || flags&unix.O_NONBLOCK != 0: // the new open file could not differ
		return own, false
	case p.device == 0 && p.way == toRead:
		return own, false
	case p.device != 0 && (!isTerminal(fd) || isMaster(fd)): // opening a device may have effects
		return own, false
	}
	to, err := reopen(fd, flags&unix.O_ACCMODE|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY)
	return descriptor(to), err == nil
}

// borrowed counts, for each character device, the transports that share its open file with others.
var borrowed = struct {
	sync.Mutex
	users map[uint64]int
}{users: make(map[uint64]int)}

// borrow makes the open file of fd not block, for all its users.
func (p *pipe) borrow(fd int) error {
	borrowed.Lock()
	defer borrowed.Unlock()
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return syscallError("fcntl", err)
	}
	blocks := flags&unix.O_NONBLOCK == 0
	if blocks {
		if err := unix.SetNonblock(fd, true); err != nil {
			return syscallError("fcntl", err)
		}
	}
	if p.device != 0 && (blocks || borrowed.users[p.device] > 0) {
		p.borrows = true
		borrowed.users[p.device]++
	}
	return nil
}

// giveBack is called before fd is closed. The last borrowing transport makes the open file block
// again, because a terminal's is also the shell's.
func (p *pipe) giveBack(fd descriptor) {
	if p == nil || !p.borrows {
		return
	}
	borrowed.Lock()
	defer borrowed.Unlock()
	if borrowed.users[p.device]--; borrowed.users[p.device] == 0 {
		delete(borrowed.users, p.device)
		_ = unix.SetNonblock(int(fd), false)
	}
}

// closePipe closes f. The number of a standard stream must not become another file's, because the
// runtime, libzmq and others write to it.
func closePipe(f *os.File) {
	standard := false
	_ = control(f, func(fd int) error {
		if standard = fd <= 2; standard {
			replaceByNull(fd)
		}
		return nil
	})
	if !standard {
		_ = f.Close()
	}
}

func replaceByNull(fd int) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer null.Close()
	_ = control(null, func(from int) error { return replace(from, fd) })
}

// A terminal returns EIO when it has been hung up. The master of a pseudo-terminal does so when the
// last terminal has been closed.
type terminal struct{ descriptor }

func (t terminal) read(buf []byte) (n int, more bool, err error) {
	n, more, err = t.descriptor.read(buf)
	if errors.Is(err, unix.EIO) {
		err = io.EOF
	}
	return n, more, err
}

// readerReady ends a writing pipe whose reader has gone, which makes it readable. Loop goroutine
// only.
func (t *Transport) readerReady() {
	t.mu.Lock()
	fx := t.readerReadyLocked()
	t.mu.Unlock()
	t.carry(fx)
}

func (t *Transport) readerReadyLocked() flow.Effects {
	if t.state.is(closed) {
		return 0
	}
	switch gone, certain := t.fd.readerGone(); {
	case gone && (t.pendingLocked().Bytes > 0 || t.state.is(filing)):
		return t.endLocked(t.opError("write", syscallError("write", unix.EPIPE)))
	case gone:
		return t.endLocked(nil)
	case !certain:
		t.pipe.notices = false // else the pipe would stay readable for ever
	}
	return t.settleLocked()
}

// readerGone reports whether d has no reader. certain is false if d may be readable for another
// reason.
func (d descriptor) readerGone() (gone, certain bool) {
	state := []unix.PollFd{{Fd: int32(d)}}
	for {
		if _, err := unix.Poll(state, 0); err != unix.EINTR {
			break
		}
	}
	if state[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0 {
		return true, true
	}
	n, _, err := unix.Recvfrom(int(d), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return false, true
	case err == unix.ENOTSOCK || n > 0:
		return false, false
	}
	return true, true
}
