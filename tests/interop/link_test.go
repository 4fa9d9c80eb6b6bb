package interop

import (
	"context"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// A link is one way to join a zmqio transport and a peer's socket.
type link struct {
	name   string
	scheme string
	weBind bool
}

var links = []link{
	{"tcp/zmqio-binds", "tcp", true},
	{"tcp/python-binds", "tcp", false},
	{"ipc/zmqio-binds", "ipc", true},
	{"ipc/python-binds", "ipc", false},
}

// eachLink runs a test with every library and over every link. Each run has its own loop and peer.
func eachLink(t *testing.T, test func(*testing.T, *station)) {
	for _, library := range libraries {
		t.Run(library, func(t *testing.T) {
			python := pythonWith(t, library)
			for _, l := range links {
				t.Run(l.name, func(t *testing.T) {
					checkLeaks(t)
					p := startPeer(t, python, library)
					test(t, &station{t: t, ctx: p.ctx, link: l, loop: zmqiotest.RunLoop(t, nil), peer: p})
				})
			}
		})
	}
}

// A station is the loop and the peer of one test.
type station struct {
	t    *testing.T
	ctx  context.Context // ends at the deadline
	link link
	loop *zmqio.EventLoop
	peer *peer
}

// A protocol that a test can wait for.
type protocol interface {
	zmqio.Protocol
	ended(ctx context.Context) error
}

// join opens both ends, first the one that binds. theirs are the arguments of the peer's open.
func (s *station) join(p protocol, typ zmq.SocketType, configure func(zmq.Sockopts) error, theirs args) *zmqio.Transport {
	s.t.Helper()
	cfg := zmqio.ConnectionConfig{Configure: configure}
	if s.link.weBind {
		cfg.Bind = []string{s.link.endpoint(s.t)}
	} else {
		theirs["bind"] = s.link.endpoint(s.t)
		cfg.Connect = []string{s.peer.call("open", theirs).Endpoint}
	}
	t, _, err := zmqio.CreateZmqConnection(s.ctx, s.loop, func() protocol { return p }, typ, cfg)
	must(s.t, err)
	if s.link.weBind {
		theirs["connect"] = t.Listeners()[0]
		s.peer.call("open", theirs)
	}
	return t
}

// part closes both ends, and checks that no message is left.
func (s *station) part(t *zmqio.Transport, p protocol) {
	s.t.Helper()
	if err := t.Close(); err != nil {
		s.t.Error(err)
	}
	if err := p.ended(s.ctx); err != nil {
		s.t.Error(err)
	}
	s.peer.close()
}

// wait waits for an outcome, which must be nil.
func (s *station) wait(outcome <-chan error) {
	s.t.Helper()
	must(s.t, await(s.ctx, outcome))
}

// endpoint returns a free endpoint to bind.
func (l link) endpoint(t *testing.T) string {
	t.Helper()
	if l.scheme == "tcp" {
		return "tcp://127.0.0.1:*"
	}
	return zmqiotest.FreeEndpoint(t, l.scheme)
}
