package zmqio

import (
	"math"
	"time"
)

// CallLater makes the loop call fn once, when at least d has passed. If d is zero or negative,
// fn is due at once. The errors are those of CallAt.
//
// asyncio: call_later
func (l *EventLoop) CallLater(d time.Duration, fn func()) (*TimerHandle, error) {
	when := l.Time()
	if d > math.MaxInt64-when {
		when = math.MaxInt64
	} else {
		when += d
	}
	return l.callAt("CallLater", when, fn)
}

// CallAt makes the loop call fn once, when Time has reached when. The loop calls in the order
// of the times, and at equal times in the order of the calls. It never calls fn early, and
// never inside CallAt. The TimerHandle cancels the call.
//
// Errors:
//   - [ErrInvalidArgument]: fn is nil.
//   - [ErrLoopClosed]: the loop is closed.
//
// asyncio: call_at
func (l *EventLoop) CallAt(when time.Duration, fn func()) (*TimerHandle, error) {
	return l.callAt("CallAt", when, fn)
}

// callAt is CallAt under the name call, for error texts.
func (l *EventLoop) callAt(call string, when time.Duration, fn func()) (*TimerHandle, error) {
	if fn == nil {
		return nil, invalid("%s: nil function", call)
	}
	h := &TimerHandle{loop: l}
	h.handle.Init(fn, l.reactor.Origin(fn))
	if err := l.reactor.CallAt(&h.timer, &h.handle, when); err != nil {
		return nil, l.refuse(call, err)
	}
	return h, nil
}
