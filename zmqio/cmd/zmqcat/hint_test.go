package main

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zap"
)

// TestHints has what is said after each event, of which later ones may say less.
func TestHints(t *testing.T) {
	const here, there = "tcp://0.0.0.0:1", "tcp://10.0.0.1:2"
	for _, test := range []struct {
		typ    zmq.SocketType
		events []zmq.MonitorEvent
		want   []string
	}{
		{zmq.PULL, nil, []string{
			there + " does not answer; is a PUSH bound there, and are host and port right?",
			"none has connected to " + here + "; does a PUSH connect there?",
		}},
		{zmq.SUB, []zmq.MonitorEvent{{Event: zmq.EVENT_CONNECTED, Endpoint: there}, {Event: zmq.EVENT_ACCEPTED, Endpoint: here}}, []string{
			there + " accepts the connection and says nothing; is it a PUB or XPUB?",
			"what has connected to " + here + " says nothing; is it a PUB or XPUB?",
		}},
		{zmq.REQ, []zmq.MonitorEvent{
			{Event: zmq.EVENT_CONNECTED, Endpoint: there},
			{Event: zmq.EVENT_DISCONNECTED, Endpoint: there},
			{Event: zmq.EVENT_CONNECTED, Endpoint: there},
			{Event: zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, Endpoint: here},
			{Event: zmq.EVENT_DISCONNECTED, Endpoint: here},
		}, []string{
			there + " breaks off the handshake; is it a REP or ROUTER with the same security, and is its key right?",
			"the handshake with what has connected to " + here + " fails; is it a REP or ROUTER with the same security and our key?",
		}},
		{zmq.REQ, []zmq.MonitorEvent{
			{Event: zmq.EVENT_HANDSHAKE_FAILED_AUTH, Endpoint: there},
			{Event: zmq.EVENT_DISCONNECTED, Endpoint: there},
			{Event: zmq.EVENT_HANDSHAKE_FAILED_AUTH, Endpoint: here},
		}, []string{
			there + " refuses us; does it allow our key?",
			"what has connected to " + here + " is refused; is its key allowed here?",
		}},
		{zmq.PULL, []zmq.MonitorEvent{{Event: zmq.EVENT_HANDSHAKE_SUCCEEDED, Endpoint: there}, {Event: zmq.EVENT_DISCONNECTED, Endpoint: there}}, nil},
		{zmq.STREAM, []zmq.MonitorEvent{{Event: zmq.EVENT_ACCEPTED, Endpoint: here}}, nil},
	} {
		l := newLookout(test.typ)
		l.bound[here], l.others[there] = 0, 0
		for _, ev := range test.events {
			l.note(ev)
		}
		var want string
		for _, line := range test.want {
			want += "waiting for a peer: " + line + "\n"
		}
		if got := strings.Join(append(l.hints(), ""), "\n"); got != want {
			t.Errorf("%v after %v:\n%swant\n%s", test.typ, test.events, got, want)
		}
	}
}

// A hinted cat has its hint when the test calls it.
type hinted struct {
	*cat
	hint    func()
	stderr  *transcript
	stopped chan struct{}
}

func startHinted(t *testing.T, args ...string) *hinted {
	t.Helper()
	h := &hinted{stderr: newTranscript(), stopped: make(chan struct{})}
	con := newConsole(h.stderr)
	c, err := newCat(parse(t, args), io.Discard, con)
	must(t, err)
	h.cat = c
	armed := make(chan struct{})
	c.after = func(d time.Duration, fn func()) func() {
		if d != time.Second {
			t.Errorf("the hint comes after %v", d)
		}
		h.hint = fn
		close(armed)
		return func() { close(h.stopped) }
	}
	must(t, c.open(t.Context()))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.run(ctx, strings.NewReader("")) // what could not be delivered does not matter
	}()
	<-armed
	t.Cleanup(func() {
		cancel()
		<-ended
		<-h.stopped
	})
	return h
}

// says waits for one of the events, which are 0 where none is to come, and for the hint that is
// about it.
func (h *hinted) says(t *testing.T, events zmq.Event, want string) {
	t.Helper()
	eventually(t, "the "+events.String(), func() bool {
		h.lookout.mu.Lock()
		defer h.lookout.mu.Unlock()
		for _, noted := range []map[string]zmq.Event{h.lookout.bound, h.lookout.others} {
			for _, e := range noted {
				if e == events || e&events != 0 {
					return true
				}
			}
		}
		return false
	})
	h.hint()
	if got := h.stderr.String(); !strings.Contains(got, "zmqcat: waiting for a peer: "+want+"\n") {
		t.Errorf("the hint says %q, want %q", got, want)
	}
}

