package conformance

import (
	"syscall"
	"testing"

	"github.com/zmqio/zmq/zmqio"
)

func init() {
	watchers["PidfdChildWatcher"] = func() (zmqio.ChildWatcher, error) { return zmqio.NewPidfdChildWatcher() }
}

// awaitDeath waits until a child has ended, and does not reap it.
func awaitDeath(t *testing.T, pid int) {
	t.Helper()
	const pPid, exited, noWait = 1, 4, 1 << 24 // P_PID, WEXITED, WNOWAIT
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, pPid, uintptr(pid), 0, exited|noWait, 0, 0)
		switch errno {
		case 0:
			return
		case syscall.EINTR:
		default:
			t.Fatalf("waitid: %v", errno)
		}
	}
}
