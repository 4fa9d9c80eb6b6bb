package zmqio

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/outbox"
)

// someMessage returns a message of one to three frames, the first of which begins with n.
func someMessage(n int, r *rand.Rand) [][]byte {
	size := 8 + r.IntN(100)
	switch r.IntN(100) {
	case 0:
		size = outbox.BatchBytes + r.IntN(outbox.BatchBytes) // large: libzmq's memory holds it
	case 1:
		size = 8
	}
	m := [][]byte{binary.BigEndian.AppendUint64(make([]byte, 0, size), uint64(n))[:size]}
	for range r.IntN(3) {
		m = append(m, make([]byte, r.IntN(20)))
	}
	return m
}

// Batches, single messages and large messages arrive once and in order. libzmq's high-water mark is
// smaller than a batch.
func TestBatchesArriveInOrder(t *testing.T) {
	const total = 20_000
	for _, how := range []string{"WriteBatch", "WriteBatchContext"} {
		t.Run(how, func(t *testing.T) {
			leakCheck(t)
			l := newLoop(t)
			got := 0
			in := &receiver{}
			in.fn = func(m [][]byte) {
				if n := int(binary.BigEndian.Uint64(m[0])); n != got {
					t.Errorf("message %d came as the one after %d", n, got-1)
					l.Stop()
				}
				if got++; got == total {
					l.Stop()
				}
			}
			cfg := bindTo("inproc://batches")
			cfg.Configure = func(o zmq.Sockopts) error { return errors.Join(o.SetSndHWM(10), o.SetRcvHWM(10)) }
			create(t, l, in, zmq.PULL, cfg)
			cfg = connectTo("inproc://batches")
			cfg.Configure = func(o zmq.Sockopts) error { return o.SetSndHWM(10) }
			push := create(t, l, BaseProtocol{}, zmq.PUSH, cfg)

			written := make(chan error, 1)
			go func() { written <- writeBatches(bounded(t), push, how, total) }()
			must(t, l.RunForever(bounded(t)))
			must(t, <-written)
			if got != total {
				t.Errorf("%d messages of %d", got, total)
			}
		})
	}
}

// writeBatches writes total numbered messages: batches of many sizes, and single messages between
// them.
func writeBatches(ctx context.Context, tr *Transport, how string, total int) error {
	r := rand.New(rand.NewPCG(1, 2))
	var b Batch
	for n := 0; n < total; {
		size := 1 + r.IntN(1500)
		for ; b.Len() < size && n < total; n++ {
			b.Append(someMessage(n, r)...)
		}
		want := b.Len()
		var wrote int
		var err error
		if how == "WriteBatch" {
			wrote, err = tr.WriteBatch(&b)
		} else {
			wrote, err = tr.WriteBatchContext(ctx, &b)
		}
		if err != nil || wrote != want || b.Len() != 0 || b.Size() != 0 {
			return fmt.Errorf("%s wrote %d of %d messages, left %d, %d bytes: %w", how, wrote, want, b.Len(), b.Size(), err)
		}
		if n < total {
			if err := tr.WriteContext(ctx, someMessage(n, r)); err != nil {
				return err
			}
			n++
		}
	}
	return nil
}

// batchOf returns a Batch of messages of one frame each.
func batchOf(frames ...string) *Batch {
	b := new(Batch)
	for _, f := range frames {
		b.Append([]byte(f))
	}
	return b
}

func TestBatchCounts(t *testing.T) {
	var b Batch
	b.Append()
	if b.Len() != 0 || b.Size() != 0 {
		t.Errorf("%d messages, %d bytes without frames", b.Len(), b.Size())
	}
	frame := []byte("ab")
	b.Append(frame, nil, frame)
	b.Append(nil)
	frame[0] = 'x'
	if b.Len() != 2 || b.Size() != 4 {
		t.Errorf("%d messages, %d bytes; want 2, 4", b.Len(), b.Size())
	}
	if first := b.out.First(); text(first) != "ab||ab" {
		t.Errorf("the Batch has not copied: %q", first)
	}
	b.Append(make([]byte, 2*outbox.BatchBytes))
	if b.out.DropFirst(); b.out.Front().Held != nil {
		t.Error("a Batch that is forgotten would leak")
	}
	b.Reset()
	if b.Len() != 0 || b.Size() != 0 {
		t.Errorf("%d messages, %d bytes after Reset", b.Len(), b.Size())
	}
}

