package netio

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/internal/flow"
)

// A Transport is a stream socket on an event loop, plain or with TLS. It is made by
// CreateConnection, CreateTransport or a Server, and calls the methods of its Protocol. Its
// own methods may be called from every goroutine and from every callback. Those of a zero
// Transport panic.
//
// asyncio: Transport
type Transport struct {
	loop            *zmqio.EventLoop
	server          *Server // nil, or what accepted it
	local, remote   net.Addr
	shutdownTimeout time.Duration

	protocol atomic.Pointer[callee]

	// mu is the only lock of a transport. It is held during system calls, which do not
	// block, and taken before those of the loop. No callback is called with it held.
	mu        sync.Mutex
	residence *zmqio.Residence
	watch     *zmqio.Watch
	wanted    interest // what watch looks for
	fd        descriptor
	stream    stream // fd, or TLS over it
	state     state
	out       backlog
	flow      flow.Control
	secure    *securing          // StartTLS is in progress
	overdue   *zmqio.TimerHandle // ends a shutdown of TLS that takes too long; nil without one
	lostErr   error
	dropped   int           // bytes in the buffer at the end
	gone      chan struct{} // what Closed returns; nil before
}

// A state is a set of facts about a transport.
type state uint16

// The transport reads while none of the first six holds.
const (
	unmade     state = 1 << iota // ConnectionMade has not returned
	userPaused                   // PauseReading was called, and ResumeReading was not
	peerEnded                    // the peer has ended its side
	starting                     // StartTLS is in progress
	closing                      // Close was called, or the end has come
	closed                       // the end has come, and ConnectionLost comes next
	lost                         // ConnectionLost was called, and all is over
	eofWanted                    // WriteEOF was called
	eofSent                      // and the stream has ended in this direction
	draining                     // what is read is dropped, until the peer ends TLS

	silent = unmade | userPaused | peerEnded | starting | closing | closed
)

// is reports whether any fact of f holds.
func (s state) is(f state) bool { return s&f != 0 }

// An interest is what the loop is to look for.
type interest uint8

const (
	toRead interest = 1 << iota
	toWrite
)

// Loop returns the loop that the transport is on.
func (t *Transport) Loop() *zmqio.EventLoop { return t.loop }

// LocalAddr returns the address of this end. It stays known after the end.
func (t *Transport) LocalAddr() net.Addr { return t.local }

// RemoteAddr returns the address of the peer. It stays known after the end.
func (t *Transport) RemoteAddr() net.Addr { return t.remote }

// ExtraInfo returns what is known about the transport under name, or def.
//
//   - "sockname" is LocalAddr.
//   - "peername" is RemoteAddr.
//   - "tls_connection_state" is the tls.ConnectionState of a transport with TLS. It has what
//     asyncio tells under "ssl_object", "peercert" and "cipher".
//
// asyncio: get_extra_info
func (t *Transport) ExtraInfo(name string, def any) any {
	switch name {
	case "sockname":
		return t.local
	case "peername":
		return t.remote
	case "tls_connection_state":
		t.mu.Lock()
		s := t.stream
		t.mu.Unlock()
		if s, ok := s.(*tlsStream); ok {
			return s.conn.ConnectionState()
		}
	}
	return def
}

// Protocol returns the transport's protocol.
//
// asyncio: get_protocol
func (t *Transport) Protocol() Protocol { return t.protocol.Load().protocol }

// SetProtocol makes p the transport's protocol from the next callback on. A nil p, and a nil
// pointer in p, is ignored. ConnectionMade is not called again.
//
// asyncio: set_protocol
func (t *Transport) SetProtocol(p Protocol) {
	if !isNil(p) {
		t.protocol.Store(newCallee(p))
	}
}

// String returns the addresses and the state, for messages.
func (t *Transport) String() string {
	t.mu.Lock()
	s, stream := t.state, t.stream
	t.mu.Unlock()
	text := fmt.Sprintf("<Transport %s %v->%v", t.local.Network(), t.local, t.remote)
	if _, ok := stream.(*tlsStream); ok {
		text += " TLS"
	}
	switch {
	case s.is(closed):
		text += " closed"
	case s.is(closing):
		text += " closing"
	}
	return text + ">"
}

// stateNow returns the state.
func (t *Transport) stateNow() state {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state
}

// wantsReadLocked reports whether to read what comes. Caller holds t.mu.
func (t *Transport) wantsReadLocked() bool {
	return !t.state.is(silent) || t.state&(draining|peerEnded|closed) == draining
}

// lookLocked tells the loop what to look for. Caller holds t.mu.
func (t *Transport) lookLocked() error {
	var want interest
	if t.wantsReadLocked() {
		want |= toRead
	}
	if t.sendableLocked() > 0 {
		want |= toWrite
	}
	if want == t.wanted {
		return nil
	}
	err := t.watch.Want(want&toRead != 0, want&toWrite != 0)
	if err == nil {
		t.wanted = want
	}
	return err
}

// settleLocked does what waits for an empty buffer, and tells the loop what to look for.
// Caller holds t.mu.
func (t *Transport) settleLocked() flow.Effects {
	if t.state.is(closed) {
		return 0
	}
	var err error
	switch empty := t.out.len()+t.stream.buffered() == 0; {
	case !empty || t.state.is(starting):
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

// callback calls fn, which calls the method of p with the name given. A panic goes to the
// exception handler.
func (t *Transport) callback(name string, p Protocol, fn func()) {
	defer func() {
		if v := recover(); v != nil {
			_ = t.panicked(name, p, v)
		}
	}()
	fn()
}

// critical is callback, and reports whether fn has returned. If not, the transport ends.
func (t *Transport) critical(name string, p Protocol, fn func()) (ok bool) {
	err := zmqio.ErrGoexit // unless fn returns
	defer func() {
		if v := recover(); v != nil {
			err = t.panicked(name, p, v)
		}
		if err != nil {
			t.end(err)
		}
	}()
	fn()
	err = nil
	return true
}

// panicked tells the exception handler of a panic with v, which has just been recovered. It
// returns the panic.
func (t *Transport) panicked(name string, p Protocol, v any) error {
	err := zmqio.NewPanicError(v)
	t.residence.Report(name+" panicked", p, err)
	return err
}

// A securing is a StartTLS in progress.
type securing struct {
	clear  int           // bytes at the front of the buffer that go out in the clear
	ready  chan struct{} // closed when clear is 0
	cancel context.CancelCauseFunc
}

// sent notes that n bytes have gone out. Caller holds Transport.mu.
func (s *securing) sent(n int) {
	if s.clear -= n; s.clear == 0 {
		close(s.ready)
	}
}
