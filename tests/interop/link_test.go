package interop

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
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

// eachLink runs a test against every library and over every link, each time with
// a loop and a peer of its own.
func eachLink(t *testing.T, test func(*testing.T, *station)) {
	for _, library := range libraries {
		t.Run(library, func(t *testing.T) {
			python := pythonWith(t, library)
			for _, l := range links {
				t.Run(l.name, func(t *testing.T) {
					checkLeaks(t)
					p := startPeer(t, python, library)
					test(t, &station{t: t, ctx: p.ctx, link: l, loop: startLoop(t), peer: p})
				})
			}
		})
	}
}

// startLoop runs a loop for as long as the test goes on. Nothing may reach its
// exception handler.
func startLoop(t *testing.T) *zmqio.EventLoop {
	t.Helper()
	loop, err := zmqio.NewEventLoop(nil)
	if err != nil {
		t.Fatal(err)
	}
	loop.SetExceptionHandler(func(_ *zmqio.EventLoop, c zmqio.ExceptionContext) {
		t.Errorf("exception handler: %s: %v\n%s", c.Message, c.Err, c.Stack)
	})
	ran := make(chan error, 1)
	go func() { ran <- loop.RunForever(context.Background()) }()
	t.Cleanup(func() {
		loop.Stop()
		if err := <-ran; err != nil {
			t.Errorf("RunForever: %v", err)
		}
		if err := loop.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return loop
}

// A station is what one test works with.
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

// join opens both ends, the one that binds first. theirs are the arguments of
// the peer's open.
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
	if err != nil {
		s.t.Fatal(err)
	}
	if s.link.weBind {
		theirs["connect"] = t.Listeners()[0]
		s.peer.call("open", theirs)
	}
	return t
}

// part closes both ends, in which nothing may be left.
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

// wait waits for an outcome, which has to be good.
func (s *station) wait(outcome <-chan error) {
	s.t.Helper()
	if err := await(s.ctx, outcome); err != nil {
		s.t.Fatal(err)
	}
}

// endpoint returns a free endpoint to bind.
func (l link) endpoint(t *testing.T) string {
	t.Helper()
	if l.scheme == "tcp" {
		return "tcp://127.0.0.1:*"
	}
	// Not t.TempDir: the name of a test in a path soon makes it longer than the
	// 107 bytes that the system allows.
	dir, err := os.MkdirTemp("", "zmqio")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return "ipc://" + filepath.Join(dir, "s")
}
