package netio

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/internal/testkit"
)

// Callbacks come in the order made, data, eof, lost. ConnectionMade comes before the creator
// returns, and ConnectionLost after the peer's end.
func TestOrder(t *testing.T) {
	onEach(t, func(t *testing.T, n network) {
		testkit.CheckLeaks(t)
		l, _ := newLoop(t)
		r := newRecorder()
		r.onMade = func(tr *Transport) {
			if tr.LocalAddr() == nil || tr.RemoteAddr() == nil {
				t.Error("no addresses in ConnectionMade")
			}
			must(t, tr.Write([]byte("hello")))
		}
		tr, peer := n.connect(t, l, r, Config{})
		if len(r.made) != 1 || tr != <-r.made || tr.Protocol() != r {
			t.Error("ConnectionMade has not been called")
		}
		if got := readN(t, peer, 5); string(got) != "hello" {
			t.Errorf("read %q", got)
		}
		send(t, peer, "world")
		if got := r.await(t, 5); string(got) != "world" {
			t.Errorf("received %q", got)
		}
		peer.Close()
		must(t, wait(t, r.lost))
		<-tr.Closed()
		wantEvents(t, r, "made", "data", "eof", "lost <nil>")
		if len(l.Residents()) != 0 {
			t.Errorf("residents: %v", l.Residents())
		}
	})
}

// ConnectionLost comes once, in a later iteration than Close.
func TestCloseAndAbort(t *testing.T) {
	for name, end := range map[string]func(*Transport) error{"close": (*Transport).Close, "abort": (*Transport).Abort} {
		t.Run(name, func(t *testing.T) {
			l, _ := newLoop(t)
			r := newRecorder()
			tr, peer := networks[0].connect(t, l, r, Config{})
			do(t, l, func() {
				must(t, end(tr))
				must(t, end(tr))
				if len(r.lost) > 0 {
					t.Error("ConnectionLost in Close")
				}
				if !tr.IsClosing() || tr.IsReading() {
					t.Error("the transport is not closing")
				}
			})
			must(t, wait(t, r.lost))
			must(t, tr.Abort())
			must(t, tr.Close())
			wantEvents(t, r, "made", "lost <nil>")
			if _, err := peer.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("the peer reads %v", err)
			}
			var op *net.OpError
			err := tr.Write([]byte("x"))
			if !errors.Is(err, zmqio.ErrTransportClosed) || !errors.Is(err, net.ErrClosed) || !errors.As(err, &op) || op.Op != "write" {
				t.Errorf("Write: %v", err)
			}
			if err := tr.PauseReading(); !errors.Is(err, zmqio.ErrTransportClosed) {
				t.Errorf("PauseReading: %v", err)
			}
			if err := tr.ResumeReading(); err != nil {
				t.Errorf("ResumeReading: %v", err)
			}
			if s := tr.String(); !strings.Contains(s, "closed") || !strings.Contains(s, tr.RemoteAddr().String()) {
				t.Error(s)
			}
		})
	}
}

// Close sends the buffer, Abort drops it, and Undelivered counts the dropped bytes.
func TestCloseFlushes(t *testing.T) {
	onEach(t, func(t *testing.T, n network) {
		l, _ := newLoop(t)
		r := newRecorder()
		tr, peer := n.connect(t, l, r, Config{})
		want := pattern(16 << 20)
		do(t, l, func() { // the loop sends nothing meanwhile
			must(t, tr.Write(want))
			if _, bytes := tr.Undelivered(); bytes == 0 || bytes != tr.WriteBufferSize() {
				t.Errorf("undelivered: %d bytes", bytes)
			}
		})
		must(t, tr.Close())
		got, err := io.ReadAll(peer)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("the peer read %d bytes, %v", len(got), err)
		}
		must(t, wait(t, r.lost))
		if _, bytes := tr.Undelivered(); bytes != 0 {
			t.Errorf("undelivered: %d bytes", bytes)
		}

		r = newRecorder()
		tr, _ = n.connect(t, l, r, Config{})
		must(t, tr.Write(want))
		must(t, tr.Close())
		must(t, tr.Abort())
		must(t, wait(t, r.lost))
		if _, bytes := tr.Undelivered(); bytes == 0 {
			t.Error("nothing was dropped")
		}
	})
}

