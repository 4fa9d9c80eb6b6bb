package zmqio

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/flow"
	"github.com/zmqio/zmq/zmqio/internal/reactor"
	"github.com/zmqio/zmq/zmqio/internal/sock"
)

// A Transport is a ZeroMQ socket on an event loop: aiozmq's ZmqTransport. It is
// made by CreateZmqConnection and calls the methods of its Protocol. Its own
// methods may be called from every goroutine and from every callback. Those of a zero
// Transport panic.
type Transport struct {
	loop   *EventLoop
	typ    zmq.SocketType
	traits traits
	zsock  *zmq4.Socket

	context *zmq4.Context // of zsock

	residence *reactor.Residence // a monitor's PAIR does not enter its own
	task      *reactor.Task      // serve
	watch     *reactor.Watch     // of fd, for the task

	created *reactor.Trace  // in debug mode
	leak    runtime.Cleanup // in debug mode

	// The locks of a transport and its loop are taken in this order: sockMu, mu, EventLoop.mu,
	// and those of package reactor, which makes the system calls of its poller under its own.
	// The locks of policies and child watchers come before, and of two transports' sockMu that
	// of a monitor's PAIR comes last. sockMu is held during libzmq calls.
	sockMu  sync.Mutex
	sock    *sock.Socket // nil when it has been closed
	fd      int          // ZMQ_FD
	guard   *guard
	started bool // it is on its loop

	monitor   *monitor   // under sockMu; nil while there is none
	monitorOf *Transport // of a monitor's PAIR: the transport that it is about

	mu       sync.Mutex
	status   atomic.Uint32 // phases are entered under mu
	protocol atomic.Pointer[callee]
	sender
	listeners   endpoints
	connections endpoints
	lostErr     error
	undelivered tally // what was in out at the end
	unroutable  unroutable

	failed atomic.Bool // the exception handler has been told of what ended it
	warned atomic.Bool // the logger has been told that every client is let in

	gone     chan struct{} // what Closed returns, nil before; under mu
	departed bool          // the socket has been closed; under mu

	receiver sock.Receiver // of the loop: it copies frames, or lends them
}

// Transport.status is the set of reasons for not reading: the transport reads while it is
// empty. The last three are the phases of its end as well. Each of them implies the ones
// before it.
const (
	userPaused   uint32 = 1 << iota // PauseReading was called, and ResumeReading was not
	streamFull                      // holdReading was called, and releaseReading was not
	phaseClosing                    // Close was called
	phaseClosed                     // the socket is closed, or about to be
	phaseLost                       // ConnectionLost is called, or was
)

// traits are what a transport needs to know of its socket type.
type traits struct {
	receives bool
	// eager types get each message at once, or the caller an error: on REQ and REP
	// libzmq says whose turn it is, and a type that cannot send says so.
	eager bool
	// connectsOnce types are connected at most once to the same endpoint.
	connectsOnce bool
	refusal      sock.Refusal
}

func traitsOf(typ zmq.SocketType) traits {
	info := typ.Info()
	return traits{
		receives:     info.CanReceive,
		eager:        info.Eager,
		connectsOnce: info.ConnectsOnce,
		refusal:      sock.RefusalOf(typ),
	}
}

// start puts t on its loop. What t is made of is set: loop, typ, zsock, sock, and
// what the user configured.
func (t *Transport) start(p Protocol) error {
	t.sockMu.Lock() // Configure may have given the options to another goroutine
	defer t.sockMu.Unlock()
	fd, err := rawSockopts(t.sock).FD()
	if err != nil {
		return err
	}
	t.fd = int(fd)
	t.traits = traitsOf(t.typ)
	if t.receiver == nil { // that of a monitor's PAIR
		t.receiver = t.loop.copier
	}
	t.protocol.Store(newCallee(p))

	if t.created != nil { // before anybody else can end t
		t.leak = reactor.WarnIfCollected(t, t.loop.reactor.Logger(), "transport", t.created, slog.String("type", t.typ.String()))
	}
	if err := t.settleInLocked(); err != nil {
		t.leak.Stop()
		return err
	}
	t.started = true
	// The descriptor tells of changes only, and some may have been before.
	t.schedule()
	return nil
}

