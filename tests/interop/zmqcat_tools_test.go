package interop

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// A zmqcat is the program, built for one test.
type zmqcat struct {
	t       *testing.T
	program string
}

func newZmqcat(t *testing.T) *zmqcat { return &zmqcat{t, buildZmqcat(t)} }

// run gives the program an input, and returns its output.
func (z *zmqcat) run(input string, arguments ...string) string {
	z.t.Helper()
	cmd := exec.CommandContext(zmqiotest.Bounded(z.t, deadline), z.program, arguments...)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = strings.NewReader(input), &stderr
	out, err := cmd.Output()
	if err != nil {
		z.t.Fatalf("zmqcat %q: %v\n%s", arguments, err, &stderr)
	}
	return string(out)
}

// start starts the program. It returns the bound endpoints, and a function that ends the program
// with SIGINT and returns its output.
func (z *zmqcat) start(input string, bound int, arguments ...string) (endpoints []string, stop func() string) {
	z.t.Helper()
	ctx, kill := context.WithTimeout(context.Background(), deadline)
	cmd := exec.CommandContext(ctx, z.program, arguments...)
	var stdout bytes.Buffer
	cmd.Stdin, cmd.Stdout = strings.NewReader(input), &stdout
	stderr, err := cmd.StderrPipe()
	must(z.t, err)
	must(z.t, cmd.Start())
	lines := bufio.NewScanner(stderr)
	for len(endpoints) < bound && lines.Scan() {
		if endpoint, ok := strings.CutPrefix(lines.Text(), "zmqcat: bound "); ok {
			endpoints = append(endpoints, endpoint)
		} else {
			z.t.Logf("%s", lines.Text())
		}
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines.Scan() {
			z.t.Logf("%s", lines.Text())
		}
	}()
	ended := false
	stop = func() string {
		if !ended {
			ended = true
			_ = cmd.Process.Signal(syscall.SIGINT) // it may have ended
			<-read
			_ = cmd.Wait()
			kill()
		}
		return stdout.String()
	}
	z.t.Cleanup(func() { stop() })
	if len(endpoints) < bound {
		z.t.Fatalf("zmqcat %q bound %q", arguments, endpoints)
	}
	return endpoints, stop
}

// pyzmq loads the certificates of keygen.
func TestZmqcatKeygen(t *testing.T) {
	needsCurve(t)
	z := newZmqcat(t)
	path := filepath.Join(t.TempDir(), "ann")
	_, key, _ := strings.Cut(z.run("", "keygen", path, "-m", "X-Role=admin"), "\nkey ")
	key = strings.TrimSpace(key)
	s := startScript(zmqiotest.Bounded(t, deadline), t, path, `
import zmq.auth
public, none = zmq.auth.load_certificate(endpoint + ".key")
again, secret = zmq.auth.load_certificate(endpoint + ".key_secret")
print(public.decode(), none, again == public, zmq.curve_public(secret) == public)
`)
	s.want(key + " None True True")
}

// A CURVE server of pyzmq has its own authenticator and certificate. It admits the client with a
// certificate of keygen, and no other.
func TestZmqcatCurveClient(t *testing.T) {
	needsCurve(t)
	z := newZmqcat(t)
	dir := t.TempDir()
	pyzmqs(t, dir, "server")
	clients := filepath.Join(dir, "clients")
	must(t, os.Mkdir(clients, 0o700))
	z.run("", "keygen", filepath.Join(clients, "ann"))
	s := startScript(zmqiotest.Bounded(t, deadline), t, dir, `
import zmq.auth
from zmq.auth.thread import ThreadAuthenticator
auth = ThreadAuthenticator(ctx)
auth.start()
auth.configure_curve(domain="*", location=endpoint + "/clients")
server = ctx.socket(zmq.REP)
server.curve_publickey, server.curve_secretkey = zmq.auth.load_certificate(endpoint + "/server.key_secret")
server.curve_server = True
print("tcp://127.0.0.1:%d" % server.bind_to_random_port("tcp://127.0.0.1"))
print(server.recv().decode())
server.send(b"welcome")
sys.stdin.read()
server.close()
auth.stop()
`)
	endpoint := s.line()
	server := filepath.Join(dir, "server.key")
	refused := z.run("", "monitor", "req", "-c", endpoint, "--curve-server-cert", server, "-e", "HANDSHAKE_SUCCEEDED|HANDSHAKE_FAILED_AUTH", "-n", "1")
	if !strings.HasSuffix(refused, "HANDSHAKE_FAILED_AUTH "+endpoint+": refused by the ZAP handler with status 400\n") {
		t.Errorf("a client without a certificate: %q", refused)
	}
	if got := z.run("hello\n", "req", "-c", endpoint, "--curve-server-cert", server, "--curve-cert", filepath.Join(clients, "ann.key_secret")); got != "welcome\n" {
		t.Errorf("the reply is %q", got)
	}
	s.want("hello")
}

