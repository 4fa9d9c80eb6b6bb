package zmqio

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zmqio/zmq"
)

// wantTraffic compares a figure.
func wantTraffic(t testing.TB, what string, got Traffic, messages, bytes uint64) {
	t.Helper()
	if want := (Traffic{messages, bytes}); got != want {
		t.Errorf("%s: %+v, want %+v", what, got, want)
	}
}

// A message counts once, with the payload of all frames: sent at once, through the outbox, or in
// libzmq's memory. It counts before the protocol gets it.
func TestStatsTraffic(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	var server *Transport
	received := make([]uint64, 0, 5)
	server = create(t, l, &receiver{fn: func([][]byte) {
		if received = append(received, server.Stats().Received.Messages); len(received) == 5 {
			l.Stop()
		}
	}}, zmq.PULL, bindTo(anyPort))
	before := time.Now()
	client := create(t, l, BaseProtocol{}, zmq.PUSH, connectTo(server.Listeners()...))
	if s := server.Stats(); s != (Stats{}) {
		t.Errorf("at first %+v", s)
	}
	large := strings.Repeat("x", 100<<10)
	for _, m := range [][][]byte{msg("a"), msg("b", "", "cc"), msg(large), msg(large, large), msg("")} {
		must(t, client.Write(m))
	}
	must(t, l.RunForever(bounded(t)))
	bytes := uint64(4 + 3*len(large))
	wantTraffic(t, "sent", client.Stats().Sent, 5, bytes)
	wantTraffic(t, "received", server.Stats().Received, 5, bytes)
	if last := server.Stats().LastReceived; last.Before(before) || last.After(time.Now()) {
		t.Errorf("the last message came at %v, the first was sent at %v", last, before)
	}
	for i, n := range received {
		if n < uint64(i+1) {
			t.Errorf("%d messages have come when the protocol has had %d", n, i+1)
		}
	}
	if s := client.Stats(); s.Received != (Traffic{}) || !s.LastReceived.IsZero() {
		t.Errorf("a PUSH has received %+v", s)
	}
	must(t, client.Close())
	must(t, server.Abort())
	wantTraffic(t, "sent, at the end", client.Stats().Sent, 5, bytes)
	wantTraffic(t, "received, at the end", server.Stats().Received, 5, bytes)
}

// Properties that Metadata asks for do not count as payload.
func TestStatsMetadata(t *testing.T) {
	l := newLoop(t)
	cfg := bindTo(anyPort)
	cfg.Metadata = []string{"Peer-Address"}
	server := create(t, l, &receiver{fn: func([][]byte) { l.Stop() }}, zmq.PULL, cfg)
	client := create(t, l, BaseProtocol{}, zmq.PUSH, connectTo(server.Listeners()...))
	must(t, client.Write(msg("abc", "de")))
	must(t, l.RunForever(bounded(t)))
	wantTraffic(t, "received", server.Stats().Received, 1, 5)
}

// Messages that Disconnect takes out of libzmq count as received, once.
func TestStatsDetach(t *testing.T) {
	l := newLoop(t)
	got := 0
	server := create(t, l, &receiver{fn: func([][]byte) { got++ }}, zmq.PULL, bindTo(anyPort))
	client := create(t, l, BaseProtocol{}, zmq.PUSH, connectTo(server.Listeners()...))
	must(t, server.PauseReading())
	must(t, client.Write(msg("abc")))
	for events := zmq.PollEvent(0); events&zmq.POLLIN == 0; { // the message is on its way
		var err error
		events, err = server.Sockopts().Events()
		must(t, err)
	}
	wantTraffic(t, "in libzmq", server.Stats().Received, 0, 0)
	must(t, server.Unbind(server.Listeners()[0]))
	wantTraffic(t, "received", server.Stats().Received, 1, 3)
	must(t, server.ResumeReading())
	passUntil(t, l, func() bool { return got > 0 })
	wantTraffic(t, "received and delivered", server.Stats().Received, 1, 3)
}

