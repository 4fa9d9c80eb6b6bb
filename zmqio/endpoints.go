package zmqio

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zmqio/zmq"
)

// Bind accepts connections at endpoint. It returns the endpoint that was bound, with wildcards
// replaced: port * or 0 becomes a number.
//
// Errors, in an [*OpError]:
//   - [ErrTransportClosed]: the transport has ended, or Close was called.
//   - zmq.EADDRINUSE, EPROTONOSUPPORT and others of libzmq.
//   - [ErrInvalidArgument] and zmq.EINVAL: no socket can bind endpoint. It has no transport, or
//     its port is no number up to 65535. Or its name is neither an address nor an interface, or
//     its IPv6 address needs the option IPV6. The text says which.
//   - [ErrInvalidArgument]: keys are set and MECHANISM is NULL. CURVE keys are set, and neither
//     CURVE_SERVERKEY nor CURVE_SERVER is. Or ZAP_ENFORCE_DOMAIN is set without ZAP_DOMAIN.
//   - zmq.EMFILE: the process would run out of descriptors, and libzmq would end it.
//
// Over ipc, libzmq itself would unlink any file at the path. So Bind looks first. If a server
// listens there, or the file is not a socket, the error is zmq.EADDRINUSE; a symbolic link is
// not a socket. If Bind may not look, the error is zmq.EACCES. Bind replaces a socket that no
// server uses. Its look is a connection, which the server's monitor reports as a failed
// handshake. A server of another process that binds between look and bind loses its path. After
// Unbind and ConnectionLost, libzmq has the path for a moment longer.
//
// The file's mode follows the umask, so other users may often connect. A directory of mode 0700
// keeps them out. libzmq ends the process when a peer connects to an ipc endpoint and no
// descriptor is left: keep some in reserve.
//
// A CURVE server without a ZAP handler in its libzmq context lets every client in. Serve the
// handler of package zap first. Otherwise the first Bind logs a warning. To find out, Bind
// takes one socket of MaxSockets for a moment.
//
// aiozmq: bind
func (t *Transport) Bind(endpoint string) (string, error) {
	open := t.letsAllIn(endpoint)
	actual, err := t.attach("zmq_bind", endpoint, t.bindLocked, &t.listeners)
	if err != nil {
		return actual, err
	}
	t.inprocBound(actual)
	if open {
		t.warnOpen(actual)
	}
	return actual, nil
}

// Connect connects to endpoint and returns it in libzmq's own form. libzmq connects in the
// background, and again whenever the connection is lost. So Connect succeeds without a peer.
// DEALER, PUB, REQ and SUB connect only once to the same endpoint. On other types each call
// makes another connection, and one Disconnect ends them all.
//
// An inproc endpoint may be bound later, but in the same libzmq context. Two loops have two,
// unless they share LoopConfig.Context. Debug mode warns of an endpoint that is bound only in
// another one.
//
// Errors, in an [*OpError]:
//   - [ErrTransportClosed]: the transport has ended, or Close was called.
//   - [ErrDNSEndpoint]: a TCP endpoint has a name. ResolveEndpoint finds the address; with
//     ConnectionConfig.AllowHostnames libzmq does.
//   - [ErrInvalidArgument] and zmq.EINVAL: no socket can connect to endpoint; see Bind. Other
//     cases are a wildcard port, and an IPv6 address without the option IPV6, for which libzmq
//     would wait in silence.
//   - [ErrInvalidArgument]: keys are set and MECHANISM is NULL. CURVE keys are set, and neither
//     CURVE_SERVERKEY nor CURVE_SERVER is. Or a server has ZAP_ENFORCE_DOMAIN without
//     ZAP_DOMAIN.
//   - zmq.EMFILE: see the next paragraph.
//   - Others of libzmq.
//
// With tcp://source;destination libzmq lists the network interfaces whenever it connects. It
// ends the process if it has no descriptor for that. Connect returns zmq.EMFILE where there is
// none at first. Keep some in reserve, or leave the source out.
//
// aiozmq: connect
func (t *Transport) Connect(endpoint string) (string, error) {
	if !t.names {
		if err := checkConnect(endpoint); err != nil {
			return "", err
		}
	}
	actual, err := t.attach("zmq_connect", endpoint, t.zsock.Connect, &t.connections)
	if err == nil {
		t.inprocConnected(actual)
	}
	return actual, err
}

// Unbind stops accepting connections at an endpoint that Bind returned or was given. If several
// were bound by one name with a wildcard, that name means the first.
//
// Unbind also disconnects the peers that came in through the endpoint, except over inproc.
// Messages that libzmq has received from them are still delivered.
//
// Errors, in an [*OpError]:
//   - zmq.ENOENT: the transport is not bound to endpoint.
//   - [ErrTransportClosed]: the transport has ended, or Close was called.
//   - Others of libzmq.
//
// aiozmq: unbind
func (t *Transport) Unbind(endpoint string) error {
	return t.detach("zmq_unbind", endpoint, t.zsock.Unbind, &t.listeners, &t.connections)
}

