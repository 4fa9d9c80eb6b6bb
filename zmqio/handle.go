package zmqio

import (
	"fmt"
	"sync/atomic"
	"time"
)

// A Handle is a callback that was given to the loop: asyncio's Handle.
type Handle struct {
	fn         func()
	persistent bool // runs whenever it is queued, not once; nobody else has it
	state      atomic.Uint32
	origin     *origin // in debug mode
}

const (
	handleTaken     = 1 << iota // fn has been taken, to be run or to be dropped
	handleCancelled             // Cancel was called
)

// Cancel keeps the callback from running if it has not started yet. It may be
// called any number of times, and after the callback has run. It takes a reader, a
// writer or a signal handler, which an ExceptionContext may name, off the loop the
// next time that it would be called.
func (h *Handle) Cancel() {
	old := h.state.Or(handleTaken | handleCancelled)
	if old&handleTaken == 0 && !h.persistent {
		h.fn = nil // let go of what it refers to
	}
}

// Cancelled reports whether Cancel has been called.
func (h *Handle) Cancelled() bool { return h.state.Load()&handleCancelled != 0 }

// String returns the handle's state, for messages; in debug mode also the callback and
// where it was given to the loop.
func (h *Handle) String() string { return "<Handle" + h.describe() + ">" }

func (h *Handle) describe() (s string) {
	if h.Cancelled() {
		s = " cancelled"
	}
	if o := h.origin; o != nil {
		name, place := o.place()
		s += " " + name + " at " + place
		if o.trace != nil {
			s += ", created at " + o.trace.String()
		}
	}
	return s
}

// take returns the callback to run, or nil if it was cancelled.
func (h *Handle) take() func() {
	if h.persistent {
		if h.Cancelled() {
			return nil
		}
		return h.fn
	}
	if h.state.Or(handleTaken)&handleTaken != 0 {
		return nil
	}
	fn := h.fn
	h.fn = nil
	return fn
}

// A TimerHandle is a callback that was given to the loop for a certain time:
// asyncio's TimerHandle.
type TimerHandle struct {
	Handle
	loop  *EventLoop
	when  time.Duration
	seq   uint64 // equal times first come, first served
	index int    // in the loop's heap; -1 outside
}

// When returns the time at which the callback is due, on the clock of
// EventLoop.Time.
func (h *TimerHandle) When() time.Duration { return h.when }

// String is Handle.String, with the time.
func (h *TimerHandle) String() string {
	return fmt.Sprintf("<TimerHandle when=%v%s>", h.when, h.describe())
}

// Cancel is Handle.Cancel, and takes the timer off the loop at once.
func (h *TimerHandle) Cancel() {
	h.Handle.Cancel()
	if h.loop != nil {
		h.loop.removeTimer(h)
	}
}
