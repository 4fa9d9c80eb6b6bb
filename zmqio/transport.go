package zmqio

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/outbox"
	"github.com/zmqio/zmq/zmqio/internal/reactor"
	"github.com/zmqio/zmq/zmqio/internal/sock"
)

// A Transport is a ZeroMQ socket on an event loop. CreateZmqConnection makes it, and the loop
// calls the methods of its [Protocol]. All methods of a Transport are safe for concurrent use,
// and may be called from callbacks. Those of a zero Transport panic.
//
// Three facts about ZeroMQ surprise newcomers. A REP sends the routing frames in front of the
// empty frame back with its reply. [Transport.Unbind] disconnects the peers that came through
// the endpoint. A PUB does not know its subscribers; an XPUB receives their subscriptions.
//
// aiozmq: ZmqTransport
type Transport struct {
	label  string // ConnectionConfig.Name
	group  *group // in totals; set by enlist
	loop   *EventLoop
	typ    zmq.SocketType
	traits traits
	zsock  *zmq4.Socket

	context *zmq4.Context // of zsock

	residence *reactor.Residence
	task      *reactor.Task  // serve
	watch     *reactor.Watch // of fd, for the task

	created *reactor.Trace  // nil outside debug mode
	leak    runtime.Cleanup // stops the warning; set in debug mode

	// Locks are taken in this order:
	//
	//   - those of policies, child watchers, futures and mailboxes
	//   - sockMu, which is held during libzmq calls
	//   - opening, and then ipcMu or zapMu; totals.mu
	//   - mu
	//   - EventLoop.mu
	//   - those of package reactor, which makes the system calls of its poller under its own
	//   - departing.mu, and those of rosters and feeds, under which no other is taken
	//
	// Only the loop goroutine takes a second sockMu: a proxy holds that of the transport it
	// receives from while it takes those of the transports it sends to.
	sockMu  sync.Mutex
	sock    *sock.Socket // nil after the close
	fd      int          // ZMQ_FD
	guard   *guard
	started bool // the transport is on its loop

	monitor *monitor // under sockMu; nil while there is none

	mu       sync.Mutex
	status   atomic.Uint32 // mu is held to enter a phase
	protocol atomic.Pointer[callee]
	sender
	listeners   endpoints
	connections endpoints
	lostErr     error
	undelivered outbox.Tally // the content of out at the end
	unroutable  unroutable
	counts      counts

	received      received
	heard         atomic.Pointer[heard] // nil until the transport has a monitor
	eventsDropped atomic.Uint64         // by the feeds of its Stream

	failed atomic.Bool // the exception handler knows the error that ended the transport
	warned atomic.Bool // the logger knows that every client is let in

	gone     chan struct{} // the result of Closed, nil before the first call; under mu
	departed bool          // the socket is closed or given back; under mu

	receiver sock.Receiver // the loop's: it copies frames, or lends them
	metadata *metadata     // nil if the transport asks for no properties
	names    bool          // TCP endpoints to connect to may have host names
	owner    owner         // sets and keeps the protocol, or nil; set before ConnectionMade returns
}

// Transport.status is the set of reasons for not reading. The transport reads while the set is
// empty. The last three are also the phases of the transport's end. Each phase implies the one
// before.
const (
	userPaused   uint32 = 1 << iota // PauseReading was called, and ResumeReading was not
	streamFull                      // holdReading was called, and releaseReading was not
	proxyPaused                     // Proxy.Pause was called, and Proxy.Resume was not
	proxyFull                       // the outboxes that a proxy sends to are not empty
	phaseClosing                    // Close was called
	phaseClosed                     // the socket is closed, or about to be
	phaseLost                       // ConnectionLost is being called, or was
)

// An owner keeps a transport to itself: SetProtocol then does nothing.
type owner interface {
	// attachedLocked gets an endpoint after its bind or connect. Caller holds t.sockMu.
	attachedLocked(endpoint string)
	// detachedLocked gets an endpoint after its unbind or disconnect. Caller holds t.sockMu.
	detachedLocked(endpoint string)
	// happenedLocked gets each monitor event when it is taken from libzmq. Caller holds t.sockMu.
	happenedLocked(ev zmq.MonitorEvent)
	// receivedLocked runs after a receive. empty means that libzmq has no message left. Caller
	// holds t.sockMu.
	receivedLocked(empty bool)
	// offeredLocked gets libzmq's answer to a send, and whether the outbox is empty now. Caller
	// holds t.sockMu and t.mu.
	offeredLocked(errno syscall.Errno, empty bool)
	// addStats adds the owner's figures to s.
	addStats(s *Stats)
}

