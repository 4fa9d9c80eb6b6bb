// Package goroutine numbers goroutines.
package goroutine

import (
	"runtime"

	"github.com/petermattis/goid"
)

// ID returns the number of the calling goroutine. The number is positive, and no other goroutine of
// the process ever has it. Main's goroutine has 1.
func ID() int64 {
	if works {
		return goid.Get()
	}
	return fromStack()
}

// works says whether goid.Get returns right numbers. It reads the runtime's memory at an offset
// that a later Go may use for something else. Only tests change works after the start.
var works = agrees(goid.Get)

// agrees compares get with the stack trace, on this goroutine and on another one. This goroutine
// alone proves little: it may have the number 1, which many wrong offsets hold too.
func agrees(get func() int64) bool {
	agree := func() bool { return get() == fromStack() }
	other := make(chan bool)
	go func() { other <- agree() }()
	return agree() && <-other
}

// fromStack reads the number in the stack trace, in about a microsecond.
func fromStack() int64 {
	var buf [64]byte
	return goid.ExtractGID(buf[:runtime.Stack(buf[:], false)])
}
