package netio

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/internal/flow"
)

// A Transport is a stream socket on an event loop, plain or with TLS, or one direction of a
// pipe or terminal. CreateConnection, CreateTransport, ConnectReadPipe, ConnectWritePipe or a
// Server makes it. The loop calls the methods of its Protocol. All methods of a Transport are
// safe for concurrent use, and may be called from callbacks. Those of a zero Transport panic.
//
// asyncio: Transport
type Transport struct {
	socket
	server          *Server // the server that accepted the connection, or nil
	shutdownTimeout time.Duration
	noCopying       bool // SendFile must not copy

	protocol atomic.Pointer[callee]

	// mu of socket guards the fields below.
	stream  stream // fd, or TLS over it
	out     backlog
	secure  *securing          // the StartTLS in progress
	file    *sending           // the SendFile in progress
	overdue *zmqio.TimerHandle // ends a TLS shutdown that takes too long, or nil
}

// ExtraInfo returns what name stands for, or def for an unknown name.
//
//   - "sockname" stands for LocalAddr.
//   - "peername" stands for RemoteAddr.
//   - "pipe" stands for the name of a pipe's file. A pipe has no other of these.
//   - "tls_connection_state" stands for the tls.ConnectionState of a transport with TLS. It has
//     what asyncio has under "ssl_object", "peercert" and "cipher".
//
// asyncio: get_extra_info
func (t *Transport) ExtraInfo(name string, def any) any {
	if name == "tls_connection_state" {
		t.mu.Lock()
		s := t.stream
		t.mu.Unlock()
		if s, ok := s.(*tlsStream); ok {
			return s.conn.ConnectionState()
		}
	}
	return t.socket.ExtraInfo(name, def)
}

// Protocol returns the transport's protocol.
//
// asyncio: get_protocol
func (t *Transport) Protocol() Protocol { return t.protocol.Load().protocol }

// SetProtocol makes p the transport's protocol from the next callback on. It does not call
// ConnectionMade. SetProtocol ignores a nil p and a nil pointer in p.
//
// asyncio: set_protocol
func (t *Transport) SetProtocol(p Protocol) {
	if !isNil(p) {
		t.protocol.Store(newCallee(p))
	}
}

// String returns the addresses and the state, for messages and logs.
func (t *Transport) String() string {
	t.mu.Lock()
	stream := t.stream
	t.mu.Unlock()
	if _, ok := stream.(*tlsStream); ok {
		return t.text("Transport", " TLS")
	}
	return t.text("Transport", "")
}

// stateNow returns the state.
func (t *Transport) stateNow() state {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state
}

// wantsReadLocked reports whether the loop must watch for readability, to read or to see the end of
// a pipe's reader. Caller holds t.mu.
func (t *Transport) wantsReadLocked() bool {
	if t.pipe.is(toWrite) {
		return t.pipe.notices && !t.state.is(unmade|closed)
	}
	return !t.state.is(silent) || t.state&(draining|peerEnded|closed) == draining
}

// lookLocked sets what the loop watches for. Caller holds t.mu.
func (t *Transport) lookLocked() error {
	var want interest
	if t.wantsReadLocked() {
		want |= toRead
	}
	if t.sendableLocked() > 0 {
		want |= toWrite
	}
	return t.wantLocked(want)
}

// settleLocked does what waits for an empty buffer, and sets what the loop watches for. Caller
// holds t.mu.
func (t *Transport) settleLocked() flow.Effects {
	if t.state.is(closed) {
		return 0
	}
	var err error
	switch empty := t.out.len()+t.stream.buffered() == 0; {
	case !empty || t.state.is(starting):
	case t.state.is(filing):
		t.file.tell()
	case t.state.is(closing):
		var done bool
		if done, err = t.stream.shutdown(); done {
			return t.endLocked(nil)
		}
		if !t.state.is(draining) {
			t.state |= draining
			t.readHeldLocked()
		}
	case t.state&(eofWanted|eofSent) == eofWanted:
		t.state |= eofSent
		err = t.stream.closeWrite()
	}
	if err != nil {
		return t.endLocked(t.opError("close", err))
	}
	if err = t.lookLocked(); err != nil {
		return t.endLocked(t.opError("watch", err))
	}
	return 0
}

// A securing is a StartTLS in progress.
type securing struct {
	clear  int           // bytes at the front of the buffer that are sent as plain text
	ready  chan struct{} // closed when clear is 0
	cancel context.CancelCauseFunc
}

// sent records that n bytes were sent. Caller holds Transport.mu.
func (s *securing) sent(n int) {
	if s.clear -= n; s.clear == 0 {
		close(s.ready)
	}
}
