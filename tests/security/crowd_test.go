package security

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zap"
)

// knock makes n peers of PLAIN connect to a server. Each gets as far as the request to the handler.
func knock(t *testing.T, server *party, n int) []net.Conn {
	t.Helper()
	conns := make([]net.Conn, n)
	for i := range conns {
		conn, err := net.Dial("tcp", rawAddr(server))
		must(t, err)
		t.Cleanup(func() { conn.Close() })
		_, err = conn.Write(append(greeting("PLAIN"), "\x04\x11\x05HELLO\x03ann\x06sesame"...))
		must(t, err)
		conns[i] = conn
	}
	return conns
}

// letIn waits until the server has let a peer in, or refused it.
func letIn(t *testing.T, conn net.Conn) bool {
	t.Helper()
	must(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
	answer := make([]byte, 64+10) // a greeting, and the flags, size and name of a command
	if _, err := io.ReadFull(conn, answer); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || isReset(err) {
		return false
	} else if err != nil {
		t.Fatal(err)
	}
	return string(answer[66:]) == "\x07WELCOME"
}

// A thousand peers come at once. The server asks the handler about as many at a time as
// Config.Requests permits, on as many goroutines. The others wait, and come in when it answers.
func TestCrowd(t *testing.T) {
	checkLeaks(t)
	const peers, most = 1000, 8
	loop := newLoop(t, nil)
	var c condition
	asked, inFlight, highest, open := 0, 0, 0, false
	guard, err := zap.Config{Requests: most, Timeout: time.Hour}.Serve(loop, func(ctx context.Context, r zap.Request) (zap.Identity, error) {
		c.Change(func() {
			asked, inFlight = asked+1, inFlight+1
			highest = max(highest, inFlight)
		})
		err := c.Until(ctx, func() bool { return open })
		c.Change(func() { inFlight-- })
		return zap.Identity{}, err
	})
	must(t, err)
	defer func() { must(t, guard.Close()) }()
	server := bind(t, loop, plainServer(true), handshakeWithin(time.Hour), func(o zmq.Sockopts) error { return o.SetBacklog(peers) })
	before := runtime.NumGoroutine()
	conns := knock(t, server, peers)
	must(t, c.Until(bounded(t), func() bool { return asked == most }))
	if n := runtime.NumGoroutine() - before; n > 2*most { // each waits in a Condition
		t.Errorf("%d goroutines for %d requests", n, most)
	}
	c.Change(func() { open = true })
	for _, conn := range conns {
		if !letIn(t, conn) {
			t.Fatal("a peer was refused")
		}
	}
	if c.Change(func() {}); highest > most || asked != peers {
		t.Errorf("asked %d times, and %d times at once", asked, highest)
	}
}

// A server that closes amid handshakes lets none of the peers in. Its successor is asked about the
// peers that come then.
func TestCloseAmidHandshakes(t *testing.T) {
	needs(t, handshakes)
	since(t, "4.3.3", stuckPeersTakeMessages)
	checkLeaks(t)
	const peers, most = 100, 8
	loop := newLoop(t, nil)
	loop.SetExceptionHandler(func(_ *zmqio.EventLoop, e zmqio.ExceptionContext) { t.Errorf("told of %v", e.Err) })
	began, ended := make(chan struct{}, peers), make(chan error, peers)
	guard, err := zap.Config{Requests: most, Timeout: time.Hour}.Serve(loop, func(ctx context.Context, r zap.Request) (zap.Identity, error) {
		began <- struct{}{}
		<-ctx.Done()
		ended <- ctx.Err()
		return zap.Identity{UserID: "too late"}, nil
	})
	must(t, err)
	server := bind(t, loop, plainServer(true), handshakeWithin(time.Hour))
	conns := knock(t, server, peers)
	for range most {
		<-began
	}
	must(t, guard.Close())
	for range most {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("a context has ended with %v", err)
		}
	}
	var c condition
	asked := 0
	again, err := zap.Serve(loop, func(context.Context, zap.Request) (zap.Identity, error) {
		c.Change(func() { asked++ })
		return zap.Identity{}, nil
	})
	must(t, err)
	defer func() { must(t, again.Close()) }()
	client := connect(t, loop, server, username("ann"))
	client.write("from the client")
	server.waitGot("from the client")
	if len(began) > 0 {
		t.Errorf("the handler was asked %d times after Close", len(began))
	}
	server.abort()
	came := 1 // the client
	for _, conn := range conns {
		if letIn(t, conn) {
			came++
		}
	}
	if c.Change(func() {}); came > asked {
		t.Errorf("%d came in, and the handler that serves was asked %d times", came, asked)
	}
}
