//go:build unix && !linux

package netio

import "golang.org/x/sys/unix"

// isTerminal takes every character device for a terminal.
func isTerminal(int) bool { return true }

// isMaster counts where files can be opened again.
func isMaster(int) bool { return false }

// reopen is not supported.
func reopen(int, int) (int, error) { return -1, unix.ENOTSUP }

// replace makes to the file of from.
func replace(from, to int) error { return unix.Dup2(from, to) }
