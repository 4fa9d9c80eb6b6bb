package security

import (
	"net"
	"slices"
	"testing"

	"github.com/zmqio/zmq"
)

// A server asks the ZAP handler for a client with NULL only if it has a domain.
func TestNullDomain(t *testing.T) {
	needs(t, handshakes)
	since(t, "4.3.3", stuckPeersTakeMessages)
	checkLeaks(t)
	loop := newLoop(t, nil)
	h := newHandler(t, loop, status("400"))
	server := bind(t, loop)
	talk(t, server, connect(t, loop, server))
	if asked := h.asked(); len(asked) > 0 {
		t.Errorf("the handler was asked %q", asked)
	}
	refused := bind(t, loop, domain("test"))
	client := connect(t, loop, refused)
	refusal{server: auth(400), client: auth(400)}.check(t, refused, client, func() *party {
		h.begin(allow)
		return connect(t, loop, refused)
	})
}

func TestPlainCredentials(t *testing.T) {
	needs(t, handshakes)
	since(t, "4.3.3", stuckPeersTakeMessages)
	checkLeaks(t)
	loop := newLoop(t, nil)
	h := newHandler(t, loop, nil)
	right := inOrder(username("ann"), password("sesame"))
	for _, c := range []struct {
		name        string
		client      setter
		credentials []string
	}{
		{"wrong password", inOrder(username("ann"), password("simsim")), []string{"ann", "simsim"}},
		{"wrong user", inOrder(username("bob"), password("sesame")), []string{"bob", "sesame"}},
		{"the other way round", inOrder(username("sesame"), password("ann")), []string{"sesame", "ann"}},
		{"no password", username("ann"), []string{"ann", ""}},
		{"no user", password("sesame"), []string{"", "sesame"}},
		{"a NUL behind it", inOrder(username("ann"), password("sesame\x00")), []string{"ann", "sesame\x00"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.begin(allowOnly("ann", "sesame"))
			server := bind(t, loop, plainServer(true))
			client := connect(t, loop, server, c.client)
			refusal{server: auth(400), client: auth(400)}.check(t, server, client, func() *party {
				return connect(t, loop, server, right)
			})
			h.wasAsked(c.credentials)
		})
	}
	h.begin(allowOnly("ann", "sesame"))
	server := bind(t, loop, plainServer(true))
	talk(t, server, connect(t, loop, server, right))
}

func TestCurveKeys(t *testing.T) {
	needs(t, handshakes, zmq.CapabilityCurve)
	since(t, "4.3.3", stuckPeersTakeMessages)
	checkLeaks(t)
	loop := newLoop(t, nil)
	own, client, other := newPair(t), newPair(t), newPair(t)
	h := newHandler(t, loop, nil)
	right := curveClient(client, own.public)
	crypto := broke(zmq.PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC)
	for _, c := range []struct {
		name   string
		client setter
		want   refusal
		asked  []string // the credentials of the client, where the handler is asked
	}{
		{"wrong server key", curveClient(client, other.public), refusal{server: crypto, client: noDetail}, nil},
		// With libsodium the client cannot make its HELLO, and stays silent; with tweetnacl it can.
		{"a server key that no secret key has", inOrder(curveClient(client, zmq.CurveKey{1}), handshakeWithin(impatient)), refusal{crypto, crypto, true}, nil},
		{"own key as server key", curveClient(client, client.public), refusal{server: crypto, client: noDetail}, nil},
		{"wrong secret key", inOrder(serverKey(own.public), public(client.public), secret(other.secret)), refusal{server: crypto, client: noDetail}, nil},
		{"wrong public key", inOrder(serverKey(own.public), public(other.public), secret(client.secret)), refusal{server: crypto, client: noDetail}, nil},
		{"no secret key", inOrder(serverKey(own.public), public(client.public)), refusal{server: crypto, client: noDetail}, nil},
		{"no public key", inOrder(serverKey(own.public), secret(client.secret)), refusal{server: crypto, client: noDetail}, nil},
		{"no keys", serverKey(own.public), refusal{server: crypto, client: noDetail}, nil},
		{"a key that is not allowed", curveClient(other, own.public), refusal{server: auth(400), client: auth(400)}, []string{string(other.public[:])}},
		{"the server's own keys", curveClient(own, own.public), refusal{server: auth(400), client: auth(400)}, []string{string(own.public[:])}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.begin(allowOnly(string(client.public[:])))
			server := bind(t, loop, curveServer(true), secret(own.secret))
			bad := connect(t, loop, server, c.client)
			c.want.check(t, server, bad, func() *party {
				if c.asked == nil && len(h.asked()) > 0 {
					t.Errorf("the handler was asked %q", h.asked())
				}
				return connect(t, loop, server, right)
			})
			if c.asked != nil {
				h.wasAsked(c.asked)
			}
		})
	}
	h.begin(allowOnly(string(client.public[:])))
	server := bind(t, loop, curveServer(true), secret(own.secret))
	talk(t, server, connect(t, loop, server, right))
}

// A client does not talk to a server without the secret key of the client's server key, whatever
// the ZAP handler says.
func TestCurveServerKeys(t *testing.T) {
	needs(t, handshakes, zmq.CapabilityCurve)
	checkLeaks(t)
	loop := newLoop(t, nil)
	newHandler(t, loop, allow)
	own, client, other := newPair(t), newPair(t), newPair(t)
	crypto := broke(zmq.PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC)
	for name, keys := range map[string]setter{
		"another's secret key": secret(other.secret),
		"its public key alone": public(own.public),
		"no keys":              inOrder(),
	} {
		t.Run(name, func(t *testing.T) {
			server := bind(t, loop, keys, curveServer(true))
			c := connect(t, loop, server, curveClient(client, own.public))
			server.write("from the server")
			c.write("from the client")
			server.waitVerdict(crypto)
			c.waitVerdict(noDetail)
			server.wantVerdicts(crypto, noDetail)
			c.abort()
			c.wantVerdicts(noDetail)
			c.wantGot()
			server.wantGot()
			server.abort()
		})
	}
}

// A peer of ZMTP 1.0 has no mechanism. Its messages arrive at a server without a mechanism, and not
// at one that has a mechanism.
func TestVanillaPeer(t *testing.T) {
	needs(t, handshakes)
	since(t, "4.3.3", stuckPeersTakeMessages)
	checkLeaks(t)
	loop := newLoop(t, nil)
	newHandler(t, loop, allow)
	sneak := func(server *party) net.Conn {
		conn, err := net.Dial("tcp", rawAddr(server))
		must(t, err)
		_, err = conn.Write([]byte("\x01\x00\x08\x00sneaky!"))
		must(t, err)
		return conn
	}
	for _, a := range askers(t) {
		t.Run(a.name, func(t *testing.T) {
			server := bind(t, loop, a.server)
			conn := sneak(server)
			defer conn.Close()
			server.wait(func() bool { return server.events&zmq.EVENT_DISCONNECTED != 0 })
			talk(t, server, connect(t, loop, server, a.client))
			server.abort()
		})
	}
	server := bind(t, loop)
	conn := sneak(server)
	defer conn.Close()
	server.waitGot("sneaky!")
}

// wasAsked checks that the handler was asked for a client with those credentials.
func (h *handler) wasAsked(credentials []string) {
	h.t.Helper()
	for _, r := range h.wait(1) {
		if slices.Equal(r.credentials, credentials) {
			return
		}
	}
	h.t.Errorf("the handler was asked %q, not for %q", h.asked(), credentials)
}
