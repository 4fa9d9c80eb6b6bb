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

// WaitConnected waits until n connections are past their handshake, those that the stream
// has made and those that it has accepted together. It asks no peer whether it is ready: a
// subscription may still be on its way. An XPUB can wait for that with WaitSubscribed.
//
// Over inproc libzmq reports nothing. A connect counts at once. A stream that is bound to
// inproc endpoints alone returns errors.ErrUnsupported.
//
// ErrInvalidArgument means an n below 1, and ErrTransportClosed that the stream ends. The
// other errors are the cause of ctx, and ErrWouldDeadlock on the loop's own goroutine.
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

// WaitSubscribed waits until n subscriptions to just this topic have come to an XPUB. A
// message that is sent then reaches these subscribers. The subscriptions are also messages
// of the stream, which Recv returns. A stream that is full of them, because none is read,
// takes no more and does not learn of others.
//
// libzmq reports the first subscription to a topic alone, unless XPUB_VERBOSER is set. An n
// above 1 therefore needs that option, else it is ErrInvalidArgument.
//
// The other errors are ErrSocketType for any other type, because a PUB cannot know, and those
// of WaitConnected.
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

// Events returns an iterator over what happens to the connections of the stream, from the
// call of Events on, in the order of libzmq. 1,024 events are kept for a reader that is slow.
// Where more come, ErrEventsDropped takes the place of those dropped, with their number, and
// the iterator goes on. It ends with the cause of ctx, and without an error at the end of the
// stream. ctx must end, or the stream, for the events to be no longer kept.
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
