package zmqio

import (
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
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
	check := func(name string, write func()) {
		if n := testing.AllocsPerRun(1000, write); n >= 1 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	check("one frame, at once", func() { must(t, tr.Write([][]byte{frame})) })
	check("three frames, at once", func() { must(t, tr.Write([][]byte{frame, frame[:0], frame})) })
	large := make([]byte, 2*batchBytes)
	check("large, at once", func() { must(t, tr.Write([][]byte{large})) })
	check("large frames, at once", func() { must(t, tr.Write([][]byte{large, large})) })
	soon(t, l, func() { // one shortly after the other, so they gather in the buffer
		check("Write", func() { must(t, tr.Write([][]byte{frame})) })
		check("large", func() { must(t, tr.Write([][]byte{large})) })
		check("WriteContext", func() { must(t, tr.WriteContext(t.Context(), [][]byte{frame})) })
	})
	pass(t, l)
	must(t, z.Close())
}
