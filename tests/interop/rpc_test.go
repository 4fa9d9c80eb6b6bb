package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/rpc"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// Servers in Python, which bind and print their endpoint.
var servers = map[string]string{
	"REP": `
s = ctx.socket(zmq.REP)
s.bind(endpoint)
print(s.getsockopt(zmq.LAST_ENDPOINT).decode().strip("\0"))
while s.poll(0x7fffffff):
    msg = s.recv_multipart()
    if msg == [b"end"]:
        s.send(b"")
        break
    s.send_multipart([f.upper() for f in msg])
s.close()
ctx.term()
`,
	"ROUTER": `
s = ctx.socket(zmq.ROUTER)
s.bind(endpoint)
print(s.getsockopt(zmq.LAST_ENDPOINT).decode().strip("\0"))
while s.poll(0x7fffffff):
    msg = s.recv_multipart()
    empty = msg.index(b"")
    if msg[empty + 1:] == [b"end"]:
        s.send_multipart(msg[:empty + 1] + [b""])
        break
    s.send_multipart(msg[:empty + 1] + [f.upper() for f in msg[empty + 1:]])
s.close()
ctx.term()
`,
}

func TestRPCClient(t *testing.T) {
	for typ, body := range servers {
		t.Run(typ, func(t *testing.T) {
			zmqiotest.CheckLeaks(t)
			ctx := zmqiotest.Bounded(t, deadline)
			p := startScript(ctx, t, "tcp://127.0.0.1:*", body)
			endpoint := p.line()
			c, err := rpc.NewClient(ctx, rpc.Config{Endpoints: []string{endpoint}, Loop: zmqiotest.RunLoop(t, nil)})
			zmqiotest.Must(t, err)
			defer c.Close()
			var group sync.WaitGroup
			const callers, calls = 50, 20
			for i := range callers {
				group.Go(func() {
					for j := range calls {
						got, err := c.Call(ctx, fmt.Append(nil, "body ", i, ".", j), nil, []byte("x"))
						if want := fmt.Sprintf("[BODY %d.%d  X]", i, j); err != nil || fmt.Sprintf("%s", got) != want {
							t.Errorf("got %s, %v; want %s", got, err, want)
						}
					}
				})
			}
			group.Wait()
			if got, err := c.Call(ctx, []byte("end")); err != nil || len(got) != 1 {
				t.Errorf("the last: %q, %v", got, err)
			}
			if stats := c.Stats(); stats.Replies != callers*calls+1 || stats.Late != 0 {
				t.Errorf("stats: %+v", stats)
			}
		})
	}
}

// Clients in Python, of a server of package rpc. They print what they get.
func TestRPCServer(t *testing.T) {
	clients := map[string]string{
		"REQ": `
s = ctx.socket(zmq.REQ)
s.connect(endpoint)
for word in (b"one", b"fail", b"two"):
    s.send_multipart([word, b""])
    print(s.recv_multipart())
`,
		"DEALER": `
s = ctx.socket(zmq.DEALER)
s.connect(endpoint)
for word in (b"one", b"fail", b"two"):
    s.send_multipart([b"my", b"own", b"", word, b""])
    msg = s.recv_multipart()
    assert msg[:3] == [b"my", b"own", b""], msg
    print(msg[3:])
`,
	}
	for typ, body := range clients {
		for _, server := range []zmq.SocketType{zmq.ROUTER, zmq.REP} {
			t.Run(fmt.Sprintf("%s to %v", typ, server), func(t *testing.T) {
				s := listen(t, server, zmqio.StreamConfig{})
				ctx, stop := context.WithCancel(s.ctx)
				defer stop()
				served := make(chan error)
				go func() {
					served <- rpc.Serve(ctx, s.Stream, func(_ context.Context, req [][]byte) ([][]byte, error) {
						if string(req[0]) == "fail" {
							return nil, errors.New("failed")
						}
						return [][]byte{bytes.ToUpper(req[0]), req[1]}, nil
					}, rpc.ServerConfig{
						ErrorReply: func(err error) [][]byte { return [][]byte{[]byte("error"), []byte(err.Error())} },
						Logger:     slog.New(slog.NewTextHandler(io.Discard, nil)),
					})
				}()
				p := startScript(s.ctx, t, s.Addr(), body)
				p.want(`[b'ONE', b'']`)
				p.want(`[b'error', b'failed']`)
				p.want(`[b'TWO', b'']`)
				stop()
				zmqiotest.Must(t, <-served)
			})
		}
	}
}