// Messages that libzmq refuses count as buffered, and at the end as dropped. Refused counts errors.
func TestStatsBuffered(t *testing.T) {
	l := newLoop(t)
	tr := create(t, l, BaseProtocol{}, zmq.PUSH, ConnectionConfig{Bind: []string{anyPort}, MaxWriteBuffer: 10})
	for _, m := range [][][]byte{msg("abc", "d"), msg(""), msg("ef")} {
		must(t, tr.Write(m))
	}
	if err := tr.Write(msg("12345")); !errors.Is(err, ErrBufferFull) {
		t.Errorf("more than the buffer holds: %v", err)
	}
	s := tr.Stats()
	wantTraffic(t, "buffered", s.Buffered, 3, 6)
	wantTraffic(t, "sent", s.Sent, 0, 0)
	if s.Refused != 1 || s.Dropped != (Drops{}) {
		t.Errorf("%+v", s)
	}
	must(t, tr.Abort())
	s = tr.Stats()
	wantTraffic(t, "buffered, at the end", s.Buffered, 0, 0)
	wantTraffic(t, "unsent", s.Dropped.Unsent, 3, 6)
}

// The messages of a Batch count one by one. One without room counts as refused.
func TestStatsBatch(t *testing.T) {
	l := newLoop(t)
	tr := create(t, l, BaseProtocol{}, zmq.PUSH, ConnectionConfig{Bind: []string{anyPort}, MaxWriteBuffer: 8})
	var b Batch
	for range 3 {
		b.Append([]byte("abc"), []byte("d"))
	}
	if n, err := tr.WriteBatch(&b); n != 2 || !errors.Is(err, ErrBufferFull) {
		t.Errorf("%d messages were written: %v", n, err)
	}
	if s := tr.Stats(); s.Buffered != (Traffic{2, 8}) || s.Refused != 1 {
		t.Errorf("%+v", s)
	}
	pull := create(t, l, BaseProtocol{}, zmq.PULL, connectTo(tr.Listeners()...))
	passUntil(t, l, func() bool { return pull.Stats().Received.Messages == 2 })
	_, err := tr.WriteBatch(&b)
	must(t, err)
	passUntil(t, l, func() bool { return pull.Stats().Received.Messages == 3 })
	wantTraffic(t, "sent", tr.Stats().Sent, 3, 12)
	wantTraffic(t, "received", pull.Stats().Received, 3, 12)
}

// A message that only libzmq refuses counts as refused. So does one for which TrySend has no room.
func TestStatsRefused(t *testing.T) {
	l := newLoop(t)
	tr := create(t, l, BaseProtocol{}, zmq.PUSH, ConnectionConfig{Bind: []string{anyPort}, MaxWriteBuffer: 1})
	if err := tr.Write(msg("12")); !errors.Is(err, ErrBufferFull) || tr.Stats().Refused != 1 {
		t.Errorf("%v, and %d refused", err, tr.Stats().Refused)
	}
	must(t, tr.Write(msg("1")))
	if err := tr.tryWrite(msg("2")); !errors.Is(err, ErrBufferFull) || tr.Stats().Refused != 2 {
		t.Errorf("%v, and %d refused", err, tr.Stats().Refused)
	}
}

