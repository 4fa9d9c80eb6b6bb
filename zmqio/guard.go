package zmqio

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"weak"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/sock"
)

// A guard refuses options, binds and connects for which libzmq would end the process, send in the
// clear or stay silent. It remembers the settings that libzmq cannot return. The lock of the socket
// guards it.
type guard struct {
	topics  topics
	next    string              // CONNECT_ROUTING_ID for the next connect
	routed  map[string]struct{} // every CONNECT_ROUTING_ID that a connect has used
	secured zmq.Option          // the last option set that asks for a mechanism; 0: none
	set     map[zmq.Option]bool // the options that were set, each with whether its last value was not zero

	conflates atomic.Bool // CONFLATE is set now, or was at a bind or connect; read without a lock
	attached  bool        // CONFLATE was set at a bind or connect
}

func newGuard() *guard {
	return &guard{topics: make(topics), routed: make(map[string]struct{}), set: make(map[zmq.Option]bool)}
}

// guards holds the guards of sockets made elsewhere, while the sockets live. The transport of such
// a socket needs to know what SocketOptions has set.
var guards struct {
	sync.Mutex
	of map[weak.Pointer[zmq4.Socket]]*guard
}

// guardOf returns the guard of a socket that was made elsewhere.
func guardOf(z *zmq4.Socket) *guard {
	key := weak.Make(z)
	guards.Lock()
	defer guards.Unlock()
	if guards.of == nil {
		guards.of = make(map[weak.Pointer[zmq4.Socket]]*guard)
	}
	g := guards.of[key]
	if g == nil {
		g = newGuard()
		guards.of[key] = g
		runtime.AddCleanup(z, forgetGuard, key)
	}
	return g
}

func forgetGuard(key weak.Pointer[zmq4.Socket]) {
	guards.Lock()
	defer guards.Unlock()
	delete(guards.of, key)
}

// rawSocket is the zmq.RawSockopts of a socket that only the caller uses.
type rawSocket struct {
	s     *sock.Socket
	guard *guard // nil for options that zmqio itself sets
}

// rawSockopts returns the accessors of a socket that only the caller uses.
func rawSockopts(s *sock.Socket) zmq.Sockopts { return zmq.Sockopts{RawSockopts: rawSocket{s, nil}} }

func (r rawSocket) GetRaw(opt zmq.Option, buf []byte) (int, error) {
	n, errno := r.s.GetRaw(int(opt), buf)
	return n, translate("zmq_getsockopt", errno)
}

func (r rawSocket) SetRaw(opt zmq.Option, value []byte) error {
	if r.guard != nil {
		if err := r.guard.refuses(r.s, opt, value); err != nil {
			return err
		}
	}
	err := translate("zmq_setsockopt", r.s.SetRaw(int(opt), withNUL(opt, value)))
	if err == nil && r.guard != nil {
		r.guard.follow(opt, value)
	}
	return err
}

// withNUL returns value with a NUL after its length if opt is text. Some releases of libzmq read a
// METADATA up to a NUL, and send the bytes to peers.
func withNUL(opt zmq.Option, value []byte) []byte {
	if value == nil || opt.Info().Kind != zmq.KindString {
		return value
	}
	return append(slices.Clip(value), 0)[:len(value)]
}

// refuses returns why libzmq must not get this value of an option, or nil.
func (g *guard) refuses(s *sock.Socket, opt zmq.Option, value []byte) error {
	switch opt {
	case zmq.CONNECT_ROUTING_ID:
		return g.refusesID(string(value))
	case zmq.PRIORITY:
		if _, errno := s.GetRaw(int(opt), make([]byte, 4)); errno != 0 || len(value) != 4 {
			return nil // libzmq lacks the option, or refuses the value itself
		}
		return checkPriority(int(int32(binary.NativeEndian.Uint32(value))))
	}
	return nil
}

