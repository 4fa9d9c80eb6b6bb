package security

import (
	"slices"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zap"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// A witness is a Resident that leaves when Close is called, and records that.
type witness struct {
	place  *zmqio.Residence
	closed chan struct{}
}

func (w *witness) Close() error                    { close(w.closed); w.place.Leave(); return nil }
func (w *witness) Abort() error                    { w.place.Leave(); return nil }
func (w *witness) Undelivered() (items, bytes int) { return 0, 0 }
func (w *witness) String() string                  { return "witness" }

// While a loop shuts down, the handler lives until the servers have sent their messages. A client
// that it denies gets none of them.
func TestHandlerStaysUntilServersHaveLeft(t *testing.T) {
	needs(t, handshakes, zmq.CapabilityCurve)
	since(t, "4.3.3", stuckPeersTakeMessages)
	checkLeaks(t)
	own, ann, bob := zap.NewCertificate(nil), zap.NewCertificate(nil), zap.NewCertificate(nil)
	for name, serve := range map[string]func(*zmqio.EventLoop){
		"zap.Serve": func(loop *zmqio.EventLoop) {
			keys := new(zap.Keys)
			keys.Add(ann.Public, zap.Identity{})
			_, err := zap.Serve(loop, keys.Authenticate)
			must(t, err)
		},
		"a transport": func(loop *zmqio.EventLoop) { newHandler(t, loop, allowOnly(string(ann.Public[:]))) },
	} {
		t.Run(name, func(t *testing.T) {
			loop, outside := zmqiotest.NewLoop(t, nil), newLoop(t, nil)
			must(t, loop.Start())
			serve(loop) // the oldest resident
			server := bind(t, loop, own.AsServer)
			w := &witness{closed: make(chan struct{})}
			var err error
			w.place, err = loop.Adopt(w)
			must(t, err)
			server.write("from the server")
			ended := make(chan error, 1)
			go func() { ended <- loop.Shutdown(bounded(t)) }()
			<-w.closed // and so are the others that are to be closed
			denied := connect(t, outside, server, bob.AsClient(own.Public))
			denied.wait(func() bool { return slices.Contains(denied.verdicts, auth(400)) || len(denied.got) > 0 })
			if denied.wantGot(); t.Failed() {
				return
			}
			connect(t, outside, server, ann.AsClient(own.Public)).waitGot("from the server")
			must(t, <-ended)
			denied.wantGot()
		})
	}
}