// After PauseReading has returned on the loop, nothing is delivered.
func TestPauseReading(t *testing.T) {
	l, _ := newLoop(t)
	r := newRecorder()
	r.onData = func(tr *Transport, _ []byte) {
		must(t, tr.PauseReading())
		if err := tr.PauseReading(); err != zmqio.ErrAlreadyPaused {
			t.Errorf("again: %v", err)
		}
	}
	tr, peer := networks[0].connect(t, l, r, Config{})
	if err := tr.ResumeReading(); err != zmqio.ErrNotPaused {
		t.Errorf("ResumeReading: %v", err)
	}
	for _, part := range []string{"a", "b", "c"} {
		send(t, peer, part)
		wait(t, r.data)
		if tr.IsReading() {
			t.Error("the transport reads")
		}
		for range 3 { // iterations without data
			do(t, l, func() {})
		}
		if len(r.data) != 0 {
			t.Error("delivered while paused")
		}
		must(t, tr.ResumeReading())
	}
	if got := r.received(); string(got) != "abc" {
		t.Errorf("received %q", got)
	}
}

// A true of EOFReceived keeps the transport open for writing, until WriteEOF.
func TestHalfClose(t *testing.T) {
	onEach(t, func(t *testing.T, n network) {
		l, _ := newLoop(t)
		r := newRecorder()
		r.onEOF = func() bool { return true }
		tr, peer := n.connect(t, l, r, Config{})
		must(t, peer.(interface{ CloseWrite() error }).CloseWrite())
		wait(t, r.eof)
		before := l.Time()
		for range 10 { // the loop does not spin
			do(t, l, func() {})
		}
		if tr.IsClosing() || l.Time() < before {
			t.Error("the transport is closing")
		}
		want := pattern(16 << 20)
		must(t, tr.Write(want))
		if !tr.CanWriteEOF() {
			t.Error("WriteEOF is not supported")
		}
		must(t, tr.WriteEOF())
		must(t, tr.WriteEOF())
		if err := tr.Write([]byte("x")); !errors.Is(err, ErrWriteEOF) {
			t.Errorf("Write after WriteEOF: %v", err)
		}
		got, err := io.ReadAll(peer)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("the peer read %d bytes, %v", len(got), err)
		}
		if tr.IsClosing() {
			t.Error("the transport is closing")
		}
		must(t, tr.Close())
		must(t, wait(t, r.lost))
		wantEvents(t, r, "made", "eof", "pause", "resume", "lost <nil>")
	})
}

// WriteEOF does not end reading.
func TestWriteEOFThenRead(t *testing.T) {
	l, _ := newLoop(t)
	r := newRecorder()
	tr, peer := networks[0].connect(t, l, r, Config{})
	must(t, tr.WriteEOF())
	if _, err := peer.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the peer reads %v", err)
	}
	send(t, peer, "late")
	if got := r.await(t, 4); string(got) != "late" {
		t.Errorf("received %q", got)
	}
	peer.Close()
	must(t, wait(t, r.lost))
}

// The Write that goes over the mark calls PauseWriting before it returns. The kernel takes no more
// from a full Unix socket until the peer reads. The buffers of TCP may still grow.
func TestMarks(t *testing.T) {
	l, _ := newLoop(t)
	r := newRecorder()
	tr, peer := networks[1].connect(t, l, r, Config{})
	if high, low := tr.WriteBufferLimits(); high != 64<<10 || low != 16<<10 {
		t.Errorf("limits %d, %d", high, low)
	}
	if err := tr.SetWriteBufferLimits(1, 2); !errors.Is(err, zmqio.ErrInvalidArgument) {
		t.Errorf("limits: %v", err)
	}
	b := make([]byte, 32<<10)
	sent := fill(t, tr)
	size := tr.WriteBufferSize()
	must(t, tr.SetWriteBufferLimits(size+len(b), size))
	must(t, tr.Write(b)) // at the mark
	if len(r.pauses) != 0 {
		t.Error("paused at the mark")
	}
	must(t, tr.Write(b))
	if len(r.pauses) != 1 || !<-r.pauses {
		t.Error("not paused over the mark")
	}
	sent += 2 * len(b)
	readN(t, peer, sent)
	if wait(t, r.pauses) {
		t.Error("paused twice")
	}
	if tr.WriteBufferSize() > size {
		t.Error("resumed too early")
	}
}

