package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/zmqio/zmq"
)

func numbers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintln(&b, i)
	}
	return b.String()
}

// TestPushPull sends lines from one zmqcat to another. Each binds in turn.
func TestPushPull(t *testing.T) {
	text := numbers(20000) + "\n\r\n" + strings.Repeat("long", 100000) + "\na\tb\nlast"
	count := fmt.Sprint(strings.Count(text, "\n") + 1)
	for _, pullBinds := range []bool{true, false} {
		t.Run(fmt.Sprint(pullBinds), func(t *testing.T) {
			leakCheck(t)
			var push, pull *process
			if pullBinds {
				pull = start(t, "PULL", "--bind", anyPort, "--count", count)
				push = start(t, "push", "--connect", pull.bound())
			} else {
				push = start(t, "push", "--bind", anyPort)
				pull = start(t, "Pull", "--connect", push.bound(), "--count", count)
			}
			push.give(text)
			push.endInput()
			push.ends(exitOK)
			pull.ends(exitOK)
			pull.prints(text + "\n")
			bytes := len(text) + 1 - strings.Count(text+"\n", "\n")
			if want := fmt.Sprintf("sent %s messages (%d bytes), received 0 messages (0 bytes)", count, bytes); !strings.Contains(push.stderr.String(), want) {
				t.Errorf("figures %q, want %s", push.stderr, want)
			}
			if want := fmt.Sprintf("sent 0 messages (0 bytes), received %s messages (%d bytes), 0 pauses, ", count, bytes); !strings.Contains(pull.stderr.String(), want) {
				t.Errorf("figures %q, want %s", pull.stderr, want)
			}
		})
	}
}

// TestBindAndConnect uses a socket with three endpoints.
func TestBindAndConnect(t *testing.T) {
	leakCheck(t)
	source := newPeer(t, zmq.PUSH, bindTo(anyPort))
	p := start(t, "pull", "--bind", anyPort, "--bind", socketFile(t), "--connect", source.transport.Listeners()[0], "--count", "3")
	text := p.stderr.await(t, func(s string) bool { return strings.Count(s, boundPrefix) == 2 && strings.HasSuffix(s, "\n") })
	source.send("one")
	p.prints("one\n")
	for i, line := range strings.Split(text, "\n")[:2] {
		newPeer(t, zmq.PUSH, connectTo(strings.TrimPrefix(line, boundPrefix))).send(fmt.Sprint(i))
		p.stdout.await(t, func(s string) bool { return strings.HasSuffix(s, fmt.Sprintf("%d\n", i)) })
	}
	p.ends(exitOK)
	p.prints("one\n0\n1\n")
}

func TestRequests(t *testing.T) {
	leakCheck(t)
	server := newPeer(t, zmq.REP, bindTo(anyPort))
	p := start(t, "req", "--connect", server.transport.Listeners()[0])
	p.give("a\nb\n") // the second has to wait
	server.receives("a")
	server.send("A", "1")
	p.prints("A\t1\n")
	server.receives("b")
	p.endInput()
	server.send("B")
	p.ends(exitOK)
	p.prints("A\t1\nB\n")
}

// TestRequestsWithoutInput ends the input while no reply can come.
func TestRequestsWithoutInput(t *testing.T) {
	leakCheck(t)
	p := start(t, "req", "--bind", anyPort)
	p.endInput()
	p.ends(exitOK)
}

func TestNoReply(t *testing.T) {
	leakCheck(t)
	server := newPeer(t, zmq.REP, bindTo(anyPort))
	p := start(t, "req", "--connect", server.transport.Listeners()[0], "--wait", "1ms")
	p.give("a\n")
	server.receives("a")
	p.endInput()
	p.ends(exitFailure, "zmqcat: no reply after 1ms")
}

func TestReplies(t *testing.T) {
	leakCheck(t)
	p := start(t, "rep", "--bind", anyPort, "--count", "2", "--frames")
	client := newPeer(t, zmq.REQ, connectTo(p.bound()))
	go p.give("A\t\nB\nC\n") // the replies are there before the requests, and one is left
	client.send("a", "", "1")
	client.receives("A|")
	client.send("b")
	client.receives("B")
	p.ends(exitOK)
	p.prints("a\t\t1\nb\n")
}

// TestRepliesRunOut checks that a request without a reply is counted.
func TestRepliesRunOut(t *testing.T) {
	leakCheck(t)
	p := start(t, "rep", "--bind", anyPort, "--count", "2")
	client := newPeer(t, zmq.REQ, connectTo(p.bound()))
	p.give("A\n")
	p.endInput()
	client.send("a")
	client.receives("A")
	client.send("b")
	p.ends(exitOK)
	p.prints("a\nb\n")
}

