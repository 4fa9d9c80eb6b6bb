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

// A roster counts the connections of a Stream, and what its peers subscribe to, as far as
// libzmq reports it. Connections count for the endpoint that they were made through: libzmq
// does not say which connection a handshake belongs to.
type roster struct {
	begin zmq.Event // what begins a connection

	mu      sync.Mutex     // its place among the locks: Transport.sockMu
	ready   map[string]int // connections that have begun
	failing map[string]int // whose handshake failed, and whose end is still to be reported
	topics  map[string]int // subscriptions of peers, on an XPUB
	change  chan struct{}  // closed at the next change
}

// newRoster returns a roster. Before 4.3.0 libzmq does not report handshakes, and a
// connection counts from its beginning.
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

// update changes the roster with do, and wakes those that wait.
func (r *roster) update(do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	do()
	close(r.change)
	r.change = make(chan struct{})
}

// until waits until is, which looks at the roster, returns true, or alive ends.
func (r *roster) until(ctx, alive context.Context, is func() bool) error {
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
			return ErrTransportClosed
		}
	}
}

// A turnout is what an event does to the connections of an endpoint.
type turnout struct {
	before, after int
	failed        bool // it is the end of one whose handshake failed
}

// follow takes note of an event.
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

// detached takes the connections of an endpoint off that this side has ended, which libzmq
// does not report. It returns how many there were.
func (r *roster) detached(endpoint string) (before int) {
	r.update(func() {
		before = r.ready[endpoint]
		delete(r.ready, endpoint)
		delete(r.failing, endpoint)
	})
	return before
}

// open returns how many connections there are.
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

// isOverInproc reports whether all endpoints are such that libzmq reports nothing of them.
func (t *Transport) isOverInproc() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	isReported := func(e endpoint) bool { return isReported(e.actual) }
	return len(t.listeners)+len(t.connections) > 0 &&
		!slices.ContainsFunc(t.listeners, isReported) && !slices.ContainsFunc(t.connections, isReported)
}

// heeded are the events that a stream takes note of.
const heeded = zmq.EVENT_ACCEPTED | zmq.EVENT_CONNECTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED |
	zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH

// maxEnded is how many ended endpoints a stream remembers.
const maxEnded = 1024

// attachedLocked implements owner.
func (s *Stream) attachedLocked(endpoint string) { delete(s.ended, endpoint) }

// detachedLocked implements owner: it takes the connections of an endpoint off that this side
// has ended, which libzmq does not report.
func (s *Stream) detachedLocked(endpoint string) {
	if len(s.ended) >= maxEnded { // all but the latest have long been over
		clear(s.ended)
	}
	s.ended[endpoint] = true
	s.census.detachedLocked(endpoint, s.roster.detached(endpoint))
}

// happenedLocked implements owner. Nothing is said of a stream that is closing, of which the
// caller may hold t.mu.
func (s *Stream) happenedLocked(ev zmq.MonitorEvent) {
	if ev.Event&heeded == 0 || s.t.IsClosing() {
		return
	}
	ev.Endpoint = s.nameLocked(ev.Endpoint)
	ended := s.ended[ev.Endpoint] // libzmq goes on to report what it was about to
	var n turnout
	if !ended {
		n = s.roster.follow(ev)
		s.lifeline.counted(ev.Endpoint, n)
	}
	s.census.happenedLocked(ev, n, ended)
}

// nameLocked returns the endpoint of the stream's transport that libzmq reports an event of.
// Where a listener has all addresses, libzmq reports the one that a peer has reached. Of a
// host name it reports the address, from the second attempt to connect on. Where several
// endpoints may be meant, nameLocked returns what libzmq reports. Caller holds t.sockMu.
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

// mayReport reports whether libzmq may call a TCP endpoint so: the port is the same, and the
// host is a name or stands for all addresses, or only the source is missing. Old releases
// call any port 0 that was a wildcard.
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

// subscribed takes note of messages of an XPUB's peers.
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
//   - The cause of ctx: ctx ended first.
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
	return s.roster.until(ctx, s.alive, func() bool {
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
	return s.roster.until(ctx, s.alive, func() bool { return s.roster.topics[topic] >= n })
}

func (s *Stream) mayWait(ctx context.Context, call string, n int) error {
	switch {
	case ctx == nil:
		return errNilContext(call)
	case n < 1:
		return invalid("%s: cannot wait for %d", call, n)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case s.t.loop.InLoop():
		return ErrWouldDeadlock
	}
	return nil
}

// isReported reports whether libzmq reports the connections of endpoint.
func isReported(endpoint string) bool { return !isInproc(endpoint) }

// Events returns an iterator over the events of the stream's connections, in the order of
// libzmq. It begins with the call of Events, and not with the first step of range. The stream
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

// feedOf returns an iterator over what begin has put into a feed, until ctx or s ends. It calls
// what begin returns then. An error of begin is the only item, and ErrTransportClosed is none.
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