// A pause lasts from PauseWriting to ResumeWriting or the end.
func TestStatsPauses(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	p := &recorder{}
	tr := blocked(t, l, p)
	must(t, tr.SetWriteBufferLimits(1, 0))
	before := l.Time()
	must(t, tr.Write(msg("xx")))
	after := l.Time()
	if s := tr.Stats(); s.Pauses != 1 || !s.IsPaused || s.Paused > l.Time()-before {
		t.Errorf("paused: %+v", s)
	}
	for tr.Stats().Paused < time.Millisecond {
		runtime.Gosched()
	}
	pull := create(t, l, BaseProtocol{}, zmq.PULL, connectTo(tr.Listeners()...))
	resumes := l.Time()
	passUntil(t, l, func() bool { return len(p.got()) == 3 })
	s := tr.Stats()
	if s.Pauses != 1 || s.IsPaused || s.Paused < resumes-after || s.Paused > l.Time()-before {
		t.Errorf("resumed: %+v, between %v and %v", s, resumes-after, l.Time()-before)
	}
	for deadline := l.Time() + time.Millisecond; l.Time() < deadline; {
		runtime.Gosched()
	}
	if again := tr.Stats(); again.Paused != s.Paused {
		t.Errorf("not paused, for %v more", again.Paused-s.Paused)
	}
	must(t, pull.Abort())
	passUntil(t, l, func() bool { // libzmq has dropped the peer
		must(t, tr.Write(msg("xx")))
		return tr.Stats().IsPaused
	})
	must(t, tr.Abort())
	passUntil(t, l, func() bool { return tr.in(phaseLost) && !tr.Stats().IsPaused })
	if end := tr.Stats(); end.Pauses != 2 || end.Paused <= s.Paused || end.Paused > l.Time()-before {
		t.Errorf("ended: %+v", end)
	}
	if end := pull.Stats(); !pull.in(phaseLost) || end.Paused != 0 {
		t.Errorf("ended without a pause: %+v", end)
	}
}

func TestStatsWaiters(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	tr := blocked(t, l, BaseProtocol{})
	must(t, tr.SetWriteBufferLimits(1, 0))
	must(t, tr.Write(msg("x")))
	ctx, cancel := context.WithCancelCause(bounded(t))
	var results []<-chan error
	for range 3 {
		results = append(results, waiting(ctx, tr, msg("y")))
	}
	if s := tr.Stats(); s.Waits != 3 || s.Waiters != 3 {
		t.Errorf("%+v", s)
	}
	enough := errors.New("enough")
	cancel(enough)
	for _, r := range results {
		if err := <-r; !errors.Is(err, enough) {
			t.Error(err)
		}
	}
	if s := tr.Stats(); s.Waits != 3 || s.Waiters != 0 || s.Buffered.Messages != 1 {
		t.Errorf("at the end %+v", s)
	}
}

// A buffered message that libzmq refuses with EHOSTUNREACH counts as dropped. In Write this is an
// error.
func TestStatsUnroutable(t *testing.T) {
	l := newLoop(t)
	l.SetExceptionHandler(func(*EventLoop, ExceptionContext) {})
	var router *Transport
	r := &recorder{onMsg: func(m [][]byte) { // both are written in a delivery, and so sent after it
		must(t, router.Write(msg("unknown", "a")))
		must(t, router.Write(m))
	}}
	router = create(t, l, r, zmq.ROUTER, ConnectionConfig{
		Bind: []string{anyPort}, Configure: func(o zmq.Sockopts) error { return o.SetRouterMandatory(true) },
	})
	if err := router.Write(msg("unknown", "b")); !errors.Is(err, zmq.EHOSTUNREACH) {
		t.Errorf("at once: %v", err)
	}
	d := &recorder{onMsg: func([][]byte) { l.Stop() }}
	dealer := create(t, l, d, zmq.DEALER, connectTo(router.Listeners()...))
	must(t, dealer.Write(msg("ping")))
	must(t, l.RunForever(bounded(t)))
	s := router.Stats()
	wantTraffic(t, "unroutable", s.Dropped.Unroutable, 1, 8)
	wantTraffic(t, "sent", s.Sent, 1, uint64(len(r.msgs[0][0])+4))
}

// Received messages that a closing transport does not deliver count as dropped: the rest of a
// batch, and those that wait because reading is paused.
func TestStatsUnreadOfTransport(t *testing.T) {
	for name, end := range map[string]func(*Transport) error{
		"amid a batch": (*Transport).Close,
		"while paused": (*Transport).PauseReading,
	} {
		t.Run(name, func(t *testing.T) {
			l := newLoop(t)
			push := create(t, l, BaseProtocol{}, zmq.PUSH, bindTo("inproc://unread"))
			p := &recorder{}
			var pull *Transport
			p.onMsg = func([][]byte) { must(t, end(pull)) }
			pull = create(t, l, p, zmq.PULL, connectTo("inproc://unread"))
			for range 10 {
				must(t, push.Write(msg("abc")))
			}
			passUntil(t, l, func() bool { return len(p.msgs) > 0 })
			must(t, pull.Close())
			pass(t, l)
			s := pull.Stats()
			if left := s.Received.Messages - 1; len(p.msgs) != 1 || s.Received.Messages < 2 || s.Dropped.Unread != (Traffic{left, 3 * left}) {
				t.Errorf("%d messages were delivered: %+v", len(p.msgs), s)
			}
		})
	}
}

