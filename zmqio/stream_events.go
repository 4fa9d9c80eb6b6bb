package zmqio

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"sync"

	"github.com/zmqio/zmq"
)

// A roster counts a Stream's connections and its peers' subscriptions, as far as libzmq reports
// them. A connection counts for its endpoint: libzmq does not say which connection a handshake
// belongs to.
type roster struct {
	begin zmq.Event // the event that begins a connection

	mu      sync.Mutex     // in the order of locks at Transport.sockMu
	ready   map[string]int // connections that have begun
	failing map[string]int // connections whose handshake failed and whose end is not reported yet
	topics  map[string]int // the peers' subscriptions, on an XPUB
	change  chan struct{}  // closed at the next change
}

// newRoster returns a roster. libzmq before 4.3.0 reports no handshakes, so a connection then
// counts from its beginning.
func newRoster() *roster {
	begin := zmq.EVENT_HANDSHAKE_SUCCEEDED
	if begin.Require() != nil {
		begin = zmq.EVENT_CONNECTED | zmq.EVENT_ACCEPTED
	}
	return &roster{
		begin: begin, ready: make(map[string]int), failing: make(map[string]int), topics: make(map[string]int),
		change: make(chan struct{}),
	}
}

// update changes the roster with do, and wakes those who wait for a change.
func (r *roster) update(do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	do()
	close(r.change)
	r.change = make(chan struct{})
}

// until waits until is returns true for the roster, or alive ends. call is the name of the method for
// an error.
func (r *roster) until(ctx, alive context.Context, call string, is func() bool) error {
	for {
		r.mu.Lock()
		done, change := is(), r.change
		r.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-alive.Done():
			return refuse(call, ErrTransportClosed)
		}
	}
}

// A turnout is the number of an endpoint's connections before and after an event.
type turnout struct {
	before, after int
	failed        bool // the event ends a connection whose handshake failed
}

// follow records an event.
func (r *roster) follow(ev zmq.MonitorEvent) (n turnout) {
	r.update(func() {
		n.before = r.ready[ev.Endpoint]
		switch ev.Event {
		case zmq.EVENT_DISCONNECTED:
			if n.failed = r.failing[ev.Endpoint] > 0; n.failed {
				r.failing[ev.Endpoint]--
			} else if n.before > 0 {
				r.ready[ev.Endpoint]--
			}
		case zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL, zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, zmq.EVENT_HANDSHAKE_FAILED_AUTH:
			r.failing[ev.Endpoint]++
		default:
			if ev.Event&r.begin != 0 {
				r.ready[ev.Endpoint]++
			}
		}
		n.after = r.ready[ev.Endpoint]
	})
	return n
}

// detached removes the connections of an endpoint that this side has ended, which libzmq does not
// report. It returns their number.
func (r *roster) detached(endpoint string) (before int) {
	r.update(func() {
		before = r.ready[endpoint]
		delete(r.ready, endpoint)
		delete(r.failing, endpoint)
	})
	return before
}

// open returns the number of connections.
func (r *roster) open() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ready := range r.ready {
		n += ready
	}
	return n
}

// addStats implements owner.
func (s *Stream) addStats(stats *Stats) {
	s.mailbox.addStats(stats)
	switch c := stats.Connections; {
	case c == nil, s.t.isOverInproc():
	case s.t.in(phaseClosed):
		c.Open = 0
	default:
		c.Open = s.roster.open()
	}
}

// isOverInproc reports whether libzmq reports nothing about any of the endpoints.
func (t *Transport) isOverInproc() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	isReported := func(e endpoint) bool { return isReported(e.actual) }
	return len(t.listeners)+len(t.connections) > 0 &&
		!slices.ContainsFunc(t.listeners, isReported) && !slices.ContainsFunc(t.connections, isReported)
}

// heeded are the events that a stream records.
const heeded = zmq.EVENT_ACCEPTED | zmq.EVENT_CONNECTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED |
	zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH

// maxEnded is how many ended endpoints a stream remembers.
const maxEnded = 1024

// attachedLocked implements owner.
func (s *Stream) attachedLocked(endpoint string) { delete(s.ended, endpoint) }

