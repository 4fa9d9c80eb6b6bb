package zmqio

import (
	"iter"
	"sync/atomic"
	"time"

	"github.com/zmqio/zmq"
)

// Traffic counts messages, and the bytes of their frames. Routing ids and empty delimiters are
// frames too.
type Traffic struct{ Messages, Bytes uint64 }

func (n *Traffic) add(messages, bytes int) {
	n.Messages += uint64(messages)
	n.Bytes += uint64(bytes)
}

func (n *Traffic) sum(m Traffic) {
	n.Messages += m.Messages
	n.Bytes += m.Bytes
}

// Stats are the figures of a Transport. A field counts from the beginning of the transport,
// unless its comment says now.
//
// Each message that Write accepts is, at each moment, in one of Sent, Buffered,
// Dropped.Unroutable and Dropped.Unsent.
//
// Sent includes messages that libzmq drops later, which zmqio cannot count. A PUB, XPUB, XSUB
// or ROUTER drops a message for a peer at its high-water mark. A ROUTER without
// ROUTER_MANDATORY drops a message for an unknown peer. Every socket drops what it still has
// when ZMQ_LINGER is over.
type Stats struct {
	// Sent counts messages that libzmq has taken.
	Sent Traffic
	// Received counts messages taken from libzmq.
	Received Traffic
	// Buffered is the size of the write buffer now.
	Buffered Traffic
	// Unread is what a Stream has received and its readers have not taken, now. Bytes include
	// the properties that Metadata names.
	Unread Traffic
	// Dropped counts what the transport has dropped.
	Dropped Drops

	// Refused counts writes that returned ErrBufferFull.
	Refused uint64
	// Pauses counts calls of PauseWriting.
	Pauses uint64
	// Paused is how long the protocol has been paused in all, with the present pause.
	Paused time.Duration
	// IsPaused is whether the protocol is paused now.
	IsPaused bool
	// Waits counts writes that had to wait for room, as WriteContext and Stream.Send do.
	Waits uint64
	// Waiters is how many writes wait for room now.
	Waiters int

	// LastReceived is when the last batch came from libzmq. It is zero before the first batch.
	LastReceived time.Time

	// Connections counts what a monitor has reported. It is nil on a transport that has had no
	// monitor: one that is not a Stream's, without EnableMonitor.
	Connections *ConnectionStats
}

// Drops counts what a Transport has dropped, by reason.
type Drops struct {
	// Unroutable counts messages that libzmq refused with EHOSTUNREACH after Write had returned
	// nil. ConnectionConfig.Unroutable gets them.
	Unroutable Traffic
	// Unsent counts messages that were in the write buffer when the transport ended.
	Unsent Traffic
	// Unread counts messages that were received, and that neither the protocol nor a reader of
	// the Stream got. The transport or the Stream ended before, or a Send with REQ_RELAXED
	// dropped them. Bytes include the properties that Metadata names.
	Unread Traffic
	// Events counts items that a reader of Stream.Events or Stream.Peers was too slow for.
	Events uint64
}

// ConnectionStats counts what libzmq reports of a transport's connections while the transport
// has a monitor. A Stream has one from its beginning to Close; another transport has one from
// EnableMonitor to DisableMonitor. An event counts when the loop takes it from libzmq. libzmq
// does not report connections over inproc, nor the end of a connection that this side ends.
type ConnectionStats struct {
	// Open is how many connections of a Stream are past their handshake now. It is -1, for
	// unknown, on a transport that is not a Stream's, and on a Stream over inproc alone. Before
	// 4.3.0 libzmq does not report handshakes: a connection counts from its beginning.
	Open int

	Connects       uint64 // connections that this side has made
	Accepts        uint64 // connections that this side has accepted
	Disconnects    uint64 // connections that have ended, after a failed handshake too
	Retries        uint64 // attempts to connect that failed, and are made again
	AcceptFailures uint64 // connections that could not be accepted: too few descriptors, for example
	Handshakes     uint64 // handshakes that succeeded
	Failures       HandshakeFailures
}

// HandshakeFailures counts failed handshakes, by reason.
type HandshakeFailures struct {
	Denied    uint64 // refused by the ZAP handler: status 400
	Temporary uint64 // refused by the ZAP handler for now: status 300
	Internal  uint64 // the ZAP handler failed: status 500, or a status that ZAP does not have
	Reply     uint64 // the ZAP handler's reply broke the protocol
	Mechanism uint64 // the two sides have different mechanisms: CURVE and NULL, for example
	// Cryptographic counts boxes that did not open: a client has the wrong key of the server.
	// The server alone counts that. The client counts Other.
	Cryptographic uint64
	Protocol      uint64 // the peer broke the protocol in another way; it may be no ZeroMQ peer
	Other         uint64 // the connection ended amid the handshake, for example
}

// All returns an iterator over the reasons, each a word in lower case, and their numbers.
func (f HandshakeFailures) All() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		_ = yield("denied", f.Denied) && yield("temporary", f.Temporary) && yield("internal", f.Internal) &&
			yield("reply", f.Reply) && yield("mechanism", f.Mechanism) && yield("cryptographic", f.Cryptographic) &&
			yield("protocol", f.Protocol) && yield("other", f.Other)
	}
}

// Stats returns the figures of the transport. It never waits for the loop. After the end of the
// transport it returns the last figures.
func (t *Transport) Stats() Stats {
	t.mu.Lock()
	s, owner := t.statsLocked(), t.owner
	t.mu.Unlock()
	if owner != nil {
		owner.addStats(&s)
	}
	return s
}

