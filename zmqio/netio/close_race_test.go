package netio

import (
	"net"
	"path/filepath"
	"sync"
	"testing"

	"github.com/zmqio/zmq/zmqio/internal/testkit"
)

// Abort of a server ends all clients, also those that are just being accepted: Wait returns.
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

// A server that closes does not remove the socket of the next one at the same path.
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
			next, _ = serve() // the path is in use until the first has gone
		}
		wg.Wait()
		c, err := net.Dial("unix", path)
		must(t, err)
		c.Close()
		s = next
	}
}
