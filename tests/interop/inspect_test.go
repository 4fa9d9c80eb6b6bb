package interop

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/inspect"
	"github.com/zmqio/zmq/zmqio/zap"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// shown returns the transport that has endpoint, from the JSON that a program gets over HTTP.
func shown(t *testing.T, server *httptest.Server, endpoint string) inspect.Transport {
	t.Helper()
	r, err := http.Get(server.URL + "?format=json&match=" + url.QueryEscape(endpoint))
	must(t, err)
	defer r.Body.Close()
	var s inspect.Snapshot
	must(t, json.NewDecoder(r.Body).Decode(&s))
	for _, l := range s.Loops {
		if len(l.Transports) > 0 {
			return l.Transports[0]
		}
	}
	return inspect.Transport{}
}

// The page shows a peer of pyzmq whose names would do harm in HTML: its arrival, its messages, and
// its end. It also shows a peer that the ZAP handler refuses, and no password.
func TestInspectShowsPyzmq(t *testing.T) {
	zmqiotest.NeedsLibrary(t, "4.3.0", "libzmq does not report handshakes")
	loop := zmqiotest.RunLoop(t, nil)
	policy, err := zap.Serve(loop, zap.Passwords{"<b>ann": "sesame-of-ann"}.Authenticate)
	must(t, err)
	t.Cleanup(func() { must(t, policy.Close()) })
	router := zmqiotest.Open(t, zmq.ROUTER, zmqio.StreamConfig{
		Loop: loop, Bind: []string{"tcp://127.0.0.1:*"},
		Configure: func(o zmq.Sockopts) error { return o.SetPlainServer(true) },
	})
	server := httptest.NewServer(inspect.Handler())
	t.Cleanup(server.Close)
	until := func(what string, holds func(one inspect.Transport) bool) inspect.Transport {
		t.Helper()
		ctx := zmqiotest.Bounded(t, deadline)
		for {
			one := shown(t, server, router.Addr())
			if holds(one) {
				return one
			}
			if ctx.Err() != nil {
				t.Fatalf("no %s: %+v", what, one)
			}
		}
	}
	startScript(zmqiotest.Bounded(t, deadline), t, router.Addr(), `
def client(password):
    s = ctx.socket(zmq.DEALER)
    s.linger = 0
    s.identity = b"<script>alert(1)</script>"
    s.plain_username, s.plain_password = b"<b>ann", password
    s.connect(endpoint)
    return s
s = client(b"sesame-of-ann")
for _ in range(3):
    s.send_multipart([b"", b"<img>"])
s.recv_multipart()
s.close()
s = client(b"simsim-of-ann")
sys.stdin.read()
s.close()
`)
	// A snapshot omits what a busy socket does not tell in time. Events may follow the messages.
	one := until("messages", func(one inspect.Transport) bool {
		return one.Received.Messages == 3 && !one.SocketBusy && one.Mechanism != "" && one.Connections != nil && one.Connections.Handshakes > 0
	})
	if c := one.Connections; one.Received.Bytes != 3*uint64(len("<script>alert(1)</script><img>")) || one.Mechanism != "PLAIN" || c == nil || *c.Open != 1 || c.Handshakes != 1 {
		t.Errorf("%+v, %+v", one, c)
	}
	must(t, router.Send(t.Context(), []byte("<script>alert(1)</script>"), []byte("go")))
	// The end of the first connection may come after the refusal of the second.
	one = until("refusal and end", func(one inspect.Transport) bool {
		c := one.Connections
		return c != nil && c.HandshakeFailures["denied"] > 0 && c.Open != nil && *c.Open == 0
	})
	told := func(event string) bool {
		return slices.ContainsFunc(one.Events, func(ev inspect.Event) bool { return ev.Event == event && ev.Endpoint == router.Addr() })
	}
	if !told("HANDSHAKE_FAILED_AUTH") {
		t.Errorf("%+v", one)
	}
	text, err := json.Marshal(one)
	must(t, err)
	for _, secret := range []string{"sesame", "simsim"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("%s is in %s", secret, text)
		}
	}
}
