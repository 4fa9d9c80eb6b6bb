//go:build linux

package poll

import (
	"os"

	"golang.org/x/sys/unix"
)

type wakeFDs struct{ read, write int }

var wakeMessage = []byte{1, 1, 1, 1, 1, 1, 1, 1} // adds to the counter, in any byte order

func openWakeFDs() (wakeFDs, error) {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return wakeFDs{}, os.NewSyscallError("eventfd", err)
	}
	return wakeFDs{fd, fd}, nil
}
