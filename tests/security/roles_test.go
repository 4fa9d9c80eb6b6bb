package security

import (
	"fmt"
	"testing"

	"github.com/zmqio/zmq"
)

// A role is one end of a mechanism.
type role struct {
	mechanism zmq.Mechanism
	server    bool
	set       setter
}

func (r role) String() string {
	switch {
	case r.mechanism == zmq.NULL:
		return "NULL"
	case r.server:
		return fmt.Sprintf("%v server", r.mechanism)
	}
	return fmt.Sprintf("%v client", r.mechanism)
}

// fits reports whether two ends make a connection.
func (r role) fits(o role) bool {
	return r.mechanism == o.mechanism && (r.mechanism == zmq.NULL || r.server != o.server)
}

// roles returns every role of every mechanism of the running libzmq, with matching credentials.
func roles(t testing.TB) []role {
	list := []role{
		{zmq.NULL, false, inOrder()},
		{zmq.PLAIN, true, plainServer(true)},
		{zmq.PLAIN, false, inOrder(username("ann"), password("sesame"))},
	}
	if zmq.Has(zmq.CapabilityCurve) {
		server, client := newPair(t), newPair(t)
		list = append(list, role{zmq.CURVE, true, inOrder(curveServer(true), secret(server.secret))},
			role{zmq.CURVE, false, curveClient(client, server.public)})
	}
	return list
}

// Two ends connect if they have one mechanism and, except with NULL, one is the server and one the
// client. Either may bind.
func TestRoles(t *testing.T) {
	needs(t, handshakes)
	since(t, "4.3.3", stuckPeersTakeMessages)
	checkLeaks(t)
	loop := newLoop(t, nil)
	newHandler(t, loop, allow)
	all := roles(t)
	right := func(bound role) role {
		for _, r := range all {
			if bound.fits(r) {
				return r
			}
		}
		panic("no role fits")
	}
	for _, bound := range all {
		for _, connected := range all {
			t.Run(fmt.Sprintf("%v to %v", connected, bound), func(t *testing.T) {
				server := bind(t, loop, bound.set)
				if bound.fits(connected) {
					client := connect(t, loop, server, connected.set)
					talk(t, server, client)
					client.abort()
					server.abort()
					return
				}
				r := refusal{server: noDetail, client: noDetail}
				within := inOrder()
				switch {
				case bound.mechanism != connected.mechanism:
					mismatch := broke(zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)
					r = refusal{mismatch, mismatch, true}
				case bound.server: // two servers wait for one another
					within = handshakeWithin(impatient)
				default: // two clients greet one another
					unexpected := broke(zmq.PROTOCOL_ERROR_ZMTP_UNEXPECTED_COMMAND)
					r = refusal{unexpected, unexpected, true}
				}
				client := connect(t, loop, server, connected.set, within)
				r.check(t, server, client, func() *party { return connect(t, loop, server, right(bound).set) })
			})
		}
	}
}
