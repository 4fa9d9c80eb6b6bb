package zmqio

import (
	"syscall"

	"github.com/zmqio/zmq"
)

// checkPriority returns the kernel's error, mostly EPERM, for a PRIORITY that the process may not
// set. libzmq would end the process at its next connection.
func checkPriority(priority int) error {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return zmq.Translate("socket", err)
	}
	defer syscall.Close(fd)
	return zmq.Translate("setsockopt", syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_PRIORITY, priority))
}
