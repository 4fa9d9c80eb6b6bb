// Package proc asks the kernel about child processes and threads. wait4 reaps a child by its
// number. On Linux a pidfd tells of its end; the kernel never reuses a pidfd for another process.
// On Linux the package also places threads and sets how the kernel schedules them.
package proc

import (
	"os"
	"syscall"
)

// Reap reaps the child pid if it has ended, and does not wait. The error is ECHILD if pid is no
// child of this process, or was reaped.
func Reap(pid int) (status syscall.WaitStatus, ended bool, err error) {
	for {
		got, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
		if err != syscall.EINTR {
			return status, got == pid, os.NewSyscallError("wait4", err)
		}
	}
}
