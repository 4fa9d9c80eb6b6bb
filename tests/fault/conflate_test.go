package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// conflating are the types that receive and heed CONFLATE, each with a type that may
// connect to it.
var conflating = []struct {
	typ  zmq.SocketType
	peer string
}{{zmq.PULL, "PUSH"}, {zmq.SUB, "PUB"}, {zmq.DEALER, "ROUTER"}}

// A stranger sends a frame with SNDMORE to a socket with CONFLATE. libzmq would end the process at
// the next receive. The transport ends with an error instead, and the process goes on. The attack
// runs in a process of its own, because a failure would end all tests.
func TestStrangerAtAConflatingReceiver(t *testing.T) {
	if !alone(t) {
		return
	}
	checkLeaks(t)
	for _, c := range conflating {
		for round := range form(10, 200) {
			attackConflating(t, c.typ, c.peer, round%2 == 1)
			if t.Failed() {
				t.Fatalf("%v, round %d", c.typ, round)
			}
		}
	}
}

// attackConflating attacks a transport. With paused it unbinds the transport while reading is
// paused. zmqio then receives what is there before it unbinds.
func attackConflating(t *testing.T, typ zmq.SocketType, peerType string, paused bool) {
	ctx := bounded(t, hang)
	loop := newLoop(t, nil)
	told := make(chan error, 1)
	loop.SetExceptionHandler(func(_ *zmqio.EventLoop, c zmqio.ExceptionContext) { told <- c.Err })
	cfg := zmqio.ConnectionConfig{Bind: []string{"tcp://127.0.0.1:*"}, Configure: func(o zmq.Sockopts) error {
		if typ == zmq.SUB {
			return errors.Join(o.SetConflate(true), o.SetSubscribe(nil))
		}
		return o.SetConflate(true)
	}}
	receiver := newPeer(func(msg [][]byte) { t.Errorf("received %q", msg) })
	if paused {
		// On the loop goroutine no receive can be in progress.
		receiver.made = func(tr *zmqio.Transport) {
			if err := tr.PauseReading(); err != nil {
				t.Error(err)
			}
		}
	}
	tr := create(t, loop, receiver, typ, cfg)
	stranger := throwMore(t, tr.Listeners()[0], peerType)
	defer stranger.Close()
	if paused {
		must(t, awaitReadable(ctx, tr))
		must(t, tr.Unbind(tr.Listeners()[0]))
		_, err := tr.Bind("tcp://127.0.0.1:*")
		must(t, err)
		must(t, tr.ResumeReading())
	}
	if err := receiver.ended(ctx); !errors.Is(err, zmqio.ErrMultipart) {
		t.Errorf("ConnectionLost: %v", err)
	}
	select {
	case err := <-told:
		if !errors.Is(err, zmqio.ErrMultipart) {
			t.Errorf("exception handler: %v", err)
		}
	case <-ctx.Done():
		t.Fatal(context.Cause(ctx))
	}
	// The transport closes the stranger's connection, and another transport of the loop works.
	if _, err := io.Copy(io.Discard, stranger); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the stranger is still connected: %v", err)
	}
	receiver = newPeer(nil)
	must(t, create(t, loop, receiver, typ, cfg).Close())
	must(t, receiver.ended(ctx))
}

// throwMore shakes hands as a peer of type peerType, and sends a frame with SNDMORE.
func throwMore(t *testing.T, endpoint, peerType string) net.Conn {
	t.Helper()
	c := shakeHands(t, endpoint, peerType)
	_, err := c.Write([]byte{1, 1, 'x'})
	must(t, err)
	return c
}

// shakeHands connects to endpoint as a peer of type peerType.
func shakeHands(t *testing.T, endpoint, peerType string) net.Conn {
	t.Helper()
	transport, address, _ := strings.Cut(endpoint, "://")
	c, err := net.Dial(map[string]string{"tcp": "tcp", "ipc": "unix"}[transport], address)
	must(t, err)
	must(t, c.SetDeadline(time.Now().Add(hang)))
	ready := fmt.Sprintf("\x05READY\x0bSocket-Type\x00\x00\x00%c%s", len(peerType), peerType)
	_, err = c.Write(append(append(fullGreeting(), 4, byte(len(ready))), ready...))
	must(t, err)
	// libzmq takes a frame for a part of the handshake until its own READY has gone out.
	answer := make([]byte, 66)
	_, err = io.ReadFull(c, answer)
	must(t, err)
	_, err = io.CopyN(io.Discard, c, int64(answer[65]))
	must(t, err)
	return c
}

// awaitReadable waits until a message waits in the socket.
func awaitReadable(ctx context.Context, tr *zmqio.Transport) error {
	for ; ctx.Err() == nil; runtime.Gosched() {
		events, err := tr.Sockopts().Events()
		if err != nil || events&zmq.POLLIN != 0 {
			return err
		}
	}
	return context.Cause(ctx)
}
