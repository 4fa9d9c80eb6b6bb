//go:build unix && !linux

package poll

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

type wakeFDs struct{ read, write int }

var wakeMessage = []byte{0}

func openWakeFDs() (wakeFDs, error) {
	var p [2]int
	syscall.ForkLock.RLock() // keeps forks out: not every Unix can open a pipe close-on-exec
	err := unix.Pipe(p[:])
	if err == nil {
		unix.CloseOnExec(p[0])
		unix.CloseOnExec(p[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return wakeFDs{}, os.NewSyscallError("pipe", err)
	}
	fds := wakeFDs{read: p[0], write: p[1]}
	for _, fd := range p {
		if err := unix.SetNonblock(fd, true); err != nil {
			unix.Close(p[0])
			unix.Close(p[1])
			return wakeFDs{}, os.NewSyscallError("fcntl", err)
		}
	}
	return fds, nil
}
