package zmqio

import (
	"math"
)

// DefaultLimit as a limit of SetWriteBufferLimits stands for Python's None: a
// default that goes with the other limit.
const DefaultLimit = -1

const (
	defaultHigh = 64 << 10
	limitsRatio = 4 // between the marks when only one is given
)

// flow is write flow control: when to pause and to resume the protocol. It is
// guarded by its transport's mu.
type flow struct {
	high, low int
	paused    bool // PauseWriting was called and ResumeWriting was not
	calling   calling
	returned  chan struct{} // closed when the PauseWriting that runs returns
	pauser    int64         // the goroutine that it runs on
	posted    bool          // ResumeWriting is in the ready queue
}

// calling says which of the two callbacks is running.
type calling int

const (
	callingNone calling = iota
	callingPause
	callingResume
)

func (f *flow) init() { f.high, f.low = defaultHigh, defaultHigh/limitsRatio }

// over reports whether the buffer is strictly over the high-water mark. Where that
// is 0 any message is, even one of no bytes.
func (f *flow) over(o *outbox) bool { return o.bytes > f.high || f.high == 0 && !o.empty() }

// under reports whether the buffer is at or below the low-water mark.
func (f *flow) under(o *outbox) bool { return o.bytes <= f.low && (f.low > 0 || o.empty()) }

func (f *flow) wouldPause(o *outbox) bool { return !f.paused && f.over(o) }

// inPause reports whether the caller is the PauseWriting that runs.
func (f *flow) inPause() bool { return f.returned != nil && f.pauser == goroutineID() }

// SetWriteBufferLimits sets the marks, in bytes of payload, at which the protocol
// is paused and resumed. DefaultLimit for one of them makes it a default that goes
// with the other: low is a quarter of high, which by default is 64 KiB. High 0
// pauses whenever anything is buffered; low 0 resumes when nothing is.
//
// Marks below what is buffered pause the protocol at once; marks above do not
// resume it before something has been sent. The error is ErrInvalidArgument unless
// 0 <= low <= high. It stands for set_write_buffer_limits.
func (t *Transport) SetWriteBufferLimits(high, low int) error {
	h, l := high, low
	if h == DefaultLimit {
		h = defaultHigh
		if l != DefaultLimit {
			h = math.MaxInt
			if l <= math.MaxInt/limitsRatio {
				h = l * limitsRatio
			}
		}
	}
	if l == DefaultLimit {
		l = h / limitsRatio
	}
	if l < 0 || l > h {
		return invalid("write buffer limits: high %d, low %d; need 0 <= low <= high", high, low)
	}
	t.mu.Lock()
	t.flow.high, t.flow.low = h, l
	t.nextTurn()
	if t.flow.wouldPause(&t.out) {
		t.mu.Unlock()
		t.flush()
		t.mu.Lock()
	}
	t.pauseIfOver()
	return nil
}

// WriteBufferLimits returns the marks that SetWriteBufferLimits sets, in bytes. It
// stands for get_write_buffer_limits.
func (t *Transport) WriteBufferLimits() (high, low int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.flow.high, t.flow.low
}

// WriteBufferSize returns the bytes of payload that Write has accepted and libzmq
// has not taken. It stands for get_write_buffer_size.
func (t *Transport) WriteBufferSize() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.out.bytes
}

// pauseIfOver calls PauseWriting if the buffer has gone over the mark. mu is held,
// and released.
//
// The two callbacks never run at the same time, unless one is called from inside
// the other: while ResumeWriting runs on the loop, another goroutine leaves it to
// the loop to pause, and while PauseWriting runs, ResumeWriting and ConnectionLost
// are left to whoever called it.
func (t *Transport) pauseIfOver() {
	outer := t.flow.calling
	if t.state != stateOpen || !t.flow.wouldPause(&t.out) ||
		outer == callingPause || outer == callingResume && !t.loop.onLoop() {
		t.mu.Unlock()
		return
	}
	t.flow.paused = true
	t.flow.calling = callingPause
	t.flow.returned, t.flow.pauser = make(chan struct{}), goroutineID()
	t.mu.Unlock()
	defer func() { // also after runtime.Goexit
		t.mu.Lock()
		t.flow.calling = outer
		close(t.flow.returned)
		t.flow.returned = nil
		lost := t.lostDue
		t.lostDue = false
		t.resumeIfUnder()
		t.mu.Unlock()
		if lost {
			t.postLost()
		}
	}()
	p := t.Protocol()
	defer t.loop.recovered(ExceptionContext{Message: "PauseWriting panicked", Transport: t, Protocol: p})
	p.PauseWriting()
}

// resumeIfUnder has the loop call ResumeWriting if the buffer has come down to the
// mark. mu is held.
func (t *Transport) resumeIfUnder() {
	f := &t.flow
	if !f.paused || f.posted || f.calling == callingPause || t.state == stateClosed || !f.under(&t.out) {
		return
	}
	f.posted = true
	_ = t.loop.enqueue(&Handle{fn: t.resume, origin: t.origin("ResumeWriting")})
}

// resume calls ResumeWriting, on the loop.
func (t *Transport) resume() {
	t.mu.Lock()
	f := &t.flow
	f.posted = false
	if t.state == stateClosed || !f.under(&t.out) { // in the second case it comes again
		t.mu.Unlock()
		return
	}
	f.paused = false
	f.calling = callingResume
	t.nextTurn() // before the protocol, which may fill the buffer each time
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		f.calling = callingNone
		t.pauseIfOver()
	}()
	p := t.Protocol()
	defer t.loop.recovered(ExceptionContext{Message: "ResumeWriting panicked", Transport: t, Protocol: p})
	p.ResumeWriting()
}
