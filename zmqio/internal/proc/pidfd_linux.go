package proc

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Pidfd is a pidfd: a descriptor of a process.
type Pidfd struct {
	file *os.File
	conn syscall.RawConn
}

// OpenPidfd returns a pidfd of the process pid. The error is ESRCH if there is no such process.
func OpenPidfd(pid int) (*Pidfd, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // else os.NewFile does not use the runtime's poller
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	file := os.NewFile(uintptr(fd), "pidfd")
	conn, err := file.SyscallConn()
	if err == nil {
		err = file.SetReadDeadline(time.Time{}) // fails where Wait would fail: the runtime's poller refuses the file
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return &Pidfd{file, conn}, nil
}

// Ended reports whether the process has ended, and does not reap it. The error is ECHILD if the
// process is no child of this one, or was reaped.
func (p *Pidfd) Ended() (ended bool, err error) {
	if e := p.conn.Control(func(fd uintptr) { ended, err = hasEnded(fd) }); e != nil {
		return false, e
	}
	return ended, err
}

// Wait waits until Ended would return true or an error. It blocks no thread. Its error means that
// Close was called.
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

// CheckPidfd tests whether the kernel has pidfds. The error is errors.ErrUnsupported if the kernel
// is too old or forbids them.
func CheckPidfd() error {
	p, err := OpenPidfd(os.Getpid())
	if err == nil {
		defer p.Close()
		_, err = p.Ended()
	}
	switch {
	case errors.Is(err, unix.ECHILD): // expected: a process is not its own child
		return nil
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM), errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	return err
}
