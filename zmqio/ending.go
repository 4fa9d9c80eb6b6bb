package zmqio

import (
	"time"

	"github.com/zmqio/zmq/zmqio/internal/flow"
	"github.com/zmqio/zmq/zmqio/internal/goroutine"
	"github.com/zmqio/zmq/zmqio/internal/outbox"
	"github.com/zmqio/zmq/zmqio/internal/reactor"
	"github.com/zmqio/zmq/zmqio/internal/sock"
)

// A transport ends in three steps. Close stops reading and admission, and flushes. close lets the
// socket go; abort does so at any time. Then the loop calls lost, and lost calls ConnectionLost.
// closed.go follows the socket after the second step.

// Close closes the transport in good order and does not wait. The transport stops receiving,
// sends what Write has accepted, for as long as that takes, and closes the socket. Then the
// loop calls ConnectionLost(nil). libzmq goes on to send what it has taken, for as long as
// ZMQ_LINGER says. Close may be repeated, and returns nil. Off the loop goroutine, a call of
// MsgReceived that is just starting may still come.
//
// After ConnectionLost the endpoints may still be in use. [Transport.Closed] tells until when.
//
// Over ipc, on Linux, zmqio keeps the connections open until the peer's libzmq has read
// everything. It gives up when ZMQ_LINGER or EventLoop.Close is over. The logger then gets a
// warning, once for the transport, and the next EventLoop.Shutdown or EventLoop.Close returns
// ErrUndelivered. A process that ends before loses what the peer has not read: call
// EventLoop.Shutdown or EventLoop.Close first.
//
// Keeping connections open has a price, until it is over:
//   - a look at every descriptor of the process, and one descriptor for each connection;
//   - two sockets of MaxSockets, if the transport connects;
//   - up to 100 ms before the socket is closed, while a connection is being made.
//
// It also has limits. A connection that comes and ends too early to be kept open counts as
// undelivered, unless the transport sent 7 KiB or less. A peer whose ZMQ_HEARTBEAT_TIMEOUT ends
// hangs up. For a socket made elsewhere, only the last endpoint is known.
//
// asyncio: close
func (t *Transport) Close() error {
	t.mu.Lock()
	first := t.status.Or(phaseClosing)&phaseClosing == 0
	if first {
		t.flow.Stop(errClosedForWrite())
	}
	t.mu.Unlock()
	if first {
		t.silenceMonitor()
		t.flush()
	}
	return nil
}

// Abort closes the socket at once; then the loop calls ConnectionLost(nil). It drops what Write
// has accepted and, by a ZMQ_LINGER of 0, what libzmq has taken and not sent. Abort may be
// repeated, also after Close, and returns nil.
//
// Over TCP, Abort is not safe while messages of several frames are sent and the peer ends at
// the same moment. libzmq may then end the process in session_base.cpp. Close is safe.
//
// asyncio: abort
func (t *Transport) Abort() error {
	t.abort()
	return nil
}

// IsClosing reports whether the transport has ended, or Close has been called.
//
// asyncio: is_closing
func (t *Transport) IsClosing() bool { return t.in(phaseClosing) }

// Undelivered returns the size of the write buffer, as messages and their payload in bytes.
// After the end it returns what was dropped then.
func (t *Transport) Undelivered() (messages, bytes int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := t.undelivered
	if !t.in(phaseClosed) {
		left = t.out.Tally()
	}
	return left.Messages, left.Bytes
}

// close ends the transport: after Close with a nil err, else with the err that ConnectionLost gets.
// libzmq goes on sending what it has.
func (t *Transport) close(err error) { t.end(err, sendRest) }

// closeIfFlushed calls close if Close was called and the outbox is empty.
func (t *Transport) closeIfFlushed() {
	t.mu.Lock()
	done := t.IsClosing() && !t.in(phaseClosed) && t.out.Empty()
	t.mu.Unlock()
	if done {
		t.close(nil)
	}
}

// fatal is close for an error that no caller can return. It tells the exception handler.
func (t *Transport) fatal(err error) {
	if !t.failed.Swap(true) { // several goroutines may meet the same error
		t.complain("fatal error on a transport", err)
	}
	t.close(err)
}

// abort ends the transport. libzmq drops its messages.
func (t *Transport) abort() { t.end(nil, dropRest) }

