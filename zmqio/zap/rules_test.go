package zap_test

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/zap"
)

// decision returns the answer of a handler: the user id, or the error.
func decision(h zap.Handler, r zap.Request) string {
	who, err := h(context.Background(), r)
	switch {
	case errors.Is(err, zap.ErrDenied):
		return "denied"
	case err != nil:
		return err.Error()
	}
	return who.UserID
}

func user(name string) zap.Handler { return identity(zap.Identity{UserID: name}) }

func TestNetworks(t *testing.T) {
	networks := []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("::ffff:192.168.0.0/112"), netip.MustParsePrefix("::ff00:0:0/88"), {},
	}
	allow, deny := zap.Allow(user("in"), networks...), zap.Deny(user("in"), networks...)
	clear(networks) // the handlers keep a copy
	for addr, within := range map[string]bool{
		"10.1.2.3": true, "11.1.2.3": false, "192.168.3.4": true, "192.169.3.4": false, "fe80::1": true, "fe80::1%eth0": true,
		"::1": false, "::10.0.0.1": false, "::fff1:0:1": true, "": false,
	} {
		var r zap.Request
		r.Address, _ = netip.ParseAddr(addr)
		want := map[bool]string{true: "in", false: "denied"}
		if got := decision(allow, r); got != want[within] {
			t.Errorf("Allow of %q: %s", addr, got)
		}
		if got := decision(deny, r); got != want[!within] {
			t.Errorf("Deny of %q: %s", addr, got)
		}
	}
	if got := decision(zap.Deny(nil), zap.Request{}); got != "denied" {
		t.Errorf("a nil handler: %s", got)
	}
}

func TestDomainsAndMechanisms(t *testing.T) {
	domains := zap.Domains{"a": user("of a"), "*": user("of others"), "closed": nil}
	for domain, want := range map[string]string{"a": "of a", "b": "of others", "": "of others", "closed": "denied"} {
		if got := decision(domains.Authenticate, zap.Request{Domain: domain}); got != want {
			t.Errorf("domain %q: %s, want %s", domain, got, want)
		}
	}
	if got := decision(zap.Domains{"a": user("of a")}.Authenticate, zap.Request{}); got != "denied" {
		t.Errorf("no domain: %s", got)
	}
	m := zap.Mechanisms{Null: user("null"), Curve: user("curve")}
	for mechanism, want := range map[zmq.Mechanism]string{zmq.NULL: "null", zmq.CURVE: "curve", zmq.PLAIN: "denied", zmq.GSSAPI: "denied"} {
		if got := decision(m.Authenticate, zap.Request{Mechanism: mechanism}); got != want {
			t.Errorf("%v: %s, want %s", mechanism, got, want)
		}
	}
}

func TestPasswords(t *testing.T) {
	p := zap.Passwords{"ann": "sesame", "empty": ""}
	for _, c := range []struct {
		mechanism            zmq.Mechanism
		name, password, want string
	}{
		{zmq.PLAIN, "ann", "sesame", "ann"},
		{zmq.PLAIN, "ann", "", "denied"},
		{zmq.PLAIN, "ann", "sesame ", "denied"},
		{zmq.PLAIN, "bob", "", "denied"},
		{zmq.PLAIN, "empty", "", "empty"},
		{zmq.NULL, "empty", "", "denied"},
	} {
		r := zap.Request{Mechanism: c.mechanism, Username: c.name, Password: c.password}
		if got := decision(p.Authenticate, r); got != c.want {
			t.Errorf("%v %q %q: %s, want %s", c.mechanism, c.name, c.password, got, c.want)
		}
	}
}

func TestAnyone(t *testing.T) {
	key, _ := zap.NewKeypair()
	r := zap.Request{Username: "plain", PublicKey: key, Principal: "gssapi"}
	for mechanism, want := range map[zmq.Mechanism]string{
		zmq.NULL: "anonymous", zmq.PLAIN: "plain", zmq.CURVE: key.String(), zmq.GSSAPI: "gssapi",
	} {
		r.Mechanism = mechanism
		if got := decision(zap.Anyone, r); got != want {
			t.Errorf("%v: %s, want %s", mechanism, got, want)
		}
	}
}

// Keys come and go at run time. Each client gets the metadata names of all, so that none can claim
// them for itself.
func TestKeys(t *testing.T) {
	var k zap.Keys
	ann, _ := zap.NewKeypair()
	bob, _ := zap.NewKeypair()
	of := func(key zmq.CurveKey) zap.Request { return zap.Request{Mechanism: zmq.CURVE, PublicKey: key} }
	want := func(key zmq.CurveKey, user string, metadata map[string]string) {
		t.Helper()
		who, err := k.Authenticate(t.Context(), of(key))
		if err != nil || who.UserID != user || !maps.Equal(who.Metadata, metadata) {
			t.Errorf("got %v, %v, want %s with %v", who, err, user, metadata)
		}
	}
	if got := decision(k.Authenticate, of(ann)); got != "denied" {
		t.Errorf("an empty store: %s", got)
	}
	roles := map[string]string{"X-Role": "admin"}
	k.Add(ann, zap.Identity{UserID: "ann", Metadata: roles})
	roles["X-Role"] = "changed"
	k.Add(bob, zap.Identity{})
	want(ann, "ann", map[string]string{"X-Role": "admin"})
	want(bob, bob.String(), map[string]string{"X-Role": ""})
	k.Add(ann, zap.Identity{UserID: "ann", Metadata: map[string]string{"X-Team": "red"}})
	want(ann, "ann", map[string]string{"X-Team": "red", "X-Role": ""})
	want(bob, bob.String(), map[string]string{"X-Team": "", "X-Role": ""})
	for _, m := range []zmq.Mechanism{zmq.NULL, zmq.PLAIN, zmq.GSSAPI} {
		if got := decision(k.Authenticate, zap.Request{Mechanism: m, PublicKey: ann}); got != "denied" {
			t.Errorf("%v: %s", m, got)
		}
	}
	if !k.Remove(ann) || k.Remove(ann) || k.Len() != 1 {
		t.Error("ann was not there once")
	}
	if got := decision(k.Authenticate, of(ann)); got != "denied" {
		t.Errorf("a key that was removed: %s", got)
	}
	want(bob, bob.String(), map[string]string{"X-Team": "", "X-Role": ""}) // not what bob claims
	k.Add(ann, zap.Identity{UserID: "ann", Metadata: map[string]string{"Peer-Address": "", "no name": "", "X-Role": "admin"}})
	want(bob, bob.String(), map[string]string{"X-Team": "", "X-Role": ""})
}

// Reserve sets metadata that the handler does not set.
func TestReserve(t *testing.T) {
	names := []string{"X-Role", "X-Team"}
	own := map[string]string{"X-Role": "admin", "X-Other": "1"}
	h := zap.Reserve(identity(zap.Identity{UserID: "ann", Metadata: own}), names...)
	clear(names)
	who, err := h(t.Context(), zap.Request{})
	if err != nil || who.UserID != "ann" || !maps.Equal(who.Metadata, map[string]string{"X-Role": "admin", "X-Other": "1", "X-Team": ""}) {
		t.Errorf("%v, %v", who, err)
	}
	if len(own) != 2 {
		t.Errorf("the handler's metadata became %v", own)
	}
	if got := decision(zap.Reserve(nil, "X-Role"), zap.Request{}); got != "denied" {
		t.Errorf("a nil handler: %s", got)
	}
}
