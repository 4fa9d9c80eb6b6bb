package zmqiotest

import (
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/internal/testkit"
)

// Open returns a stream, and ends the test if that fails. The stream is aborted when the test
// ends. Without StreamConfig.Loop it has a loop of its own, made by RunLoop.
func Open(t testing.TB, typ zmq.SocketType, cfg zmqio.StreamConfig) *zmqio.Stream {
	t.Helper()
	if cfg.Loop == nil {
		cfg.Loop = RunLoop(t, nil)
	}
	s, err := zmqio.Open(t.Context(), typ, cfg)
	testkit.Must(t, err)
	t.Cleanup(func() { _ = s.Abort() }) // returns nil
	return s
}

// Streams returns two streams on one loop, with cfg otherwise. The first is bound, the second
// connected to it, over TCP. Both have finished the handshake. A subscription may still be on
// its way to a PUB; an XPUB can wait for it with WaitSubscribed.
func Streams(t testing.TB, bound, connected zmq.SocketType, cfg zmqio.StreamConfig) (*zmqio.Stream, *zmqio.Stream) {
	t.Helper()
	if cfg.Loop == nil {
		cfg.Loop = RunLoop(t, nil)
	}
	there, here := cfg, cfg
	if bound == zmq.SUB {
		here.Subscribe = nil
	} else {
		there.Subscribe = nil
	}
	there.Bind = []string{"tcp://127.0.0.1:*"}
	first := Open(t, bound, there)
	here.Connect = []string{first.Addr()}
	second := Open(t, connected, here)
	ctx := Bounded(t, Patience)
	testkit.Must(t, first.WaitConnected(ctx, 1))
	testkit.Must(t, second.WaitConnected(ctx, 1))
	return first, second
}
