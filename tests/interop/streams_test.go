package interop

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// A script is a Python program that runs beside a test. It has zmq, a context ctx, and the test's
// endpoint. The test reads what it prints.
type script struct {
	t     *testing.T
	lines *bufio.Scanner
}

func startScript(ctx context.Context, t *testing.T, endpoint, body string) *script {
	t.Helper()
	python := pythonWith(t, "pyzmq")
	cmd := exec.CommandContext(ctx, python, "-u", "-c", "import sys, zmq\nctx = zmq.Context()\nendpoint = sys.argv[1]\n"+body, endpoint)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	zmqiotest.Must(t, err)
	out, err := cmd.StdoutPipe()
	zmqiotest.Must(t, err)
	zmqiotest.Must(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close()
		if t.Failed() {
			_ = cmd.Process.Kill()
		}
		if err := cmd.Wait(); err != nil && !t.Failed() {
			t.Errorf("%v\n%s", err, stderr.Bytes())
		} else if t.Failed() {
			t.Logf("python: %s", stderr.Bytes())
		}
	})
	return &script{t, bufio.NewScanner(out)}
}

// line reads a line that the script prints.
func (s *script) line() string {
	s.t.Helper()
	if !s.lines.Scan() {
		s.t.Fatalf("the script ended: %v", s.lines.Err())
	}
	return s.lines.Text()
}

// want reads a line that the script prints, and compares it.
func (s *script) want(line string) {
	s.t.Helper()
	if got := s.line(); got != line {
		s.t.Fatalf("the script printed %q, want %q", got, line)
	}
}

// A streamTest is a stream on a loop of its own.
type streamTest struct {
	*zmqio.Stream
	t   *testing.T
	ctx context.Context
}

func listen(t *testing.T, typ zmq.SocketType, cfg zmqio.StreamConfig) streamTest {
	t.Helper()
	zmqiotest.CheckLeaks(t)
	cfg.Bind = []string{"tcp://127.0.0.1:*"}
	return streamTest{zmqiotest.Open(t, typ, cfg), t, zmqiotest.Bounded(t, deadline)}
}

// wants receives a message and compares it.
func (s streamTest) wants(frames ...string) [][]byte {
	s.t.Helper()
	msg, err := s.Recv(s.ctx)
	zmqiotest.Must(s.t, err)
	if got := fmt.Sprintf("%q", msg); got != fmt.Sprintf("%q", frames) {
		s.t.Fatalf("got %s, want %q", got, frames)
	}
	return msg
}

func (s streamTest) sends(frames ...string) {
	s.t.Helper()
	msg := make([][]byte, len(frames))
	for i, f := range frames {
		msg[i] = []byte(f)
	}
	zmqiotest.Must(s.t, s.Send(s.ctx, msg...))
}

