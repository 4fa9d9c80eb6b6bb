// Package goroutine tells goroutines apart.
package goroutine

import (
	"runtime"

	"github.com/petermattis/goid"
)

// ID returns the number of the calling goroutine, which no other goroutine of the process
// has or will have. It is positive, and 1 for the goroutine of main.
func ID() int64 {
	if works {
		return goid.Get()
	}
	return fromStack()
}

// works says that goid.Get can be trusted. It reads the runtime's memory at a place
// that a later Go may use for something else. Only tests change it after the start.
var works = agrees(goid.Get)

// agrees compares get with the stack trace of this goroutine and of another one: the main
// goroutine's number is 1, and so is much else.
func agrees(get func() int64) bool {
	agree := func() bool { return get() == fromStack() }
	other := make(chan bool)
	go func() { other <- agree() }()
	return agree() && <-other
}

// fromStack takes about a microsecond.
func fromStack() int64 {
	var buf [64]byte
	return goid.ExtractGID(buf[:runtime.Stack(buf[:], false)])
}
