package netio

import (
	"crypto/tls"
	"errors"
	"net"
	"runtime"
	"testing"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/internal/testkit"
)

// failing has ways in which a function of a tls.Config does not return.
var failing = map[string]struct {
	fail func()
	is   func(error) bool
}{
	"panic": {func() { panic("mine") }, func(err error) bool {
		var p *zmqio.PanicError
		return errors.As(err, &p) && p.Value == "mine"
	}},
	"Goexit": {runtime.Goexit, func(err error) bool { return errors.Is(err, zmqio.ErrGoexit) }},
}

// If a function of the tls.Config panics or calls Goexit, the server loses one client, and the
// exception handler is told.
func TestServerTLSFunctionFails(t *testing.T) {
	for name, test := range failing {
		t.Run(name, func(t *testing.T) {
			testkit.CheckLeaks(t)
			l, exceptions := newLoop(t)
			cfg := serverTLS()
			cfg.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
				test.fail()
				return nil, nil
			}
			s, address := networks[0].serve(t, l, newRecorder, ServerConfig{Config: Config{TLS: cfg}})
			if err := tls.Client(networks[0].dialTo(t, address), clientTLS()).Handshake(); err == nil {
				t.Error("the handshake succeeded")
			}
			if e := wait(t, exceptions); !test.is(e.Err) || e.Source != s {
				t.Errorf("the handler got %+v", e)
			}
			must(t, s.Close())
			must(t, s.Wait(bounded(t)))
		})
	}
}

// A function of the tls.Config that panics or calls Goexit in StartTLS ends the transport.
func TestStartTLSFunctionFails(t *testing.T) {
	for name, test := range failing {
		t.Run(name, func(t *testing.T) {
			testkit.CheckLeaks(t)
			l, _ := newLoop(t)
			r := newRecorder()
			tr, peer := networks[0].connect(t, l, r, Config{})
			go func(peer net.Conn) { _ = tls.Server(peer, serverTLS()).Handshake() }(peer)
			cfg := clientTLS()
			cfg.VerifyConnection = func(tls.ConnectionState) error {
				test.fail()
				return nil
			}
			go func() {
				defer func() { _ = recover() }()
				_ = tr.StartTLS(bounded(t), cfg, false)
			}()
			if err := wait(t, r.lost); !errors.Is(err, zmqio.ErrGoexit) {
				t.Errorf("lost: %v", err)
			}
			<-tr.Closed()
		})
	}
}
