package zmqio

import (
	"fmt"
	"time"
	"unsafe"

	"github.com/zmqio/zmq/zmqio/internal/reactor"
)

// A Handle is a callback that was given to the loop. Its methods are safe for concurrent use.
//
// asyncio: Handle
type Handle struct{ handle reactor.Handle }

// asHandle returns h as a Handle, which has the same memory. Package reactor knows only
// reactor.Handle, and an ExceptionContext names the Handle that CallSoon returned.
func asHandle(h *reactor.Handle) *Handle { return (*Handle)(unsafe.Pointer(h)) }

// Cancel prevents the call if it has not started. Cancel may be repeated, and may come after
// the call. The Handle of a reader, a writer or a signal handler comes with an
// ExceptionContext; Cancel removes it when the loop would call it next.
//
// asyncio: cancel
func (h *Handle) Cancel() { h.handle.Cancel() }

// Cancelled reports whether Cancel has been called.
//
// asyncio: cancelled
func (h *Handle) Cancelled() bool { return h.handle.Cancelled() }

// String returns the handle's state, for messages and logs. In debug mode it adds the callback,
// and where it was given to the loop.
func (h *Handle) String() string { return "<Handle" + h.handle.Describe() + ">" }

// A TimerHandle is a callback that was given to the loop for a certain time.
//
// asyncio: TimerHandle
type TimerHandle struct {
	Handle
	timer reactor.Timer
	loop  *EventLoop
}

// When returns the time at which the callback is due, on the clock of EventLoop.Time.
//
// asyncio: when
func (h *TimerHandle) When() time.Duration { return h.timer.When() }

// String returns the handle's state and time, for messages and logs.
func (h *TimerHandle) String() string {
	return fmt.Sprintf("<TimerHandle when=%v%s>", h.When(), h.handle.Describe())
}

// Cancel prevents the call as Handle.Cancel does, and removes the timer at once.
//
// asyncio: cancel
func (h *TimerHandle) Cancel() {
	if h.loop == nil { // a zero TimerHandle
		h.Handle.Cancel()
		return
	}
	h.loop.reactor.CancelTimer(&h.timer)
}
