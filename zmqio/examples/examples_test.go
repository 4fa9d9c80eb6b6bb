package examples

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// The first five programs together have no more lines than the same programs with pebbe/zmq4. Those
// have 79, 69, 98, 76 and 46 lines without blank lines and comments.
func TestLength(t *testing.T) {
	atMost(t, 79+69+98+76+46,
		"callers/main.go", "pubsub/main.go", "broker/main.go", "httpgateway/main.go", "service/main.go", "service/main_test.go")
	atMost(t, 57, "curve/main.go") // as long as the program with pebbe/zmq4
	atMost(t, 96, "metrics/main.go")
}

// atMost counts the lines of files without blank lines and comments.
func atMost(t *testing.T, most int, files ...string) {
	t.Helper()
	lines := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		zmqiotest.Must(t, err)
		text = regexp.MustCompile(`(?m)^\s*//.*$`).ReplaceAll(text, nil)
		lines += len(regexp.MustCompile(`(?m)^.*\S.*$`).FindAll(text, -1))
	}
	if lines > most {
		t.Errorf("%q have %d lines, want %d at most", files, lines, most)
	}
}

// counted reads and checks the line that callers prints.
func (p *process) counted() {
	p.t.Helper()
	line := p.line()
	var calls, replies, retries int
	_, err := fmt.Sscanf(line, "%d calls, %d replies, %d retries", &calls, &replies, &retries)
	if err != nil || calls != 1000 || replies != 1000 || retries == 0 {
		p.t.Errorf("callers printed %q, want 1000 calls, 1000 replies and some retries: %v", line, err)
	}
	p.exits()
}

func TestCallers(t *testing.T) { program(t, "callers").counted() }

// One of two servers receives calls and answers none.
func TestCallersOfPython(t *testing.T) {
	const serve = `
s = ctx.socket(zmq.REP)
bound(s)
while True:
    s.send_multipart(s.recv_multipart())
`
	const hang = `
s = ctx.socket(zmq.ROUTER)
bound(s)
while True:
    s.recv_multipart()
`
	program(t, "callers", script(t, hang).line(), script(t, serve).line()).counted()
}

func TestPubsub(t *testing.T) {
	p := program(t, "pubsub", "-others", "1")
	endpoint := strings.TrimPrefix(p.line(), "publishing at ")
	sub := script(t, `
s = ctx.socket(zmq.SUB)
s.subscribe(b"news")
s.connect(args[0])
sys.stdin.readline()
got = [int.from_bytes(s.recv_multipart()[1][:8], "big") for _ in range(10000)]
print(got == list(range(10000)))
`, endpoint)
	if line := p.line(); !strings.HasPrefix(line, "waiting for room with message ") {
		t.Errorf("pubsub printed %q before all subscribers have read", line)
	}
	sub.goOn()
	sub.want("True")
	sub.exits()
	lines := p.rest()
	for i := range 3 {
		if want := fmt.Sprintf("subscriber %d has ended: <nil>", i); !slices.Contains(lines, want) {
			t.Errorf("pubsub did not print %q but %q", want, lines)
		}
	}
	p.exits()
}

// brokerOf starts broker, and returns its endpoints for clients and for workers.
func brokerOf(t *testing.T, args ...string) (p *process, front, back string) {
	t.Helper()
	p = program(t, "broker", append([]string{"-front", "tcp://127.0.0.1:*", "-back", "tcp://127.0.0.1:*"}, args...)...)
	line := p.line()
	if _, err := fmt.Sscanf(line, "clients at %s workers at %s", &front, &back); err != nil {
		t.Fatalf("broker printed %q: %v", line, err)
	}
	return p, front, back
}

// SIGTERM comes when each of six clients has sent 100 requests and got one reply. Two workers of
// pyzmq take a millisecond for each request. All 600 requests are answered.
func TestBrokerDrains(t *testing.T) {
	p, front, back := brokerOf(t, "-workers", "0")
	script(t, `
import threading, time
def work():
    s = ctx.socket(zmq.REQ)
    s.connect(args[0])
    s.send(b"READY")
    while True:
        msg = s.recv()
        time.sleep(0.001)
        s.send(msg.upper())
for _ in range(2):
    threading.Thread(target=work, daemon=True).start()
sys.stdin.readline()
`, back)
	clients := script(t, `
clients = [ctx.socket(zmq.DEALER) for _ in range(6)]
for i, s in enumerate(clients):
    s.connect(args[0])
    for n in range(100):
        s.send_multipart([b"", b"request %d.%d" % (i, n)])
replies = [s.recv_multipart() for s in clients]
print("some")
for s in clients:
    replies += [s.recv_multipart() for _ in range(99)]
want = sorted([b"", b"REQUEST %d.%d" % (i, n)] for i in range(6) for n in range(100))
print(len(replies), sorted(replies) == want)
`, front)
	clients.want("some")
	p.terminate()
	clients.want("600 True")
	clients.exits()
	p.exits()
}

