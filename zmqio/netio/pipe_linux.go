package netio

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// isTerminal reports whether fd is a terminal, or the master of a pseudo-terminal.
func isTerminal(fd int) bool {
	_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	return err == nil
}

// isMaster reports whether fd is the master of a pseudo-terminal.
func isMaster(fd int) bool {
	_, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	return err == nil
}

// reopen opens the file of fd anew.
func reopen(fd, flags int) (int, error) {
	return unix.Open("/proc/self/fd/"+strconv.Itoa(fd), flags, 0)
}

// replace makes to a descriptor of from's file.
func replace(from, to int) error { return unix.Dup3(from, to, 0) }
