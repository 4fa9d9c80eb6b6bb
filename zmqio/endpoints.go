package zmqio

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zmqio/zmq"
)

// Bind accepts connections at endpoint, and returns the endpoint that was bound:
// wildcards are replaced by what they became. Errors are ErrTransportClosed and libzmq's:
// EINVAL, EPROTONOSUPPORT, EADDRINUSE and others.
//
// An endpoint that cannot be meant is ErrInvalidArgument as well, and the text has a hint: no
// transport, a port that is no number up to 65535, or a name that is neither an address nor an
// interface. Another case is an IPv6 address without the option IPV6.
//
// libzmq unlinks whatever file an ipc path names. Bind therefore looks first, and fails with
// EADDRINUSE where a server listens, and where the file is not a socket; a symbolic link is
// none. With EACCES it fails where it may not ask. A socket that no server has any more is
// replaced. The look connects and disconnects, which the server's monitor reports as a failed
// handshake. A server of another process that binds between look and bind loses its path.
// After Unbind, and after ConnectionLost, libzmq has the path for a moment longer.
//
// The mode of the file follows the umask, so other users may often connect. A socket in a
// directory of mode 0700 is safe from them.
//
// A CURVE server that binds in a context without a ZAP handler lets every client in, and the
// first Bind of each logs a warning. Serve the handler first, by package zap. The look for it takes one socket
// of MaxSockets for a moment.
//
// EMFILE says that a TCP, UDP or WebSocket bind would run out of descriptors, at which
// libzmq ends the process. libzmq also does so when a peer connects to an ipc endpoint
// while there is none: keep some in reserve.
//
// ErrInvalidArgument refuses a socket on which keys are set and MECHANISM is NULL, and one
// that has ZAP_ENFORCE_DOMAIN and no ZAP_DOMAIN.
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

// Connect connects to endpoint and returns it in libzmq's own form. The connection
// is made in the background, and made again when it is lost. DEALER, PUB, REQ and SUB
// connect once to the same endpoint; on others each call makes another connection, and
// one Disconnect ends them all. A TCP endpoint needs an address; for a name the error is
// ErrDNSEndpoint, and ResolveEndpoint finds the address, unless ConnectionConfig.AllowHostnames
// leaves that to libzmq. Others are ErrTransportClosed and
// libzmq's.
//
// An endpoint that cannot be meant is ErrInvalidArgument, as with Bind; so are a wildcard
// for the port, and an IPv6 address without the option IPV6, for which libzmq would wait in
// silence.
//
// An inproc endpoint may be bound later, but in the same context: that of another loop is
// another one, unless LoopConfig.Context says otherwise. Debug mode warns of an endpoint
// that is bound in another context alone.
//
// ErrInvalidArgument refuses the sockets that it refuses in Bind, but for ZAP_ENFORCE_DOMAIN
// servers alone.
//
// With tcp://source;destination libzmq looks at the network interfaces whenever it
// connects, also when it connects again by itself. It ends the process if there is no
// descriptor for that. Connect returns EMFILE where there is none at first. Keep some in
// reserve, or leave the source out.
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

// Unbind stops to accept connections at an endpoint that Bind returned or was
// given; of several that were given by one name with a wildcard, at the first. The
// error for any other is ENOENT, and on a closed transport ErrTransportClosed.
//
// Except over inproc, libzmq also ends the connections that came in through the endpoint.
// What their peers sent and libzmq has received is still delivered.
//
// aiozmq: unbind
func (t *Transport) Unbind(endpoint string) error {
	return t.detach("zmq_unbind", endpoint, t.zsock.Unbind, &t.listeners, &t.connections)
}

// Disconnect ends a connection to an endpoint that Connect returned or was given.
// The error for any other is ENOENT, and on a closed transport ErrTransportClosed.
//
// What libzmq has received from that peer and MsgReceived has not had is lost. Disconnect
// first takes up to 1,024 messages, or 1 MiB, out of libzmq, which MsgReceived gets next.
// So libzmq does not mix messages of other peers. The package documentation says what that
// does not cover, under "What libzmq gets wrong".
//
// aiozmq: disconnect
func (t *Transport) Disconnect(endpoint string) error {
	return t.detach("zmq_disconnect", endpoint, t.zsock.Disconnect, &t.connections, &t.listeners)
}

