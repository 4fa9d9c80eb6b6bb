package interop

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zap"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// The figures count each message, and each byte, that goroutines write to pyzmq and that pyzmq
// sends back.
func TestStatsOfEcho(t *testing.T) {
	checkLeaks(t)
	const writers, each = 10, 500
	s := zmqiotest.Open(t, zmq.DEALER, zmqio.StreamConfig{Bind: []string{"tcp://127.0.0.1:*"}})
	ctx := zmqiotest.Bounded(t, deadline)
	p := startScript(ctx, t, s.Addr(), fmt.Sprintf(`
s = ctx.socket(zmq.DEALER)
s.connect(endpoint)
messages = size = 0
while messages < %d:
    msg = s.recv_multipart()
    messages += 1
    size += sum(map(len, msg))
    s.send_multipart(msg + [b"seen"])
print(messages, size)
sys.stdin.readline()
`, writers*each))
	var writing sync.WaitGroup
	for i := range writers {
		writing.Go(func() {
			for range each {
				if err := s.Send(ctx, make([]byte, i), []byte("x")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range writers * each {
		_, err := s.Recv(ctx)
		must(t, err)
	}
	writing.Wait()
	stats := s.Transport().Stats()
	p.want(fmt.Sprint(stats.Sent.Messages, stats.Sent.Bytes))
	const bytes = each * (writers*(writers-1)/2 + writers)
	if stats.Sent != (zmqio.Traffic{Messages: writers * each, Bytes: bytes}) ||
		stats.Received != (zmqio.Traffic{Messages: writers * each, Bytes: bytes + 4*writers*each}) {
		t.Errorf("%+v", stats)
	}
	if stats.Buffered != (zmqio.Traffic{}) || stats.Unread != (zmqio.Traffic{}) || stats.Dropped != (zmqio.Drops{}) || stats.Connections.Open != 1 {
		t.Errorf("%+v, %+v", stats, stats.Connections)
	}
}

// Refused clients of pyzmq count under the reason: one that the ZAP handler refuses, one with
// another server's key, and one without keys.
func TestStatsOfRefusals(t *testing.T) {
	needsCurve(t)
	checkLeaks(t)
	own := zap.NewCertificate(nil)
	loop := zmqiotest.RunLoop(t, nil)
	server, err := zap.Serve(loop, func(context.Context, zap.Request) (zap.Identity, error) {
		return zap.Identity{}, zap.ErrDenied
	})
	must(t, err)
	t.Cleanup(func() { must(t, server.Close()) })
	s := zmqiotest.Open(t, zmq.PULL, zmqio.StreamConfig{Loop: loop, Bind: []string{"tcp://127.0.0.1:*"}, Configure: own.AsServer})
	ctx := zmqiotest.Bounded(t, deadline)
	startScript(ctx, t, fmt.Sprint(s.Addr(), " ", own.Public), `
url, key = endpoint.split(" ")
def client(server_key):
    s = ctx.socket(zmq.PUSH)
    s.linger = 0
    if server_key:
        s.curve_publickey, s.curve_secretkey = zmq.curve_keypair()
        s.curve_serverkey = server_key
    s.connect(url)
    return s
clients = [client(key.encode()), client(zmq.curve_keypair()[0]), client(None)]
sys.stdin.readline()
`)
	count := func() zmqio.HandshakeFailures { return s.Transport().Stats().Connections.Failures }
	// Of two sides with different mechanisms one hangs up, and the other may not learn the reason.
	for f := count(); f.Denied == 0 || f.Cryptographic == 0 || f.Mechanism+f.Other == 0; f = count() {
		if ctx.Err() != nil {
			t.Fatalf("%+v", f)
		}
	}
	if f, c := count(), s.Transport().Stats().Connections; f.Temporary+f.Internal+f.Reply > 0 || c.Handshakes > 0 || c.Open > 0 {
		t.Errorf("%+v", c)
	}
}
