package security

import (
	"errors"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// inTheClear is a socket for which the user has set credentials, and whose mechanism is NULL.
// Setting libzmq's server flags to false turns the mechanism off.
const inTheClear = "NULL, in the clear"

// The last option that is set decides the mechanism. Keys choose CURVE and keep the role. A server
// key makes a client, and a flag makes a server. The options tell the socket's role, and a message
// exchange with a matching peer confirms it.
func TestOrderOfSetters(t *testing.T) {
	needs(t, handshakes, zmq.CapabilityCurve)
	checkLeaks(t)
	loop := newLoop(t, nil)
	newHandler(t, loop, allow)
	own, client := newPair(t), newPair(t)
	clearUser := func(o zmq.Sockopts) error { return o.ClearPlainUsername() }
	clearPassword := func(o zmq.Sockopts) error { return o.ClearPlainPassword() }
	keys := inOrder(secret(own.secret), public(own.public))
	plain := inOrder(username("ann"), password("sesame"))
	// The other end for each role.
	peers := map[string]setter{
		"NULL": inOrder(), "PLAIN server": plain, "PLAIN client": plainServer(true),
		"CURVE server": curveClient(client, own.public), "CURVE client": inOrder(curveServer(true), secret(client.secret)),
	}
	for _, c := range []struct {
		name string
		set  setter
		want string
	}{
		{"nothing", inOrder(), "NULL"},
		{"a domain", domain("test"), "NULL"},

		{"flag, keys", inOrder(curveServer(true), keys), "CURVE server"},
		{"keys, flag", inOrder(keys, curveServer(true)), "CURVE server"},
		{"keys, server key", inOrder(keys, serverKey(client.public)), "CURVE client"},
		{"server key, keys", inOrder(serverKey(client.public), keys), "CURVE client"},
		{"flag, server key", inOrder(curveServer(true), keys, serverKey(client.public)), "CURVE client"},
		{"server key, flag", inOrder(keys, serverKey(client.public), curveServer(true)), "CURVE server"},
		{"flag, no flag, server key", inOrder(curveServer(true), curveServer(false), keys, serverKey(client.public)), "CURVE client"},

		{"PLAIN flag", plainServer(true), "PLAIN server"},
		{"user, password", plain, "PLAIN client"},
		{"PLAIN flag, user", inOrder(plainServer(true), plain), "PLAIN client"},
		{"user, PLAIN flag", inOrder(plain, plainServer(true)), "PLAIN server"},
		{"PLAIN flag, no flag", inOrder(plainServer(true), plainServer(false)), inTheClear},
		{"PLAIN flag, no CURVE flag", inOrder(plainServer(true), curveServer(false)), inTheClear},
		{"user, cleared", inOrder(plain, clearUser), "NULL"},

		{"user, keys, server key", inOrder(plain, keys, serverKey(client.public)), "CURVE client"},
		{"CURVE client, user", inOrder(keys, serverKey(client.public), plain), "PLAIN client"},
		{"CURVE server, user", inOrder(keys, curveServer(true), plain), "PLAIN client"},
		{"CURVE server, PLAIN flag", inOrder(keys, curveServer(true), plainServer(true)), "PLAIN server"},
		{"PLAIN flag, CURVE flag, keys", inOrder(plainServer(true), curveServer(true), keys), "CURVE server"},
		// A flag of PLAIN counts for CURVE.
		{"PLAIN flag, keys", inOrder(plainServer(true), keys), "CURVE server"},

		// Clearing a user name makes the mechanism NULL, and so does a flag that is set to false.
		{"keys, server key, no flag", inOrder(keys, serverKey(client.public), curveServer(false)), inTheClear},
		{"keys, flag, no flag", inOrder(keys, curveServer(true), curveServer(false)), inTheClear},
		{"keys, server key, no PLAIN flag", inOrder(keys, serverKey(client.public), plainServer(false)), inTheClear},
		{"keys, server key, user cleared", inOrder(keys, serverKey(client.public), clearUser), "NULL"},
		{"keys, server key, password cleared", inOrder(keys, serverKey(client.public), clearPassword), "NULL"},
		{"user, no PLAIN flag", inOrder(plain, plainServer(false)), inTheClear},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := create(t, loop, zmqio.ConnectionConfig{Bind: []string{anyPort}}, c.set)
			if c.want == inTheClear {
				if !errors.Is(err, zmqio.ErrInvalidArgument) {
					t.Errorf("made, with the error %v", err)
				}
				return
			}
			must(t, err)
			if got := roleOf(t, p); got != c.want {
				t.Errorf("the socket became a %s, want a %s", got, c.want)
			}
			other := connect(t, loop, p, peers[c.want])
			talk(t, p, other)
			other.abort()
			p.abort()
		})
	}
}

// roleOf returns a party's role according to its options.
func roleOf(t testing.TB, p *party) string {
	t.Helper()
	o := p.tr.Sockopts()
	mechanism, err := o.Mechanism()
	must(t, err)
	plain, err := o.PlainServer()
	must(t, err)
	curve, err := o.CurveServer()
	must(t, err)
	return role{mechanism: mechanism, server: plain || curve}.String()
}