// detachedLocked implements owner. It removes the connections of an endpoint that this side has
// ended, which libzmq does not report.
func (s *Stream) detachedLocked(endpoint string) {
	if len(s.ended) >= maxEnded { // all but the latest ended long ago
		clear(s.ended)
	}
	s.ended[endpoint] = true
	s.census.detachedLocked(endpoint, s.roster.detached(endpoint))
}

// happenedLocked implements owner. It does nothing on a closing stream, whose caller may hold t.mu.
func (s *Stream) happenedLocked(ev zmq.MonitorEvent) {
	if ev.Event&heeded == 0 || s.t.IsClosing() {
		return
	}
	ev.Endpoint = s.nameLocked(ev.Endpoint)
	ended := s.ended[ev.Endpoint] // libzmq still reports events from before the end
	var n turnout
	if !ended {
		n = s.roster.follow(ev)
		s.lifeline.counted(ev.Endpoint, n)
	}
	s.census.happenedLocked(ev, n, ended)
}

// nameLocked returns the endpoint of the transport that an event is about. For a listener on all
// addresses libzmq reports the address that a peer has reached. For a host name libzmq reports the
// address, from the second connect on. If several endpoints may be meant, nameLocked returns
// reported. Caller holds t.sockMu.
func (s *Stream) nameLocked(reported string) string {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	has := func(e endpoint) bool { return e.actual == reported }
	if s.ended[reported] || slices.ContainsFunc(s.t.listeners, has) || slices.ContainsFunc(s.t.connections, has) {
		return reported
	}
	var names []string
	add := func(name string) {
		if mayReport(name, reported) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, e := range s.t.listeners {
		add(e.actual)
	}
	for _, e := range s.t.connections {
		add(e.actual)
	}
	for name := range s.ended {
		add(name)
	}
	if len(names) != 1 {
		return reported
	}
	return names[0]
}

// mayReport reports whether libzmq may report a TCP endpoint under the name reported. The port must
// be the same. The host may be a name or all addresses, and the source may be missing. Old releases
// report port 0 for any wildcard port.
func mayReport(endpoint, reported string) bool {
	_, peer := splitPeer(endpoint)
	_, address := splitPeer(reported)
	host, port, ok := splitHost(peer)
	at, atPort, atOK := splitHost(address)
	if !ok || !atOK || port != atPort && atPort != "0" {
		return false
	}
	addr, err := netip.ParseAddr(host)
	return err != nil || addr.IsUnspecified() || host == at
}

// subscribed records the subscriptions in messages of an XPUB's peers.
func (r *roster) subscribed(m *metadata, msgs [][][]byte) {
	r.update(func() {
		for _, msg := range msgs {
			msg = m.frames(msg)
			if len(msg) != 1 || len(msg[0]) == 0 {
				continue
			}
			switch topic := string(msg[0][1:]); msg[0][0] {
			case 1:
				r.topics[topic]++
			case 0:
				if r.topics[topic]--; r.topics[topic] <= 0 {
					delete(r.topics, topic)
				}
			}
		}
	})
}

// WaitConnected waits until the stream has n connections that are past their handshake, made
// and accepted together. It does not tell whether a peer is ready: a subscription may still be
// on its way. An XPUB can wait for that with WaitSubscribed.
//
// Over inproc libzmq reports nothing. A connect to an inproc endpoint counts at once.
//
// Errors:
//   - The cause of ctx: ctx ended first. The text says how many attempts and handshakes failed.
//   - [ErrTransportClosed]: the stream has ended.
//   - [ErrWouldDeadlock]: the caller is the loop goroutine.
//   - [ErrInvalidArgument]: ctx is nil, or n is below 1.
//   - errors.ErrUnsupported: the stream is bound to inproc endpoints alone.
func (s *Stream) WaitConnected(ctx context.Context, n int) error {
	if err := s.mayWait(ctx, "WaitConnected", n); err != nil {
		return err
	}
	listeners, connections := s.t.Listeners(), s.t.Connections()
	if len(listeners) > 0 && len(connections) == 0 && !slices.ContainsFunc(listeners, isReported) {
		return fmt.Errorf("zmqio: WaitConnected: libzmq does not report connections over inproc: %w", errors.ErrUnsupported)
	}
	err := s.roster.until(ctx, s.alive, "WaitConnected", func() bool {
		ready := 0
		for _, c := range connections {
			if isInproc(c) {
				ready++
			}
		}
		for _, c := range s.roster.ready {
			ready += c
		}
		return ready >= n
	})
	if err == nil || errors.Is(err, ErrTransportClosed) {
		return err
	}
	return fmt.Errorf("zmqio: WaitConnected: %v: %w", s.t.Stats().Connections.progress(n), err)
}

// progress tells how far n connections have come, for an error.
func (c ConnectionStats) progress(n int) string {
	text := fmt.Sprintf("%d of %d connections", max(c.Open, 0), n)
	if c.Retries > 0 {
		text += fmt.Sprintf(", failed attempts to connect: %d", c.Retries)
	}
	for reason, count := range c.Failures.All() {
		if count > 0 {
			text += fmt.Sprintf(", failed handshakes (%s): %d", reason, count)
		}
	}
	return text
}

// WaitSubscribed waits until an XPUB has n subscriptions to exactly topic. libzmq then passes
// messages to these subscribers. A PUB cannot know its subscribers: use an XPUB, which sends as
// a PUB does.
//
// Recv also returns the subscriptions, as messages: the byte 1 and the topic. Read them,
// because a full stream takes no more and learns of no others.
//
// libzmq reports only the first subscription to a topic, unless XPUB_VERBOSER is set.
//
// Errors beside those of WaitConnected:
//   - [ErrSocketType]: the type is not XPUB.
//   - [ErrInvalidArgument]: n is above 1, and XPUB_VERBOSER is not set.
func (s *Stream) WaitSubscribed(ctx context.Context, topic string, n int) error {
	if err := s.mayWait(ctx, "WaitSubscribed", n); err != nil {
		return err
	}
	if s.t.typ != zmq.XPUB {
		return fmt.Errorf("%w: WaitSubscribed: an XPUB knows its subscribers, a %v does not", ErrSocketType, s.t.typ)
	}
	if n > 1 && !s.t.isSet(zmq.XPUB_VERBOSER) {
		return invalid("WaitSubscribed: libzmq tells %d subscriptions to one topic apart only with XPUB_VERBOSER", n)
	}
	return s.roster.until(ctx, s.alive, "WaitSubscribed", func() bool { return s.roster.topics[topic] >= n })
}

func (s *Stream) mayWait(ctx context.Context, call string, n int) error {
	switch {
	case ctx == nil:
		return errNilContext(call)
	case n < 1:
		return invalid("%s: n is %d; need 1 or more", call, n)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case s.t.loop.InLoop():
		return s.t.loop.refuse(call, ErrWouldDeadlock)
	}
	return nil
}

// isReported reports whether libzmq reports the connections of endpoint.
func isReported(endpoint string) bool { return !isInproc(endpoint) }

// Events returns an iterator over the events of the stream's connections, in the order of
// libzmq. It begins with the call of Events, and not with the first step of range.
// Transport.RecentEvents has the last events before that. The stream
// keeps 1,024 events for a slow reader. If more come, ErrEventsDropped takes the place of those
// dropped, with their number, and the iterator goes on.
//
// The iterator ends with the cause of ctx, or without an error at the end of the stream. The
// stream keeps events until ctx or the stream ends.
//
// aiozmq: event_received
func (s *Stream) Events(ctx context.Context) iter.Seq2[zmq.MonitorEvent, error] {
	return feedOf(ctx, s, "Events", func(f *feed[zmq.MonitorEvent]) (func(), error) {
		return s.t.subscribeMonitor(zmq.EVENT_ALL, f.put)
	})
}

// feedOf returns an iterator over a feed that begin fills, until ctx or s ends. Then it calls end.
// An error of begin is the only item, except that ErrTransportClosed is none.
func feedOf[T any](ctx context.Context, s *Stream, call string, begin func(*feed[T]) (end func(), err error)) iter.Seq2[T, error] {
	f := newFeed[T](&s.t.eventsDropped)
	var end func()
	err := errNilContext(call)
	if ctx != nil {
		end, err = begin(f)
	}
	if err != nil {
		return func(yield func(T, error) bool) {
			if !errors.Is(err, ErrTransportClosed) {
				yield(*new(T), err)
			}
		}
	}
	reading, stop := context.WithCancel(ctx)
	forget := context.AfterFunc(s.alive, func() {
		f.end()
		stop() // else a ctx that goes on would keep the stream in memory
	})
	context.AfterFunc(reading, func() {
		forget()
		end()
	})
	return f.all(ctx)
}
