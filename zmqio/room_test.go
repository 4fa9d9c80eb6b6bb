package zmqio

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/flow"
	"github.com/zmqio/zmq/zmqio/internal/outbox"
	"github.com/zmqio/zmq/zmqio/internal/sock"
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

// A waiting writer that gets room sends its message, also while no loop runs.
func TestWaitingWriterSendsWithoutALoop(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	tr := create(t, l, BaseProtocol{}, zmq.PUSH, bindTo("inproc://waits"))
	must(t, tr.SetWriteBufferLimits(1, 1))
	must(t, tr.Write(msg("x")))
	w := waiting(bounded(t), tr, msg("y"))
	in := &recorder{}
	create(t, l, in, zmq.PULL, connectTo("inproc://waits"))
	must(t, tr.SetWriteBufferLimits(2, 1))
	must(t, <-w)
	if n := tr.WriteBufferSize(); n != 0 {
		t.Errorf("%d bytes in the buffer", n)
	}
	passUntil(t, l, func() bool { return len(in.msgs) == 2 })
}

// A writer whose turn comes just before the end of admission gets the error of the end.
func TestWriteContextStopsOnItsTurn(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	tr := blocked(t, l, BaseProtocol{})
	must(t, tr.SetWriteBufferLimits(1, 1))
	must(t, tr.Write(msg("x")))
	w := waiting(bounded(t), tr, msg("y"))
	tr.mu.Lock()
	tr.flow.SetMarks(100, 0, tr.pendingLocked(), flow.Self()) // the turn
	tr.flow.Stop(ErrTransportClosed)
	tr.mu.Unlock()
	if err := <-w; !errors.Is(err, ErrTransportClosed) {
		t.Errorf("got %v", err)
	}
	must(t, tr.Abort())
}

// A writer whose context ends gets the error of the transport, if admission has ended too.
func TestWriteContextStopsWithItsContext(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	tr := blocked(t, l, BaseProtocol{})
	must(t, tr.SetWriteBufferLimits(1, 1))
	must(t, tr.Write(msg("x")))
	ctx, cancel := context.WithCancel(bounded(t))
	w := waiting(ctx, tr, msg("y"))
	stopped := errors.New("stopped")
	tr.mu.Lock() // the writer needs it to give up
	cancel()
	tr.flow.Stop(stopped)
	tr.mu.Unlock()
	if err := <-w; err != stopped {
		t.Errorf("got %v", err)
	}
	must(t, tr.Abort())
}

// The messages of a peer that has gone leave the buffer, and so resume the protocol.
func TestUnroutableMessagesResume(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	p := &recorder{}
	cfg := bindTo("inproc://gone")
	cfg.Configure = func(o zmq.Sockopts) error { return errors.Join(o.SetSndHWM(1), o.SetRouterMandatory(true)) }
	cfg.Unroutable = func([][]byte, error) {}
	router := create(t, l, p, zmq.ROUTER, cfg)
	must(t, router.SetWriteBufferLimits(0, 0))
	cfg = connectTo("inproc://gone")
	cfg.Configure = func(o zmq.Sockopts) error { return errors.Join(o.SetRcvHWM(1), o.SetRoutingID([]byte("peer"))) }
	dealer := create(t, l, BaseProtocol{}, zmq.DEALER, cfg)
	must(t, dealer.PauseReading())
	for len(p.got()) == 1 {
		must(t, router.Write(msg("peer", "x")))
	}
	must(t, dealer.Abort())
	passUntil(t, l, func() bool { return len(p.got()) == 3 })
	if s := router.Stats(); s.Dropped.Unroutable.Messages != 1 || s.Buffered.Messages != 0 {
		t.Errorf("%q; %+v", p.got(), s)
	}
}

// The timer for a refused message may be set again when it has fired.
func TestRefusedMessageIsTriedAgainAndAgain(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	router := create(t, l, BaseProtocol{}, zmq.ROUTER, bindTo(anyPort))
	timers := func() (n int) {
		_, n = l.reactor.Queued()
		return n
	}
	for range 2 {
		router.mu.Lock()
		router.retryIfUnsureLocked(sock.Sent{Errno: syscall.EAGAIN})
		router.retryIfUnsureLocked(sock.Sent{Errno: syscall.EAGAIN})
		router.mu.Unlock()
		if timers() != 1 {
			t.Fatalf("%d timers, want 1", timers())
		}
		passUntil(t, l, func() bool { return timers() == 0 })
	}
}

