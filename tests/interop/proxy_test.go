package interop

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// A device starts a proxy of two types, with a PUB or a PUSH as capture. It returns its endpoints:
// front, back and capture.
type device func(ctx context.Context, t *testing.T, front, back, capture zmq.SocketType) string

// devices are the proxies that all peers are run against.
var devices = map[string]device{
	"zmqio": func(ctx context.Context, t *testing.T, front, back, capture zmq.SocketType) string {
		return runProxy(ctx, t, front, back, capture, nil)
	},
	"zmqio with a filter": func(ctx context.Context, t *testing.T, front, back, capture zmq.SocketType) string {
		return runProxy(ctx, t, front, back, capture, func(_ zmqio.ProxyDirection, msg zmqio.Message) (forward, answer [][]byte) {
			return msg.Frames, nil
		})
	},
	"zmq.proxy": func(ctx context.Context, t *testing.T, front, back, capture zmq.SocketType) string {
		return runPython(ctx, t, front, back, capture, "zmq.proxy(*sockets)")
	},
	"zmq.proxy_steerable": func(ctx context.Context, t *testing.T, front, back, capture zmq.SocketType) string {
		return runPython(ctx, t, front, back, capture, steerable)
	},
}

const steerable = `
control, steers = ctx.socket(zmq.PAIR), ctx.socket(zmq.PAIR)
control.bind("inproc://control")
steers.connect("inproc://control")
zmq.proxy_steerable(*sockets, control)
`

// runProxy runs a zmqio.Proxy until the test ends.
func runProxy(ctx context.Context, t *testing.T, front, back, capture zmq.SocketType,
	filter func(zmqio.ProxyDirection, zmqio.Message) (forward, answer [][]byte),
) string {
	t.Helper()
	loop := zmqiotest.RunLoop(t, nil)
	var streams []*zmqio.Stream
	var endpoints []string
	for _, typ := range []zmq.SocketType{front, back, capture} {
		s := zmqiotest.Open(t, typ, zmqio.StreamConfig{Loop: loop, Bind: []string{"tcp://127.0.0.1:*"}})
		streams, endpoints = append(streams, s), append(endpoints, s.Addr())
	}
	p, err := zmqio.NewProxy(streams[0], streams[1], &zmqio.ProxyConfig{
		Capture: streams[2], Filter: filter, DrainTimeout: time.Millisecond,
	})
	must(t, err)
	ctx, cancel := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ran; err != nil && !errors.Is(err, zmqio.ErrNotDrained) { // when the peers have closed
			t.Error(err)
		}
	})
	return strings.Join(endpoints, " ")
}

// runPython runs a proxy of pyzmq, which ends with its process.
func runPython(ctx context.Context, t *testing.T, front, back, capture zmq.SocketType, run string) string {
	t.Helper()
	s := startScript(ctx, t, fmt.Sprint(front, " ", back, " ", capture), `
import os, threading
sockets = [ctx.socket(getattr(zmq, name)) for name in endpoint.split()]
print(*["tcp://127.0.0.1:%d" % s.bind_to_random_port("tcp://127.0.0.1") for s in sockets], flush=True)
def end():
    sys.stdin.read()
    os._exit(0)
threading.Thread(target=end, daemon=True).start()
`+run)
	return s.line()
}

// through runs a script of pyzmq against each device, and compares the lines that it prints. The
// script has front, back and capture.
func through(t *testing.T, front, back, capture zmq.SocketType, body string, lines ...string) {
	for name, start := range devices {
		t.Run(name, func(t *testing.T) {
			zmqiotest.CheckLeaks(t)
			ctx := zmqiotest.Bounded(t, deadline)
			endpoints := start(ctx, t, front, back, capture)
			s := startScript(ctx, t, endpoints, `
import threading
front, back, capture = endpoint.split()
def open(kind, to, *topics):
    s = ctx.socket(kind)
    s.linger, s.rcvtimeo, s.sndtimeo = 0, 120000, 120000
    for topic in topics:
        s.subscribe(topic)
    s.connect(to)
    return s
captured = []
capturing = open(zmq.PULL, capture)
def take(n):
    while len(captured) < n:
        captured.append(capturing.recv_multipart())
def taking(n):
    thread = threading.Thread(target=take, args=(n,))
    thread.start()
    return thread
`+body)
			for _, line := range lines {
				s.want(line)
			}
		})
	}
}

func TestProxyQueue(t *testing.T) {
	through(t, zmq.ROUTER, zmq.DEALER, zmq.PUSH, `
taker = taking(600)
def work():
    s = open(zmq.REP, back)
    while True:
        question = s.recv_multipart()
        if question == [b"end"]:
            return
        s.send_multipart([f.upper() for f in question] + [b"", b"x" * 50000])
workers = [threading.Thread(target=work) for _ in range(3)]
for w in workers:
    w.start()
right = []
def ask(i):
    s = open(zmq.REQ, front)
    for j in range(60):
        question = [b"client %d" % i, b"", b"question %d" % j]
        s.send_multipart(question)
        right.append(s.recv_multipart() == [f.upper() for f in question] + [b"", b"x" * 50000])
clients = [threading.Thread(target=ask, args=(i,)) for i in range(5)]
for c in clients:
    c.start()
for c in clients:
    c.join()
print(right.count(True), right.count(False))
taker.join()
print(len([m for m in captured if m[-1].startswith(b"question")]), len([m for m in captured if m[-1] == b"x" * 50000]))
print(*sorted({len(m) for m in captured}))
taker = taking(603) # a PUSH that captures stops the proxy where nothing reads
asking = open(zmq.DEALER, front)
for _ in workers:
    asking.send_multipart([b"", b"end"])
for w in workers:
    w.join()
`, "300 0", "300 300", "5 7")
}

func TestProxyForwarder(t *testing.T) {
	through(t, zmq.XSUB, zmq.XPUB, zmq.PUSH, `
pub = open(zmq.XPUB, front)
a, b = open(zmq.SUB, back, b"a"), open(zmq.SUB, back, b"b", b"ab")
print(sorted(pub.recv() for _ in range(3)))
for topic in b"a", b"ab", b"b", b"c":
    pub.send_multipart([topic, b"news"])
print([a.recv_multipart() for _ in range(2)])
print([b.recv_multipart() for _ in range(2)])
a.unsubscribe(b"a")
print(pub.recv())
pub.send_multipart([b"ax", b"nobody"])
pub.send_multipart([b"b", b"last"])
print(b.recv_multipart())
take(8)
print(len(captured))
`, `[b'\x01a', b'\x01ab', b'\x01b']`, `[[b'a', b'news'], [b'ab', b'news']]`, `[[b'ab', b'news'], [b'b', b'news']]`,
		`b'\x00a'`, `[b'b', b'last']`, "8")
}

func TestProxyStreamer(t *testing.T) {
	through(t, zmq.PULL, zmq.PUSH, zmq.PUSH, `
n = 20000
taker = taking(n)
push, pull = open(zmq.PUSH, front), open(zmq.PULL, back)
def send():
    for i in range(n):
        push.send_multipart([b"%d" % i] + [b"y" * (i % 300)] * (i % 5))
sender = threading.Thread(target=send)
sender.start()
got = [pull.recv_multipart() for _ in range(n)]
sender.join()
taker.join()
print(got == [[b"%d" % i] + [b"y" * (i % 300)] * (i % 5) for i in range(n)], got == captured)
`, "True True")
}
