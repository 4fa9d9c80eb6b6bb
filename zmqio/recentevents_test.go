package zmqio

import (
	"errors"
	"testing"
	"time"

	"github.com/zmqio/zmq"
)

// RecentEvents has events from the start of the monitor on, whatever the subscribers' masks.
func TestRecentEvents(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	tr := create(t, l, &recorder{}, zmq.PULL, bindTo(anyPort))
	if events, monitored := tr.RecentEvents(); monitored || events != nil {
		t.Fatalf("without a monitor: %v, %t", events, monitored)
	}
	begin := time.Now()
	listen(t, tr, zmq.EVENT_CLOSED) // nothing here causes this event
	if events, monitored := tr.RecentEvents(); !monitored || len(events) != 0 {
		t.Fatalf("at first: %v, %t", events, monitored)
	}
	at := bind(t, tr, anyPort)
	passUntil(t, l, func() bool { events, _ := tr.RecentEvents(); return len(events) > 0 })
	events, _ := tr.RecentEvents()
	if e := events[0]; len(events) != 1 || e.Event != zmq.EVENT_LISTENING || e.Endpoint != at || e.Time.Before(begin) {
		t.Errorf("after a bind: %v", events)
	}

	const more = keptEvents + 5
	var bound []string
	for range more {
		bound = append(bound, bind(t, tr, anyPort))
	}
	passUntil(t, l, func() bool { events, _ := tr.RecentEvents(); return events[len(events)-1].Endpoint == bound[more-1] })
	events, _ = tr.RecentEvents()
	if len(events) != keptEvents {
		t.Fatalf("%d events are kept", len(events))
	}
	for i, e := range events {
		if want := bound[more-keptEvents+i]; e.Endpoint != want {
			t.Errorf("event %d is of %s, not of %s", i, e.Endpoint, want)
		}
	}

	bindAgain(t, tr, at)
	events, _ = tr.RecentEvents()
	if e := events[keptEvents-1]; e.Event != zmq.EVENT_BIND_FAILED || !errors.Is(e.Err(), zmq.EADDRINUSE) {
		t.Errorf("after a bind that failed: %v", e)
	}
	must(t, tr.Abort())
	passUntil(t, l, func() bool { _, monitored := tr.RecentEvents(); return !monitored })
}