// Disconnect ends a connection to an endpoint that Connect returned or was given.
//
// libzmq drops what it has received from that peer. Before that, Disconnect takes up to 1,024
// messages, or 1 MiB, out of libzmq; MsgReceived gets them next. That also prevents libzmq from
// mixing messages of other peers. "What libzmq gets wrong" in the package documentation says
// where it cannot.
//
// Errors, in an [*OpError]:
//   - zmq.ENOENT: the transport is not connected to endpoint.
//   - [ErrTransportClosed]: the transport has ended, or Close was called.
//   - Others of libzmq.
//
// aiozmq: disconnect
func (t *Transport) Disconnect(endpoint string) error {
	return t.detach("zmq_disconnect", endpoint, t.zsock.Disconnect, &t.connections, &t.listeners)
}

// Listeners returns the bound endpoints, sorted, in the form that Bind returned. It includes
// those of ConnectionConfig.Bind, and not what a socket made elsewhere had bound before.
//
// aiozmq: listeners
func (t *Transport) Listeners() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.listeners.list()
}

// Connections returns the connected endpoints, sorted, in the form that Connect returned. It
// includes those of ConnectionConfig.Connect, and not what a socket made elsewhere had
// connected to before. It lists endpoints, and not peers.
//
// aiozmq: connections
func (t *Transport) Connections() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.connections.list()
}