func TestSubscriptions(t *testing.T) {
	for _, test := range []struct {
		name string
		args []string
		want []string // as an XPUB gets them
	}{
		{"everything", []string{"sub"}, []string{"\x01"}},
		{"topics", []string{"sub", "--subscribe", "a", "--subscribe", "b,c"}, []string{"\x01a", "\x01b,c"}},
		{"option", []string{"sub", "--set", "subscribe=o"}, []string{"\x01o"}},
		{"messages", []string{"xsub", "--subscribe", "x", "--subscribe", "y"}, []string{"\x01x", "\x01y"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			leakCheck(t)
			source := newPeer(t, zmq.XPUB, bindTo(anyPort))
			p := start(t, append(test.args, "--connect", source.transport.Listeners()[0], "--count", fmt.Sprint(len(test.want)))...)
			source.receives(test.want...)
			var want string
			for _, topic := range test.want {
				source.send("\x02nobody wants this")
				source.send(topic[1:]+"1", "2")
				want += topic[1:] + "1\t2\n"
			}
			if test.name == "everything" {
				want = "\x02nobody wants this\n"
			}
			p.ends(exitOK)
			p.prints(want)
		})
	}
}

func TestPublish(t *testing.T) {
	leakCheck(t)
	sink := newPeer(t, zmq.XSUB, bindTo(anyPort))
	sink.send("\x01b")
	p := start(t, "xpub", "--connect", sink.transport.Listeners()[0], "--frames", "--wait", "0s")
	p.prints("\x01b\n") // the socket is subscribed now
	p.give("a\nb\t1\nc\n")
	p.endInput()
	p.ends(exitOK)
	sink.receives("b|1")
}

// TestPub publishes until a subscription has arrived, because a PUB cannot know.
func TestPub(t *testing.T) {
	leakCheck(t)
	sink := newPeer(t, zmq.XSUB, bindTo(anyPort))
	sink.send("\x01")
	p := start(t, "pub", "--connect", sink.transport.Listeners()[0])
	eventually(t, "a message", func() bool {
		p.give("hello\n")
		return len(sink.msgs) > 0
	})
	p.endInput()
	p.ends(exitOK)
	sink.receives("hello")
}

func TestRouter(t *testing.T) {
	leakCheck(t)
	p := start(t, "router", "--bind", anyPort, "--frames", "--wait", "0s")
	endpoint := p.bound()
	clients := make(map[string]*peer)
	for _, id := range []string{"A", "B"} {
		cfg := connectTo(endpoint)
		cfg.Configure = func(opts zmq.Sockopts) error { return opts.SetRoutingID([]byte(id)) }
		clients[id] = newPeer(t, zmq.DEALER, cfg)
		clients[id].send("from", id)
		p.stdout.await(t, func(s string) bool { return strings.HasSuffix(s, id+"\n") })
	}
	p.give("B\tx\t\ty\nA\tz\nB\t\n")
	p.endInput()
	clients["A"].receives("z")
	clients["B"].receives("x||y", "")
	p.ends(exitOK)
	p.prints("A\tfrom\tA\nB\tfrom\tB\n")
}

func TestRouterErrors(t *testing.T) {
	leakCheck(t)
	for _, test := range []struct{ args, input, want string }{
		{"router", "x\n", "zmqcat: line 1: ROUTER needs --frames, and in each line the peer's routing id, a tab and the message"},
		{"router --frames", "A\n", "zmqcat: line 1: ROUTER needs --frames, and in each line the peer's routing id, a tab and the message"},
		{"stream --frames", "\n", "zmqcat: line 1: STREAM needs --frames, and in each line the peer's routing id, a tab and the message"},
	} {
		p := start(t, append(strings.Fields(test.args), "--bind", anyPort)...)
		p.give(test.input)
		p.ends(exitFailure, test.want)
	}
	p := start(t, "router", "--bind", anyPort, "--frames")
	p.give("A\tx\n")
	// The loop meets the error if it uses the socket when the line comes.
	if status := p.wait(); status != exitFailure || !strings.Contains(p.stderr.String(), "Host unreachable") {
		t.Errorf("exit status %d, standard error says %q", status, p.stderr.String())
	}
	p = start(t, "router", "--bind", anyPort, "--frames", "--set", "ROUTER_MANDATORY=0", "--wait", "0s")
	p.give("A\tx\n")
	p.endInput()
	p.ends(exitOK)
}

func TestJSON(t *testing.T) {
	leakCheck(t)
	p := start(t, "pair", "--bind", anyPort, "--json", "--frames", "--count", "2")
	client := newPeer(t, zmq.PAIR, connectTo(p.bound()))
	client.send("a\tb", "\xff\xfe", "")
	client.send("ü")
	p.ends(exitOK)
	p.prints(`{"frames":["a\tb",{"base64":"//4="},""]}` + "\n" + `{"frames":["ü"]}` + "\n")
}

