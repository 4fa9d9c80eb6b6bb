//go:build unix && !linux

package subprocess

import "syscall"

// askForPidfd does nothing: there are no descriptors of processes.
func (c *child) askForPidfd(*syscall.SysProcAttr) {}
