package zmqio

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/sock"
)

// A PeerEvent says that a peer has come to a Stream, or has gone.
type PeerEvent struct {
	// Gone is true if the peer has gone, and false if it has come.
	Gone bool
	// RoutingID is the routing id of the peer on a ROUTER. On other types, whose peers have no
	// routing id, it is nil.
	RoutingID []byte
	// Endpoint is the endpoint that the peer came through, as in Transport.Listeners or
	// Transport.Connections. It is empty for a connection that is older than the stream.
	Endpoint string
}

// Peers returns an iterator over peers that come and go. It begins with the call of Peers, and
// not with the first step of range. Over inproc libzmq reports nothing. On a STREAM the error
// is errors.ErrUnsupported, because its messages report peers.
//
// On types other than ROUTER the events are exact. A peer comes when its connection is past the
// handshake, and goes when its connection ends. A peer that was there before the call only
// goes. Before 4.3.0 libzmq does not report handshakes: a peer comes with its connection.
//
// On a ROUTER a peer comes with its first message, because libzmq does not report its routing
// id before. A peer that sends nothing is not reported, nor is one that speaks ZMTP 1 or 2.
// Before 4.3.5 a peer may come with its next message, if the first has a frame of more than 8
// KiB. The event does not wait for Recv; but a stream that is full takes no message. The peer
// goes when its connection ends, and comes again with the first message of its next connection.
// The events of each routing id alternate; those of different peers have no order. A peer that
// was there before the call comes with its next message, unless another Peers has reported it.
//
// On a ROUTER libzmq identifies the peer of a message by a descriptor, and the system reuses
// descriptors. So Peers can take a peer for one that had its descriptor before, if no message
// of the earlier one had been received. The next message of the later one corrects that, once
// the stream has received everything that had come. After 4,096 connections have ended, the
// same can happen on a stream that was never found empty. A peer that resets its connection
// before libzmq has accepted it may pass for another. Trust an event no more than a routing id.
//
// Unbind and Disconnect end connections, and Peers reports their peers as gone. The end of the
// stream ends the iterator without such events. Builds of libzmq with drafts have
// ROUTER_NOTIFY; Peers does not use it, because its notifications would be messages of the
// stream.
//
// The stream keeps 1,024 events for a slow reader. If more come, ErrEventsDropped takes the
// place of those dropped, with their number, and the iterator goes on. The iterator ends with
// the cause of ctx, or without an error at the end of the stream. The stream keeps events until
// ctx or the stream ends.
//
// A stream pays only while Peers is in use. On a ROUTER it then looks up the connection of each
// message, and keeps a frame of one message of each connection.
func (s *Stream) Peers(ctx context.Context) iter.Seq2[PeerEvent, error] {
	return feedOf(ctx, s, "Peers", func(f *feed[PeerEvent]) (func(), error) {
		return func() { s.census.part(f) }, s.census.join(f)
	})
}

// receivedLocked implements owner.
func (s *Stream) receivedLocked(empty bool) {
	if s.census.names() {
		s.census.receivedLocked(empty)
	}
}

// A census has the connections of a Stream, and on a ROUTER their peers. t.sockMu guards it.
//
// libzmq reports the end of a connection before it closes the descriptor. It reports the beginning
// of a connection before its messages can be received. Messages may be received before the
// descriptor is closed, and long after. So a descriptor may have several visits. If the socket is
// found empty after the next visit to a descriptor is known, no message of earlier visits is left.
// The census then forgets those.
//
// The sock.Origin of messages tells visits apart. Only the first message of an origin has to be
// assigned to a visit without one. The census takes the latest visit, and moves what it had
// assigned there to an earlier one. If this is wrong, the present peer is found with its first
// message after the census has forgotten the earlier visits.
type census struct {
	t      *Transport
	visits map[int][]*visit // on a ROUTER, by descriptor, in order; all but the last are in past
	past   []*visit         // in the order in which they came to past
	passed int              // how many visits have been in past
	early  int              // how many visits are early
	feeds  []*feed[PeerEvent]

	present map[string]*visit // on a ROUTER with feeds, by routing id
}

const (
	maxPast  = 4096 // visits in past that a census remembers
	maxEarly = 1024 // visits that it accepts without a report
)

