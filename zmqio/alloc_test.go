//go:build !asan && !race

// AddressSanitizer moves some of the measured variables to the heap. Under the race detector a
// sync.Pool sometimes drops its content.

package zmqio

import (
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/outbox"
)

// Sending allocates nothing, neither for a message sent at once nor for a buffered one.
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
	check("one frame, at once", 1, func() { must(t, tr.Write([][]byte{frame})) })
	check("three frames, at once", 1, func() { must(t, tr.Write([][]byte{frame, frame[:0], frame})) })
	large := make([]byte, 2*outbox.BatchBytes)
	check("large, at once", 1, func() { must(t, tr.Write([][]byte{large})) })
	check("large frames, at once", 1, func() { must(t, tr.Write([][]byte{large, large})) })
	soon(t, l, func() { // one shortly after the other, so that they gather in the buffer
		check("Write", 1, func() { must(t, tr.Write([][]byte{frame})) })
		check("large", 1, func() { must(t, tr.Write([][]byte{large})) })
		check("WriteContext", 1, func() { must(t, tr.WriteContext(t.Context(), [][]byte{frame})) })
	})
	var b Batch
	check("a Batch of 1,000", 20, func() {
		for range 1000 {
			b.Append(frame, frame)
		}
		_, err := tr.WriteBatch(&b)
		must(t, err)
	})
	pass(t, l)
	must(t, z.Close())
}

// A batcher is a BatchProtocol that counts.
type batcher struct {
	receiver
	n int
}

func (b *batcher) MsgsReceived(msgs [][][]byte) { b.n += len(msgs) }

// A messenger is a MessageProtocol that counts.
type messenger struct{ *batcher }

func (m messenger) MessageReceived(Message) { m.n++ }

// Delivery allocates only the payload and the slices of a batch, and with lent frames not even
// those.
func TestDeliveryDoesNotAllocate(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	push := create(t, l, BaseProtocol{}, zmq.PUSH, bindTo("inproc://delivery"))
	frame := [][]byte{make([]byte, 64)} // small enough to need no chunk of the outbox
	for name, c := range map[string]struct {
		limit    float64
		metadata []string
	}{"copied": {2, nil}, "lent": {0, nil}, "copied, with metadata": {2, []string{"User-Id"}}, "lent, with metadata": {0, []string{"User-Id"}}} {
		limit := c.limit
		b := &batcher{}
		b.fn = func(msg [][]byte) { b.n++ }
		cfg := connectTo("inproc://delivery")
		cfg.BorrowFrames, cfg.Metadata = limit == 0, c.metadata
		pull := create(t, l, b, zmq.PULL, cfg)
		for _, p := range []Protocol{b, &b.receiver, messenger{b}} {
			pull.SetProtocol(p)
			b.n = 0
			n := testing.AllocsPerRun(100, func() {
				for range 10 {
					must(t, push.Write(frame))
				}
				if found, errno := pull.receive(); found != foundEmpty || errno != 0 {
					t.Fatalf("found %v, %v", found, errno)
				}
			})
			if n > limit || b.n != 101*10 {
				t.Errorf("%s, %T: %v allocations a batch, %d messages", name, p, n, b.n)
			}
		}
		must(t, pull.Disconnect("inproc://delivery"))
		must(t, pull.Close())
		pass(t, l)
	}
}

// A Stream adds nothing to what a batch allocates, and Recv allocates nothing.
func TestRecvDoesNotAllocate(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	s := openStream(t, zmq.PULL, StreamConfig{Loop: l, Bind: []string{"inproc://recv"}})
	push := create(t, l, BaseProtocol{}, zmq.PUSH, connectTo("inproc://recv"))
	frame := [][]byte{make([]byte, 64)}
	took := 0
	if n := testing.AllocsPerRun(100, func() {
		for range 10 {
			must(t, push.Write(frame))
		}
		if found, errno := s.t.receive(); found != foundEmpty || errno != 0 {
			t.Fatalf("found %v, %v", found, errno)
		}
		for range 10 {
			msg, err := s.Recv(t.Context())
			must(t, err)
			took += len(msg)
		}
	}); n > 2 {
		t.Errorf("%v allocations a batch", n)
	}
	if msg, err := s.TryRecv(); took != 101*10 || msg != nil || err != nil {
		t.Errorf("%d frames, then %q, %v", took, msg, err)
	}
}

// Forwarding allocates nothing.
func TestForwardingDoesNotAllocate(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	front := openStream(t, zmq.PULL, StreamConfig{Loop: l, Bind: []string{"inproc://front"}})
	back := openStream(t, zmq.PUSH, StreamConfig{Loop: l, Bind: []string{"inproc://back"}})
	push := create(t, l, BaseProtocol{}, zmq.PUSH, connectTo("inproc://front"))
	pull := create(t, l, &batcher{}, zmq.PULL, ConnectionConfig{Connect: []string{"inproc://back"}, BorrowFrames: true})
	p, err := NewProxy(front, back, nil)
	must(t, err)
	must(t, p.begin())
	defer p.end()
	frame := make([]byte, 64)
	var batch Batch // needs one chunk for all
	if n := testing.AllocsPerRun(100, func() {
		for range 10 {
			batch.Append(frame, frame)
		}
		_, err := push.WriteBatch(&batch)
		must(t, err)
		if found, errno := front.t.receive(); found != foundEmpty || errno != 0 {
			t.Fatalf("found %v, %v", found, errno)
		}
		if found, errno := pull.receive(); found != foundEmpty || errno != 0 {
			t.Fatalf("found %v, %v", found, errno)
		}
	}); n > 1 { // the chunk of a Batch
		t.Errorf("%v allocations a batch", n)
	}
	if s := p.Stats(); s.ToBack.Messages != 1010 {
		t.Errorf("%+v", s)
	}
}
