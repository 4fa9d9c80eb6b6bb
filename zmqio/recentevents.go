package zmqio

import (
	"slices"
	"time"

	"github.com/zmqio/zmq"
)

// keptEvents is how many events a monitor keeps for RecentEvents.
const keptEvents = 16

// A RecentEvent is an event of a monitor, with the time when the loop took it from libzmq.
type RecentEvent struct {
	zmq.MonitorEvent
	Time time.Time
}

// RecentEvents returns the last events of the transport's monitor, at most 16, oldest first.
// monitored reports whether there is a monitor: every Stream has one, and another transport
// after EnableMonitor. RecentEvents starts none. It includes events that EnableMonitor was not
// asked for, from the start of the monitor to its end.
//
// RecentEvents waits while another goroutine calls libzmq with the socket.
func (t *Transport) RecentEvents() (events []RecentEvent, monitored bool) {
	t.sockMu.Lock()
	defer t.sockMu.Unlock()
	if t.monitor == nil {
		return nil, false
	}
	return t.monitor.recent.list(), true
}

// recentEvents has the last events of a monitor. Its memory grows with the events, because most
// sockets see two or three in their life.
type recentEvents struct {
	kept   []RecentEvent
	oldest int // index in kept
}

func (r *recentEvents) add(ev zmq.MonitorEvent) {
	e := RecentEvent{ev, time.Now()}
	if len(r.kept) < keptEvents {
		r.kept = append(r.kept, e)
		return
	}
	r.kept[r.oldest] = e
	r.oldest = (r.oldest + 1) % keptEvents
}

// list returns the events, oldest first.
func (r *recentEvents) list() []RecentEvent {
	return slices.Concat(r.kept[r.oldest:], r.kept[:r.oldest])
}