// fill writes until something is buffered, and returns the number of bytes.
func fill(t testing.TB, tr *Transport) (sent int) {
	t.Helper()
	b := make([]byte, 16<<10)
	for tr.WriteBufferSize() == 0 {
		must(t, tr.Write(b))
		sent += len(b)
	}
	return sent
}

// Write keeps no slice of the caller.
func TestWriteCopies(t *testing.T) {
	l, _ := newLoop(t)
	tr, peer := networks[0].connect(t, l, newRecorder(), Config{})
	b := pattern(8 << 20)
	want := bytes.Clone(b)
	must(t, tr.Write(b))
	clear(b)
	must(t, tr.WriteBuffers(net.Buffers{[]byte("x"), nil, []byte("yz")}))
	must(t, tr.WriteBuffers(nil))
	if got := readN(t, peer, len(want)+3); !bytes.Equal(got, append(want, "xyz"...)) {
		t.Error("other bytes came")
	}
}

// WriteContext waits for room. The buffer has at most the mark and one write.
func TestWriteContext(t *testing.T) {
	l, _ := newLoop(t)
	tr, peer := networks[0].connect(t, l, newRecorder(), Config{})
	const writers, each, size = 8, 200, 10_000
	ctx := bounded(t)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for range each {
				if err := tr.WriteContext(ctx, bytes.Repeat([]byte{byte(i)}, size)); err != nil {
					t.Error(err)
					return
				}
				if n := tr.WriteBufferSize(); n > 64<<10+size {
					t.Errorf("%d bytes buffered", n)
				}
			}
		})
	}
	for range writers * each { // no write is cut by another
		b := readN(t, peer, size)
		if !bytes.Equal(b, bytes.Repeat(b[:1], size)) {
			t.Fatal("two writes are mixed")
		}
	}
	wg.Wait()
}

// A wait on the loop goroutine is refused. The end of a context and a close end a wait.
func TestWriteContextEnds(t *testing.T) {
	l, _ := newLoop(t)
	tr, _ := networks[0].connect(t, l, newRecorder(), Config{})
	must(t, tr.Write(make([]byte, 16<<20)))
	do(t, l, func() {
		if err := tr.WriteContext(bounded(t), []byte("x")); !errors.Is(err, zmqio.ErrWouldDeadlock) {
			t.Errorf("on the loop: %v", err)
		}
	})
	ctx, cancel := context.WithCancelCause(context.Background())
	given, closed := make(chan error), make(chan error)
	go func() { given <- tr.WriteContext(ctx, []byte("x")) }()
	go func() { closed <- tr.WriteContext(context.Background(), []byte("x")) }()
	mine := errors.New("mine")
	cancel(mine)
	if err := wait(t, given); err != mine {
		t.Errorf("ctx ended: %v", err)
	}
	if err := tr.WriteContext(ctx, []byte("x")); err != mine {
		t.Errorf("ctx has ended: %v", err)
	}
	must(t, tr.Abort())
	if err := wait(t, closed); !errors.Is(err, zmqio.ErrTransportClosed) {
		t.Errorf("closed: %v", err)
	}
}

// A write that could exceed MaxWriteBuffer is refused whole.
func TestMaxWriteBuffer(t *testing.T) {
	l, _ := newLoop(t)
	tr, peer := networks[0].connect(t, l, newRecorder(), Config{MaxWriteBuffer: 1 << 20})
	if err := tr.Write(make([]byte, 1<<20+1)); !errors.Is(err, zmqio.ErrBufferFull) {
		t.Errorf("too large: %v", err)
	}
	var err error
	sent, b := 0, pattern(100_000)
	for ; err == nil; sent += len(b) {
		err = tr.Write(b)
	}
	sent -= len(b)
	if !errors.Is(err, zmqio.ErrBufferFull) || tr.WriteBufferSize() > 1<<20 {
		t.Errorf("%d bytes buffered, %v", tr.WriteBufferSize(), err)
	}
	must(t, tr.Close())
	got, err := io.ReadAll(peer)
	if err != nil || len(got) != sent || !bytes.Equal(got[len(got)-len(b):], b) {
		t.Errorf("the peer read %d of %d bytes: %v", len(got), sent, err)
	}
}