// Listeners returns what is bound, sorted: the endpoints that Bind returned, also
// for ConnectionConfig.Bind, and not what a socket had from elsewhere.
func (t *Transport) Listeners() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.listeners.list()
}

// Connections returns what is connected, sorted: the endpoints that Connect
// returned, also for ConnectionConfig.Connect, and not what a socket had from
// elsewhere.
func (t *Transport) Connections() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.connections.list()
}

// attach binds or connects.
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
		t.residence.SetLast(true) // servers that go on without it let every client in
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	set.add(actual, endpoint)
	return actual, nil
}

// attachLocked binds or connects the socket with do, unless libzmq must not. Caller holds
// t.sockMu.
func (t *Transport) attachLocked(call, endpoint string, binds bool, do func(string) error) error {
	g := t.guard
	if err := g.inTheClear(t.sock); err != nil {
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
	// To connect from a source libzmq lists them too, in the background.
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

// noteConflateLocked takes note of CONFLATE, which counts for the connections that come
// from the next bind or connect. Caller holds t.sockMu.
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

// tears reports whether libzmq would tear a message, and may end the process where the
// connection goes before the message is whole.
func (t *Transport) tears(msg [][]byte) bool {
	return len(msg) > 1 && t.conflates()
}

// conflates reports whether libzmq keeps the last message alone.
func (t *Transport) conflates() bool { return t.guard.conflates.Load() && heedsConflate(t.typ) }

// connectedOnce reports whether a transport that is connected at most once to the same
// endpoint is so already. libzmq would do nothing, and not say to what endpoint.
func (t *Transport) connectedOnce(endpoint string, set *endpoints) (actual string, connected bool) {
	if set != &t.connections || !t.traits.connectsOnce {
		return "", false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return set.resolve(endpoint), set.has(endpoint)
}

// detach unbinds or disconnects an endpoint of set. libzmq would do the one for the other
// as well, so what is only in the other set is refused here; what is in none can be from
// before the socket was ours.
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
		return opError(call, endpoint, explainDetach(call, zmq.Translate(call, zmq.ENOENT), true))
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
		return opError(call, endpoint, explainDetach(call, zmq.Translate(call, err), false))
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

// usableLocked returns why no call with endpoint can be made. Caller holds t.sockMu.
func (t *Transport) usableLocked(call, endpoint string) error {
	switch {
	case t.sock == nil || t.IsClosing():
		return opError(call, endpoint, ErrTransportClosed)
	case strings.IndexByte(endpoint, 0) >= 0: // C would see what is before it
		return opError(call, endpoint, &endpointError{zmq.Translate(call, zmq.EINVAL), "there is a NUL in it"})
	}
	return nil
}

// explainDetach adds to an ENOENT why there is nothing to unbind or to disconnect. mistaken
// says that the endpoint is one for the other call.
func explainDetach(call string, err error, mistaken bool) error {
	unbind := call == "zmq_unbind"
	switch {
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

// endpoints are what a transport is bound or connected to, in order.
type endpoints []endpoint

// An endpoint has the name that libzmq gave it and the one that the user gave.
type endpoint struct {
	actual, given string
	warned        bool // of a connection: warnOfContext has logged it
}

func (e *endpoints) add(actual, given string) {
	*e = append(*e, endpoint{actual: actual, given: given})
}

// remove drops what libzmq calls actual: it ends all of that name at once.
func (e *endpoints) remove(actual string) {
	*e = slices.DeleteFunc(*e, func(x endpoint) bool { return x.actual == actual })
}

// has reports whether name is one of either kind.
func (e endpoints) has(name string) bool {
	return slices.ContainsFunc(e, func(x endpoint) bool { return x.actual == name || x.given == name })
}

// resolve returns libzmq's name for one of either kind; of several endpoints that
// the user gave the same name, it is the first.
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

// list returns libzmq's names, sorted, each once.
func (e endpoints) list() []string {
	l := make([]string, len(e))
	for i, x := range e {
		l[i] = x.actual
	}
	slices.Sort(l)
	return slices.Compact(l)
}
