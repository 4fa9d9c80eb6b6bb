package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// hintDelay is how long zmqcat waits for the first peer before it prints a hint.
const hintDelay = time.Second

// A lookout watches for the first peer of a socket. Every goroutine may call its methods.
type lookout struct {
	met   zmq.Event // the events that mean a peer
	types string    // the peer's types, in words

	mu     sync.Mutex
	peer   bool                 // a peer has come
	bound  map[string]zmq.Event // for each endpoint, the event that says most about why no peer has come
	others map[string]zmq.Event // the same for endpoints that the socket connects to
}

// tells has the events of a failing connection, and how much each says.
var tells = map[zmq.Event]int{
	zmq.EVENT_CONNECTED:                  1,
	zmq.EVENT_ACCEPTED:                   1,
	zmq.EVENT_DISCONNECTED:               2,
	zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: 3,
	zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:  4,
	zmq.EVENT_HANDSHAKE_FAILED_AUTH:      5,
}

// newLookout returns a lookout. libzmq reports no handshakes before 4.3, and a STREAM has none.
func newLookout(typ zmq.SocketType) *lookout {
	l := &lookout{met: zmq.EVENT_HANDSHAKE_SUCCEEDED, bound: make(map[string]zmq.Event), others: make(map[string]zmq.Event)}
	if typ == zmq.STREAM || l.met.Require() != nil {
		l.met = zmq.EVENT_CONNECTED | zmq.EVENT_ACCEPTED
	}
	var types []string
	for _, peer := range typ.Info().Peers {
		if !peer.Draft() {
			types = append(types, peer.String())
		}
	}
	l.types = strings.Join(types, " or ")
	return l
}

// lookOut makes con print a hint if s has had no peer for hintDelay, until stop is called.
func lookOut(ctx context.Context, s *zmqio.Stream, typ zmq.SocketType, con *console) (l *lookout, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	l = newLookout(typ)
	l.watch(s.Transport())
	events := s.Events(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ev, err := range events {
			if err == nil {
				l.note(ev)
			}
		}
	}()
	timer := time.AfterFunc(hintDelay, func() { l.say(con) })
	return l, func() {
		timer.Stop()
		cancel()
		<-ended
	}
}

// say prints the hints on con.
func (l *lookout) say(con *console) {
	for _, hint := range l.hints() {
		con.say("%s", hint)
	}
}

// events returns the events to monitor.
func (l *lookout) events() zmq.Event {
	events := l.met
	for event := range tells {
		if event.Require() == nil {
			events |= event
		}
	}
	return events
}

// watch records the endpoints of t that can have a peer. libzmq reports peers over TCP and ipc
// alone.
func (l *lookout) watch(t *zmqio.Transport) {
	l.mu.Lock()
	defer l.mu.Unlock()
	take := func(events map[string]zmq.Event, endpoints []string) {
		for _, endpoint := range endpoints {
			if strings.HasPrefix(endpoint, "tcp:") || strings.HasPrefix(endpoint, "ipc:") {
				events[endpoint] = 0
			}
		}
	}
	take(l.bound, t.Listeners())
	take(l.others, t.Connections())
}

// note records ev.
func (l *lookout) note(ev zmq.MonitorEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ev.Event&l.met != 0 {
		l.peer = true
	}
	events := l.others
	if _, ok := events[ev.Endpoint]; !ok {
		events = l.bound
	}
	if tells[ev.Event] > tells[events[ev.Endpoint]] {
		events[ev.Endpoint] = ev.Event
	}
}

// hints returns a line for each endpoint that has had no peer.
func (l *lookout) hints() (lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.peer {
		return nil
	}
	for _, endpoint := range slices.Sorted(maps.Keys(l.others)) {
		lines = append(lines, fmt.Sprintf("waiting for a peer: %s %s", endpoint, l.elsewhere(l.others[endpoint])))
	}
	for _, endpoint := range slices.Sorted(maps.Keys(l.bound)) {
		lines = append(lines, fmt.Sprintf("waiting for a peer: %s", l.here(l.bound[endpoint], endpoint)))
	}
	return lines
}

// elsewhere returns why no peer is where the socket connects to.
func (l *lookout) elsewhere(event zmq.Event) string {
	switch event {
	case 0:
		return fmt.Sprintf("does not answer; is a %s bound there, and are host and port right?", l.types)
	case zmq.EVENT_CONNECTED:
		return fmt.Sprintf("accepts the connection and says nothing; is it a %s?", l.types)
	case zmq.EVENT_HANDSHAKE_FAILED_AUTH:
		return "refuses us; does it allow our key?"
	}
	return fmt.Sprintf("breaks off the handshake; is it a %s with the same security, and is its key right?", l.types)
}

// here returns why no peer has come to where the socket is bound.
func (l *lookout) here(event zmq.Event, endpoint string) string {
	switch event {
	case 0:
		return fmt.Sprintf("none has connected to %s; does a %s connect there?", endpoint, l.types)
	case zmq.EVENT_ACCEPTED:
		return fmt.Sprintf("what has connected to %s says nothing; is it a %s?", endpoint, l.types)
	case zmq.EVENT_HANDSHAKE_FAILED_AUTH:
		return fmt.Sprintf("what has connected to %s is refused; is its key allowed here?", endpoint)
	}
	return fmt.Sprintf("the handshake with what has connected to %s fails; is it a %s with the same security and our key?", endpoint, l.types)
}