// traits are the properties of a socket type that a transport needs.
type traits struct {
	receives bool
	// eager types never buffer: the caller gets the error of each message. On REQ and REP libzmq
	// decides whose turn it is. A type that cannot send says so at once.
	eager bool
	// connectsOnce types connect at most once to the same endpoint.
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

// start puts t on its loop. The caller has set loop, typ, zsock, sock, and the user's
// configuration.
func (t *Transport) start(p Protocol) error {
	t.sockMu.Lock() // Configure may have given the options to another goroutine
	defer t.sockMu.Unlock()
	fd, err := rawSockopts(t.sock).FD()
	if err != nil {
		return err
	}
	t.fd = int(fd)
	t.traits = traitsOf(t.typ)
	t.protocol.Store(newCallee(p))

	if t.created != nil { // set before another goroutine can end t
		t.leak = reactor.WarnIfCollected(t, t.loop.reactor.Logger(), "transport", t.created, slog.String("type", t.typ.String()))
	}
	if err := t.settleInLocked(); err != nil {
		t.leak.Stop()
		return err
	}
	t.started = true
	// ZMQ_FD signals changes alone, and messages may have come before.
	t.schedule()
	return nil
}

// settleInLocked makes t a resident of its loop and watches its descriptor. Caller holds t.sockMu,
// so that no goroutine can end t half-way.
func (t *Transport) settleInLocked() (err error) {
	t.residence = t.loop.reactor.NewResidence(transportResident{t})
	t.task = t.residence.NewTask(t.serve, t.methodOrigin("MsgReceived"))
	if t.watch, err = t.watchFD(t.fd, t.task); err != nil {
		return err
	}
	if err = t.residence.Enter(); err != nil {
		t.watch.Stop()
		return err
	}
	t.enlist()
	return nil
}

// watchFD makes the loop run task when fd, a ZMQ_FD, becomes readable.
func (t *Transport) watchFD(fd int, task *reactor.Task) (*reactor.Watch, error) {
	watch, err := t.residence.Watch(fd, task, nil)
	if errors.Is(err, reactor.ErrReserved) {
		return nil, invalid("descriptor %d of the socket is watched by another resident of the loop", fd)
	}
	if err != nil {
		return nil, err
	}
	if err := watch.Want(true, false); err != nil {
		watch.Stop()
		return nil, err
	}
	return watch, nil
}

// Loop returns the loop of the transport.
func (t *Transport) Loop() *EventLoop { return t.loop }

// ExtraInfo returns what name stands for, or def for an unknown name. "zmq_socket" stands for
// the *zmq4.Socket, which the caller must not use while the transport owns it. "zmq_type"
// stands for the zmq.SocketType.
//
// asyncio: get_extra_info
func (t *Transport) ExtraInfo(name string, def any) any {
	switch name {
	case "zmq_socket":
		return t.zsock
	case "zmq_type":
		return t.typ
	}
	return def
}

// Protocol returns the transport's protocol.
//
// asyncio: get_protocol
func (t *Transport) Protocol() Protocol { return t.protocol.Load().protocol }

// setOwner makes o the owner. It locks because goroutines that list the loop's residents may call
// Stats already.
func (t *Transport) setOwner(o owner) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.owner = o
}

// SetProtocol makes p the transport's protocol from the next callback on. It does not call
// ConnectionMade. If p is a [BatchProtocol], it gets the rest of a batch that is being
// delivered. SetProtocol ignores a nil p and a nil pointer in p, and does nothing on a Stream's
// transport.
//
// asyncio: set_protocol
func (t *Transport) SetProtocol(p Protocol) {
	if t.owner != nil || isNil(p) {
		return
	}
	t.protocol.Store(newCallee(p))
}

// in reports whether the transport has entered a phase.
func (t *Transport) in(phase uint32) bool { return t.status.Load()&phase != 0 }

// String returns the type, the name and the endpoints, for messages and logs.
//
// aiozmq: repr
func (t *Transport) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := "<Transport " + t.typ.String()
	if t.label != "" {
		s += fmt.Sprintf(" %q", t.label)
	}
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