// follow records an option that was set.
func (g *guard) follow(opt zmq.Option, value []byte) {
	g.set[opt] = isSet(value)
	switch opt {
	case zmq.SUBSCRIBE, zmq.UNSUBSCRIBE:
		g.topics.follow(opt, value)
	case zmq.CONNECT_ROUTING_ID:
		g.next = string(value)
	case zmq.CONFLATE:
		g.conflates.Store(g.attached || isSet(value))
	case zmq.PLAIN_USERNAME, zmq.PLAIN_PASSWORD, zmq.CURVE_PUBLICKEY, zmq.CURVE_SECRETKEY, zmq.CURVE_SERVERKEY:
		g.secured = opt
		if value == nil { // a NULL takes the mechanism back
			g.secured = 0
		}
	case zmq.PLAIN_SERVER, zmq.CURVE_SERVER:
		if isSet(value) {
			g.secured = opt
		}
	case zmq.GSSAPI_SERVER, zmq.GSSAPI_PRINCIPAL, zmq.GSSAPI_SERVICE_PRINCIPAL:
		g.secured = opt
	}
}

// isSet reports whether the value of a boolean option is true.
func isSet(value []byte) bool { return slices.ContainsFunc(value, func(b byte) bool { return b != 0 }) }

// refusesID returns an error if a connection of the socket has, or may have, the routing id: libzmq
// would end the process. zmqio cannot know when libzmq frees an id. After a disconnect this may be
// when the linger ends, or never.
func (g *guard) refusesID(id string) error {
	if _, used := g.routed[id]; used {
		return fmt.Errorf("%w: a connection of the socket had the routing id %q: %w",
			ErrInvalidArgument, id, zmq.Translate("zmq_setsockopt", zmq.EADDRINUSE))
	}
	if len(id) == 5 && id[0] == 0 { // libzmq makes up such ids itself
		return invalid("%q: routing ids of five bytes that begin with a zero are libzmq's", id)
	}
	return nil
}

// inTheClear returns an error if the user has set a mechanism and MECHANISM is NULL.
func (g *guard) inTheClear(s *sock.Socket) error {
	if g.secured == 0 {
		return nil
	}
	m, err := rawSockopts(s).Mechanism()
	if err != nil || m != zmq.NULL {
		return err
	}
	return invalid("%v is set, but MECHANISM is NULL, and messages would go in the clear;"+
		" a client sets neither CURVE_SERVER nor PLAIN_SERVER, not even to false", g.secured)
}

// lacksServerKey returns an error if endpoint has security mechanisms, and the socket is a CURVE client
// without the public key of its server. libzmq with libsodium would connect, stay silent and never
// try again.
func lacksServerKey(s *sock.Socket, endpoint string) error {
	opts := rawSockopts(s)
	if m, err := opts.Mechanism(); err != nil || m != zmq.CURVE || !strings.HasPrefix(endpoint, "tcp://") && !strings.HasPrefix(endpoint, "ipc://") {
		return err
	}
	if typ, err := opts.Type(); err != nil || typ == zmq.STREAM { // a STREAM has no mechanism
		return err
	}
	if isServer(s) {
		return nil
	}
	if key, err := opts.CurveServerKey(); err != nil || key != (zmq.CurveKey{}) {
		return err
	}
	return invalid("CURVE keys are set, and neither CURVE_SERVERKEY nor CURVE_SERVER, so every handshake would fail;" +
		" a client sets CURVE_SERVERKEY, the public key of its server, and a server sets CURVE_SERVER")
}

// enforcesNothing returns an error if ZAP_ENFORCE_DOMAIN is set without a domain. A PLAIN
// server then ends the process at its first client; a CURVE server lets every client in.
func enforcesNothing(s *sock.Socket) error {
	opts := rawSockopts(s)
	if enforce, err := opts.ZAPEnforceDomain(); err != nil || !enforce {
		return nil // a libzmq without the option enforces nothing
	}
	domain, err := opts.ZAPDomain()
	if err != nil || domain != "" {
		return err
	}
	return invalid("ZAP_ENFORCE_DOMAIN is set and ZAP_DOMAIN is empty: a PLAIN server would end" +
		" the process at its first client, and a CURVE server ask no ZAP handler; set ZAP_DOMAIN")
}

// isServer reports whether the socket is the server of its mechanism. A socket that connects can be
// one too.
func isServer(s *sock.Socket) bool {
	opts := rawSockopts(s)
	plain, _ := opts.PlainServer()
	curve, _ := opts.CurveServer() // an error means that CURVE is not built in
	return plain || curve
}