// A Write succeeds after the peer has made room, although the loop has not run.
func TestWriteFindsRoom(t *testing.T) {
	l, _ := newIdleLoop(t)
	const most = 1 << 20
	tr, peer := networks[0].connect(t, l, newRecorder(), Config{MaxWriteBuffer: most})
	for b := make([]byte, most/2); tr.WriteBufferSize() <= most/2; {
		must(t, tr.Write(b))
	}
	readN(t, peer, most)
	must(t, tr.Write(make([]byte, most/2)))
	for tr.Write(make([]byte, most/2)) == nil {
	}
	must(t, tr.Abort())
	if tr.out.buf != nil {
		t.Error("the buffer stays")
	}
}

// A panic in DataReceived or EOFReceived ends the transport.
func TestPanics(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*recorder)
		want string
	}{
		"data":        {func(r *recorder) { r.onData = func(*Transport, []byte) { panic("mine") } }, "DataReceived panicked"},
		"eof":         {func(r *recorder) { r.onEOF = func() bool { panic("mine") } }, "EOFReceived panicked"},
		"data of nil": {func(r *recorder) { r.onData = func(*Transport, []byte) { panic(errors.New("mine")) } }, "DataReceived panicked"},
	} {
		t.Run(name, func(t *testing.T) {
			l, exceptions := newLoop(t)
			r := newRecorder()
			c.set(r)
			tr, peer := networks[0].connect(t, l, r, Config{})
			send(t, peer, "x")
			must(t, peer.(*net.TCPConn).CloseWrite())
			e := wait(t, exceptions)
			var p *zmqio.PanicError
			if e.Message != c.want || e.Source != tr || e.SourceProtocol != r || !errors.As(e.Err, &p) || len(e.Stack) == 0 {
				t.Errorf("the handler got %+v", e)
			}
			if err := wait(t, r.lost); err != e.Err {
				t.Errorf("lost: %v", err)
			}
		})
	}
}

// A panic in another method does not end the transport.
func TestPanicsThatEndNoTransport(t *testing.T) {
	l, exceptions := newLoop(t)
	r := newRecorder()
	r.onMade = func(*Transport) { r.made <- nil; panic("made") }
	r.onLost = func() { panic("lost") }
	tr, _ := networks[0].connect(t, l, r, Config{})
	if e := wait(t, exceptions); e.Message != "ConnectionMade panicked" {
		t.Errorf("the handler got %+v", e)
	}
	must(t, tr.Close())
	if e := wait(t, exceptions); e.Message != "ConnectionLost panicked" {
		t.Errorf("the handler got %+v", e)
	}
	<-tr.Closed()
}

// runtime.Goexit in DataReceived ends the transport, and leaves the loop reusable.
func TestGoexit(t *testing.T) {
	l, _ := newIdleLoop(t)
	r := newRecorder()
	r.onData = func(*Transport, []byte) { runtime.Goexit() }
	_, peer := networks[0].connect(t, l, r, Config{})
	send(t, peer, "x")
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = l.RunForever(context.Background())
	}()
	wait(t, exited)
	must(t, l.Start())
	if err := wait(t, r.lost); err != zmqio.ErrGoexit {
		t.Errorf("lost: %v", err)
	}
}

// An error of the kernel ends the transport. The Write that meets the error returns it, and
// ConnectionLost gets it.
func TestWriteError(t *testing.T) {
	l, _ := newLoop(t)
	r := newRecorder()
	r.onEOF = func() bool { return true }
	tr, peer := networks[1].connect(t, l, r, Config{})
	peer.Close()
	wait(t, r.eof)
	err := tr.Write([]byte("x"))
	var op *net.OpError
	var call *os.SyscallError
	if !errors.Is(err, syscall.EPIPE) || !errors.As(err, &op) || op.Op != "write" || op.Net != "unix" || !errors.As(err, &call) {
		t.Errorf("Write: %v", err)
	}
	if got := wait(t, r.lost); got != err {
		t.Errorf("lost: %v", got)
	}
}

