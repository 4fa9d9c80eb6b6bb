package zmqio

import (
	"math"
	"time"
)

// CallLater arranges for fn to be called on the loop once at least d has passed.
// A d that is not positive makes it due at once.
func (l *EventLoop) CallLater(d time.Duration, fn func()) (*TimerHandle, error) {
	when := l.Time()
	if d > math.MaxInt64-when {
		when = math.MaxInt64
	} else {
		when += d
	}
	return l.callAt("CallLater", when, fn)
}

// CallAt arranges for fn to be called on the loop when Time has reached when.
// Callbacks come in the order of their times, equal ones in the order of the calls.
// fn is never called early, and never inside CallAt.
func (l *EventLoop) CallAt(when time.Duration, fn func()) (*TimerHandle, error) {
	return l.callAt("CallAt", when, fn)
}

// callAt is CallAt for a method of the name call.
func (l *EventLoop) callAt(call string, when time.Duration, fn func()) (*TimerHandle, error) {
	if fn == nil {
		return nil, invalid("%s: nil function", call)
	}
	h := &TimerHandle{loop: l}
	h.handle.Init(fn, l.reactor.Origin(fn))
	if err := l.reactor.CallAt(&h.timer, &h.handle, when); err != nil {
		return nil, err
	}
	return h, nil
}