// settleInLocked has t's descriptor watched and makes t a resident of its loop, unless it is
// a part of another transport. Caller holds t.sockMu, or t could be ended half-way.
func (t *Transport) settleInLocked() error {
	source := t.methodOrigin("MsgReceived")
	if of := t.monitorOf; of != nil {
		source = of.methodOrigin("EventReceived")
	}
	t.residence = t.loop.reactor.NewResidence(transportResident{t})
	t.task = t.residence.NewTask(t.serve, source)
	if err := t.watchFD(); err != nil || t.monitorOf != nil {
		return err
	}
	err := t.residence.Enter()
	if err != nil {
		t.watch.Stop()
	}
	return err
}

// watchFD has the loop serve the transport when ZMQ_FD tells of something.
func (t *Transport) watchFD() (err error) {
	t.watch, err = t.residence.Watch(t.fd, t.task, nil)
	if errors.Is(err, reactor.ErrReserved) {
		return invalid("descriptor %d of the socket is watched by another resident of the loop", t.fd)
	}
	if err != nil {
		return err
	}
	if err = t.watch.Want(true, false); err != nil {
		t.watch.Stop()
	}
	return err
}

// Loop returns the loop that the transport is on.
func (t *Transport) Loop() *EventLoop { return t.loop }

// ExtraInfo returns what is known about the transport under name, or def. The names
// are "zmq_socket", the *zmq4.Socket, which must not be used while the transport
// does, and "zmq_type", the zmq.SocketType. It stands for get_extra_info.
func (t *Transport) ExtraInfo(name string, def any) any {
	switch name {
	case "zmq_socket":
		return t.zsock
	case "zmq_type":
		return t.typ
	}
	return def
}

// Protocol returns the transport's protocol. It stands for get_protocol.
func (t *Transport) Protocol() Protocol { return t.protocol.Load().protocol }

// SetProtocol makes p the transport's protocol from the next callback on. A nil p, and
// a nil pointer in p, is ignored. ConnectionMade is not called again. Of a batch that is
// being delivered a [BatchProtocol] gets what is left.
//
// asyncio: set_protocol
func (t *Transport) SetProtocol(p Protocol) {
	if isNil(p) {
		return
	}
	t.protocol.Store(newCallee(p))
}

// IsClosing reports whether the transport is closed or about to be. It stands for
// is_closing.
func (t *Transport) IsClosing() bool { return t.in(phaseClosing) }

// in reports whether the transport has entered a phase.
func (t *Transport) in(phase uint32) bool { return t.status.Load()&phase != 0 }

// Close stops receiving, sends what Write has accepted, for as long as that takes,
// and then closes the socket and calls ConnectionLost(nil). It does not wait for
// any of this. What libzmq has taken it goes on to send after that, for as long as
// ZMQ_LINGER says. Close may be repeated, and returns nil. Off the loop, a call of
// MsgReceived that is just starting there may still come. It stands for close.
//
// Endpoints may be in use after ConnectionLost. Closed tells until when.
//
// Over ipc, on Linux, zmqio keeps the connections open until their peers have read
// everything, ZMQ_LINGER is over, or EventLoop.Close gives up. A process that ends before
// loses what a peer has not read; call EventLoop.Shutdown or EventLoop.Close first. "Read"
// means by the peer's libzmq, not by its program. What a peer does not read in time goes
// to the logger as a warning, once for the transport, and into the ErrUndelivered of the
// next Shutdown or EventLoop.Close.
//
// This costs a look at every descriptor of the process, a descriptor for each connection
// and, if the transport connects, two sockets of the context's MaxSockets, until it is
// over. Up to 100 ms pass before the socket is closed where a connection is being made. A
// connection that comes even later is kept open too. If it is over before that can be
// done, what it carried counts as undelivered, unless the transport sent 7 KiB or less.
// A peer whose ZMQ_HEARTBEAT_TIMEOUT ends meanwhile hangs up. Of a socket that was made
// elsewhere only the last endpoint is known.
func (t *Transport) Close() error {
	t.mu.Lock()
	if t.IsClosing() {
		t.mu.Unlock()
		return nil
	}
	t.status.Or(phaseClosing)
	t.flow.Stop(errClosedForWrite())
	t.mu.Unlock()
	_ = t.DisableMonitor() // fails only if the socket is gone
	t.flush()
	return nil
}

// Abort closes the socket at once and calls ConnectionLost(nil). It drops what
// Write has accepted and, by setting ZMQ_LINGER to 0, what libzmq has taken and not
// sent yet. It may be repeated, also after Close, and returns nil. It stands for abort.
//
// While a transport sends messages of several frames over TCP, Abort is not safe if the
// peer ends at the same moment: libzmq may end the process in session_base.cpp. Close is.
func (t *Transport) Abort() error {
	t.finish(nil, abortSocket)
	return nil
}

