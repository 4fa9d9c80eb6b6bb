// Package proc is what zmqio asks the system about processes and threads: whether a child
// has ended, by number with wait4 and on Linux by a descriptor, which cannot come to mean
// another process; and on Linux where a thread runs, and how it is scheduled.
package proc

import (
	"os"
	"syscall"
)

// Reap reports whether the child pid has ended, and takes its status from the system. It does
// not wait. The error is ECHILD if pid is not a child of this process or was reaped.
func Reap(pid int) (status syscall.WaitStatus, ended bool, err error) {
	for {
		got, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
		if err != syscall.EINTR {
			return status, got == pid, os.NewSyscallError("wait4", err)
		}
	}
}