// closeWithLoop flushes, then ends the transport within the loop's linger. It returns what was
// dropped. While the loop closes, ConnectionLost waits for a running PauseWriting until deadline.
func (t *Transport) closeWithLoop(deadline time.Time) error {
	t.flush()
	dropped := t.end(nil, sendInTime)
	if t.loop.IsClosed() {
		t.residence.Post(reactor.NewHandle(func() {
			t.mu.Lock()
			pausing := t.flow.Pausing()
			t.mu.Unlock()
			pausing.Await(goroutine.ID(), deadline)
			t.lost()
		}, t.origin("ConnectionLost")))
	}
	return newLoss(t, dropped)
}

// A fate says what happens to the socket of a transport that ends.
type fate int

const (
	sendRest   fate = iota // libzmq sends what it has, until ZMQ_LINGER ends
	sendInTime             // libzmq sends what it has, until the loop's linger ends
	dropRest               // libzmq drops what it has
	giveBack               // the socket stays open and goes back to the user
)

// end ends the transport, even one that never entered its loop. It drops the outbox, lets the
// socket go, and makes the loop call ConnectionLost(err). Only the first call acts. It returns what
// the outbox had. Later calls return the same if an error ended the transport, and else nothing.
func (t *Transport) end(err error, f fate) (dropped outbox.Tally) {
	var fx flow.Effects
	t.sockMu.Lock()
	t.mu.Lock()
	first := t.status.Or(phaseClosing|phaseClosed)&phaseClosed == 0
	if first {
		t.leak.Stop()
		t.lostErr, t.undelivered = err, t.out.Tally()
		t.out.Clear()
		t.flow.Stop(errClosedForWrite())
		if t.started {
			fx = t.flow.Lose()
		}
	}
	if first || t.lostErr != nil {
		dropped = t.undelivered
	}
	t.mu.Unlock()
	if first {
		t.letGoLocked(f)
	}
	t.sockMu.Unlock()
	t.carry(fx)
	return dropped
}

// letGoLocked closes the socket or gives it back, as f says. Caller holds t.sockMu.
func (t *Transport) letGoLocked(f fate) {
	if t.started {
		// The poller must drop the descriptor before the close. After it the number may be another
		// file's.
		t.watch.Stop()
	}
	if t.sock != nil && f != giveBack && !t.typ.CanSend() {
		// The socket has nothing to send. If a peer went while the queue was full, libzmq does not
		// look at that connection again. It would keep the socket until ZMQ_LINGER ends.
		f = dropRest
	}
	switch f {
	case sendInTime:
		t.limitLingerLocked()
		t.departLocked(true)
	case sendRest:
		t.departLocked(true)
	case dropRest:
		_ = rawSockopts(t.sock).SetLinger(0) // an error means that the socket is gone, and so cannot linger
		t.departLocked(false)
	case giveBack:
		_ = t.endMonitorLocked() // fails only if the socket is gone
		t.stay()
	}
	if t.sock != nil { // nil if the creation failed early
		t.dropUnread(t.sock.Inbox())
	}
	t.sock = nil
	sock.Disclaim(t.zsock) // from here on another transport may claim the socket
}

// limitLingerLocked makes ZMQ_LINGER no longer than the loop's linger. Caller holds t.sockMu.
func (t *Transport) limitLingerLocked() {
	opts, most := rawSockopts(t.sock), t.loop.linger
	if d, err := opts.Linger(); err != nil || 0 <= d && d <= most {
		return
	}
	_ = opts.SetLinger(most) // fails only if the context is gone
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.handed {
		t.loop.hurried.Store(true)
	}
}

// stay closes the channel of Closed: the socket stays open.
func (t *Transport) stay() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.departed = true
	if t.gone != nil {
		close(t.gone)
	}
}

// postLost makes the loop call lost.
func (t *Transport) postLost() {
	t.residence.Post(reactor.NewHandle(t.lost, t.origin("ConnectionLost")))
}

// lost calls ConnectionLost, once, and leaves the loop. Loop goroutine only.
func (t *Transport) lost() {
	if t.status.Or(phaseLost)&phaseLost != 0 {
		return
	}
	t.endStats()
	defer t.residence.Leave()
	defer t.delist()
	defer func() { // runs even if Unroutable calls runtime.Goexit
		p := t.Protocol()
		defer t.recovered("ConnectionLost panicked", p)
		p.ConnectionLost(t.lostErr)
	}()
	t.tellLastUnroutable()
}