// streamWith returns a stream on l that has received messages.
func streamWith(t *testing.T, l *EventLoop, messages ...string) *Stream {
	t.Helper()
	s := openStream(t, zmq.PULL, StreamConfig{Loop: l, Bind: []string{anyPort}})
	push := create(t, l, BaseProtocol{}, zmq.PUSH, connectTo(s.Addr()))
	for _, m := range messages {
		must(t, push.Write(msg(m)))
	}
	passUntil(t, l, func() bool { return s.t.Stats().Received.Messages == uint64(len(messages)) })
	return s
}

func TestStatsUnread(t *testing.T) {
	l := newLoop(t)
	s := streamWith(t, l, "a", "bb", "ccc")
	wantTraffic(t, "unread", s.t.Stats().Unread, 3, 6)
	if _, err := s.Recv(bounded(t)); err != nil {
		t.Error(err)
	}
	stats := s.t.Stats()
	wantTraffic(t, "unread, one less", stats.Unread, 2, 5)
	wantTraffic(t, "dropped", stats.Dropped.Unread, 0, 0)
	must(t, s.Abort())
	stats = s.t.Stats()
	wantTraffic(t, "unread, at the end", stats.Unread, 0, 0)
	wantTraffic(t, "dropped, at the end", stats.Dropped.Unread, 2, 5)
}

// A message that Chan had taken and no receiver got counts as dropped, and so does one that comes
// after Close.
func TestStatsUnreadGivenBack(t *testing.T) {
	l := newLoop(t)
	s := streamWith(t, l, "abc")
	m, err := s.Recv(bounded(t))
	must(t, err)
	must(t, s.Abort())
	s.unreceived(m)
	wantTraffic(t, "dropped", s.t.Stats().Dropped.Unread, 1, 3)
	s.mailbox.put([][][]byte{msg("de", "f")})
	wantTraffic(t, "dropped, with that behind the end", s.t.Stats().Dropped.Unread, 2, 6)
}

// Without a monitor the figures of connections are unknown.
func TestStatsConnections(t *testing.T) {
	l := newLoop(t)
	server := create(t, l, watching{}, zmq.PULL, bindTo(anyPort))
	client := create(t, l, watching{}, zmq.PUSH, ConnectionConfig{Connect: []string{}})
	if server.Stats().Connections != nil {
		t.Errorf("without a monitor %+v", server.Stats().Connections)
	}
	must(t, server.EnableMonitor(zmq.EVENT_LISTENING)) // the mask does not matter
	must(t, client.EnableMonitor(zmq.EVENT_ALL))
	at, err := client.Connect(server.Listeners()[0])
	must(t, err)
	passUntil(t, l, func() bool {
		return server.Stats().Connections.Handshakes == 1 && client.Stats().Connections.Handshakes == 1
	})
	want := ConnectionStats{Open: -1, Accepts: 1, Handshakes: 1}
	if got := *server.Stats().Connections; got != want {
		t.Errorf("the server: %+v, want %+v", got, want)
	}
	want = ConnectionStats{Open: -1, Connects: 1, Handshakes: 1}
	if got := *client.Stats().Connections; got != want {
		t.Errorf("the client: %+v, want %+v", got, want)
	}
	must(t, client.Disconnect(at))
	passUntil(t, l, func() bool { return server.Stats().Connections.Disconnects == 1 })
	gone := server.Closed()
	must(t, server.Abort())
	<-gone
	must(t, client.DisableMonitor())
	if got := client.Stats().Connections; got == nil || got.Connects != 1 {
		t.Errorf("without a monitor again: %+v", got)
	}
	must(t, client.EnableMonitor(zmq.EVENT_ALL))
	_, err = client.Connect(at)
	must(t, err)
	passUntil(t, l, func() bool { return client.Stats().Connections.Retries > 0 })
	if got := client.Stats().Connections.Connects; got != 1 {
		t.Errorf("%d connects", got)
	}
}

