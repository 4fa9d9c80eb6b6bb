package zmq

import (
	"os"
	"syscall"

	"github.com/pebbe/zmq4"
)

// Translate turns the error of a libzmq call into *os.SyscallError, the standard library's
// error for a failed system call. Its Syscall is op, and its Err an Errno. It translates a
// zmq4.Errno, a syscall.Errno and an Errno. pebbe/zmq4's errors for a closed socket and a
// closed context become ENOTSOCK and ETERM, as in libzmq.
//
// A nil error stays nil. Translate returns any other error unchanged, so a second Translate
// keeps the first op.
func Translate(op string, err error) error {
	var errno Errno
	switch e := err.(type) {
	case Errno:
		errno = e
	case zmq4.Errno:
		errno = Errno(e)
	case syscall.Errno:
		errno = Errno(e)
	default:
		switch err {
		case zmq4.ErrorSocketClosed:
			errno = ENOTSOCK
		case zmq4.ErrorContextClosed:
			errno = ETERM
		default:
			return err
		}
	}
	return &os.SyscallError{Syscall: op, Err: errno}
}
