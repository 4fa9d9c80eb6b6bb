package zmqio

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq/zmqio/internal/flow"
)

// tests/conformance tests the wait for room, and internal/flow the order of waiters. The test here
// needs a turn that finds no room, every time.

func countWaiters(tr *Transport) int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.flow.Waiting()
}

// waiting starts a WriteContext that must wait. It returns when the writer waits.
func waiting(ctx context.Context, tr *Transport, m [][]byte) <-chan error {
	before := countWaiters(tr)
	result := make(chan error, 1)
	go func() { result <- tr.WriteContext(ctx, m) }()
	for countWaiters(tr) == before && len(result) == 0 {
		runtime.Gosched()
	}
	return result
}

// turnWithoutRoom waits until a writer waits, and gives it a turn without room. The message has one
// byte, as have the buffered message and the mark.
func turnWithoutRoom(tr *Transport, before func()) {
	for countWaiters(tr) == 0 {
		runtime.Gosched()
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	before()
	tr.flow.SetMarks(100, 0, tr.pendingLocked(), flow.Self())
	tr.flow.SetMarks(1, 0, tr.pendingLocked(), flow.Self())
}

// A protocol that fills the buffer in ResumeWriting takes the room of the woken writer, but only
// once.
func TestWriteContextTakesItsSecondTurn(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	tr := blocked(t, l, BaseProtocol{})
	must(t, tr.SetWriteBufferLimits(1, 1))
	must(t, tr.Write(msg("x")))
	w := waiting(bounded(t), tr, msg("y"))
	turnWithoutRoom(tr, func() {})
	turnWithoutRoom(tr, func() {
		if len(w) > 0 {
			t.Error("the first turn was without room, and yet taken")
		}
	})
	must(t, <-w)
	if n := tr.WriteBufferSize(); n != 2 {
		t.Errorf("%d bytes in the buffer", n)
	}
}

// A resumer blocks in ResumeWriting.
type resumer struct {
	BaseProtocol
	in, out chan struct{}
	pauses  atomic.Int32
}

func (r *resumer) PauseWriting() { r.pauses.Add(1) }

func (r *resumer) ResumeWriting() {
	r.in <- struct{}{}
	<-r.out
}

// resumed returns a blocked transport and its resumer.
func resumed(t *testing.T, l *EventLoop) (*resumer, *Transport) {
	t.Helper()
	r := &resumer{in: make(chan struct{}), out: make(chan struct{})}
	return r, blocked(t, l, r)
}

// pullFrom returns a PULL that is connected to tr.
func pullFrom(t *testing.T, tr *Transport) *zmq4.Socket {
	t.Helper()
	peer, err := tr.loop.context.NewSocket(zmq4.PULL)
	must(t, err)
	must(t, peer.Connect(tr.Listeners()[0]))
	return peer
}

// While the loop is in ResumeWriting, a writer that fills the buffer calls libzmq once for
// many messages: libzmq has refused, and the writer could not pause the protocol. The end of
// ResumeWriting pauses it.
func TestWriteDuringResumeWriting(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	runAside(t, l)
	r, tr := resumed(t, l)
	for r.pauses.Load() == 0 {
		must(t, tr.Write(msg("x")))
		must(t, tr.SetWriteBufferLimits(0, 0))
	}
	peer := pullFrom(t, tr)
	<-r.in
	must(t, peer.SetLinger(0))
	must(t, peer.Close())
	for tr.WriteBufferSize() == 0 { // until libzmq has seen that the peer has gone
		must(t, tr.Write(msg("x")))
	}
	const messages = 10_000
	before := runtime.NumCgoCall()
	for range messages {
		must(t, tr.Write(msg("x")))
	}
	if calls := runtime.NumCgoCall() - before; calls > messages/10 {
		t.Errorf("%d calls of C for %d messages", calls, messages)
	}
	if n := r.pauses.Load(); n != 1 {
		t.Errorf("paused %d times during ResumeWriting, want once before", n)
	}
	r.out <- struct{}{}
	for r.pauses.Load() == 1 {
		runtime.Gosched()
	}
	must(t, tr.Abort())
}

// What a writer buffers while the loop is in ResumeWriting is sent after it, without a further
// write. It is over the mark, but a peer with room pauses no protocol.
func TestWriteDuringResumeWritingIsSent(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	runAside(t, l)
	r, tr := resumed(t, l)
	must(t, tr.SetWriteBufferLimits(0, 0))
	must(t, tr.Write(msg("first")))
	peer := pullFrom(t, tr)
	<-r.in
	written := 0
	for tr.WriteBufferSize() == 0 { // until two writes came quickly one after the other
		must(t, tr.Write(msg(fmt.Sprint(written))))
		written++
	}
	r.out <- struct{}{}
	must(t, peer.SetRcvtimeo(30*time.Second))
	for i := -1; i < written; i++ {
		want := fmt.Sprint(i)
		if i < 0 {
			want = "first"
		}
		got, err := peer.Recv(0)
		must(t, err)
		if got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	must(t, peer.SetLinger(0))
	must(t, peer.Close())
	if n := r.pauses.Load(); n != 1 {
		t.Errorf("paused %d times, want once", n)
	}
	must(t, tr.Abort())
}
