// Package zap decides who may connect: it serves the ZeroMQ Authentication Protocol, RFC 27,
// and reads and writes the certificate files of CURVE keys.
//
// libzmq asks the ZAP handler of a libzmq context about each peer that connects to a PLAIN or
// CURVE server of that context. It also asks about the peers of a NULL server with a ZAP_DOMAIN.
// [Serve] makes a [Handler] the ZAP handler of a loop's libzmq context:
//
//	keys := new(zap.Keys)
//	keys.Add(client, zap.Identity{UserID: "ann"})
//	server, err := zap.Serve(loop, keys.Authenticate)
//
// Here client is the public key of a client, a zmq.CurveKey. The server's ConnectionConfig has
// Configure: cert.AsServer, and the client's cert.AsClient(public), with the server's public key.
//
// Serve before the servers bind. A CURVE server without a handler lets every client in, and a
// transport that binds as one logs a warning.
//
// [Keys] is a store of keys in memory, and [Dir] a store of certificate files. [Allow], [Deny],
// [Domains], [Mechanisms] and [Reserve] combine handlers. ConnectionConfig.Metadata of package
// zmqio makes the user id and the metadata of an [Identity] come with each message. The words are
// those of the glossary of package zmqio.
package zap

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/zmqio/zmq"
)

// These errors are this package's own. Compare with errors.Is.
var (
	// ErrDenied is the error of a Handler that refuses a peer: status 400. libzmq then does not
	// connect again to that endpoint. The client calls Disconnect and Connect to try again.
	ErrDenied = errors.New("zap: denied")
	// ErrTemporary is the error of a Handler that refuses a peer for now: status 300. libzmq
	// does not tell the peer, which tries again when its HANDSHAKE_IVL is over.
	ErrTemporary = errors.New("zap: temporary failure")
	// ErrPanicked is reported when a Handler has panicked or called runtime.Goexit.
	ErrPanicked = errors.New("zap: the handler panicked")
	// ErrNoAnswer is reported when a Handler has not returned within Config.Timeout.
	ErrNoAnswer = errors.New("zap: the handler did not answer in time")
	// ErrMalformed is reported when a message to the server is not a request of RFC 27.
	ErrMalformed = errors.New("zap: malformed request")
	// ErrIdentity is reported when a Handler returns an Identity that libzmq cannot carry.
	ErrIdentity = errors.New("zap: invalid identity")
)

// A Request is what libzmq asks about a peer.
type Request struct {
	// Domain is the ZAP_DOMAIN of the server that the peer connects to.
	Domain string
	// Address is the address of a peer over TCP. It is the zero Addr over ipc.
	Address netip.Addr
	// Peer is the address as libzmq has it. Over ipc on Linux it is a text that ends in the
	// user, group and process ids, each after a colon.
	Peer string
	// RoutingID is the ROUTING_ID of the server.
	RoutingID []byte
	// Mechanism is the mechanism of the handshake. It decides which of the credentials below
	// are set.
	Mechanism zmq.Mechanism
	// Username and Password are the credentials of PLAIN.
	Username, Password string
	// PublicKey is the credential of CURVE. libzmq has checked that the peer has the secret
	// key.
	PublicKey zmq.CurveKey
	// Principal is the credential of GSSAPI.
	Principal string
}

// An Identity says who a peer is.
type Identity struct {
	// UserID becomes the property User-Id of each message of the peer.
	UserID string
	// Metadata also becomes properties of each message of the peer. Names have 1 to 255 ASCII
	// letters, digits and "-_.+". By custom they begin with X-.
	//
	// The peer itself can set a property that the handler does not set. So a handler should
	// give every peer the same names, with "" where it has no value. Reserve does so, and Keys
	// and Dir do so with the names that they have seen.
	Metadata map[string]string
}

// MaxProperty is the size of the longest user id, and of the longest value of metadata, in
// bytes. ConnectionConfig.Metadata of package zmqio leaves longer ones out.
const MaxProperty = 1024

// A Handler decides whether a peer may connect. With a nil error the peer may, as the Identity
// says. ErrDenied is status 400, and ErrTemporary 300. Any other error is status 500, and the
// loop's exception handler gets it too. Handlers run on many goroutines at the same time.
//
// ctx ends with the server, and after Config.Timeout; a later result does not count. libzmq
// asks once for each connection. A peer that is denied later keeps its connections.
type Handler func(ctx context.Context, r Request) (Identity, error)

// version is the version of the ZAP protocol.
const version = "1.0"