// Undelivered returns what Write has accepted and libzmq has not taken, or after the end
// what was dropped then: messages, and their payload in bytes.
func (t *Transport) Undelivered() (messages, bytes int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := t.undelivered
	if !t.in(phaseClosed) {
		left = t.waitingLocked()
	}
	return left.messages, left.bytes
}

// waitingLocked counts what is in the outbox. Caller holds t.mu.
func (t *Transport) waitingLocked() tally { return tally{t.out.Messages(), t.out.Bytes()} }

// finish ends the socket as how says, drops the buffer, and posts
// ConnectionLost(err). The first call counts; it returns what was in the buffer, and so
// does any later one if err ended it.
func (t *Transport) finish(err error, how ending) (dropped tally) {
	t.sockMu.Lock()
	dropped, fx := t.finishLocked(err, how)
	t.sockMu.Unlock()
	t.carry(fx)
	return dropped
}

// finishLocked is finish, and returns the effects. Caller holds t.sockMu.
func (t *Transport) finishLocked(err error, how ending) (dropped tally, fx flow.Effects) {
	t.mu.Lock()
	if t.in(phaseClosed) {
		if t.lostErr != nil {
			dropped = t.undelivered
		}
		t.mu.Unlock()
		return dropped, 0
	}
	t.status.Or(phaseClosing | phaseClosed)
	t.leak.Stop()
	t.lostErr = err
	t.undelivered = t.waitingLocked()
	dropped = t.undelivered
	t.out.Clear()
	t.flow.Stop(errClosedForWrite())
	fx = t.flow.Lose()
	t.mu.Unlock()
	// Off the poller before it is closed, so that the descriptor's number cannot
	// be another's while it is watched.
	t.watch.Stop()
	_ = t.endMonitor() // fails only if the socket is gone
	how(t)
	t.sock = nil
	sock.Disclaim(t.zsock) // closed, or the caller's again: until here another transport could not take it
	return dropped, fx
}

// disown ends a transport that did not get as far as its loop, as how says.
func (t *Transport) disown(how ending) {
	t.sockMu.Lock()
	defer t.sockMu.Unlock()
	how(t)
	t.sock = nil
	sock.Disclaim(t.zsock)
}

// An ending is what becomes of a transport's socket. It is called with sockMu held.
type ending func(*Transport)

// postLost has ConnectionLost called by the loop.
func (t *Transport) postLost() {
	t.residence.Post(reactor.NewHandle(t.lose, t.origin("ConnectionLost")))
}

// lose calls ConnectionLost, on the loop, once.
func (t *Transport) lose() {
	if t.status.Or(phaseLost)&phaseLost != 0 {
		return
	}
	defer t.residence.Leave()
	defer func() { // also when Unroutable calls runtime.Goexit
		p := t.Protocol()
		defer t.recovered("ConnectionLost panicked", p)
		p.ConnectionLost(t.lostErr)
	}()
	t.tellLastUnroutable()
}

// fatal ends the transport for an error that no caller can be told.
func (t *Transport) fatal(err error) {
	if t.monitorOf != nil { // the context that both are of is gone
		t = t.monitorOf
	}
	if !t.failed.Swap(true) { // several goroutines may meet the same error
		t.complain("fatal error on a transport", err)
	}
	t.finish(err, closeSocket)
}

// complain has the loop's exception handler called with err.
func (t *Transport) complain(message string, err error) {
	ctx := t.exception(message, t.Protocol())
	ctx.Err = err
	t.residence.Post(reactor.NewHandle(func() { t.loop.CallExceptionHandler(ctx) }, nil))
}

// isFatal reports whether a libzmq call that failed with err will never succeed.
func isFatal(err error) bool { return errors.Is(err, zmq.ETERM) || errors.Is(err, zmq.ENOTSOCK) }

// String returns the type and the endpoints, for messages. It stands for repr.
func (t *Transport) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := "<Transport " + t.typ.String()
	if l := t.listeners.list(); len(l) > 0 {
		s += fmt.Sprintf(" bound %v", l)
	}
	if c := t.connections.list(); len(c) > 0 {
		s += fmt.Sprintf(" connected %v", c)
	}
	switch {
	case t.in(phaseClosed):
		s += " closed"
	case t.IsClosing():
		s += " closing"
	}
	return s + ">"
}
