package security

import (
	"maps"
	"net"
	"slices"
	"testing"

	"github.com/zmqio/zmq"
)

// reasons returns the number of failed handshakes for each reason, without zeros.
func (p *party) reasons() map[string]uint64 {
	got := maps.Collect(p.tr.Stats().Connections.Failures.All())
	maps.DeleteFunc(got, func(_ string, n uint64) bool { return n == 0 })
	return got
}

// A handshake that fails counts under its reason, on both sides. There may be failures of other
// attempts without a reason. Of two sides with different mechanisms one hangs up, and the other
// may not come to its own verdict.
func TestFailureReasons(t *testing.T) {
	needs(t, handshakes, zmq.CapabilityCurve)
	since(t, "4.3.3", stuckPeersTakeMessages)
	checkLeaks(t)
	loop := newLoop(t, nil)
	h := newHandler(t, loop, allow)
	own, client, other := newPair(t), newPair(t), newPair(t)
	plain := inOrder(plainServer(true), domain("test"))
	curve := inOrder(curveServer(true), secret(own.secret))
	ann := inOrder(username("ann"), password("sesame"), handshakeWithin(impatient))
	for _, c := range []struct {
		name                   string
		reply                  func(request) [][]byte
		server, client         setter
		serverSays, clientSays string
		either                 bool
	}{
		{"status 300", status("300"), plain, ann, "temporary", "other", false},
		{"status 400", status("400"), plain, ann, "denied", "denied", false},
		{"status 500", status("500"), plain, ann, "internal", "internal", false},
		{"no status", status(""), plain, ann, "reply", "other", false},
		{"wrong server key", allow, curve, curveClient(client, other.public), "cryptographic", "other", false},
		{"NULL to CURVE", allow, curve, inOrder(), "mechanism", "mechanism", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.begin(c.reply)
			server := bind(t, loop, c.server)
			client := connect(t, loop, server, c.client)
			for _, side := range []struct {
				*party
				reason string
			}{{server, c.serverSays}, {client, c.clientSays}} {
				side.wait(func() bool { return side.reasons()[side.reason] > 0 || c.either && len(side.verdicts) > 0 })
				got := side.reasons()
				delete(got, "other")
				delete(got, side.reason)
				if len(got) > 0 {
					t.Errorf("%v: %v, beside %s", side.party, got, side.reason)
				}
			}
			if c.either && server.reasons()[c.serverSays]+client.reasons()[c.clientSays] == 0 {
				t.Errorf("neither %v nor %v says so", server, client)
			}
			if n := server.tr.Stats().Connections.Handshakes; n != 0 {
				t.Errorf("%d handshakes succeeded", n)
			}
			client.abort()
			server.abort()
			if n := server.reasons()[c.serverSays]; n == 0 && !c.either {
				t.Error("the figure has gone with the transport")
			}
		})
	}
}

// Peers that are not ZeroMQ's count too: one that hangs up, and one that breaks the protocol.
func TestFailureReasonsOfStrangers(t *testing.T) {
	needs(t, handshakes)
	checkLeaks(t)
	loop := newLoop(t, nil)
	for reason, saying := range map[string][]byte{
		"other":    greeting("NULL")[:33],
		"protocol": append(greeting("NULL"), "\x04\x06\x05HELLO"...),
	} {
		t.Run(reason, func(t *testing.T) {
			server := bind(t, loop)
			conn, err := net.Dial("tcp", rawAddr(server))
			must(t, err)
			_, err = conn.Write(saying)
			must(t, err)
			if reason == "other" {
				must(t, conn.Close())
			} else {
				defer conn.Close()
			}
			server.wait(func() bool { return server.events&handshakes != 0 })
			got := slices.Collect(maps.Keys(server.reasons()))
			if s := server.tr.Stats().Connections; !slices.Equal(got, []string{reason}) || s.Accepts != 1 || s.Handshakes != 0 {
				t.Errorf("%v, %+v", got, s)
			}
			server.abort()
		})
	}
}
