package netio

import (
	"context"
	"crypto/tls"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"github.com/zmqio/zmq/zmqio/internal/testkit"
)

// Abort of a server ends all clients, even those that are being accepted, so Wait returns.
func TestAbortWhileAccepting(t *testing.T) {
	testkit.CheckLeaks(t)
	l, _ := newLoop(t)
	for range 300 {
		s, address := networks[0].serve(t, l, newRecorder, ServerConfig{})
		var conns []net.Conn
		for range 8 {
			c, err := net.Dial("tcp", address)
			if err != nil {
				break
			}
			conns = append(conns, c)
		}
		must(t, s.Abort())
		must(t, s.Wait(bounded(t)))
		for _, c := range conns {
			c.Close()
		}
	}
}

// A closing server does not remove the socket of the next server at the same path.
func TestUnixPathChangesHands(t *testing.T) {
	l, _ := newLoop(t)
	path := filepath.Join(t.TempDir(), "socket")
	serve := func() (*Server, error) {
		return CreateServer(bounded(t), l, newRecorder, "unix", []string{path}, ServerConfig{})
	}
	s, err := serve()
	must(t, err)
	for range 100 {
		var wg sync.WaitGroup
		wg.Go(func() { _ = s.Close() })
		var next *Server
		for next == nil {
			next, _ = serve() // the path is in use until the first server has gone
		}
		wg.Wait()
		c, err := net.Dial("unix", path)
		must(t, err)
		c.Close()
		s = next
	}
}

// Close of the loop refuses clients whose handshake has just ended, and leaks none.
func TestCloseLoopAfterHandshakes(t *testing.T) {
	testkit.CheckLeaks(t)
	for range 30 {
		l, _ := newLoop(t)
		s, address := networks[0].serve(t, l, newRecorder, ServerConfig{Config: Config{TLS: serverTLS()}})
		var clients sync.WaitGroup
		shaken := make(chan struct{}, 10)
		for range 10 {
			conn := networks[0].dialTo(t, address)
			clients.Go(func() {
				_ = tls.Client(conn, clientTLS()).Handshake()
				shaken <- struct{}{}
				_ = conn.Close()
			})
		}
		wait(t, shaken)
		must(t, l.Close())
		must(t, s.Wait(bounded(t)))
		clients.Wait()
	}
}

// If ctx ends when a handshake fails, the goroutine that closes the wire alone uses it.
func TestHandshakeEnds(t *testing.T) {
	testkit.CheckLeaks(t)
	for range 300 {
		ctx, cancel := context.WithCancel(context.Background())
		conn, peer := net.Pipe()
		go func() {
			_, _ = peer.Read(make([]byte, 1))
			go cancel()
			_ = peer.Close()
		}()
		if _, err := handshake(ctx, conn, Config{TLS: clientTLS()}, false); err == nil {
			t.Fatal("the handshake succeeded")
		}
		<-ctx.Done()
		conn.Close()
	}
}