// parse reads a message that a ROUTER received. The envelope is that of the reply. id is the
// request id, or nil.
func parse(msg [][]byte) (envelope [][]byte, id []byte, r Request, err error) {
	n := slices.IndexFunc(msg, func(f []byte) bool { return len(f) == 0 })
	if n < 0 || len(msg) < n+3 {
		return nil, nil, r, fmt.Errorf("%w: it has %d frames", ErrMalformed, len(msg))
	}
	envelope, body := msg[:n+1], msg[n+1:]
	id = body[1]
	switch {
	case string(body[0]) != version:
		return envelope, id, r, fmt.Errorf("%w: version %.20q", ErrMalformed, body[0])
	case len(body) < 6:
		return envelope, id, r, fmt.Errorf("%w: it has %d frames", ErrMalformed, len(msg))
	}
	r = Request{Domain: string(body[2]), Peer: string(body[3]), RoutingID: body[4]}
	if addr, err := netip.ParseAddr(r.Peer); err == nil {
		r.Address = addr.Unmap()
	}
	return envelope, id, r, r.setCredentials(string(body[5]), body[6:])
}

// setCredentials reads the credentials of a mechanism.
func (r *Request) setCredentials(mechanism string, credentials [][]byte) error {
	want := -1
	switch mechanism {
	case "NULL":
		r.Mechanism, want = zmq.NULL, 0
	case "PLAIN":
		r.Mechanism, want = zmq.PLAIN, 2
	case "CURVE":
		r.Mechanism, want = zmq.CURVE, 1
	case "GSSAPI":
		r.Mechanism, want = zmq.GSSAPI, 1
	}
	switch {
	case want < 0:
		return fmt.Errorf("%w: mechanism %.20q", ErrMalformed, mechanism)
	case len(credentials) != want:
		return fmt.Errorf("%w: %s with %d credentials", ErrMalformed, mechanism, len(credentials))
	}
	switch r.Mechanism {
	case zmq.PLAIN:
		r.Username, r.Password = string(credentials[0]), string(credentials[1])
	case zmq.CURVE:
		if len(credentials[0]) != len(r.PublicKey) {
			return fmt.Errorf("%w: a key of %d bytes", ErrMalformed, len(credentials[0]))
		}
		r.PublicKey = zmq.CurveKey(credentials[0])
	case zmq.GSSAPI:
		r.Principal = string(credentials[0])
	}
	return nil
}

// reply returns the reply to a request.
func reply(envelope [][]byte, id []byte, who Identity, err error) [][]byte {
	status, text := "500", "internal error" // libzmq does not pass the text on
	switch {
	case err == nil:
		status, text = "200", "OK"
	case errors.Is(err, ErrDenied), errors.Is(err, ErrMalformed):
		status, text = "400", "denied"
	case errors.Is(err, ErrTemporary):
		status, text = "300", "temporary failure"
	}
	if err != nil {
		who = Identity{}
	}
	return append(slices.Clip(envelope), []byte(version), id, []byte(status), []byte(text), []byte(who.UserID), who.properties())
}

// properties returns the metadata in ZMTP's form.
func (i Identity) properties() []byte {
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(i.Metadata)) {
		value := i.Metadata[name]
		b = append(append(b, byte(len(name))), name...)
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(value))), value...)
	}
	return b
}

// libzmqs are the names that libzmq itself uses, in lower case.
var libzmqs = []string{"identity", "peer-address", "routing-id", "socket-type", "user-id", "__fd"}

// check returns an error if libzmq cannot carry the identity. libzmq returns values up to a NUL.
func (i Identity) check() error {
	if why := unfit(i.UserID); why != "" {
		return fmt.Errorf("%w: the user id %s", ErrIdentity, why)
	}
	return checkMetadata(i.Metadata)
}

func checkMetadata(metadata map[string]string) error {
	for name, value := range metadata {
		if err := checkName(name); err != nil {
			return err
		}
		if why := unfit(value); why != "" {
			return fmt.Errorf("%w: property %q %s", ErrIdentity, name, why)
		}
	}
	return nil
}

func checkName(name string) error {
	switch {
	case len(name) < 1 || len(name) > 255 || strings.ContainsFunc(name, isNotName):
		return fmt.Errorf("%w: property %.255q has no proper name", ErrIdentity, name)
	case slices.Contains(libzmqs, strings.ToLower(name)):
		return fmt.Errorf("%w: property %q is libzmq's own", ErrIdentity, name)
	}
	return nil
}

// reserve returns the identity with metadata for all names; missing ones are "".
func (i Identity) reserve(names iter.Seq[string]) Identity {
	metadata := make(map[string]string)
	for name := range names {
		metadata[name] = ""
	}
	maps.Copy(metadata, i.Metadata)
	return Identity{i.UserID, metadata}
}

func unfit(value string) string {
	switch {
	case len(value) > MaxProperty:
		return "is too long"
	case strings.IndexByte(value, 0) >= 0:
		return "has a NUL"
	}
	return ""
}

func isNotName(c rune) bool {
	return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-_.+", c)
}
