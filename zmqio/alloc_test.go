//go:build !asan

// AddressSanitizer makes some of what is measured here escape to the heap.

package zmqio

import (
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/outbox"
)

// Sending allocates nothing, neither at once nor through the buffer.
func TestWriteDoesNotAllocate(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	z, err := l.context.NewSocket(zmq4.PULL)
	must(t, err)
	must(t, z.SetRcvhwm(0))
	must(t, z.Bind("inproc://alloc"))
	cfg := connectTo("inproc://alloc")
	cfg.Configure = func(opts zmq.Sockopts) error { return opts.SetSndHWM(0) }
	tr := create(t, l, BaseProtocol{}, zmq.PUSH, cfg)
	frame := make([]byte, 64)
	check := func(name string, limit float64, write func()) {
		if n := testing.AllocsPerRun(100, write); n >= limit {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	const some = 2 // under the race detector a sync.Pool forgets what it has, now and then
	check("one frame, at once", 1, func() { must(t, tr.Write([][]byte{frame})) })
	check("three frames, at once", 1, func() { must(t, tr.Write([][]byte{frame, frame[:0], frame})) })
	large := make([]byte, 2*outbox.BatchBytes)
	check("large, at once", some, func() { must(t, tr.Write([][]byte{large})) })
	check("large frames, at once", some, func() { must(t, tr.Write([][]byte{large, large})) })
	soon(t, l, func() { // one shortly after the other, so they gather in the buffer
		check("Write", 1, func() { must(t, tr.Write([][]byte{frame})) })
		check("large", some, func() { must(t, tr.Write([][]byte{large})) })
		check("WriteContext", 1, func() { must(t, tr.WriteContext(t.Context(), [][]byte{frame})) })
	})
	pass(t, l)
	must(t, z.Close())
}
