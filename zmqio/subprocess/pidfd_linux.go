package subprocess

import "syscall"

// askForPidfd asks for a pidfd of the child, unless the caller has done so.
func (c *child) askForPidfd(attr *syscall.SysProcAttr) {
	if attr.PidFD == nil {
		attr.PidFD = &c.pidfd
	}
}
