package proc

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Pidfd is a descriptor of a child process.
type Pidfd struct {
	file *os.File
	conn syscall.RawConn
}

// OpenPidfd returns a descriptor of the process pid. The error is ESRCH if there is
// none.
func OpenPidfd(pid int) (*Pidfd, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // else os.NewFile would not poll it
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	file := os.NewFile(uintptr(fd), "pidfd")
	conn, err := file.SyscallConn()
	if err == nil {
		err = file.SetReadDeadline(time.Time{}) // fails where Wait would: the runtime could not poll it
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return &Pidfd{file, conn}, nil
}

// Ended reports whether the process has ended, and leaves it to be reaped. The
// error is ECHILD if it is not a child of this process or was reaped.
func (p *Pidfd) Ended() (ended bool, err error) {
	if e := p.conn.Control(func(fd uintptr) { ended, err = hasEnded(fd) }); e != nil {
		return false, e
	}
	return ended, err
}

// Wait waits until Ended would no longer return false and nil. It needs no thread
// meanwhile. The error says that Close was called.
func (p *Pidfd) Wait() error {
	return p.conn.Read(func(fd uintptr) bool {
		ended, err := hasEnded(fd)
		return ended || err != nil
	})
}

// Close closes the descriptor and ends a Wait.
func (p *Pidfd) Close() error { return p.file.Close() }

func hasEnded(fd uintptr) (bool, error) {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PIDFD, int(fd), &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return info.Signo != 0, os.NewSyscallError("waitid", err)
		}
	}
}

// CheckPidfd tries whether the system has descriptors of processes. The error is
// errors.ErrUnsupported if it is too old or forbids it.
func CheckPidfd() error {
	p, err := OpenPidfd(os.Getpid())
	if err == nil {
		defer p.Close()
		_, err = p.Ended()
	}
	switch {
	case errors.Is(err, unix.ECHILD): // of course: a process is not its own child
		return nil
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM), errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	return err
}
