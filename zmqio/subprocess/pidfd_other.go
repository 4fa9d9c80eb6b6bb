//go:build unix && !linux

package subprocess

import "syscall"

// askForPidfd does nothing: this system has no pidfds.
func (c *child) askForPidfd(*syscall.SysProcAttr) {}