// The broker serves REQ clients of pyzmq and its own at the same time.
func TestBrokerClients(t *testing.T) {
	p, front, _ := brokerOf(t, "-clients", "6")
	clients := script(t, `
s = ctx.socket(zmq.REQ)
s.connect(args[0])
for n in range(100):
    s.send(b"request %d" % n)
    assert s.recv() == b"REQUEST %d" % n
print("done")
`, front)
	clients.want("done")
	clients.exits()
	for range 6 {
		p.want("a client has ended: <nil>")
	}
	p.terminate()
	p.exits()
}

// A server of pyzmq answers in capitals. It does not answer "hang", and answers "later" when the
// test tells it to.
func TestHTTPGateway(t *testing.T) {
	server := script(t, `
s = ctx.socket(zmq.ROUTER)
bound(s)
while True:
    msg = s.recv_multipart()
    if msg[-1] == b"hang":
        continue
    if msg[-1] == b"later":
        print("later")
        sys.stdin.readline()
    s.send_multipart(msg[:-1] + [msg[-1].upper()])
`)
	p := program(t, "httpgateway", "-http", "127.0.0.1:0", server.line())
	url := p.line()
	post := func(body string) string {
		resp, err := http.Post(url, "text/plain", strings.NewReader(body))
		if err != nil {
			return err.Error()
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			return err.Error()
		}
		return fmt.Sprintf("%d %s", resp.StatusCode, strings.TrimSpace(string(text)))
	}
	defer http.DefaultClient.CloseIdleConnections()
	for _, test := range []struct{ body, want string }{
		{"hello", "200 HELLO"},
		{"hang", "504 rpc: no reply in time"},
		{strings.Repeat("x", 1<<20+1), "400 http: request body too large"},
	} {
		if got := post(test.body); got != test.want {
			t.Errorf("%.10q: got %q, want %q", test.body, got, test.want)
		}
	}
	// A request that was accepted before SIGTERM gets its reply.
	later := make(chan string)
	go func() { later <- post("later") }()
	server.want("later")
	p.terminate()
	for err := error(nil); err == nil; { // until the gateway accepts no connection
		var conn net.Conn
		if conn, err = net.Dial("tcp", strings.TrimPrefix(url, "http://")); err == nil {
			conn.Close()
		}
	}
	server.goOn()
	if got := <-later; got != "200 LATER" {
		t.Errorf("after SIGTERM: %q", got)
	}
	p.exits()
}

func TestService(t *testing.T) {
	endpoint := zmqiotest.FreeEndpoint(t, "tcp")
	p := program(t, "service", endpoint)
	client := script(t, `
s = ctx.socket(zmq.REQ)
s.connect(args[0])
s.send_json({"Text": "to be or not to be"})
print(sorted(s.recv_json().items()))
s.send(b"{}")
print(s.recv().decode())
`, endpoint)
	client.want("[('be', 2), ('not', 1), ('or', 1), ('to', 2)]")
	client.want("no text")
	client.exits()
	p.terminate()
	p.exits()
}

// The service accepts clients of pyzmq while their certificates are in the directory.
func TestCurve(t *testing.T) {
	if !zmq.Has(zmq.CapabilityCurve) {
		t.Skip("this libzmq has no CURVE")
	}
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"server", "ann", "bob"} {
		program(t, "curve", "keys", file(name+".key")).exits()
	}
	program(t, "curve", "keys", file("ann.key")).fails() // and keeps the file that exists
	zmqiotest.Must(t, os.Mkdir(file("clients"), 0o700))
	zmqiotest.Must(t, os.Rename(file("ann.key"), file("clients/ann.key")))
	p := program(t, "curve", "serve", file("server.key_secret"), file("clients"), "tcp://127.0.0.1:*")
	endpoint := strings.TrimPrefix(p.line(), "serving at ")
	call := func(name, want string) {
		t.Helper()
		client := script(t, `
import zmq.auth
from zmq.utils.monitor import recv_monitor_message
s = ctx.socket(zmq.REQ)
s.linger = 0
s.curve_publickey, s.curve_secretkey = zmq.auth.load_certificate(args[1])
s.curve_serverkey, _ = zmq.auth.load_certificate(args[2])
m = s.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_HANDSHAKE_FAILED_AUTH)
s.connect(args[0])
s.send(b"hello")
if recv_monitor_message(m)["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED:
    print(s.recv().decode())
else:
    print("refused")
s.disable_monitor()
s.close()
`, endpoint, file(name+".key_secret"), file("server.key"))
		client.want(want)
		client.exits()
	}
	call("ann", "ann says hello")
	call("bob", "refused")
	p.terminate()
	p.exits()
}