type watching struct{ BaseProtocol }

func (watching) EventReceived(zmq.MonitorEvent) {}

// Stats of a Stream have the number of open connections.
func TestStatsOpen(t *testing.T) {
	l := newLoop(t)
	s := openStream(t, zmq.PULL, StreamConfig{Loop: l, Bind: []string{anyPort}})
	open := func() int { return s.t.Stats().Connections.Open }
	if open() != 0 {
		t.Errorf("%d connections at first", open())
	}
	a := create(t, l, BaseProtocol{}, zmq.PUSH, connectTo(s.Addr()))
	create(t, l, BaseProtocol{}, zmq.PUSH, connectTo(s.Addr()))
	passUntil(t, l, func() bool { return open() == 2 })
	must(t, a.Abort())
	passUntil(t, l, func() bool { return open() == 1 })
	must(t, s.Abort())
	if open() != 0 {
		t.Errorf("%d connections at the end", open())
	}
}

// libzmq reports nothing over inproc.
func TestStatsOpenOverInproc(t *testing.T) {
	l := newLoop(t)
	s := openStream(t, zmq.PULL, StreamConfig{Loop: l, Bind: []string{"inproc://open"}})
	open := func() int { return s.t.Stats().Connections.Open }
	if open() != -1 {
		t.Errorf("%d connections over inproc", open())
	}
	bind(t, s.t, anyPort)
	if open() != 0 {
		t.Errorf("%d connections over TCP", open())
	}
	must(t, s.Abort())
	if open() != 0 {
		t.Errorf("%d connections at the end", open())
	}
}

// Each kind of event has its own figure.
func TestHeard(t *testing.T) {
	event := func(e zmq.Event, value int) zmq.MonitorEvent {
		return zmq.MonitorEvent{Event: e, Value: int32(value)}
	}
	const auth, protocol = zmq.EVENT_HANDSHAKE_FAILED_AUTH, zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
	for _, c := range []struct {
		ev   zmq.MonitorEvent
		want ConnectionStats
	}{
		{event(zmq.EVENT_CONNECTED, 1), ConnectionStats{Connects: 1}},
		{event(zmq.EVENT_ACCEPTED, 1), ConnectionStats{Accepts: 1}},
		{event(zmq.EVENT_DISCONNECTED, 1), ConnectionStats{Disconnects: 1}},
		{event(zmq.EVENT_CONNECT_RETRIED, 1), ConnectionStats{Retries: 1}},
		{event(zmq.EVENT_ACCEPT_FAILED, 1), ConnectionStats{AcceptFailures: 1}},
		{event(zmq.EVENT_HANDSHAKE_SUCCEEDED, 0), ConnectionStats{Handshakes: 1}},
		{event(zmq.EVENT_LISTENING, 0), ConnectionStats{}},
		{event(zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL, 0), ConnectionStats{Failures: HandshakeFailures{Other: 1}}},
		{event(auth, 300), ConnectionStats{Failures: HandshakeFailures{Temporary: 1}}},
		{event(auth, 400), ConnectionStats{Failures: HandshakeFailures{Denied: 1}}},
		{event(auth, 500), ConnectionStats{Failures: HandshakeFailures{Internal: 1}}},
		{event(auth, 999), ConnectionStats{Failures: HandshakeFailures{Internal: 1}}},
		{event(protocol, int(zmq.PROTOCOL_ERROR_ZAP_UNSPECIFIED)), ConnectionStats{Failures: HandshakeFailures{Reply: 1}}},
		{event(protocol, int(zmq.PROTOCOL_ERROR_ZAP_INVALID_METADATA)), ConnectionStats{Failures: HandshakeFailures{Reply: 1}}},
		{event(protocol, int(zmq.PROTOCOL_ERROR_WS_UNSPECIFIED)), ConnectionStats{Failures: HandshakeFailures{Protocol: 1}}},
		{event(protocol, int(zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)), ConnectionStats{Failures: HandshakeFailures{Mechanism: 1}}},
		{event(protocol, int(zmq.PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC)), ConnectionStats{Failures: HandshakeFailures{Cryptographic: 1}}},
		{event(protocol, int(zmq.PROTOCOL_ERROR_ZMTP_UNSPECIFIED)), ConnectionStats{Failures: HandshakeFailures{Protocol: 1}}},
	} {
		h := new(heard)
		h.event(c.ev)
		c.want.Open = -1
		got := *h.stats()
		if got != c.want {
			t.Errorf("%v: %+v", c.ev, got)
		}
		var all uint64
		for _, n := range got.Failures.All() {
			all += n
		}
		if failed := c.want != (ConnectionStats{
			Open: -1, Connects: got.Connects, Accepts: got.Accepts, Disconnects: got.Disconnects,
			Retries: got.Retries, AcceptFailures: got.AcceptFailures, Handshakes: got.Handshakes,
		}); failed != (all == 1) {
			t.Errorf("%v: all reasons have %d", c.ev, all)
		}
	}
}