// What libzmq has taken counts with the headers of frames.
func TestOnWireCountsHeaders(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	create(t, l, BaseProtocol{}, zmq.PULL, bindTo("inproc://wire"))
	tr := create(t, l, BaseProtocol{}, zmq.PUSH, connectTo("inproc://wire"))
	for n := 1; n <= 2; n++ {
		must(t, tr.Write(msg("abc", "d")))
		tr.flush()
		if want := n * (4 + 2*maxFrameHeader); tr.onWire != want {
			t.Errorf("%d bytes, want %d", tr.onWire, want)
		}
	}
}

// While the protocol is paused a new writer queues behind those that wait, even if the buffer is
// empty.
func TestWriteContextQueuesWhilePaused(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	tr := create(t, l, &recorder{}, zmq.PUSH, bindTo("inproc://queues"))
	must(t, tr.SetWriteBufferLimits(0, 0))
	must(t, tr.Write(msg("first")))
	one := waiting(bounded(t), tr, msg("second"))
	in := &recorder{}
	create(t, l, in, zmq.PULL, connectTo("inproc://queues"))
	tr.flush() // as a goroutine that uses the socket; the loop has not called ResumeWriting
	if n := tr.WriteBufferSize(); n != 0 || countWaiters(tr) != 1 {
		t.Fatalf("%d bytes in the buffer, %d waiters", n, countWaiters(tr))
	}
	other := waiting(bounded(t), tr, msg("third"))
	if n := countWaiters(tr); n != 2 {
		t.Errorf("%d writers wait, want both", n)
	}
	passUntil(t, l, func() bool { return len(in.msgs) == 3 })
	must(t, <-one)
	must(t, <-other)
	for i, want := range []string{"first", "second", "third"} {
		if got := text(in.msgs[i]); got != want {
			t.Errorf("message %d is %q, want %q", i, got, want)
		}
	}
}

// A message larger than MaxWriteBuffer goes to libzmq, if that has room, also from a callback.
func TestWriteLargerThanTheBufferInADelivery(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	cfg := bindTo("inproc://larger")
	cfg.MaxWriteBuffer = 1
	var pair *Transport
	in := &recorder{onMsg: func(m [][]byte) { must(t, pair.Write(m)) }}
	pair = create(t, l, in, zmq.PAIR, cfg)
	out := &recorder{}
	peer := create(t, l, out, zmq.PAIR, connectTo("inproc://larger"))
	must(t, peer.Write(msg("larger")))
	passUntil(t, l, func() bool { return len(out.msgs) == 1 })
	if s := pair.Stats(); s.Refused != 0 || s.Sent.Messages != 1 {
		t.Errorf("%+v", s)
	}
}

// While no loop runs, a writer without room offers the buffer again: libzmq may have room by now.
func TestWriteOffersWhileNoLoopRuns(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	cfg := bindTo("inproc://offers")
	cfg.MaxWriteBuffer = 1
	tr := create(t, l, BaseProtocol{}, zmq.PUSH, cfg)
	must(t, tr.Write(msg("1")))
	if err := tr.Write(msg("2")); !errors.Is(err, ErrBufferFull) {
		t.Errorf("without a peer: %v", err)
	}
	in := &recorder{}
	create(t, l, in, zmq.PULL, connectTo("inproc://offers"))
	must(t, tr.Write(msg("2")))
	passUntil(t, l, func() bool { return len(in.msgs) == 2 })
}

// writeToBusy writes while another goroutine uses the socket, which it lets go once the writer waits
// for it. It returns the error of Write.
func writeToBusy(t *testing.T, tr *Transport, text string) error {
	t.Helper()
	done := make(chan error, 1)
	tr.sockMu.Lock()
	go func() { done <- tr.Write(msg(text)) }()
	untilBlocked(t, "sync.Mutex.Lock", "(*Transport).offer(", done)
	if len(done) > 0 {
		t.Error("Write did not wait")
	}
	tr.sockMu.Unlock()
	return <-done
}

// While no loop runs, a writer waits for a socket that another goroutine uses: no loop would send
// what it has buffered.
func TestWriteWaitsForTheSocketWhileNoLoopRuns(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	in := &recorder{}
	create(t, l, in, zmq.PULL, bindTo("inproc://busy"))
	tr := create(t, l, BaseProtocol{}, zmq.PUSH, connectTo("inproc://busy"))
	must(t, writeToBusy(t, tr, "x"))
	if n := tr.WriteBufferSize(); n != 0 {
		t.Errorf("%d bytes in the buffer", n)
	}
	passUntil(t, l, func() bool { return len(in.msgs) == 1 })
}

