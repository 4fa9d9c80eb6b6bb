// Package poll waits for file descriptors: with epoll on Linux, with poll(2) on
// every other Unix and, for its tests, on Linux with the build tag zmqio_poll.
//
// Readiness is level-triggered. All methods are safe for concurrent use, but only one
// goroutine may be in Wait at a time.
package poll

import (
	"time"
)

// Interest says which readiness of a descriptor matters.
type Interest uint8

const (
	Read Interest = 1 << iota
	Write
)

// An Event reports a descriptor that is ready. Errors and hang-ups are readiness
// for whatever is of interest: the next call on the descriptor tells them. A regular
// file is always ready.
type Event struct {
	Token uint64 // as given to Add
	Ready Interest
}

// wakeToken is the token of the Poller's own descriptor.
const wakeToken = ^uint64(0)

// maxWait keeps a timeout within what the system calls take.
const maxWait = 24 * time.Hour

// millis is d in milliseconds, rounded up so that a wait never ends early and
// never becomes a busy loop. Negative is forever.
func millis(d time.Duration) int {
	if d < 0 {
		return -1
	}
	return int((min(d, maxWait) + time.Millisecond - 1) / time.Millisecond)
}