// TestCount sends more messages than --count.
func TestCount(t *testing.T) {
	leakCheck(t)
	p := start(t, "pull", "--bind", anyPort, "--count", "3")
	source := newPeer(t, zmq.PUSH, connectTo(p.bound()))
	for i := range 1000 {
		source.send(fmt.Sprint(i))
	}
	p.ends(exitOK)
	p.prints("0\n1\n2\n")
	if !strings.Contains(p.stderr.String(), "received 3 messages (3 bytes)") {
		t.Errorf("figures %q", p.stderr)
	}
}

// TestWait checks that --wait extends the receiving, and that it ends.
func TestWait(t *testing.T) {
	leakCheck(t)
	p := start(t, "dealer", "--bind", anyPort, "--wait", "100ms")
	client := newPeer(t, zmq.DEALER, connectTo(p.bound()))
	p.give("question\n")
	client.receives("question")
	client.send("answer")
	p.prints("answer\n")
	p.endInput()
	p.ends(exitOK)
}

func TestWaitWithoutInput(t *testing.T) {
	leakCheck(t)
	p := start(t, "pull", "--bind", anyPort, "--wait", "10ms")
	p.ends(exitOK)
}

// TestGoesOn checks that without --wait zmqcat receives on after the end of input.
func TestGoesOn(t *testing.T) {
	leakCheck(t)
	p := start(t, "dealer", "--bind", anyPort, "--count", "1")
	client := newPeer(t, zmq.DEALER, connectTo(p.bound()))
	p.endInput()
	client.send("x")
	p.ends(exitOK)
	p.prints("x\n")
}

// TestReceiversLeaveInputAlone gives a receiver an input whose reading fails.
func TestReceiversLeaveInputAlone(t *testing.T) {
	leakCheck(t)
	for _, typ := range []string{"pull", "sub"} {
		var read atomic.Bool
		stdin := readerFunc(func([]byte) (int, error) {
			read.Store(true)
			return 0, io.ErrUnexpectedEOF
		})
		p := startWith(t, stdin, nil, typ, "--bind", anyPort, "--wait", "1ms")
		p.ends(exitOK)
		if read.Load() {
			t.Errorf("%s reads its standard input", typ)
		}
	}
}

func TestInputFails(t *testing.T) {
	leakCheck(t)
	sink := newPeer(t, zmq.PULL, bindTo(anyPort))
	failing := readerFunc(func([]byte) (int, error) { return 0, io.ErrUnexpectedEOF })
	stdin := io.MultiReader(strings.NewReader("a\nb\n"), failing)
	p := startWith(t, stdin, nil, "push", "--connect", sink.transport.Listeners()[0])
	p.ends(exitFailure, "zmqcat: input: unexpected EOF")
	sink.receives("a", "b") // earlier messages are not lost
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestThrottle makes zmqcat read a large input before a peer takes messages.
func TestThrottle(t *testing.T) {
	leakCheck(t)
	const messages = 200000
	input := strings.NewReader(numbers(messages))
	var read atomic.Int64
	stdin := readerFunc(func(p []byte) (int, error) {
		n, err := input.Read(p)
		read.Add(int64(n))
		return n, err
	})
	c, ended := startCat(context.Background(), t, stdin, "push", "--bind", anyPort, "--set", "SNDHWM=10")
	eventually(t, "a pause", func() bool { return c.gate.holds(full) })
	high, _ := c.transport.WriteBufferLimits()
	// The limit is the buffered messages, the buffer for reading, and the newlines. Each of these
	// is at most half of the input here.
	if n, limit := read.Load(), int64(2*(high+2*inputBuffer)); n > limit {
		t.Errorf("%d bytes have been read, more than %d", n, limit)
	}
	sink := newPeer(t, zmq.PULL, connectTo(c.transport.Listeners()[0]))
	for i := range messages {
		sink.receives(fmt.Sprint(i))
	}
	must(t, <-ended)
	if c.figures.pauses.Load() == 0 {
		t.Error("no pauses in the figures")
	}
}

// TestThrottleRouter is TestThrottle with a type that drops messages by default.
func TestThrottleRouter(t *testing.T) {
	leakCheck(t)
	const messages = 50000
	p := start(t, "router", "--bind", anyPort, "--frames", "--set", "SNDHWM=10")
	cfg := connectTo(p.bound())
	cfg.Configure = func(opts zmq.Sockopts) error { return opts.SetRoutingID([]byte("A")) }
	client := newPeer(t, zmq.DEALER, cfg)
	client.send("here")
	p.prints("A\there\n")
	go func() {
		for i := range messages {
			_, _ = fmt.Fprintf(p.stdin, "A\t%d\n", i) // an error shows below
		}
		p.endInput()
	}()
	for i := range messages {
		client.receives(fmt.Sprint(i))
	}
	p.stop(signalled{syscall.SIGTERM}) // --wait would give the last messages a second to arrive
	p.ends(exitSignal + int(syscall.SIGTERM))
}