// kvServer publishes batches and replays them as vLLM's ZmqEventPublisher does. It writes
// MessagePack by hand: arrays, and maps for odd numbers.
const kvServer = `
import struct
pub, replay = ctx.socket(zmq.XPUB), ctx.socket(zmq.ROUTER)
bound(pub)
bound(replay)
pub.recv()  # the subscription
buffer = []

def text(s):
    return bytes([0xa0 | len(s)]) + s.encode()

def payload(seq):
    ts = b"\xcb" + struct.pack(">d", 1.5)
    if seq % 2:
        event = b"\x82" + text("type") + text("BlockRemoved") + text("block_hashes") + b"\x91" + bytes([seq])
        return b"\x82" + text("ts") + ts + text("events") + b"\x91" + event
    return b"\x92" + ts + b"\x91" + b"\x92" + text("BlockStored") + b"\x91" + bytes([seq])

def number(seq):
    return seq.to_bytes(8, "big", signed=True)

def publish(drop=False):
    seq = len(buffer)
    buffer.append(payload(seq))
    if not drop:
        pub.send_multipart([b"kv-events", number(seq), buffer[seq]])

def asked():
    client, empty, start = replay.recv_multipart()
    return client, int.from_bytes(start, "big")

def answer(client, start, topic, live=False, without=()):
    for seq in range(start, len(buffer)):
        if seq not in without:
            replay.send_multipart([client, b""] + topic + [number(seq), buffer[seq]])
        if live:
            publish()
    replay.send_multipart([client, b""] + topic + [number(-1), b""])

`

// kvEvents starts kvevents with a publisher that runs body.
func kvEvents(t *testing.T, body string) (p, publisher *process) {
	t.Helper()
	publisher = script(t, kvServer+body)
	endpoint, replay := publisher.line(), publisher.line()
	return program(t, "kvevents", "-topic", "kv", endpoint, replay), publisher
}

// has reads the output of kvevents for the batches from first to last.
func (p *process) has(first, last int) {
	p.t.Helper()
	for seq := first; seq <= last; seq++ {
		p.want(fmt.Sprintf("%d: 1 events", seq))
		p.want(fmt.Sprintf("  %s [%d]", []string{"BlockStored", "BlockRemoved"}[seq%2], seq))
	}
}

// The replay of a gap comes before later live batches, while these go on. Releases of vLLM differ
// in whether a replay has the topic.
func TestKVEvents(t *testing.T) {
	for _, topic := range []string{"[]", `[b"kv-events"]`} {
		t.Run(topic, func(t *testing.T) {
			p, publisher := kvEvents(t, strings.ReplaceAll(`
for seq in range(8):
    publish(drop=3 <= seq <= 5)
client, start = asked()
print(start)
for _ in range(10):
    publish()
answer(client, start, TOPIC, live=True)
for _ in range(10):
    publish()
sys.stdin.readline()
`, "TOPIC", topic))
			p.has(0, 2)
			publisher.want("3")
			p.has(3, 42)
			publisher.goOn()
			publisher.exits()
			p.terminate()
			p.exits()
			if lines := p.rest(); len(lines) > 0 {
				t.Errorf("kvevents printed more: %q", lines)
			}
		})
	}
}

// A consumer that comes late gets the beginning from a replay. If a replay lacks a batch, the
// consumer asks again from there.
func TestKVEventsIncompleteReplay(t *testing.T) {
	p, publisher := kvEvents(t, `
for seq in range(6):
    publish(drop=seq < 5)
client, start = asked()
print(start)
answer(client, start, [], without=[2])
client, start = asked()
print(start)
answer(client, start, [])
publish()
sys.stdin.readline()
`)
	publisher.want("0")
	publisher.want("2")
	p.has(0, 6)
	publisher.goOn()
	publisher.exits()
	p.terminate()
	p.exits()
}

// kvevents reports batches that the publisher no longer has as lost. A restarted publisher begins
// at 0.
func TestKVEventsLost(t *testing.T) {
	p, publisher := kvEvents(t, `
publish()
for _ in range(5):
    publish(drop=True)
publish()
client, start = asked()
print(start)
answer(client, 4, [])
buffer.clear()
publish(drop=True)
publish()
client, start = asked()
print(start)
answer(client, start, [])
sys.stdin.readline()
`)
	publisher.want("1")
	publisher.want("0")
	p.has(0, 0)
	p.has(4, 6)
	p.has(0, 1)
	publisher.goOn()
	publisher.exits()
	p.terminate()
	p.exits()
}
