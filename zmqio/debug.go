package zmqio

import (
	"time"

	"github.com/zmqio/zmq/zmqio/internal/reactor"
)

// DefaultSlowCallbackDuration, 100 ms, is how long a callback may take before debug mode logs
// it. SetSlowCallbackDuration changes that for a loop.
//
// asyncio: slow_callback_duration
const DefaultSlowCallbackDuration = reactor.DefaultSlowCallback

// SetDebug turns debug mode on or off. A loop starts in debug mode if the environment variable
// ZMQIO_DEBUG is 1. Debug mode costs some microseconds a callback.
//
// In debug mode the loop's logger gets a warning of:
//   - a callback that takes longer than SlowCallbackDuration;
//   - a loop, or a transport made in debug mode, that is garbage collected without Close;
//   - a connection to an inproc endpoint that is bound in another loop's libzmq context alone,
//     once.
//
// The exception handler also gets the place where a callback, transport or future was created.
//
// In any mode, a watchdog gives the logger a warning of:
//   - a loop that had work for a second while no goroutine ran it;
//   - a callback that has run for ten seconds, once.
//
// asyncio: set_debug
func (l *EventLoop) SetDebug(on bool) { l.reactor.SetDebug(on) }

// Debug reports whether debug mode is on.
//
// asyncio: get_debug
func (l *EventLoop) Debug() bool { return l.reactor.Debug() }

// SetSlowCallbackDuration sets how long a callback may take before debug mode logs it at level
// WARN. With zero or less, debug mode logs every callback.
//
// asyncio: slow_callback_duration
func (l *EventLoop) SetSlowCallbackDuration(d time.Duration) { l.reactor.SetSlowCallback(d) }

// SlowCallbackDuration returns the duration that SetSlowCallbackDuration sets.
//
// asyncio: slow_callback_duration
func (l *EventLoop) SlowCallbackDuration() time.Duration { return l.reactor.SlowCallback() }

// A CallbackReport describes a slow callback, or the one that runs.
type CallbackReport struct {
	// Name is the function, as package runtime names it.
	Name string
	// Place is the file and line of the function.
	Place string
	// Resident is the resident that the callback belongs to, a transport for example. It is
	// empty if there is none.
	Resident string
	// Start is when the callback began, and Duration how long it ran.
	Start    time.Time
	Duration time.Duration
}

// SlowCallbacks returns the last callbacks that debug mode has logged as slow, at most 16,
// oldest first.
func (l *EventLoop) SlowCallbacks() []CallbackReport {
	var reports []CallbackReport
	for _, s := range l.reactor.Slow() {
		reports = append(reports, CallbackReport{Name: s.Name, Place: s.Place, Resident: s.Resident, Start: s.Start, Duration: s.Took})
	}
	return reports
}

// RunningCallback returns the callback that runs now, if there is one, also outside debug mode.
// It does not wait for the loop.
//
// Start is exact for the first callback of an iteration. The loop reads no clock between
// callbacks, so Start of a later one can be too late. It is the time when RunningCallback first
// saw that callback, or when the watchdog did, which looks once a second.
func (l *EventLoop) RunningCallback() (report CallbackReport, running bool) {
	from, seen := l.reactor.Current()
	if from == nil {
		return CallbackReport{}, false
	}
	report.Start, report.Duration = seen, time.Since(seen)
	report.Name, report.Place = from.Place()
	if r := from.Resident(); r != nil {
		report.Resident = r.String()
	}
	return report, true
}
