//go:build unix && !linux

package netio

import "golang.org/x/sys/unix"

// isTerminal reports true: this system cannot tell terminals from other character devices.
func isTerminal(int) bool { return true }

// isMaster reports false. The result counts only where files can be reopened.
func isMaster(int) bool { return false }

// reopen returns an error: this system cannot reopen files.
func reopen(int, int) (int, error) { return -1, unix.ENOTSUP }

// replace makes to a descriptor of from's file.
func replace(from, to int) error { return unix.Dup2(from, to) }
