package reactor

import "sync/atomic"

// A Handle is a callback that runs once. Its zero value is made ready by Init, and given to
// one loop, once.
type Handle struct {
	fn     func()
	state  atomic.Uint32
	origin *Origin // nil outside debug mode, except for what belongs to a resident
}

// The state of a Handle. One that runs once begins without any of these bits and keeps
// started. A task is idle without queued and started; with both it runs and has been asked
// for again.
const (
	queued    = 1 << iota // a task is in the ready queue, or will be when it has run
	started               // the callback runs, or has run once
	cancelled             // Cancel was called
	repeats               // it is a task
	posted                // Close of the loop runs it
)

// Init makes h the callback fn, which comes from o.
func (h *Handle) Init(fn func(), o *Origin) { h.fn, h.origin = fn, o }

// NewHandle returns a Handle for fn, which comes from o.
func NewHandle(fn func(), o *Origin) *Handle { return &Handle{fn: fn, origin: o} }

// Cancel keeps the callback from running if it has not started yet. A task does not run
// again.
func (h *Handle) Cancel() {
	if h.state.Or(cancelled)&(started|cancelled|repeats) == 0 {
		h.fn = nil // let go of what it refers to
	}
}

// Cancelled reports whether Cancel has been called.
func (h *Handle) Cancelled() bool { return h.state.Load()&cancelled != 0 }

// Describe returns the state, and in debug mode the callback and where it was given to the
// loop. Unless it is empty, it begins with a space.
func (h *Handle) Describe() (s string) {
	if h.Cancelled() {
		s = " cancelled"
	}
	if o := h.origin; o != nil {
		name, place := o.Place()
		s += " " + name + " at " + place
		if o.trace != nil {
			s += ", created at " + o.trace.String()
		}
	}
	return s
}

// Origin returns where the callback comes from: nil for one that was given to the loop
// outside debug mode.
func (h *Handle) Origin() *Origin { return h.origin }

// Resident returns the resident that the callback belongs to, or nil.
func (h *Handle) Resident() Resident { return h.origin.Resident() }

// isQuiet reports whether h is a resident's task.
func (h *Handle) isQuiet() bool {
	return h.state.Load()&repeats != 0 && h.origin.residence != nil
}

// begin returns the callback to run, or nil. The Handle keeps it: see dropLocked.
func (h *Handle) begin() func() {
	for {
		s := h.state.Load()
		runs := s&(started|cancelled) == 0 && s&(queued|repeats) != repeats
		next := s&^queued | started
		if !runs {
			next = s &^ queued
		}
		if !h.state.CompareAndSwap(s, next) {
			continue
		}
		if runs {
			return h.fn
		}
		return nil
	}
}

// dropLocked lets go of the callback of a Handle that has run. Caller holds Loop.mu, because
// the watchdog reads the callback.
func (h *Handle) dropLocked() {
	if h.state.Load()&(started|repeats) == started { // else it is Cancel that lets go
		h.fn = nil
	}
}

// isRunning reports whether h is a task that runs, or a Handle that has begun to run.
func (h *Handle) isRunning() bool { return h.state.Load()&started != 0 }

// A Task is a callback that runs whenever it is asked for. It is in the ready queue at most
// once, and runs again if it is asked for while it runs.
type Task struct {
	handle Handle
	loop   *Loop
}

// NewTask returns a task for fn, a reader or a signal handler that the caller's caller gave
// to the loop.
func (l *Loop) NewTask(fn func()) *Task {
	o := l.Origin(fn)
	if o == nil {
		o = &Origin{fn: entry(fn)} // debug mode may begin later
	}
	return newTask(l, fn, o)
}

func newTask(l *Loop, fn func(), o *Origin) *Task {
	t := &Task{loop: l}
	t.handle.Init(fn, o)
	t.handle.state.Store(repeats)
	return t
}

// Schedule asks for the task, without any lock where it is asked for already. On a closed
// loop it does nothing.
func (t *Task) Schedule() {
	for {
		s := t.handle.state.Load()
		switch {
		case s&queued != 0:
			return
		case s&started == 0:
			t.enqueue()
			return
		case t.handle.state.CompareAndSwap(s, s|queued):
			return
		}
	}
}

// enqueue puts an idle task in the ready queue. The bit changes under the lock: a goroutine
// that sees the bit can rely on the queue.
func (t *Task) enqueue() {
	t.loop.mu.Lock()
	defer t.loop.mu.Unlock()
	if !t.loop.closed && t.scheduleLocked() {
		t.loop.wakeLocked()
	}
}

// scheduleLocked is Schedule. It reports whether it put the task in the ready queue. Caller
// holds t.loop.mu.
func (t *Task) scheduleLocked() bool {
	if t.handle.state.Or(queued)&(queued|started) != 0 {
		return false
	}
	t.loop.makeReadyLocked(&t.handle)
	return true
}

// Unschedule takes back what was asked for and has not begun to run.
func (t *Task) Unschedule() { t.handle.state.And(^uint32(queued)) }

// Queued reports whether the task has been asked for and has not begun to run since.
func (t *Task) Queued() bool { return t.handle.state.Load()&queued != 0 }

// Cancel keeps the task from running again.
func (t *Task) Cancel() { t.handle.Cancel() }

// Cancelled reports whether Cancel has been called, by an exception handler for example.
func (t *Task) Cancelled() bool { return t.handle.Cancelled() }

// finish ends a run of h, a task. It goes back to the ready queue if it has been asked for
// meanwhile.
func (l *Loop) finish(h *Handle) {
	if h.state.And(^uint32(started))&queued == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.makeReadyLocked(h)
	}
}