// attach binds or connects with do, and adds the endpoint to set.
func (t *Transport) attach(call, endpoint string, do func(string) error, set *endpoints) (string, error) {
	t.sockMu.Lock()
	defer t.sockMu.Unlock()
	if err := t.usableLocked(call, endpoint); err != nil {
		return "", err
	}
	if actual, connected := t.connectedOnce(endpoint, set); connected {
		return actual, nil
	}
	defer t.schedule() // the call may have consumed the signal on ZMQ_FD
	binds := set == &t.listeners
	err := t.checkEndpointLocked(call, endpoint)
	if err == nil {
		err = t.explainLocked(call, endpoint, t.attachLocked(call, endpoint, binds, do))
	}
	if err != nil {
		if binds {
			t.bindFailedLocked(endpoint, err)
		}
		return "", opError(call, endpoint, err)
	}
	if !strings.HasPrefix(endpoint, "inproc://") {
		t.sock.Launched()
	}
	actual, err := rawSockopts(t.sock).LastEndpoint()
	if err != nil {
		return "", opError(call, endpoint, err)
	}
	if t.owner != nil {
		t.owner.attachedLocked(actual)
	}
	if binds && actual == zapEndpoint {
		t.residence.SetLast(true) // a server that goes on without its handler accepts every client
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	set.add(actual, endpoint)
	return actual, nil
}

// attachLocked binds or connects with do, unless libzmq would end the process or send in the clear.
// Caller holds t.sockMu.
func (t *Transport) attachLocked(call, endpoint string, binds bool, do func(string) error) error {
	g := t.guard
	if err := g.inTheClear(t.sock); err != nil {
		return err
	}
	if err := lacksServerKey(t.sock, endpoint); err != nil {
		return err
	}
	if binds || isServer(t.sock) {
		if err := enforcesNothing(t.sock); err != nil {
			return err
		}
	}
	t.noteConflateLocked()
	attach := func() error { return zmq.Translate(call, do(endpoint)) }
	var err error
	// For a connect with a source libzmq lists the interfaces too, in the background.
	if listsInterfaces(endpoint) && (binds || strings.Contains(endpoint, ";")) {
		err = t.loop.withSpare(call, bindDescriptors, attach)
	} else {
		err = attach()
	}
	if err == nil && !binds && g.next != "" {
		g.routed[g.next] = struct{}{}
		g.next = ""
	}
	return err
}

// noteConflateLocked records CONFLATE for the next bind or connect, because connections keep the
// value of that moment. Caller holds t.sockMu.
func (t *Transport) noteConflateLocked() {
	if !heedsConflate(t.typ) {
		return
	}
	if conflates, err := rawSockopts(t.sock).Conflate(); err == nil && conflates {
		t.guard.conflates.Store(true)
		t.guard.attached = true
		t.sock.Conflate()
	}
}

// heedsConflate reports whether sockets of type typ heed CONFLATE.
func heedsConflate(typ zmq.SocketType) bool {
	switch typ {
	case zmq.DEALER, zmq.PUB, zmq.PULL, zmq.PUSH, zmq.SUB:
		return true
	}
	return false
}

// tears reports whether libzmq would tear msg. libzmq may even end the process if the connection
// ends in the middle of it.
func (t *Transport) tears(msg [][]byte) bool {
	return len(msg) > 1 && t.conflates()
}

// conflates reports whether libzmq keeps only the last message.
func (t *Transport) conflates() bool { return t.guard.conflates.Load() && heedsConflate(t.typ) }

// connectedOnce reports whether a transport of a type that connects at most once is connected to
// endpoint. libzmq would ignore a second connect and return no endpoint.
func (t *Transport) connectedOnce(endpoint string, set *endpoints) (actual string, connected bool) {
	if set != &t.connections || !t.traits.connectsOnce {
		return "", false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return set.resolve(endpoint), set.has(endpoint)
}

// detach unbinds or disconnects an endpoint of set. libzmq would unbind for a disconnect and the
// reverse, so detach refuses an endpoint that only other has. An endpoint in neither set may date
// from before the transport had the socket.
func (t *Transport) detach(call, endpoint string, do func(string) error, set, other *endpoints) error {
	t.sockMu.Lock()
	defer t.sockMu.Unlock()
	if err := t.usableLocked(call, endpoint); err != nil {
		return err
	}
	t.mu.Lock()
	actual, mistaken := set.resolve(endpoint), !set.has(endpoint) && other.has(endpoint)
	t.mu.Unlock()
	if mistaken {
		return opError(call, endpoint, explainDetach(call, endpoint, zmq.Translate(call, zmq.ENOENT), true))
	}
	defer t.schedule()
	end := func() error { return do(actual) }
	var err error
	if t.traits.receives {
		err = t.sock.Detach(end)
		t.noteTakenLocked()
	} else {
		err = end()
	}
	if t.owner != nil {
		t.owner.receivedLocked(false)
	}
	if err != nil {
		return opError(call, endpoint, explainDetach(call, endpoint, zmq.Translate(call, err), false))
	}
	if t.owner != nil {
		t.owner.detachedLocked(actual)
	}
	if actual == zapEndpoint {
		t.residence.SetLast(false)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	set.remove(actual)
	return nil
}

// usableLocked returns why no libzmq call with endpoint is possible, or nil. Caller holds t.sockMu.
func (t *Transport) usableLocked(call, endpoint string) error {
	switch {
	case t.sock == nil || t.IsClosing():
		return opError(call, endpoint, ErrTransportClosed)
	case strings.IndexByte(endpoint, 0) >= 0: // C would stop reading at the NUL
		return opError(call, endpoint, &endpointError{zmq.Translate(call, zmq.EINVAL), "the endpoint contains a NUL"})
	}
	return nil
}

// explainDetach adds a hint to the error of an unbind or a disconnect. mistaken means that the
// endpoint belongs to the other call.
func explainDetach(call, endpoint string, err error, mistaken bool) error {
	unbind := call == "zmq_unbind"
	switch hint := misfit(endpoint, unbind); {
	case errors.Is(err, zmq.EINVAL) && hint != "":
		return fmt.Errorf("%w (%s)", err, hint)
	case !errors.Is(err, zmq.ENOENT):
		return err
	case mistaken && unbind:
		return fmt.Errorf("%w (it is a connection; Disconnect ends that)", err)
	case mistaken:
		return fmt.Errorf("%w (it is bound; Unbind ends that)", err)
	case unbind:
		return fmt.Errorf("%w (the socket is not bound to it)", err)
	}
	return fmt.Errorf("%w (the socket is not connected to it)", err)
}

// endpoints are the endpoints that a transport is bound or connected to, in order.
type endpoints []endpoint

// An endpoint has libzmq's name and the user's.
type endpoint struct {
	actual, given string
	warned        bool // of a connection: warnOfContext has logged it
}

func (e *endpoints) add(actual, given string) {
	*e = append(*e, endpoint{actual: actual, given: given})
}

// remove removes every endpoint that libzmq calls actual, because libzmq ends all of them at once.
func (e *endpoints) remove(actual string) {
	*e = slices.DeleteFunc(*e, func(x endpoint) bool { return x.actual == actual })
}

// has reports whether name is the libzmq name or the user's name of an endpoint.
func (e endpoints) has(name string) bool {
	return slices.ContainsFunc(e, func(x endpoint) bool { return x.actual == name || x.given == name })
}

// resolve returns the libzmq name of the endpoint called name. If the user gave several endpoints
// that name, it takes the first.
func (e endpoints) resolve(name string) string {
	for _, x := range e {
		if x.actual == name {
			return name
		}
	}
	for _, x := range e {
		if x.given == name {
			return x.actual
		}
	}
	return name
}

// list returns libzmq's names, sorted, without duplicates.
func (e endpoints) list() []string {
	l := make([]string, len(e))
	for i, x := range e {
		l[i] = x.actual
	}
	slices.Sort(l)
	return slices.Compact(l)
}