// A range over All may stop early.
func TestFailuresAll(t *testing.T) {
	f := HandshakeFailures{1, 2, 3, 4, 5, 6, 7, 8}
	var got []string
	for reason, n := range f.All() {
		if got = append(got, reason); uint64(len(got)) != n {
			t.Errorf("%s has %d", reason, n)
		}
	}
	if want := "denied temporary internal reply mechanism cryptographic protocol other"; strings.Join(got, " ") != want {
		t.Errorf("got %q", got)
	}
	for range f.All() {
		break
	}
}

// Stats count events that a slow reader has missed.
func TestStatsEventsDropped(t *testing.T) {
	l := newLoop(t)
	s := openStream(t, zmq.PULL, StreamConfig{Loop: l, Bind: []string{anyPort}})
	f := newFeed[int](&s.t.eventsDropped)
	for i := range feedSize + 3 {
		f.put(i)
	}
	if got := s.t.Stats().Dropped.Events; got != 3 {
		t.Errorf("%d events were dropped", got)
	}
}

// Goroutines write while others read the figures. No message is lost, and a written message is
// always in exactly one figure.
func TestStatsUnderStress(t *testing.T) {
	leakCheck(t)
	const writers, each = 8, 2000
	l := newLoop(t)
	left := writers * each
	server := create(t, l, &receiver{fn: func([][]byte) {
		if left--; left == 0 {
			l.Stop()
		}
	}}, zmq.PULL, bindTo(anyPort))
	client := create(t, l, BaseProtocol{}, zmq.PUSH, connectTo(server.Listeners()...))
	var begun, accepted atomic.Uint64
	var writing, reading sync.WaitGroup
	done := make(chan struct{})
	for range writers {
		writing.Go(func() {
			for range each {
				begun.Add(1)
				must(t, client.WriteContext(bounded(t), msg("ab", "c")))
				accepted.Add(1)
			}
		})
	}
	for range 2 {
		reading.Go(func() {
			for {
				least := accepted.Load()
				s := client.Stats()
				sum := s.Sent.Messages + s.Buffered.Messages
				if most := begun.Load(); sum < least || sum > most || s.Sent.Bytes+s.Buffered.Bytes != 3*sum {
					t.Errorf("%d messages, %d bytes; between %d and %d were written", sum, s.Sent.Bytes+s.Buffered.Bytes, least, most)
				}
				_, _, _ = server.Stats(), l.Stats(), TransportTotals()
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	must(t, l.RunForever(bounded(t)))
	close(done)
	writing.Wait()
	reading.Wait()
	wantTraffic(t, "sent", client.Stats().Sent, writers*each, 3*writers*each)
	wantTraffic(t, "received", server.Stats().Received, writers*each, 3*writers*each)
}