// WriteBatch stops when the buffer is full. The messages that it has written are in the buffer, and
// the rest stays in the Batch.
func TestBatchStopsAtMaxWriteBuffer(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	cfg := bindTo(anyPort)
	cfg.MaxWriteBuffer = 5
	tr := create(t, l, BaseProtocol{}, zmq.PUSH, cfg)
	b := batchOf("aa", "bb", "cc", "d")
	n, err := tr.WriteBatch(b)
	if n != 2 || !errors.Is(err, ErrBufferFull) || b.Len() != 2 || b.Size() != 3 || tr.WriteBufferSize() != 4 {
		t.Errorf("wrote %d, %v; left %d messages, %d bytes; %d in the buffer", n, err, b.Len(), b.Size(), tr.WriteBufferSize())
	}
	if first := b.out.First(); text(first) != "cc" {
		t.Errorf("the first that is left is %q", first)
	}
	must(t, tr.Abort())
}

// Frames count too, of empty messages. A Batch with more frames than the buffer may hold is written
// message by message, into an empty buffer and behind others.
func TestBatchCountsFrames(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	for before := range 2 {
		cfg := bindTo(anyPort)
		cfg.MaxWriteBuffer = 3
		tr := create(t, l, BaseProtocol{}, zmq.PUSH, cfg)
		for range before {
			must(t, tr.Write(msg("")))
		}
		b := batchOf("", "", "", "")
		n, err := tr.WriteBatch(b)
		if n != 3-before || !errors.Is(err, ErrBufferFull) || b.Len() != 4-n || tr.Stats().Buffered.Messages != 3 {
			t.Errorf("behind %d: wrote %d, %v; left %d; %+v in the buffer", before, n, err, b.Len(), tr.Stats().Buffered)
		}
		must(t, tr.Abort())
	}
}

// A large message of a Batch, which libzmq's memory holds, needs room as others do.
func TestBatchOfLargeMessageNeedsRoom(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	cfg := bindTo(anyPort)
	cfg.MaxWriteBuffer = 2*outbox.BatchBytes - 1
	tr := create(t, l, BaseProtocol{}, zmq.PUSH, cfg)
	var b Batch
	for range 2 {
		b.Append(make([]byte, outbox.BatchBytes))
	}
	if n, err := tr.WriteBatch(&b); n != 1 || !errors.Is(err, ErrBufferFull) || tr.WriteBufferSize() != outbox.BatchBytes {
		t.Errorf("wrote %d, %v; %d bytes in the buffer", n, err, tr.WriteBufferSize())
	}
	must(t, tr.Abort())
}