func TestHintWithoutPeer(t *testing.T) {
	leakCheck(t)
	endpoint := socketFile(t)
	startHinted(t, "dealer", "-c", endpoint).says(t, 0, endpoint+" does not answer; is a REP or DEALER or ROUTER bound there, and are host and port right?")
}

// TestHintAfterInput is about what waits to be delivered when the input has ended.
func TestHintAfterInput(t *testing.T) {
	leakCheck(t)
	endpoint := socketFile(t)
	h := startHinted(t, "push", "-c", endpoint)
	eventually(t, "the end of input", h.done.Done)
	h.says(t, 0, endpoint+" does not answer; is a PULL bound there, and are host and port right?")
}

// TestHintOtherProtocol connects to a TCP server that waits, as one for HTTP does.
func TestHintOtherProtocol(t *testing.T) {
	leakCheck(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	endpoint := "tcp://" + ln.Addr().String()
	startHinted(t, "pull", "-c", endpoint).says(t, zmq.EVENT_CONNECTED, endpoint+" accepts the connection and says nothing; is it a PUSH?")
}

// TestHintOtherType connects to a PUB, which notices it first, or is noticed.
func TestHintOtherType(t *testing.T) {
	leakCheck(t)
	failed := zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
	endpoint := newPeer(t, zmq.PUB, bindTo(anyPort)).transport.Listeners()[0]
	startHinted(t, "pull", "-c", endpoint).says(t, failed, endpoint+" breaks off the handshake; is it a PUSH with the same security, and is its key right?")
}

// TestHintRefused connects to a server that does not allow the client's key.
func TestHintRefused(t *testing.T) {
	leakCheck(t)
	dir := t.TempDir()
	server := zap.NewCertificate(nil)
	must(t, server.WriteFiles(filepath.Join(dir, "server.key")))
	must(t, os.Mkdir(filepath.Join(dir, "clients"), 0o700))
	p := start(t, "dealer", "-b", anyPort, "--curve-cert", filepath.Join(dir, "server.key_secret"), "--curve-allow", filepath.Join(dir, "clients"))
	endpoint := p.bound()
	h := startHinted(t, "dealer", "-c", endpoint, "--curve-server-cert", filepath.Join(dir, "server.key"))
	h.says(t, zmq.EVENT_HANDSHAKE_FAILED_AUTH, endpoint+" refuses us; does it allow our key?")
	p.stderr.await(t, func(s string) bool { return strings.Contains(s, "zmqcat: refused 127.0.0.1 with the key ") })
}

// TestNoHint has a peer, and then has had one.
func TestNoHint(t *testing.T) {
	leakCheck(t)
	h := startHinted(t, "dealer", "-b", anyPort)
	newPeer(t, zmq.DEALER, connectTo(h.transport.Listeners()[0])).send("x")
	eventually(t, "a message", func() bool { return h.figures.received.messages.Load() == 1 })
	eventually(t, "the handshake", func() bool { h.lookout.mu.Lock(); defer h.lookout.mu.Unlock(); return h.lookout.peer })
	h.hint()
	if got := h.stderr.String(); strings.Contains(got, hintPrefix) {
		t.Errorf("standard error says %q", got)
	}
}

// TestQuietHasNoHint looks for a monitor too, which would be of no use.
func TestQuietHasNoHint(t *testing.T) {
	leakCheck(t)
	con := newConsole(io.Discard)
	con.quiet = true
	c, err := newCat(parse(t, []string{"pull", "-b", anyPort}), io.Discard, con)
	must(t, err)
	c.after = func(time.Duration, func()) func() {
		t.Error("a hint is to come")
		return func() {}
	}
	must(t, c.open(t.Context()))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	must(t, c.run(ctx, nil))
}

// TestStreamHint is lookOut's.
func TestStreamHint(t *testing.T) {
	leakCheck(t)
	loop, err := zmqio.NewEventLoop(nil)
	must(t, err)
	must(t, loop.Start())
	defer loop.Close()
	stream, err := (&socket{typ: zmq.PULL, bind: []string{anyPort}}).stream(t.Context(), loop, newConsole(io.Discard))
	must(t, err)
	defer stream.Close()
	l, stop := lookOut(t.Context(), stream, zmq.PULL, newConsole(io.Discard))
	defer stop()
	if len(l.hints()) != 1 {
		t.Errorf("hints %q", l.hints())
	}
	newPeer(t, zmq.PUSH, connectTo(stream.Addr()))
	eventually(t, "the peer", func() bool { return len(l.hints()) == 0 })
}
