package zmqio

import (
	"context"
	"strings"
	"testing"

	"github.com/zmqio/zmq"
)

// The memory of a census is bounded, whatever hostile peers do.
func TestCensusIsBounded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := openStream(t, zmq.ROUTER, StreamConfig{Loop: newLoop(t), Bind: []string{anyPort}})
	c := &s.census
	arrive := func(n int) {
		for i := range n {
			fd := int32(1000 + i%7)
			happens(s, zmq.MonitorEvent{Event: zmq.EVENT_ACCEPTED, Value: fd, Endpoint: s.Addr()},
				zmq.MonitorEvent{Event: zmq.EVENT_DISCONNECTED, Value: fd, Endpoint: s.Addr()})
		}
	}
	counts := func(past, early, visits int) {
		t.Helper()
		n := 0
		for _, v := range c.visits {
			n += len(v)
		}
		if len(c.past) != past || c.early != early || n != visits {
			t.Errorf("%d past, %d early, %d visits; want %d, %d, %d", len(c.past), c.early, n, past, early, visits)
		}
	}
	arrive(100)
	counts(0, 0, 7)
	s.Peers(ctx)
	arrive(maxPast + 100)
	counts(maxPast, 0, maxPast+7)
	s.t.sockMu.Lock()
	for fd := range 2 * maxEarly { // messages may name such descriptors
		if v := c.visitorLocked(2000 + fd); (v != nil) != (fd < maxEarly) {
			t.Fatalf("descriptor %d: %v", fd, v)
		}
	}
	s.t.sockMu.Unlock()
	counts(maxPast, maxEarly, maxPast+7+maxEarly)
	happens(s, zmq.MonitorEvent{Event: zmq.EVENT_ACCEPTED, Value: 2000, Endpoint: s.Addr()},
		zmq.MonitorEvent{Event: zmq.EVENT_DISCONNECTED, Value: 2001, Endpoint: s.Addr()})
	counts(maxPast, maxEarly-2, maxPast+7+maxEarly)
	s.t.sockMu.Lock()
	c.receivedLocked(true)
	s.t.sockMu.Unlock()
	counts(0, maxEarly-2, 7+maxEarly)
	for i := range maxEnded + 100 {
		s.t.sockMu.Lock()
		s.detachedLocked(strings.Repeat("x", i))
		s.t.sockMu.Unlock()
	}
	if len(s.ended) > maxEnded {
		t.Errorf("%d ended endpoints", len(s.ended))
	}
}
