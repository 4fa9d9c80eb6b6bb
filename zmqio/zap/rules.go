package zap

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/netip"
	"slices"

	"github.com/zmqio/zmq"
)

// Anyone is a Handler that lets every peer in. The user id is the user name of PLAIN, the text
// of the key of CURVE, or "anonymous". Anyone checks no password.
//
// pyzmq: allow_any, CURVE_ALLOW_ANY
func Anyone(_ context.Context, r Request) (Identity, error) {
	switch r.Mechanism {
	case zmq.PLAIN:
		return Identity{UserID: r.Username}, nil
	case zmq.CURVE:
		return Identity{UserID: r.PublicKey.String()}, nil
	case zmq.GSSAPI:
		return Identity{UserID: r.Principal}, nil
	}
	return Identity{UserID: "anonymous"}, nil
}

// Passwords are the passwords of PLAIN, by user name. Do not change the map while it is used.
// PLAIN sends passwords in the clear.
//
// pyzmq: configure_plain
type Passwords map[string]string

// Authenticate is a Handler that lets in PLAIN clients with the right password, the name being
// the user id. It denies all other peers.
func (p Passwords) Authenticate(_ context.Context, r Request) (Identity, error) {
	want, ok := p[r.Username]
	a, b := sha256.Sum256([]byte(want)), sha256.Sum256([]byte(r.Password))
	right := subtle.ConstantTimeCompare(a[:], b[:]) == 1
	if r.Mechanism != zmq.PLAIN || !ok || !right {
		return Identity{}, ErrDenied
	}
	return Identity{UserID: r.Username}, nil
}

// Mechanisms are the handlers of three mechanisms. A nil handler denies. GSSAPI is denied.
type Mechanisms struct{ Null, Plain, Curve Handler }

// Authenticate is a Handler that asks the handler of the mechanism.
func (m Mechanisms) Authenticate(ctx context.Context, r Request) (Identity, error) {
	var h Handler
	switch r.Mechanism {
	case zmq.NULL:
		h = m.Null
	case zmq.PLAIN:
		h = m.Plain
	case zmq.CURVE:
		h = m.Curve
	}
	return h.ask(ctx, r)
}

// Domains are handlers by the ZAP_DOMAIN of the server. "*" means all other domains. Do not
// change the map while it is used.
//
// pyzmq: domain
type Domains map[string]Handler

// Authenticate is a Handler that asks the handler of the domain, and denies the peer if there
// is none.
func (d Domains) Authenticate(ctx context.Context, r Request) (Identity, error) {
	h, ok := d[r.Domain]
	if !ok {
		h = d["*"]
	}
	return h.ask(ctx, r)
}

// Reserve returns a Handler that asks h and adds metadata of names, with "" as values, where
// the Identity has none. A service can then believe these names, because no peer can set them.
func Reserve(h Handler, names ...string) Handler {
	names = slices.Clone(names)
	return func(ctx context.Context, r Request) (Identity, error) {
		who, err := h.ask(ctx, r)
		return who.reserve(slices.Values(names)), err
	}
}

// ask calls h. A nil h denies.
func (h Handler) ask(ctx context.Context, r Request) (Identity, error) {
	if h == nil {
		return Identity{}, ErrDenied
	}
	return h(ctx, r)
}

// Allow returns a Handler that asks h about peers whose address is in one of networks, and
// denies all others. It denies peers over ipc, which have no address.
//
// An IPv4 address in IPv6 form counts as IPv4, and the zone of an address does not count. The
// zero Prefix has no addresses.
//
// pyzmq: allow
func Allow(h Handler, networks ...netip.Prefix) Handler {
	networks = unmapped(networks)
	return func(ctx context.Context, r Request) (Identity, error) {
		if !contain(networks, r.Address) {
			return Identity{}, ErrDenied
		}
		return h.ask(ctx, r)
	}
}

// Deny returns a Handler that denies peers whose address is in one of networks, as Allow
// compares them. It asks h about all others, peers over ipc included.
//
// pyzmq: deny
func Deny(h Handler, networks ...netip.Prefix) Handler {
	networks = unmapped(networks)
	return func(ctx context.Context, r Request) (Identity, error) {
		if contain(networks, r.Address) {
			return Identity{}, ErrDenied
		}
		return h.ask(ctx, r)
	}
}

// contain reports whether a network contains addr, without its zone.
func contain(networks []netip.Prefix, addr netip.Addr) bool {
	addr = addr.WithZone("")
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// unmapped returns networks with IPv4 networks unmapped from IPv6, in the form of Request.Address.
func unmapped(networks []netip.Prefix) []netip.Prefix {
	networks = slices.Clone(networks)
	for i, p := range networks {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			networks[i] = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
	}
	return networks
}