// WriteBatchContext waits for room message by message if the Batch is larger than MaxWriteBuffer.
func TestBatchWaitsBelowMaxWriteBuffer(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	runAside(t, l)
	cfg := bindTo(anyPort)
	cfg.MaxWriteBuffer = 5
	tr := create(t, l, BaseProtocol{}, zmq.PUSH, cfg)
	all := []string{"aa", "bb", "cc", "dd", "ee"} // the third finds no room, and the rest is too large
	b := batchOf(all...)
	ctx := bounded(t)
	done := make(chan error, 1)
	go func() {
		_, err := tr.WriteBatchContext(ctx, b)
		done <- err
	}()
	for countWaiters(tr) == 0 && len(done) == 0 {
		runtime.Gosched()
	}
	if n := tr.WriteBufferSize(); n != 4 {
		t.Errorf("%d bytes in the buffer", n)
	}
	peer := pullFrom(t, tr)
	must(t, peer.SetRcvtimeo(2*time.Minute))
	for _, want := range all {
		got, err := peer.Recv(0)
		must(t, err)
		if got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	must(t, <-done)
	must(t, peer.Close())
	must(t, tr.Abort())
}

// After an error of the first message the Batch still has all messages.
func TestBatchErrors(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	for name, c := range map[string]struct {
		typ  zmq.SocketType
		cfg  ConnectionConfig
		b    *Batch
		n    int
		want error
	}{
		"a type that cannot send": {zmq.PULL, bindTo(anyPort), batchOf("a"), 0, zmq.ENOTSUP},
		"out of turn":             {zmq.REP, bindTo(anyPort), batchOf("a"), 0, zmq.EFSM},
		"no batch":                {zmq.PUSH, bindTo(anyPort), nil, 0, ErrInvalidArgument},
		"an empty batch":          {zmq.PULL, bindTo(anyPort), batchOf(), 0, nil},
	} {
		tr := create(t, l, BaseProtocol{}, c.typ, c.cfg)
		before := 0
		if c.b != nil {
			before = c.b.Len()
		}
		n, err := tr.WriteBatch(c.b)
		if n != c.n || !errors.Is(err, c.want) {
			t.Errorf("%s: %d, %v", name, n, err)
		}
		if c.b != nil && c.b.Len() != before-n {
			t.Errorf("%s: %d messages are left", name, c.b.Len())
		}
		if tr.IsClosing() || tr.WriteBufferSize() != 0 {
			t.Errorf("%s: closing, or %d bytes in the buffer", name, tr.WriteBufferSize())
		}
		must(t, tr.Abort())
		b := batchOf("a", "b")
		if n, err := tr.WriteBatch(b); n != 0 || !errors.Is(err, ErrTransportClosed) || !errors.Is(err, net.ErrClosed) || b.Len() != 2 {
			t.Errorf("%s, after Abort: %d, %v, %d left", name, n, err, b.Len())
		}
	}
	// A REQ takes the first message, and the second is out of turn.
	rep := create(t, l, BaseProtocol{}, zmq.REP, bindTo("inproc://turns"))
	req := create(t, l, BaseProtocol{}, zmq.REQ, connectTo("inproc://turns"))
	b := batchOf("a", "b")
	if n, err := req.WriteBatch(b); n != 1 || !errors.Is(err, zmq.EFSM) || b.Len() != 1 {
		t.Errorf("REQ: %d, %v, %d left", n, err, b.Len())
	}
	must(t, rep.Abort())
}

// With CONFLATE WriteBatch refuses a message of several frames, and sends those before it.
func TestBatchWithConflate(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	cfg := connectTo("tcp://127.0.0.1:1")
	cfg.Configure = func(o zmq.Sockopts) error { return o.SetConflate(true) }
	tr := create(t, l, BaseProtocol{}, zmq.PUSH, cfg)
	b := batchOf("a")
	b.Append([]byte("b"), []byte("c"))
	if n, err := tr.WriteBatch(b); n != 1 || !errors.Is(err, ErrMultipart) || b.Len() != 1 {
		t.Errorf("%d, %v, %d left", n, err, b.Len())
	}
	must(t, tr.Abort())
}

// Messages of a Batch for a peer that a ROUTER does not know go to Unroutable. The others arrive.
func TestBatchUnroutable(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	var lost, got []string
	cfg := bindTo("inproc://routed")
	cfg.Configure = func(o zmq.Sockopts) error { return o.SetRouterMandatory(true) }
	cfg.Unroutable = func(m [][]byte, err error) {
		if !errors.Is(err, zmq.EHOSTUNREACH) {
			t.Error(err)
		}
		lost = append(lost, text(m))
	}
	router := create(t, l, BaseProtocol{}, zmq.ROUTER, cfg)
	in := &receiver{}
	in.fn = func(m [][]byte) {
		if got = append(got, text(m)); len(got) == 2 {
			l.Stop()
		}
	}
	cfg = connectTo("inproc://routed")
	cfg.Configure = func(o zmq.Sockopts) error { return o.SetRoutingID([]byte("peer")) }
	create(t, l, in, zmq.DEALER, cfg)
	var b Batch
	b.Append([]byte("peer"), []byte("1"))
	b.Append([]byte("other"), []byte("2"))
	b.Append([]byte("peer"), []byte("3"))
	soon(t, l, func() {
		if n, err := router.WriteBatch(&b); n != 3 || err != nil {
			t.Error(n, err)
		}
	})
	must(t, l.RunForever(bounded(t)))
	pass(t, l)
	if !slices.Equal(got, []string{"1", "3"}) || !slices.Equal(lost, []string{"other|2"}) {
		t.Errorf("arrived %q, lost %q", got, lost)
	}
}

// WriteBatchContext waits for room until its context ends. The messages that it has buffered have
// left the Batch.
func TestBatchWaits(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	runAside(t, l)
	tr := blocked(t, l, BaseProtocol{})
	must(t, tr.SetWriteBufferLimits(1, 1))
	const parts = 3
	var b Batch
	part := make([]byte, outbox.BatchBytes-1)
	for range parts {
		b.Append(part)
	}
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(bounded(t))
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	go func() {
		n, err := tr.WriteBatchContext(ctx, &b)
		done <- result{n, err}
	}()
	for countWaiters(tr) == 0 {
		runtime.Gosched()
	}
	cancel(cause)
	if r := <-done; r.n != 1 || !errors.Is(r.err, cause) || b.Len() != parts-1 {
		t.Errorf("%+v, %d left", r, b.Len())
	}
	if n, err := tr.WriteBatchContext(ctx, &b); n != 0 || !errors.Is(err, cause) || b.Len() != parts-1 {
		t.Errorf("with a context that has ended: %d, %v, %d left", n, err, b.Len())
	}
	roomy := blocked(t, l, BaseProtocol{})
	if n, err := roomy.WriteBatchContext(ctx, &b); n != 0 || !errors.Is(err, cause) || b.Len() != parts-1 {
		t.Errorf("with a context that has ended, and room: %d, %v, %d left", n, err, b.Len())
	}
	must(t, roomy.Abort())
	deadlock := make(chan error, 1)
	soon(t, l, func() {
		_, err := tr.WriteBatchContext(bounded(t), &b)
		deadlock <- err
	})
	if err := <-deadlock; !errors.Is(err, ErrWouldDeadlock) {
		t.Errorf("on the loop: %v", err)
	}
	must(t, tr.Abort())
}
