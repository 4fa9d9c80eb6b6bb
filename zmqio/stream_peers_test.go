package zmqio

import (
	"context"
	"iter"
	"runtime"
	"strings"
	"testing"

	"github.com/pebbe/zmq4"

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

// visiting returns an event of a connection to s with this descriptor.
func visiting(s *Stream, ev zmq.Event, fd int32) zmq.MonitorEvent {
	return zmq.MonitorEvent{Event: ev, Value: fd, Endpoint: s.Addr()}
}

// The first message from a descriptor is of its last visit whose handshake has not failed.
func TestVisitor(t *testing.T) {
	s := openStream(t, zmq.ROUTER, StreamConfig{Loop: newLoop(t), Bind: []string{anyPort}})
	s.Peers(t.Context())
	happens(s, visiting(s, zmq.EVENT_ACCEPTED, 1000), visiting(s, zmq.EVENT_DISCONNECTED, 1000),
		visiting(s, zmq.EVENT_ACCEPTED, 1000), visiting(s, zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL, 1000),
		visiting(s, zmq.EVENT_DISCONNECTED, 1000))
	visitor := func(fd int) *visit {
		s.t.sockMu.Lock()
		defer s.t.sockMu.Unlock()
		return s.census.visitorLocked(fd)
	}
	if v := visitor(1000); v != s.census.visits[1000][0] {
		t.Errorf("behind a failed handshake %+v", v)
	}
	early := visitor(2000)
	happens(s, visiting(s, zmq.EVENT_ACCEPTED, 2000))
	if early.early || early.endpoint != s.Addr() {
		t.Errorf("reported late: %+v", early)
	}
	s.t.sockMu.Lock()
	s.detachedLocked("tcp://ended:1")
	s.t.sockMu.Unlock()
	happens(s, zmq.MonitorEvent{Event: zmq.EVENT_ACCEPTED, Value: 3000, Endpoint: "tcp://ended:1"})
	late := visitor(3000)
	if !late.gone {
		t.Errorf("through an endpoint that has ended: %+v", late)
	}
	late.known = true // as if its first message had come
	if v := visitor(3000); v == late || !v.gone {
		t.Errorf("behind a visit that has gone: %+v", v)
	}
	late.known = false // it has no origin
}

// After the last Peers a census keeps no frame of libzmq's, and knows no peer.
func TestCensusForgetsAfterPeers(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	s := openStream(t, zmq.ROUTER, StreamConfig{Loop: l, Bind: []string{anyPort}})
	c := &s.census
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s.Peers(ctx)
	for range 2 {
		dealer := create(t, l, BaseProtocol{}, zmq.DEALER, connectTo(s.Addr()))
		must(t, dealer.Write(msg("hello")))
	}
	passUntil(t, l, func() bool { return len(c.present) == 2 })
	for _, v := range c.present { // another connection gets the descriptor of one
		happens(s, visiting(s, zmq.EVENT_ACCEPTED, int32(v.fd)))
		break
	}
	if len(c.past) != 1 || !c.past[0].known || len(c.present) != 1 {
		t.Fatalf("%d visits in the past, %d peers", len(c.past), len(c.present))
	}
	past := c.past[0]
	cancel()
	parted := func() bool {
		s.t.sockMu.Lock()
		defer s.t.sockMu.Unlock()
		return len(c.feeds) == 0
	}
	for ctx := bounded(t); !parted(); runtime.Gosched() {
		must(t, ctx.Err())
	}
	if past.known || len(c.past) != 0 || len(c.present) != 0 || !s.t.sock.CanForward() {
		t.Errorf("%+v; %d in the past, %d present; the socket tracks origins: %t", past, len(c.past), len(c.present), !s.t.sock.CanForward())
	}
	for fd, visits := range c.visits {
		for _, v := range visits {
			if v.known {
				t.Errorf("descriptor %d: %+v", fd, v)
			}
		}
	}
}

// nextPeer returns the next event of Peers.
func nextPeer(t *testing.T, next func() (PeerEvent, error, bool)) PeerEvent {
	t.Helper()
	ev, err, ok := next()
	if err != nil || !ok {
		t.Fatalf("%v, %t", err, ok)
	}
	return ev
}

// untilReadable waits until libzmq has a message for s, while no loop runs.
func untilReadable(t *testing.T, s *Stream) {
	t.Helper()
	readable := func() bool {
		s.t.sockMu.Lock()
		defer s.t.sockMu.Unlock()
		events, errno := s.t.sock.Events()
		if errno != 0 {
			t.Fatal(errno)
		}
		return events.Readable()
	}
	for ctx := bounded(t); !readable(); runtime.Gosched() {
		must(t, ctx.Err())
	}
}

// Peers begins with its call: a peer that libzmq has reported before, and the loop has not seen,
// only goes.
func TestPeersBeginsWithItsCall(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	s := openStream(t, zmq.PULL, StreamConfig{Loop: l, Bind: []string{anyPort}})
	push := create(t, l, BaseProtocol{}, zmq.PUSH, connectTo(s.Addr()))
	must(t, push.Write(msg("hello")))
	untilReadable(t, s) // libzmq reports the connection before
	next, stop := iter.Pull2(s.Peers(bounded(t)))
	defer stop()
	passUntil(t, l, func() bool { return s.t.Stats().Received.Messages == 1 })
	must(t, push.Abort())
	passUntil(t, l, func() bool { return s.t.Stats().Connections.Disconnects == 1 })
	if ev := nextPeer(t, next); !ev.Gone {
		t.Errorf("got %+v of a peer from before", ev)
	}
}

// A peer of a ROUTER that has gone before its first message is received comes and goes.
func TestPeerGoneBeforeItsMessage(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	s := openStream(t, zmq.ROUTER, StreamConfig{Loop: l, Bind: []string{anyPort}})
	next, stop := iter.Pull2(s.Peers(bounded(t)))
	defer stop()
	elsewhere, err := zmq4.NewContext()
	must(t, err)
	dealer, err := elsewhere.NewSocket(zmq4.DEALER)
	must(t, err)
	must(t, dealer.SetIdentity("brief"))
	must(t, dealer.Connect(s.Addr()))
	_, err = dealer.Send("hello", 0)
	must(t, err)
	must(t, dealer.Close())
	must(t, elsewhere.Term()) // libzmq has sent the message
	for ctx := bounded(t); s.t.Stats().Connections.Disconnects == 0; runtime.Gosched() {
		must(t, ctx.Err())
		s.t.sockMu.Lock()
		err := s.t.monitor.catchUpLocked()
		s.t.sockMu.Unlock()
		must(t, err)
	}
	passUntil(t, l, func() bool { return s.t.Stats().Received.Messages == 1 })
	for _, gone := range []bool{false, true} {
		if ev := nextPeer(t, next); ev.Gone != gone || string(ev.RoutingID) != "brief" {
			t.Errorf("got %+v, want gone %t", ev, gone)
		}
	}
}