// zmqcat is the CURVE server of pyzmq clients that have their own certificates.
func TestZmqcatCurveServer(t *testing.T) {
	needsCurve(t)
	z := newZmqcat(t)
	dir := t.TempDir()
	pyzmqs(t, dir, "bob")
	server := filepath.Join(t.TempDir(), "server")
	z.run("", "keygen", server)
	endpoints, stop := z.start("welcome\n", 1, "rep", "-b", "tcp://127.0.0.1:*", "--curve-cert", server+".key_secret", "--curve-allow", dir)
	s := startScript(zmqiotest.Bounded(t, deadline), t, strings.Join([]string{endpoints[0], server, dir}, " "), `
import zmq.auth
endpoint, server, clients = endpoint.split(" ")
def client(public, secret):
    s = ctx.socket(zmq.REQ)
    s.linger = 0
    s.curve_serverkey, _ = zmq.auth.load_certificate(server + ".key")
    s.curve_publickey, s.curve_secretkey = public, secret
    return s
def event(s):
    m = s.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_HANDSHAKE_FAILED_AUTH)
    s.connect(endpoint)
    return zmq.utils.monitor.recv_monitor_message(m)["event"]
import zmq.utils.monitor
print(event(client(*zmq.curve_keypair())) == zmq.EVENT_HANDSHAKE_FAILED_AUTH)
bob = client(*zmq.auth.load_certificate(clients + "/bob.key_secret"))
print(event(bob) == zmq.EVENT_HANDSHAKE_SUCCEEDED)
bob.send(b"hello")
print(bob.recv().decode())
ctx.destroy(linger=0)
`)
	s.want("True")
	s.want("True")
	s.want("welcome")
	if got := stop(); got != "hello\n" {
		t.Errorf("the server printed %q", got)
	}
}

// push --json sends again what pull --json prints of random messages, text and binary.
func TestZmqcatJSON(t *testing.T) {
	z := newZmqcat(t)
	const messages = 3000
	s := startScript(zmqiotest.Bounded(t, deadline), t, fmt.Sprint(messages), `
import random
rng = random.Random(5)
def frame():
    n = rng.choice([0, 1, 5, 300])
    if rng.random() < 0.5:
        return "".join(chr(rng.choice([9, 10, 13, 34, 60, 92, 97, 0x2028, 0xfffd, 0x1f600])) for _ in range(n)).encode()
    return bytes(rng.getrandbits(8) for _ in range(n))
sent = [[frame() for _ in range(rng.randint(1, 4))] for _ in range(int(endpoint))]
push, pull = ctx.socket(zmq.PUSH), ctx.socket(zmq.PULL)
print("tcp://127.0.0.1:%d" % push.bind_to_random_port("tcp://127.0.0.1"))
for m in sent:
    push.send_multipart(m)
print("tcp://127.0.0.1:%d" % pull.bind_to_random_port("tcp://127.0.0.1"))
print([pull.recv_multipart() for _ in sent] == sent)
ctx.destroy(linger=0)
`)
	text := z.run("", "pull", "--json", "-c", s.line(), "-n", fmt.Sprint(messages))
	if n := strings.Count(text, "\n"); n != messages {
		t.Errorf("%d lines for %d messages", n, messages)
	}
	z.run(text, "push", "--json", "-c", s.line())
	s.want("True")
}

// bench ping works with any REP at the other end.
func TestZmqcatPing(t *testing.T) {
	z := newZmqcat(t)
	s := startScript(zmqiotest.Bounded(t, deadline), t, "", `
server = ctx.socket(zmq.REP)
print("tcp://127.0.0.1:%d" % server.bind_to_random_port("tcp://127.0.0.1"))
for _ in range(200):
    server.send(server.recv())
ctx.destroy()
`)
	var result struct{ Messages, Size int }
	must(t, json.Unmarshal([]byte(z.run("", "bench", "ping", "-c", s.line(), "-n", "200", "--size", "77", "--json")), &result))
	if result.Messages != 200 || result.Size != 77 {
		t.Errorf("%+v", result)
	}
}

// A proxy stands between a REQ and a REP of pyzmq, and a SUB of it gets copies.
func TestZmqcatProxy(t *testing.T) {
	z := newZmqcat(t)
	const requests = 500
	endpoints, stop := z.start("", 3, "proxy", "router", "dealer",
		"--front-bind", "tcp://127.0.0.1:*", "--back-bind", "tcp://127.0.0.1:*", "--capture-bind", "tcp://127.0.0.1:*", "--capture", "xpub")
	s := startScript(zmqiotest.Bounded(t, deadline), t, strings.Join(append(endpoints, fmt.Sprint(requests)), " "), `
import threading
front, back, capture, n = endpoint.split(" ")
n = int(n)
sub = ctx.socket(zmq.SUB)
sub.rcvhwm = 0
sub.subscribe(b"")
sub.connect(capture)
def serve():
    rep = ctx.socket(zmq.REP)
    rep.connect(back)
    frames = None
    while frames != last:
        frames = rep.recv_multipart()
        rep.send_multipart(frames + [b"answered"])
    rep.close()
def request(i):
    return [b"%d" % i, bytes([i % 256]) * i]
last = request(n - 1)
server = threading.Thread(target=serve)
server.start()
req = ctx.socket(zmq.REQ)
req.connect(front)
def exchange(i):
    req.send_multipart(request(i))
    return req.recv_multipart() == request(i) + [b"answered"]
while not sub.poll(10): # the proxy does not know the SUB yet
    exchange(0)
print(all([exchange(i) for i in range(n)]))
server.join()
while sub.recv_multipart()[1:] != [b""] + last + [b"answered"]:
    pass
print("captured")
ctx.destroy(linger=0)
`)
	s.want("True")
	s.want("captured")
	stop()
}