// A reset of the peer is an error of a read.
func TestReset(t *testing.T) {
	l, _ := newLoop(t)
	r := newRecorder()
	_, peer := networks[0].connect(t, l, r, Config{})
	must(t, peer.(*net.TCPConn).SetLinger(0))
	peer.Close()
	if err := wait(t, r.lost); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("lost: %v", err)
	}
	wantEvents(t, r, "made", r.events()[1])
}

// SetProtocol takes effect at the next callback.
func TestSetProtocol(t *testing.T) {
	l, _ := newLoop(t)
	first, second := newRecorder(), newRecorder()
	first.onData = func(tr *Transport, _ []byte) {
		tr.SetProtocol(nil)
		tr.SetProtocol((*recorder)(nil))
		tr.SetProtocol(second)
	}
	tr, peer := networks[0].connect(t, l, first, Config{})
	second.t = tr
	send(t, peer, "a")
	wait(t, first.data)
	send(t, peer, "b")
	wait(t, second.data)
	peer.Close()
	must(t, wait(t, second.lost))
	wantEvents(t, first, "made", "data")
	wantEvents(t, second, "data", "eof", "lost <nil>")
}

// A buffered protocol receives into its own memory.
type buffered struct {
	*recorder
	memory []byte
	hints  []int
}

func (b *buffered) Buffer(hint int) []byte {
	b.hints = append(b.hints, hint)
	return b.memory
}
func (b *buffered) BufferUpdated(n int) { b.recorder.DataReceived(b.memory[:n]) }
func (b *buffered) DataReceived([]byte) { panic("not called") }

func TestBufferedProtocol(t *testing.T) {
	l, exceptions := newLoop(t)
	b := &buffered{recorder: newRecorder(), memory: make([]byte, 3)}
	tr, peer := networks[0].connect(t, l, newRecorder(), Config{})
	b.t = tr
	tr.SetProtocol(b)
	send(t, peer, "hello")
	if got := b.await(t, 5); string(got) != "hello" || b.hints[0] != -1 {
		t.Errorf("received %q, hints %v", got, b.hints)
	}
	do(t, l, func() { b.memory = nil })
	send(t, peer, "x")
	if err := wait(t, b.lost); !errors.Is(err, zmqio.ErrInvalidArgument) {
		t.Errorf("without a buffer: %v", err)
	}
	if e := wait(t, exceptions); !errors.Is(e.Err, zmqio.ErrInvalidArgument) || e.SourceProtocol != any(b) {
		t.Errorf("the exception handler was told of %v", e.Err)
	}
}

// Close of the loop aborts transports. Each ConnectionLost is called before it returns.
func TestCloseLoop(t *testing.T) {
	testkit.CheckLeaks(t)
	l, _ := newLoop(t)
	r := newRecorder()
	tr, _ := networks[0].connect(t, l, r, Config{})
	must(t, tr.Write(make([]byte, 16<<20)))
	if err := l.Close(); !errors.Is(err, zmqio.ErrUndelivered) || strings.Contains(err.Error(), "messages,") {
		t.Errorf("Close of the loop: %v", err)
	}
	if len(r.lost) != 1 || <-r.lost != nil {
		t.Error("ConnectionLost was not called")
	}
	if err := tr.Write([]byte("x")); !errors.Is(err, zmqio.ErrTransportClosed) {
		t.Errorf("Write: %v", err)
	}
	if _, _, err := CreateConnection(bounded(t), l, newRecorder, "tcp", "127.0.0.1:1", Config{}); err == nil {
		t.Error("a connection on a closed loop")
	}
}

// While no goroutine runs the loop, the caller's goroutine creates and writes.
func TestIdleLoop(t *testing.T) {
	l, _ := newIdleLoop(t)
	r := newRecorder()
	tr, peer := networks[0].connect(t, l, r, Config{})
	must(t, tr.Write([]byte("hello")))
	readN(t, peer, 5)
	send(t, peer, "x")
	must(t, l.Start())
	r.await(t, 1)
}
