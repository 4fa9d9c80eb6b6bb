//go:build linux && !zmqio_poll

package poll

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// parking is the state of Park: the epoll descriptor as a file in the runtime's poller, made at the
// first Park.
type parking struct {
	file     *os.File
	conn     syscall.RawConn
	deadline bool // file has a deadline
}

// KeepsThread says whether Park blocks its thread.
const KeepsThread = false

// Park is Wait without a blocked thread: the goroutine waits in the runtime's poller until the
// epoll descriptor is readable. It takes longer to wake up.
func (p *Poller) Park(events []Event, timeout time.Duration) (stored int, err error) {
	if timeout == 0 {
		return p.Wait(events, 0)
	}
	if err := p.parking.open(p.fd, timeout); err != nil {
		return 0, err
	}
	var waitErr error
	err = p.parking.conn.Read(func(uintptr) bool {
		// The runtime forgets readiness from before this wait, so look first.
		var woken bool
		stored, woken, waitErr = p.wait(events, 0)
		return woken || waitErr != nil
	})
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && stored == 0 && waitErr == nil:
		return p.Wait(events, 0) // the deadline may have passed before the look
	case err == nil, errors.Is(err, os.ErrDeadlineExceeded):
		err = waitErr
	}
	return stored, err
}

// open makes the file if needed, and sets its deadline.
func (k *parking) open(epoll int, timeout time.Duration) error {
	if k.file == nil {
		if err := k.openFile(epoll); err != nil {
			return err
		}
	}
	switch {
	case timeout > 0:
		k.deadline = true
		return k.file.SetReadDeadline(time.Now().Add(min(timeout, maxWait)))
	case k.deadline:
		k.deadline = false
		return k.file.SetReadDeadline(time.Time{})
	}
	return nil
}

// openFile makes a file of a duplicate, because Close of the file must not close epoll.
func (k *parking) openFile(epoll int) error {
	fd, err := unix.FcntlInt(uintptr(epoll), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // else the runtime's poller refuses it
		unix.Close(fd)
		return os.NewSyscallError("fcntl", err)
	}
	k.file = os.NewFile(uintptr(fd), "epoll")
	k.conn, err = k.file.SyscallConn()
	return err
}

func (k *parking) close() {
	if k.file != nil {
		_ = k.file.Close()
	}
}