// A visit is one connection.
type visit struct {
	fd       int
	pass     int // its number in past, from 1
	endpoint string
	early    bool // known from a message but not yet reported, or older than the stream
	gone     bool
	failed   bool // its handshake failed
	known    bool // the fields below are set
	origin   sock.Origin
	id       string
}

func newCensus() census {
	return census{visits: make(map[int][]*visit), present: make(map[string]*visit)}
}

// names reports whether the census learns routing ids. Caller holds c.t.sockMu.
func (c *census) names() bool { return len(c.feeds) > 0 && c.t.typ == zmq.ROUTER }

// join makes f get the events from now on.
func (c *census) join(f *feed[PeerEvent]) error {
	if c.t.typ == zmq.STREAM {
		return fmt.Errorf("zmqio: Peers: the messages of a STREAM tell of its peers: %w", errors.ErrUnsupported)
	}
	c.t.sockMu.Lock()
	defer c.t.sockMu.Unlock()
	if c.t.sock == nil || c.t.IsClosing() || c.t.monitor == nil {
		return ErrTransportClosed
	}
	if err := c.t.monitor.catchUpLocked(); err != nil {
		return err
	}
	if c.feeds = append(c.feeds, f); len(c.feeds) == 1 && c.names() {
		c.t.sock.TrackOrigins(true)
	}
	return nil
}

// part ends join. It may be repeated.
func (c *census) part(f *feed[PeerEvent]) {
	c.t.sockMu.Lock()
	defer c.t.sockMu.Unlock()
	i := slices.Index(c.feeds, f)
	if i < 0 {
		return
	}
	named := c.names()
	if c.feeds = slices.Delete(c.feeds, i, i+1); !named || c.names() {
		return
	}
	c.forgetLocked(len(c.past))
	for _, visits := range c.visits {
		c.closeLocked(visits[0])
	}
	clear(c.present)
	if c.t.sock != nil {
		c.t.sock.TrackOrigins(false)
	}
}

// closeLocked closes the origin of a visit. Caller holds c.t.sockMu.
func (c *census) closeLocked(v *visit) {
	switch {
	case !v.known:
		return
	case c.t.sock != nil:
		c.t.sock.CloseOrigin(v.origin)
	default:
		v.origin.Close()
	}
	v.known = false
}

// tellLocked puts an event about a peer into the feeds. Caller holds c.t.sockMu.
func (c *census) tellLocked(gone bool, v *visit) {
	for _, f := range c.feeds {
		ev := PeerEvent{Gone: gone, Endpoint: v.endpoint}
		if v.known {
			ev.RoutingID = []byte(v.id)
		}
		f.put(ev)
	}
}

// detachedLocked ends the visits through an endpoint. ready is how many had finished their
// handshake. Caller holds c.t.sockMu.
func (c *census) detachedLocked(endpoint string, ready int) {
	if c.t.typ != zmq.ROUTER {
		for range ready {
			c.tellLocked(true, &visit{endpoint: endpoint})
		}
		return
	}
	for _, visits := range c.visits {
		if v := visits[len(visits)-1]; v.endpoint == endpoint {
			c.leaveLocked(v)
		}
	}
}

// happenedLocked records an event, which changed the endpoint's connections by n. ended says that
// the endpoint has ended. Caller holds c.t.sockMu.
func (c *census) happenedLocked(ev zmq.MonitorEvent, n turnout, ended bool) {
	switch {
	case c.t.typ != zmq.ROUTER:
		if n.before != n.after {
			c.tellLocked(n.after < n.before, &visit{endpoint: ev.Endpoint})
		}
	case ev.Event&(zmq.EVENT_ACCEPTED|zmq.EVENT_CONNECTED) != 0:
		c.arriveLocked(&visit{fd: int(ev.Value), endpoint: ev.Endpoint, gone: ended})
	case ev.Event == zmq.EVENT_DISCONNECTED:
		if v := c.lastLocked(int(ev.Value)); v != nil && !v.gone {
			v.failed = n.failed // libzmq reports the end right after the failure
			c.leaveLocked(v)
		}
	}
}

// lastLocked returns the latest visit to a descriptor, or nil. Caller holds c.t.sockMu.
func (c *census) lastLocked(fd int) *visit {
	if visits := c.visits[fd]; len(visits) > 0 {
		return visits[len(visits)-1]
	}
	return nil
}

