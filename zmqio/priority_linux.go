package zmqio

import (
	"syscall"

	"github.com/zmqio/zmq"
)

// checkPriority returns the system's error for a PRIORITY that the process may not set,
// EPERM as a rule. libzmq would end the process when it makes its next connection.
func checkPriority(priority int) error {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return zmq.Translate("socket", err)
	}
	defer syscall.Close(fd)
	return zmq.Translate("setsockopt", syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_PRIORITY, priority))
}
