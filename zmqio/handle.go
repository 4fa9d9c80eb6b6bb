package zmqio

import (
	"fmt"
	"time"
	"unsafe"

	"github.com/zmqio/zmq/zmqio/internal/reactor"
)

// A Handle is a callback that was given to the loop.
//
// asyncio: Handle
type Handle struct{ handle reactor.Handle }

// asHandle returns the Handle around h. Package reactor knows h alone, and an
// ExceptionContext names what CallSoon returned. A Handle that came from elsewhere may as
// well be seen as one: it is the same memory.
func asHandle(h *reactor.Handle) *Handle { return (*Handle)(unsafe.Pointer(h)) }

// Cancel keeps the callback from running if it has not started yet. It may be called any
// number of times, and after the callback has run. It takes a reader, a writer or a signal
// handler, which an ExceptionContext may name, off the loop. That happens the next time that
// the loop would call it.
func (h *Handle) Cancel() { h.handle.Cancel() }

// Cancelled reports whether Cancel has been called.
func (h *Handle) Cancelled() bool { return h.handle.Cancelled() }

// String returns the handle's state, for messages; in debug mode also the callback and
// where it was given to the loop.
func (h *Handle) String() string { return "<Handle" + h.handle.Describe() + ">" }

// A TimerHandle is a callback that was given to the loop for a certain time.
//
// asyncio: TimerHandle
type TimerHandle struct {
	Handle
	timer reactor.Timer
	loop  *EventLoop
}

// When returns the time at which the callback is due, on the clock of
// EventLoop.Time.
func (h *TimerHandle) When() time.Duration { return h.timer.When() }

// String is Handle.String, with the time.
func (h *TimerHandle) String() string {
	return fmt.Sprintf("<TimerHandle when=%v%s>", h.When(), h.handle.Describe())
}

// Cancel is Handle.Cancel, and takes the timer off the loop at once.
func (h *TimerHandle) Cancel() {
	if h.loop == nil { // a zero TimerHandle
		h.Handle.Cancel()
		return
	}
	h.loop.reactor.CancelTimer(&h.timer)
}
