package zmqio

import (
	"errors"
	"strings"
	"testing"

	"github.com/zmqio/zmq"
)

func openStream(t *testing.T, typ zmq.SocketType, cfg StreamConfig) *Stream {
	t.Helper()
	s, err := Open(bounded(t), typ, cfg)
	must(t, err)
	t.Cleanup(func() { must(t, s.Abort()) })
	return s
}

// happens gives s events as its monitor does.
func happens(s *Stream, events ...zmq.MonitorEvent) {
	s.t.sockMu.Lock()
	defer s.t.sockMu.Unlock()
	for _, ev := range events {
		s.happenedLocked(ev)
	}
}

func TestMayReport(t *testing.T) {
	for _, c := range []struct {
		endpoint, reported string
		want               bool
	}{
		{"tcp://0.0.0.0:5555", "tcp://127.0.0.1:5555", true},
		{"tcp://0.0.0.0:5555", "tcp://127.0.0.1:5556", false},
		{"tcp://0.0.0.0:5555", "tcp://0.0.0.0:0", true},
		{"tcp://127.0.0.1:5555", "tcp://127.0.0.1:0", true},
		{"tcp://127.0.0.1:5555", "tcp://127.0.0.2:0", false},
		{"tcp://[::]:5555", "tcp://[fe80::1]:5555", true},
		{"tcp://[::]:5555", "tcp://127.0.0.1:5555", true},
		{"tcp://localhost:5555", "tcp://127.0.0.1:5555", true},
		{"tcp://localhost:5555", "tcp://127.0.0.1:55555", false},
		{"tcp://127.0.0.2:0;127.0.0.1:5555", "tcp://127.0.0.1:5555", true},
		{"tcp://127.0.0.1:5555", "tcp://127.0.0.2:5555", false},
		{"ipc:///a:1", "ipc:///b:1", false},
		{"ipc://0.0.0.0:1", "tcp://127.0.0.1:1", false},
		{"inproc://a", "inproc://a", false},
	} {
		if got := mayReport(c.endpoint, c.reported); got != c.want {
			t.Errorf("%s, %s: %t", c.endpoint, c.reported, got)
		}
	}
}

// An event counts for the only endpoint that it can be about, even if that has ended.
func TestNamesOfEvents(t *testing.T) {
	l := newLoop(t)
	s := openStream(t, zmq.DEALER, StreamConfig{Loop: l, Bind: []string{"tcp://0.0.0.0:*"}, AllowHostnames: true})
	name := func(reported string) string {
		s.t.sockMu.Lock()
		defer s.t.sockMu.Unlock()
		return s.nameLocked(reported)
	}
	wants := func(reported, want string) {
		t.Helper()
		if got := name(reported); got != want {
			t.Errorf("%s is called %s, want %s", reported, got, want)
		}
	}
	addr := s.Addr()
	reached := strings.Replace(addr, "0.0.0.0", "127.0.0.1", 1)
	connect := func(endpoint string) string {
		t.Helper()
		endpoint, err := s.t.Connect(endpoint)
		must(t, err)
		return endpoint
	}
	wants(addr, addr)
	wants(reached, addr)
	named := connect("tcp://localhost:1")
	wants("tcp://127.0.0.1:1", named)
	exact := connect("tcp://127.0.0.1:1")
	wants("tcp://127.0.0.1:1", exact)
	connect("tcp://ip6-localhost:1")
	wants("tcp://10.0.0.1:1", "tcp://10.0.0.1:1") // either endpoint may be meant
	wants("tcp://10.0.0.1:2", "tcp://10.0.0.1:2")

	ready := func() (n int) {
		s.roster.mu.Lock()
		defer s.roster.mu.Unlock()
		for _, c := range s.roster.ready {
			n += c
		}
		return n
	}
	begun := zmq.MonitorEvent{Event: s.roster.begin & -s.roster.begin, Endpoint: reached}
	if happens(s, begun); ready() != 1 {
		t.Errorf("%d connections, want 1", ready())
	}
	must(t, s.t.Unbind(addr))
	if happens(s, begun); ready() != 0 { // libzmq reports an event from before the end
		t.Errorf("%d connections after Unbind", ready())
	}
	_, err := s.t.Bind(addr)
	for ctx := bounded(t); errors.Is(err, zmq.EADDRINUSE); _, err = s.t.Bind(addr) { // libzmq unbinds in the background
		must(t, ctx.Err())
	}
	must(t, err)
	if happens(s, begun); ready() != 1 {
		t.Errorf("%d connections after Bind, want 1", ready())
	}
}

// A failed handshake at an endpoint that was unbound does not count when it is bound again.
func TestFailedHandshakesEndWithTheEndpoint(t *testing.T) {
	s := openStream(t, zmq.DEALER, StreamConfig{Loop: newLoop(t), Bind: []string{}})
	const endpoint = "tcp://127.0.0.1:1"
	event := func(ev zmq.Event) zmq.MonitorEvent { return zmq.MonitorEvent{Event: ev, Endpoint: endpoint} }
	happens(s, event(zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL))
	s.t.sockMu.Lock()
	s.detachedLocked(endpoint)
	s.attachedLocked(endpoint)
	s.t.sockMu.Unlock()
	happens(s, event(s.roster.begin&-s.roster.begin))
	if n := s.roster.open(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	happens(s, event(zmq.EVENT_DISCONNECTED))
	if n := s.roster.open(); n != 0 {
		t.Errorf("%d connections after the end", n)
	}
}

// A topic without subscriptions takes no memory.
func TestRosterForgetsTopics(t *testing.T) {
	r := newRoster()
	r.subscribed(nil, [][][]byte{msg("\x01a"), msg("\x01b"), msg("\x00a"), msg("\x00c")})
	if len(r.topics) != 1 || r.topics["b"] != 1 {
		t.Errorf("the topics are %v", r.topics)
	}
}
