package reactor

import "sync/atomic"

// A Handle is a callback that runs once. Init makes a zero Handle ready. It can be given to one
// loop, once.
type Handle struct {
	fn     func()
	state  atomic.Uint32
	origin *Origin // nil outside debug mode, unless a resident owns the callback
}

// The state of a Handle is a set of these bits. A Handle that runs once starts with none, and keeps
// started. A task with neither queued nor started is idle. A task with both runs and was scheduled
// again.
const (
	queued    = 1 << iota // the task is in the ready queue, or will be after its run
	started               // the callback runs, or a one-time callback has run
	cancelled             // Cancel was called
	repeats               // the Handle is a task's
	posted                // Close of the loop runs it
)

// Init makes h the callback fn with the origin o.
func (h *Handle) Init(fn func(), o *Origin) { h.fn, h.origin = fn, o }

// NewHandle returns a Handle for fn with the origin o.
func NewHandle(fn func(), o *Origin) *Handle { return &Handle{fn: fn, origin: o} }

// Cancel prevents the callback from starting. A task that runs does not run again.
func (h *Handle) Cancel() {
	if h.state.Or(cancelled)&(started|cancelled|repeats) == 0 {
		h.fn = nil // frees what the callback refers to
	}
}

// Cancelled reports whether Cancel has been called.
func (h *Handle) Cancelled() bool { return h.state.Load()&cancelled != 0 }

// Describe returns the state, and in debug mode the callback and its origin. It begins with a
// space, unless it is empty.
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

// Origin returns the origin of the callback, or nil if it was given to the loop outside debug mode.
func (h *Handle) Origin() *Origin { return h.origin }

// Resident returns the owner of the callback, or nil.
func (h *Handle) Resident() Resident { return h.origin.Resident() }

// isQuiet reports whether h is a resident's task.
func (h *Handle) isQuiet() bool {
	return h.state.Load()&repeats != 0 && h.origin.residence != nil
}

// begin returns the callback to run, or nil. The Handle keeps the callback until dropLocked.
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

// dropLocked frees the callback of a Handle that has run. Caller holds Loop.mu, because the
// watchdog reads the callback.
func (h *Handle) dropLocked() {
	if h.state.Load()&(started|repeats) == started { // else Cancel frees it
		h.fn = nil
	}
}

// isRunning reports whether the callback runs. For a one-time Handle it stays true after the run.
func (h *Handle) isRunning() bool { return h.state.Load()&started != 0 }

// A Task is a callback that runs after each Schedule. It is in the ready queue at most once. A
// Schedule during a run makes it run again.
type Task struct {
	handle Handle
	loop   *Loop
}

// NewTask returns a task for fn, a reader or a signal handler. The caller of NewTask's caller gave
// fn to the loop.
func (l *Loop) NewTask(fn func()) *Task {
	o := l.Origin(fn)
	if o == nil {
		o = &Origin{fn: entry(fn)} // debug mode may be turned on later
	}
	return newTask(l, fn, o)
}

func newTask(l *Loop, fn func(), o *Origin) *Task {
	t := &Task{loop: l}
	t.handle.Init(fn, o)
	t.handle.state.Store(repeats)
	return t
}

// Schedule makes the task run. It takes no lock if the task is queued. On a closed loop it does
// nothing.
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

// enqueue puts an idle task in the ready queue. It sets the bit under the lock, so that a goroutine
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

// Unschedule cancels a Schedule whose run has not begun.
func (t *Task) Unschedule() { t.handle.state.And(^uint32(queued)) }

// Queued reports whether the task was scheduled and has not begun to run.
func (t *Task) Queued() bool { return t.handle.state.Load()&queued != 0 }

// Cancel keeps the task from running again.
func (t *Task) Cancel() { t.handle.Cancel() }

// Cancelled reports whether Cancel was called, for example by an exception handler.
func (t *Task) Cancelled() bool { return t.handle.Cancelled() }

// finish ends a run of h, a task. A task that was scheduled during the run goes back to the ready
// queue.
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
