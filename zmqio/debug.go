package zmqio

import (
	"time"

	"github.com/zmqio/zmq/zmqio/internal/reactor"
)

// DefaultSlowCallbackDuration is how long a callback may take before debug mode logs it.
// SetSlowCallbackDuration changes that for a loop.
//
// asyncio: slow_callback_duration
const DefaultSlowCallbackDuration = reactor.DefaultSlowCallback

// SetDebug turns debug mode on or off; a loop starts with it on if the environment
// variable ZMQIO_DEBUG is 1.
//
// In debug mode the loop's logger gets a warning of callbacks that take long. It gets one of a
// loop, and of transports made in debug mode, that are garbage collected without having been
// closed. It also gets one of a connection to an inproc endpoint that is bound in another loop's
// context and not in its own. That one comes once, as soon as both are there. What is given to
// the exception handler says where it was created. All of this takes time: some microseconds a
// callback.
//
// In any mode the logger gets a warning of a loop that has had something to do for a second
// while no goroutine ran it. It gets another of a callback that has run for ten seconds: once
// for each.
//
// asyncio: set_debug
func (l *EventLoop) SetDebug(on bool) { l.reactor.SetDebug(on) }

// Debug reports whether debug mode is on.
//
// asyncio: get_debug
func (l *EventLoop) Debug() bool { return l.reactor.Debug() }

// SetSlowCallbackDuration sets how long a callback may take before debug mode logs it
// with level WARN; what is not positive logs all of them.
//
// asyncio: slow_callback_duration
func (l *EventLoop) SetSlowCallbackDuration(d time.Duration) { l.reactor.SetSlowCallback(d) }

// SlowCallbackDuration returns what SetSlowCallbackDuration has set.
//
// asyncio: slow_callback_duration
func (l *EventLoop) SlowCallbackDuration() time.Duration { return l.reactor.SlowCallback() }

// A CallbackReport tells of a callback that took long, or that runs.
type CallbackReport struct {
	Name     string // of the function, as package runtime has it
	Place    string // its file and line
	Resident string // what it belongs to: a transport, for example; else empty
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

// RunningCallback returns the callback that runs now, if one does, also outside debug mode. It
// does not wait for the loop. Start is exact for the first callback of an iteration. The loop
// reads no clock between callbacks, so any other may have begun before Start. Start is then
// when RunningCallback first saw the callback, or when the watchdog did, which looks once a
// second.
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