// arriveLocked begins a visit that libzmq reports. Caller holds c.t.sockMu.
func (c *census) arriveLocked(v *visit) {
	if last := c.lastLocked(v.fd); last != nil && last.early {
		c.reportedLocked(last)
		last.endpoint = v.endpoint
		return
	}
	c.addLocked(v)
}

// reportedLocked records that an early visit was reported. Caller holds c.t.sockMu.
func (c *census) reportedLocked(v *visit) {
	if v.early {
		v.early = false
		c.early--
	}
}

// addLocked adds a visit, which ends the previous one. Caller holds c.t.sockMu.
func (c *census) addLocked(v *visit) {
	if last := c.lastLocked(v.fd); last != nil {
		c.leaveLocked(last)
		c.passed++
		last.pass = c.passed
		c.past = append(c.past, last)
	}
	c.visits[v.fd] = append(c.visits[v.fd], v)
	switch {
	case !c.names():
		c.forgetLocked(len(c.past))
	case len(c.past) > maxPast:
		c.forgetLocked(1)
	}
}

// leaveLocked ends a visit. It may be repeated. Caller holds c.t.sockMu.
func (c *census) leaveLocked(v *visit) {
	v.gone = true
	c.reportedLocked(v)
	c.leaveAsLocked(v)
}

// leaveAsLocked reports that the peer of a visit has gone, if it was present. Caller holds
// c.t.sockMu.
func (c *census) leaveAsLocked(v *visit) {
	if v.known && c.present[v.id] == v {
		delete(c.present, v.id)
		c.tellLocked(true, v)
	}
}

// forgetLocked drops the first n visits in past. Caller holds c.t.sockMu.
func (c *census) forgetLocked(n int) {
	for _, v := range c.past[:n] {
		c.closeLocked(v)
		c.visits[v.fd] = c.visits[v.fd][1:] // visits has the same order as past
	}
	if c.past = c.past[n:]; len(c.past) == 0 {
		c.past = nil
	}
}

// receivedLocked records the origins of received messages. Caller holds c.t.sockMu.
func (c *census) receivedLocked(empty bool) {
	before := c.passed
	fresh := c.t.sock.TakeOrigins()
	if len(fresh) > 0 && c.t.monitor != nil {
		_ = c.t.monitor.catchUpLocked() // the loop meets the error again
	}
	for _, o := range fresh {
		c.metLocked(o)
	}
	if empty {
		n := 0
		for n < len(c.past) && c.past[n].pass <= before {
			n++
		}
		c.forgetLocked(n)
	}
}

// metLocked records the first message of an origin. Caller holds c.t.sockMu.
func (c *census) metLocked(o sock.Origin) {
	v := c.visitorLocked(o.FD())
	if v == nil {
		c.t.sock.CloseOrigin(o)
		return
	}
	v.known, v.origin, v.id = true, o, o.Head
	other := c.present[v.id]
	switch {
	case v.gone && other == nil:
		c.tellLocked(false, v)
		c.tellLocked(true, v)
	case !v.gone:
		if other != nil { // ROUTER_HANDOVER
			c.tellLocked(true, other)
		}
		c.present[v.id] = v
		c.tellLocked(false, v)
	}
}

// visitorLocked returns the unknown visit to a descriptor from which a first message has come. It
// may return nil for a descriptor without a reported connection: if a connection breaks before
// libzmq looks at it, the peer can name any number. Caller holds c.t.sockMu.
func (c *census) visitorLocked(fd int) *visit {
	last := c.lastLocked(fd)
	switch {
	case last == nil && c.early < maxEarly: // another I/O thread may delay the report
		v := &visit{fd: fd, early: true}
		c.early++
		c.addLocked(v)
		return v
	case last == nil || !last.known && !last.failed:
		return last
	}
	visits := c.visits[fd]
	for i := len(visits) - 2; i >= 0; i-- {
		v := visits[i]
		if v.known || v.failed {
			continue
		}
		if last.failed {
			return v
		}
		c.leaveAsLocked(last)
		v.known, v.origin, v.id = true, last.origin, last.id
		last.known = false
		return last
	}
	if !last.known { // the handshake of another visit failed: libzmq has several I/O threads
		return last
	}
	// An open visit was taken for one of the forgotten ones.
	v := &visit{fd: fd, endpoint: last.endpoint, gone: last.gone}
	c.addLocked(v)
	return v
}