func TestStreamReq(t *testing.T) {
	s := listen(t, zmq.REQ, zmqio.StreamConfig{})
	startScript(s.ctx, t, s.Addr(), `
s = ctx.socket(zmq.REP)
s.connect(endpoint)
for _ in range(3):
    s.send_multipart([f.upper() for f in s.recv_multipart()])
`)
	for range 2 {
		s.sends("a", "", "b")
		if err := s.TrySend([]byte("out of turn")); !errors.Is(err, zmq.EFSM) {
			t.Errorf("out of turn: %v", err)
		}
		s.wants("A", "", "B")
	}
	// A cancelled receive leaves the reply to the next one.
	s.sends("late")
	cancelled, cancel := context.WithCancel(s.ctx)
	cancel()
	if _, err := s.Recv(cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	s.wants("LATE")
}

func TestStreamRep(t *testing.T) {
	s := listen(t, zmq.REP, zmqio.StreamConfig{})
	p := startScript(s.ctx, t, s.Addr(), `
s = ctx.socket(zmq.REQ)
s.connect(endpoint)
for word in (b"one", b"two"):
    s.send(word)
    print(s.recv().decode())
`)
	if err := s.TrySend([]byte("nobody has asked")); !errors.Is(err, zmq.EFSM) {
		t.Errorf("out of turn: %v", err)
	}
	s.wants("one")
	s.sends("1")
	p.want("1")
	s.wants("two")
	s.sends("2")
	p.want("2")
}

func TestStreamSub(t *testing.T) {
	s := listen(t, zmq.SUB, zmqio.StreamConfig{Subscribe: []string{"a"}})
	p := startScript(s.ctx, t, s.Addr(), `
s = ctx.socket(zmq.XPUB)
s.connect(endpoint)
print(s.recv())
s.send(b"bad")
s.send_multipart([b"a1", b"body"])
print(s.recv())
s.send(b"a2")
s.send(b"b")
`)
	p.want(`b'\x01a'`)
	s.wants("a1", "body")
	zmqiotest.Must(t, s.Subscribe("b"))
	p.want(`b'\x01b'`)
	s.wants("a2")
	s.wants("b")
}

func TestStreamXPub(t *testing.T) {
	s := listen(t, zmq.XPUB, zmqio.StreamConfig{Configure: func(o zmq.Sockopts) error { return o.SetXPubVerboser(true) }})
	p := startScript(s.ctx, t, s.Addr(), `
subs = [ctx.socket(zmq.SUB) for _ in range(2)]
for s in subs:
    s.connect(endpoint)
    s.subscribe(b"t")
for s in subs:
    print(s.recv_multipart())
subs[0].unsubscribe(b"t")
sys.stdin.readline()
`)
	zmqiotest.Must(t, s.WaitSubscribed(s.ctx, "t", 2))
	s.wants("\x01t")
	s.wants("\x01t")
	s.sends("t", "1")
	p.want(`[b't', b'1']`)
	p.want(`[b't', b'1']`)
	s.wants("\x00t")
	if err := s.WaitSubscribed(s.ctx, "", 0); !errors.Is(err, zmqio.ErrInvalidArgument) {
		t.Error(err)
	}
}

func TestStreamRouter(t *testing.T) {
	s := listen(t, zmq.ROUTER, zmqio.StreamConfig{})
	p := startScript(s.ctx, t, s.Addr(), `
s = ctx.socket(zmq.DEALER)
s.setsockopt(zmq.IDENTITY, b"d")
s.connect(endpoint)
s.send_multipart([b"", b"ask"])
print(s.recv_multipart())
r = ctx.socket(zmq.REQ)
r.connect(endpoint)
r.send(b"ask too")
print(r.recv())
`)
	s.wants("d", "", "ask")
	s.sends("d", "", "reply")
	p.want(`[b'', b'reply']`)
	msg, err := s.Recv(s.ctx)
	zmqiotest.Must(t, err)
	if len(msg) != 3 || len(msg[0]) != 5 || string(msg[2]) != "ask too" {
		t.Fatalf("got %q", msg)
	}
	zmqiotest.Must(t, s.Send(s.ctx, msg[0], nil, []byte("too")))
	p.want(`b'too'`)
}

// Peers of a ROUTER reports the routing id of a peer with its first message, and its end.
func TestStreamPeers(t *testing.T) {
	s := listen(t, zmq.ROUTER, zmqio.StreamConfig{})
	next, end := iter.Pull2(s.Peers(s.ctx))
	defer end()
	p := startScript(s.ctx, t, s.Addr(), `
for n in range(3):
    s = ctx.socket(zmq.DEALER)
    s.routing_id = b"python-%d" % n
    s.connect(endpoint)
    s.send(b"hello")
    print(s.recv())
    s.close()
`)
	// libzmq reports different peers in any order.
	got := make(map[string][]bool)
	for n := 0; n < 6; n++ {
		ev, err, ok := next()
		if !ok || err != nil {
			t.Fatalf("the events have ended: %v; so far %v", err, got)
		}
		id := string(ev.RoutingID)
		if got[id] = append(got[id], ev.Gone); ev.Endpoint != s.Addr() {
			t.Errorf("%s came through %s", id, ev.Endpoint)
		}
		if !ev.Gone {
			s.wants(id, "hello")
			s.sends(id, "bye")
			p.want(`b'bye'`)
		}
	}
	want := map[string][]bool{"python-0": {false, true}, "python-1": {false, true}, "python-2": {false, true}}
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A STREAM speaks TCP. Each peer's beginning and end are a message with an empty frame.
func TestStreamStream(t *testing.T) {
	s := listen(t, zmq.STREAM, zmqio.StreamConfig{})
	p := startScript(s.ctx, t, s.Addr(), `
import socket
host, port = endpoint[len("tcp://"):].split(":")
c = socket.create_connection((host, int(port)))
c.sendall(b"hello")
print(c.recv(100))
c.close()
`)
	msg, err := s.Recv(s.ctx)
	zmqiotest.Must(t, err)
	id := string(msg[0])
	if len(msg) != 2 || len(msg[1]) != 0 {
		t.Fatalf("the beginning: %q", msg)
	}
	s.wants(id, "hello")
	s.sends(id, "bye")
	p.want(`b'bye'`)
	s.wants(id, "")
}

func TestStreamPair(t *testing.T) {
	s := listen(t, zmq.PAIR, zmqio.StreamConfig{})
	p := startScript(s.ctx, t, s.Addr(), `
s = ctx.socket(zmq.PAIR)
s.connect(endpoint)
s.send(b"1")
s.send(b"2")
print(s.recv())
`)
	s.wants("1")
	s.wants("2")
	s.sends("3")
	p.want(`b'3'`)
}

// Messages that are sent before Close arrive, at a peer that comes late too.
func TestStreamPush(t *testing.T) {
	const messages = 1000
	s := listen(t, zmq.PUSH, zmqio.StreamConfig{})
	p := startScript(s.ctx, t, s.Addr(), strings.ReplaceAll(`
s = ctx.socket(zmq.PULL)
s.connect(endpoint)
print([int(s.recv()) for _ in range(MESSAGES)] == list(range(MESSAGES)))
`, "MESSAGES", fmt.Sprint(messages)))
	for i := range messages {
		s.sends(fmt.Sprint(i))
	}
	zmqiotest.Must(t, s.Shutdown(s.ctx))
	p.want("True")
}
