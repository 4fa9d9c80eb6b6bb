// Package poll waits for file descriptors: with epoll on Linux, and with poll(2) on other Unix
// systems. The build tag zmqio_poll selects poll(2) on Linux too, for tests.
//
// Readiness is level-triggered. All methods are safe for concurrent use, but only one
// goroutine may be in Wait at a time.
package poll

import (
	"time"
)

// Interest is the readiness of a descriptor that matters.
type Interest uint8

const (
	Read Interest = 1 << iota
	Write
)

// An Event reports a ready descriptor. An error or a hang-up makes the descriptor ready for its
// whole interest, because the next system call returns it. A regular file is always ready.
type Event struct {
	Token uint64 // as given to Add
	Ready Interest
}

// wakeToken is the token of the Poller's own wake-up descriptor.
const wakeToken = ^uint64(0)

// maxWait is a timeout that every system call takes.
const maxWait = 24 * time.Hour

// millis returns d in milliseconds, rounded up, so that a wait neither ends early nor spins.
// Negative is for ever.
func millis(d time.Duration) int {
	if d < 0 {
		return -1
	}
	return int((min(d, maxWait) + time.Millisecond - 1) / time.Millisecond)
}