// The buffer has its bound for a writer that finds the socket in use, too.
func TestWriteToABusySocketNeedsRoom(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	cfg := bindTo(anyPort)
	cfg.MaxWriteBuffer = 1
	tr := create(t, l, BaseProtocol{}, zmq.PUSH, cfg)
	if err := writeToBusy(t, tr, "larger"); !errors.Is(err, ErrBufferFull) || tr.WriteBufferSize() != 0 {
		t.Errorf("%v, %d bytes in the buffer", err, tr.WriteBufferSize())
	}
}

// A writer without room waits for a socket in use, because libzmq may have room.
func TestWriteWaitsToOffer(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	create(t, l, BaseProtocol{}, zmq.PULL, bindTo("inproc://offer"))
	cfg := connectTo("inproc://offer")
	cfg.MaxWriteBuffer = 1
	tr := create(t, l, BaseProtocol{}, zmq.PUSH, cfg)
	runAside(t, l)
	must(t, writeToBusy(t, tr, "larger"))
}

// After a ResumeWriting that calls runtime.Goexit the protocol can be paused again.
func TestGoexitInResumeWriting(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	tr := blocked(t, l, &quitter{})
	must(t, tr.SetWriteBufferLimits(0, 0))
	must(t, tr.Write(msg("x")))
	pull := create(t, l, BaseProtocol{}, zmq.PULL, connectTo(tr.Listeners()...))
	ended := make(chan struct{})
	ctx := bounded(t)
	go func() {
		defer close(ended)
		t.Errorf("the run ended with %v", l.RunForever(ctx))
	}()
	<-ended
	must(t, pull.Abort())
	passUntil(t, l, func() bool { // libzmq has dropped the peer
		must(t, tr.Write(msg("x")))
		return tr.Stats().IsPaused
	})
	must(t, tr.Abort())
}

// A quitter calls runtime.Goexit in ResumeWriting.
type quitter struct{ BaseProtocol }

func (*quitter) ResumeWriting() { runtime.Goexit() }

// A writer that has waited for the socket decides again: a message that was buffered meanwhile goes
// first.
func TestWriteDecidesAgainWithTheSocket(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	in := &recorder{}
	create(t, l, in, zmq.REP, bindTo("inproc://again"))
	tr := create(t, l, BaseProtocol{}, zmq.REQ, connectTo("inproc://again"))
	done := make(chan error, 1)
	tr.sockMu.Lock()
	go func() { done <- tr.Write(msg("second")) }()
	untilBlocked(t, "sync.Mutex.Lock", "(*Transport).attempt(", done)
	tr.mu.Lock()
	first := msg("first")
	_ = tr.bufferLocked(load{msg: first, size: sizeOf(first)})
	tr.mu.Unlock()
	tr.sockMu.Unlock()
	must(t, <-done)
	passUntil(t, l, func() bool { return len(in.msgs) == 1 })
	if got := text(in.msgs[0]); got != "first" {
		t.Errorf("the REP got %q", got)
	}
	must(t, tr.Abort())
}

// A flush of many chunks while no loop runs keeps what an early chunk asks for: the room that it
// makes resumes the protocol.
func TestResumeAmidALongFlush(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	p := &recorder{}
	tr := create(t, l, p, zmq.PUSH, bindTo("inproc://long"))
	const chunks = 3 * flushChunks
	large := make([]byte, outbox.BatchBytes)
	for range chunks {
		must(t, tr.Write([][]byte{large}))
	}
	const mark = (chunks - 1) * outbox.BatchBytes
	must(t, tr.SetWriteBufferLimits(mark, mark)) // the first chunk resumes
	in := &recorder{}
	create(t, l, in, zmq.PULL, connectTo("inproc://long"))
	if got := p.got(); !slices.Equal(got, []string{"made", "pause"}) {
		t.Fatalf("called %q", got)
	}
	tr.flush()
	if n := tr.WriteBufferSize(); n != 0 {
		t.Errorf("%d bytes in the buffer", n)
	}
	passUntil(t, l, func() bool { return len(in.msgs) == chunks })
	if got := p.got(); !slices.Equal(got, []string{"made", "pause", "resume"}) {
		t.Errorf("called %q", got)
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
	must(t, peer.SetRcvtimeo(2*time.Minute))
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
