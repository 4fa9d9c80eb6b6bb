package security

import (
	"slices"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// An asker is a mechanism with which a server asks the ZAP handler.
type asker struct {
	name           string
	server, client setter
	credentials    []string // in the request that the handler gets
}

// askers returns an asker for each mechanism of the running libzmq.
func askers(t testing.TB) []asker {
	list := []asker{
		{name: "NULL", server: domain("test"), client: inOrder()},
		{
			name: "PLAIN", server: inOrder(plainServer(true), domain("test")),
			client: inOrder(username("ann"), password("sesame")), credentials: []string{"ann", "sesame"},
		},
	}
	if zmq.Has(zmq.CapabilityCurve) {
		own, client := newPair(t), newPair(t)
		list = append(list, asker{
			name: "CURVE", server: inOrder(curveServer(true), secret(own.secret), domain("test")),
			client: curveClient(client, own.public), credentials: []string{string(client.public[:])},
		})
	}
	return list
}

// A reply of the ZAP handler admits the client only if every frame is right.
func TestReplies(t *testing.T) {
	needs(t, handshakes)
	since(t, "4.3.3", stuckPeersTakeMessages)
	checkLeaks(t)
	loop := newLoop(t, nil)
	h := newHandler(t, loop, allow)
	with := func(change func(reply [][]byte) [][]byte) func(request) [][]byte {
		return func(r request) [][]byte { return change(allow(r)) }
	}
	frame := func(i int, text string) func(request) [][]byte {
		return with(func(reply [][]byte) [][]byte {
			reply[i] = []byte(text)
			return reply
		})
	}
	malformed := broke(zmq.PROTOCOL_ERROR_ZAP_MALFORMED_REPLY)
	badStatus := broke(zmq.PROTOCOL_ERROR_ZAP_INVALID_STATUS_CODE)
	for _, c := range []struct {
		name           string
		reply          func(request) [][]byte
		server, client verdict
	}{
		{"wrong version", frame(0, "2.0"), broke(zmq.PROTOCOL_ERROR_ZAP_BAD_VERSION), noDetail},
		{"wrong request id", frame(1, "2"), broke(zmq.PROTOCOL_ERROR_ZAP_BAD_REQUEST_ID), noDetail},
		{"status of 2 digits", frame(2, "20"), badStatus, noDetail},
		{"status 201", frame(2, "201"), badStatus, noDetail},
		{"status 600", frame(2, "600"), badStatus, noDetail},
		{"no status", frame(2, ""), badStatus, noDetail},
		{"malformed metadata", frame(5, "\x0ftoo short"), broke(zmq.PROTOCOL_ERROR_ZAP_INVALID_METADATA), noDetail},
		{"7 frames", with(func(r [][]byte) [][]byte { return append(r, []byte("more")) }), malformed, noDetail},
		{"5 frames", with(func(r [][]byte) [][]byte { return r[:5] }), malformed, noDetail},
		{"1 frame", with(func(r [][]byte) [][]byte { return r[:1] }), malformed, noDetail},
		{"300", status("300"), auth(300), noDetail},
		{"400", status("400"), auth(400), auth(400)},
		{"500", status("500"), auth(500), auth(500)},
		{"none", func(request) [][]byte { return nil }, noDetail, noDetail},
	} {
		for _, a := range askers(t) {
			t.Run(a.name+"/"+c.name, func(t *testing.T) {
				h.begin(c.reply)
				server := bind(t, loop, a.server)
				within := handshakeWithin(zmqiotest.Patience)
				switch noDetail {
				case c.server:
					within = handshakeWithin(impatient)
				case c.client:
					within = handshakeWithin(unhurried)
				}
				client := connect(t, loop, server, a.client, within)
				refusal{server: c.server, client: c.client}.check(t, server, client, func() *party {
					h.begin(allow)
					return connect(t, loop, server, a.client)
				})
			})
		}
	}
}

const (
	// impatient is the HANDSHAKE_IVL of a client whose handshake gets stuck in any case.
	impatient = 500 * time.Millisecond
	// unhurried is that of a client whose handshake gets stuck when the server has a reply. After a
	// status of 300 libzmq sends the client nothing, and does not hang up. The reply must come
	// earlier, on a busy machine too.
	unhurried = 2 * time.Second
)

// A reply that comes shortly before the client gives up lets the client in.
func TestLateReply(t *testing.T) {
	needs(t, handshakes)
	since(t, "4.3.3", stuckPeersTakeMessages)
	checkLeaks(t)
	loop := newLoop(t, nil)
	h := newHandler(t, loop, nil)
	for _, a := range askers(t) {
		t.Run(a.name, func(t *testing.T) {
			h.begin(func(request) [][]byte { return nil })
			server := bind(t, loop, a.server)
			client := connect(t, loop, server, a.client)
			server.write("from the server")
			client.write("from the client")
			r := h.wait(1)[0]
			// Another client gets its reply first, so the server has had time to let both in.
			h.begin(allow)
			other := connect(t, loop, server, a.client)
			other.waitGot("from the server")
			server.wantGot()
			client.wantGot()
			client.wantVerdicts()
			h.answer(r, allow(r))
			server.waitGot("from the client")
			for _, p := range []*party{server, client, other} {
				p.waitVerdict(succeeded)
				p.wantVerdicts(succeeded)
			}
		})
	}
}

// A reply that comes after the client has given up is dropped. The client's next request gets its
// own reply.
func TestReplyTooLate(t *testing.T) {
	needs(t, handshakes)
	since(t, "4.3.3", stuckPeersTakeMessages)
	checkLeaks(t)
	loop := newLoop(t, nil)
	h := newHandler(t, loop, nil)
	for _, a := range askers(t) {
		t.Run(a.name, func(t *testing.T) {
			h.begin(func(request) [][]byte { return nil })
			server := bind(t, loop, a.server)
			client := connect(t, loop, server, a.client, handshakeWithin(impatient))
			server.write("from the server")
			client.write("from the client")
			late := h.wait(1)[0]
			client.waitVerdict(noDetail)
			server.waitVerdict(noDetail)
			h.begin(allow)
			h.answer(late, status("400")(late))
			server.waitGot("from the client")
			client.waitGot("from the server")
			for _, p := range []*party{server, client} {
				p.waitVerdict(succeeded)
				p.wantVerdicts(noDetail, succeeded)
			}
		})
	}
}

// A request to the handler has the domain, the server's routing id and the credentials.
func TestRequests(t *testing.T) {
	needs(t, handshakes)
	checkLeaks(t)
	loop := newLoop(t, nil)
	h := newHandler(t, loop, allow)
	for _, a := range askers(t) {
		t.Run(a.name, func(t *testing.T) {
			h.begin(allow)
			server := bind(t, loop, a.server, func(o zmq.Sockopts) error { return o.SetRoutingID([]byte("me")) })
			talk(t, server, connect(t, loop, server, a.client))
			for _, r := range h.wait(1) {
				got := append([]string{r.version, r.domain, r.address, r.routingID, r.mechanism}, r.credentials...)
				want := append([]string{"1.0", "test", "127.0.0.1", "me", a.name}, a.credentials...)
				if !slices.Equal(got, want) {
					t.Errorf("asked %q, want %q", got, want)
				}
			}
		})
	}
}
