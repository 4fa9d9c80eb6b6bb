package security

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// greeting is the first message of a peer of ZMTP 3.
func greeting(mechanism string) []byte {
	b := make([]byte, 64)
	copy(b, "\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00"+mechanism)
	return b
}

// sayings are beginnings of handshakes. The peer then falls silent.
var sayings = map[string][]byte{
	"nothing":                 nil,
	"a byte":                  greeting("")[:1],
	"a signature":             greeting("")[:10],
	"half a greeting":         greeting("NULL")[:33],
	"a greeting":              greeting("NULL"),
	"half a READY":            append(greeting("NULL"), "\x04\x19\x05READY"...),
	"an unfinished HELLO":     append(greeting("PLAIN"), "\x04\x0b\x05HEL"...),
	"a greeting of PLAIN":     greeting("PLAIN"),
	"a greeting of CURVE":     greeting("CURVE"),
	"half a HELLO of CURVE":   append(greeting("CURVE"), "\x04\xc8\x05HELLO\x01"...),
	"a length without a body": append(greeting("NULL"), "\x06\x00\x00\x00\x00\x00\x00\x00\xff"...),
}

// sides are the ends that have the mechanism of a saying.
func sides(t testing.TB) map[string]setter {
	set := map[string]setter{"NULL": inOrder(), "PLAIN": plainServer(true)}
	if zmq.Has(zmq.CapabilityCurve) {
		set["CURVE"] = inOrder(curveServer(true), secret(newPair(t).secret))
	}
	return set
}

func mechanismOf(saying []byte) string {
	for _, name := range []string{"PLAIN", "CURVE"} {
		if len(saying) >= 17 && string(saying[12:17]) == name {
			return name
		}
	}
	return "NULL"
}

// On the bound side HANDSHAKE_IVL ends a connection whose handshake stops. Other handshakes go on.
func TestStuckPeer(t *testing.T) {
	needs(t, handshakes)
	since(t, "4.3.3", stuckPeersTakeMessages)
	checkLeaks(t)
	loop := newLoop(t, nil)
	newHandler(t, loop, allow)
	all := sides(t)
	for name, saying := range sayings {
		side := all[mechanismOf(saying)]
		if side == nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			server := bind(t, loop, side, handshakeWithin(impatient))
			conn, err := net.Dial("tcp", rawAddr(server))
			must(t, err)
			defer conn.Close()
			_, err = conn.Write(saying)
			must(t, err)
			server.waitVerdict(noDetail)
			server.wait(func() bool { return server.events&zmq.EVENT_DISCONNECTED != 0 })
			server.wantVerdicts(noDetail)
			// libzmq has closed the connection: after its greeting the stream ends.
			if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, net.ErrClosed) && !isReset(err) {
				t.Error(err)
			}
			server.wantGot()
			server.abort()
		})
	}
}

// On the connecting side libzmq connects again.
func TestStuckServer(t *testing.T) {
	needs(t, handshakes)
	since(t, "4.3.3", stuckPeersTakeMessages)
	checkLeaks(t)
	loop := newLoop(t, nil)
	for name, saying := range sayings {
		if mechanismOf(saying) != "NULL" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, err)
			defer ln.Close()
			client, err := create(t, loop, zmqio.ConnectionConfig{Connect: []string{"tcp://" + ln.Addr().String()}}, handshakeWithin(impatient))
			must(t, err)
			client.write("from the client")
			for range 2 {
				conn, err := ln.Accept()
				must(t, err)
				defer conn.Close()
				_, err = conn.Write(saying)
				must(t, err)
			}
			client.waitVerdict(noDetail)
			client.wantVerdicts(noDetail)
			client.wantGot()
			client.abort()
		})
	}
}

// A stuck client does not keep another client out, and is not ended early.
func TestStuckBesideOthers(t *testing.T) {
	needs(t, handshakes)
	since(t, "4.3.3", stuckPeersTakeMessages)
	checkLeaks(t)
	loop := newLoop(t, nil)
	newHandler(t, loop, allow)
	for _, a := range askers(t) {
		server := bind(t, loop, a.server)
		for range 20 {
			conn, err := net.Dial("tcp", rawAddr(server))
			must(t, err)
			defer conn.Close()
			_, err = conn.Write(greeting(a.name))
			must(t, err)
		}
		talk(t, server, connect(t, loop, server, a.client))
		server.wantVerdicts(succeeded)
	}
}

func isReset(err error) bool { return errors.Is(err, syscall.ECONNRESET) }