// statsLocked is Stats without the owner's figures. Caller holds t.mu.
func (t *Transport) statsLocked() Stats {
	out := t.out.Tally()
	s := Stats{
		Sent:     t.counts.sent,
		Received: Traffic{t.received.messages.Load(), t.received.bytes.Load()},
		Buffered: Traffic{uint64(out.Messages), uint64(out.Bytes)},
		Dropped:  Drops{Unroutable: t.counts.unroutable, Unread: t.counts.unread, Events: t.eventsDropped.Load()},
		Refused:  t.counts.refused,
		Pauses:   t.counts.pauses, Paused: t.counts.paused, IsPaused: t.counts.isPaused,
		Waits: t.counts.waits, Waiters: t.flow.Waiting(),
		Connections: t.heard.Load().stats(),
	}
	s.Dropped.Unsent.add(t.undelivered.Messages, t.undelivered.Bytes)
	if s.IsPaused {
		s.Paused += t.loop.Time() - t.counts.pausedAt
	}
	if last := t.received.last.Load(); last > 0 {
		s.LastReceived = time.Unix(0, last)
	}
	return s
}

// endStats makes the last counts of a transport whose ConnectionLost is due.
func (t *Transport) endStats() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.pauseOver(t.loop.Time())
}

// dropUnread counts messages that the protocol will not get.
func (t *Transport) dropUnread(messages, bytes int) {
	if messages == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.unread.add(messages, bytes)
	t.totalUnread(messages, bytes)
}

// counts are the figures of a transport that Transport.mu guards.
type counts struct {
	sent, unroutable, unread Traffic
	refused, waits, pauses   uint64
	paused                   time.Duration // sum of the pauses that are over
	pausedAt                 time.Duration // when the present pause began, on the loop's clock
	isPaused                 bool
}

// pauseBegan records a call of PauseWriting at now, a time of the loop's clock.
func (c *counts) pauseBegan(now time.Duration) {
	c.pauses++
	c.pausedAt, c.isPaused = now, true
}

// pauseOver records the end of a pause. Calls outside a pause do nothing.
func (c *counts) pauseOver(now time.Duration) {
	if c.isPaused {
		c.paused += now - c.pausedAt
		c.isPaused = false
	}
}

// received counts what the transport has taken from libzmq. Writers hold Transport.sockMu.
type received struct {
	messages, bytes atomic.Uint64
	last            atomic.Int64 // nanoseconds since 1970; 0: never
}

// noteTakenLocked publishes what the socket has received. Caller holds t.sockMu.
func (t *Transport) noteTakenLocked() {
	messages, bytes := t.sock.Taken()
	if bytes == t.received.bytes.Load() && messages == t.received.messages.Load() {
		return
	}
	t.received.messages.Store(messages)
	t.received.bytes.Store(bytes)
	t.received.last.Store(time.Now().UnixNano())
}

// heard counts the events of a transport's monitors. Writers hold Transport.sockMu.
type heard struct {
	connects, accepts, disconnects, retries, acceptFailures, handshakes atomic.Uint64

	denied, temporary, internal, reply, mechanism, cryptographic, protocol, other atomic.Uint64
}

// event counts an event.
func (h *heard) event(ev zmq.MonitorEvent) {
	switch ev.Event {
	case zmq.EVENT_CONNECTED:
		h.connects.Add(1)
	case zmq.EVENT_ACCEPTED:
		h.accepts.Add(1)
	case zmq.EVENT_DISCONNECTED:
		h.disconnects.Add(1)
	case zmq.EVENT_CONNECT_RETRIED:
		h.retries.Add(1)
	case zmq.EVENT_ACCEPT_FAILED:
		h.acceptFailures.Add(1)
	case zmq.EVENT_HANDSHAKE_SUCCEEDED:
		h.handshakes.Add(1)
	case zmq.EVENT_HANDSHAKE_FAILED_AUTH, zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
		h.failure(ev).Add(1)
	}
}

// failure returns the counter for the reason of a failed handshake.
func (h *heard) failure(ev zmq.MonitorEvent) *atomic.Uint64 {
	value := zmq.ProtocolError(ev.Value)
	switch {
	case ev.Event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
		return &h.other
	case ev.Event == zmq.EVENT_HANDSHAKE_FAILED_AUTH && ev.Value == 400:
		return &h.denied
	case ev.Event == zmq.EVENT_HANDSHAKE_FAILED_AUTH && ev.Value == 300:
		return &h.temporary
	case ev.Event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
		return &h.internal
	case value >= zmq.PROTOCOL_ERROR_ZAP_UNSPECIFIED && value < zmq.PROTOCOL_ERROR_WS_UNSPECIFIED:
		return &h.reply
	case value == zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH:
		return &h.mechanism
	case value == zmq.PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC:
		return &h.cryptographic
	}
	return &h.protocol
}

// stats returns the counts of a monitor, or nil for a transport that never had one.
func (h *heard) stats() *ConnectionStats {
	if h == nil {
		return nil
	}
	return &ConnectionStats{
		Open:     -1,
		Connects: h.connects.Load(), Accepts: h.accepts.Load(), Disconnects: h.disconnects.Load(),
		Retries: h.retries.Load(), AcceptFailures: h.acceptFailures.Load(), Handshakes: h.handshakes.Load(),
		Failures: HandshakeFailures{
			Denied: h.denied.Load(), Temporary: h.temporary.Load(), Internal: h.internal.Load(), Reply: h.reply.Load(),
			Mechanism: h.mechanism.Load(), Cryptographic: h.cryptographic.Load(), Protocol: h.protocol.Load(), Other: h.other.Load(),
		},
	}
}
