package zmqio

import (
	"runtime"

	"github.com/petermattis/goid"
)

// goroutineID returns the number of the calling goroutine, which no other goroutine of the
// process has or will have.
func goroutineID() int64 {
	if goidWorks {
		return goid.Get()
	}
	return goroutineIDFromStack()
}

// goidWorks says that goid.Get can be trusted. It reads the runtime's memory at a place
// that a later Go may use for something else. Nothing changes it after the start.
var goidWorks = agrees(goid.Get)

// agrees compares get with the stack trace of this goroutine and of another one: the main
// goroutine's number is 1, and so is much else.
func agrees(get func() int64) bool {
	agree := func() bool { return get() == goroutineIDFromStack() }
	other := make(chan bool)
	go func() { other <- agree() }()
	return agree() && <-other
}

// goroutineIDFromStack takes about a microsecond.
func goroutineIDFromStack() int64 {
	var buf [64]byte
	return goid.ExtractGID(buf[:runtime.Stack(buf[:], false)])
}
