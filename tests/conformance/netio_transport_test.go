package conformance

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
)

// ConnectionLost comes once, on a later iteration than Close.
func TestNetClose(t *testing.T) {
	l := startLoop(t)
	p := newParty(t, l)
	tr, peer := connected(t, l, p)
	onLoop(t, l, func() {
		for range 3 {
			must(t, tr.Close())
			if !tr.IsClosing() || p.is(func() bool { return p.lost }) {
				t.Errorf("closing %t, lost %t", tr.IsClosing(), p.lost)
			}
		}
	})
	must(t, p.awaitLost())
	readEnd(t, peer)
	must(t, tr.Close())
	must(t, tr.Abort())
	<-tr.Closed()
}

// So it does after Abort, and what is buffered is dropped.
func TestNetAbort(t *testing.T) {
	for _, closeFirst := range []bool{false, true} {
		l := startLoop(t)
		p := newParty(t, l)
		tr, peer := connected(t, l, p)
		sent := stuff(t, tr)
		onLoop(t, l, func() {
			if closeFirst {
				must(t, tr.Close())
			}
			for range 2 {
				must(t, tr.Abort())
				if n := tr.WriteBufferSize(); !tr.IsClosing() || n != 0 || p.is(func() bool { return p.lost }) {
					t.Errorf("closing %t, %d bytes are buffered, lost %t", tr.IsClosing(), n, p.lost)
				}
			}
		})
		must(t, p.awaitLost())
		got, _ := io.ReadAll(peer)
		if len(got) >= len(sent) || !strings.HasPrefix(string(sent), string(got)) {
			t.Errorf("the peer got %d of %d bytes", len(got), len(sent))
		}
	}
}

// ConnectionLost waits until all that was written before Close has been sent:
// test_close_write_buffer and test_write_ready_closing.
func TestNetCloseWriteBuffer(t *testing.T) {
	l := startLoop(t)
	p := newParty(t, l)
	tr, peer := connected(t, l, p)
	sent := stuff(t, tr)
	must(t, tr.Close())
	for range 3 {
		onLoop(t, l, func() {})
	}
	if p.is(func() bool { return p.lost }) || !tr.IsClosing() {
		t.Errorf("lost %t, closing %t", p.lost, tr.IsClosing())
	}
	if got := readString(t, peer, len(sent)); got != string(sent) {
		t.Error("what was buffered did not come")
	}
	readEnd(t, peer)
	must(t, p.awaitLost())
}

// Nothing is read after Close, also while something is buffered: test__add_reader.
func TestNetNoReadAfterClose(t *testing.T) {
	l := startLoop(t)
	p := newParty(t, l)
	tr, peer := connected(t, l, p)
	stuff(t, tr)
	must(t, tr.Close())
	writeString(t, peer, "not read")
	must(t, tr.ResumeReading())
	for range 3 {
		onLoop(t, l, func() {})
	}
	if tr.IsReading() {
		t.Error("it reads")
	}
	must(t, tr.Abort())
	if err := p.awaitLost(); err != nil || p.data != nil {
		t.Errorf("lost with %v after %q", err, p.data)
	}
}

// An error of the system ends a transport, and is no business of the exception handler:
// test_fatal_error, test_read_ready_conn_reset and test_read_ready_err.
func TestNetReset(t *testing.T) {
	for name, p := range protocols(t) {
		t.Run(name, func(t *testing.T) {
			l := startLoop(t)
			p, noted := p(l)
			_, peer := connected(t, l, p)
			must(t, peer.SetLinger(0))
			must(t, peer.Close())
			wants(t, noted.awaitLost(), syscall.ECONNRESET)
			if noted.eof {
				t.Error("EOFReceived was called")
			}
		})
	}
}

// protocols returns makers of a Protocol and of a BufferedProtocol, with the party of each.
func protocols(t testing.TB) map[string]func(*zmqio.EventLoop) (netio.Protocol, *party) {
	return map[string]func(*zmqio.EventLoop) (netio.Protocol, *party){
		"Protocol": func(l *zmqio.EventLoop) (netio.Protocol, *party) {
			p := newParty(t, l)
			return p, p
		},
		"BufferedProtocol": func(l *zmqio.EventLoop) (netio.Protocol, *party) {
			p := newBufferedParty(t, l, 100)
			return p, p.party
		},
	}
}

// A bufferedParty is a party that is a BufferedProtocol.
type bufferedParty struct {
	*party
	buf      []byte
	hint     int
	onBuffer func()
}

func newBufferedParty(t testing.TB, l *zmqio.EventLoop, size int) *bufferedParty {
	return &bufferedParty{party: newParty(t, l), buf: make([]byte, size)}
}

func (p *bufferedParty) Buffer(hint int) []byte {
	if p.onBuffer != nil {
		p.onBuffer()
	}
	p.Change(func() { p.hint = hint })
	return p.buf
}

func (p *bufferedParty) BufferUpdated(n int) { p.party.DataReceived(p.buf[:n]) }

func (p *bufferedParty) DataReceived([]byte) {
	p.t.Error("DataReceived of a BufferedProtocol was called")
}

// A panic in DataReceived or EOFReceived ends the transport, and is told to the exception
// handler: test_data_received_error, test_read_eof_received_error, test_buffer_updated_error and
// test_fatal_error_custom_exception.
func TestNetCallbackPanics(t *testing.T) {
	cause := errors.New("cause")
	for name, p := range protocols(t) {
		for _, atEnd := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				l := startLoop(t)
				told := collect(l)
				p, noted := p(l)
				if atEnd {
					noted.onEOF = func() { panic(cause) }
				} else {
					noted.onData = func([]byte) { panic(cause) }
				}
				tr, peer := connected(t, l, p)
				writeString(t, peer, "x")
				must(t, peer.CloseWrite())
				err := noted.awaitLost()
				var panicked *zmqio.PanicError
				if wants(t, err, cause); !errors.As(err, &panicked) {
					t.Errorf("lost with %v", err)
				}
				c := told.only(t)
				wants(t, c.Err, cause)
				if c.Source != zmqio.Resident(tr) || c.SourceProtocol != any(p) || len(c.Stack) == 0 {
					t.Errorf("told of %v and %v", c.Source, c.SourceProtocol)
				}
			})
		}
	}
}

// A panic in another callback does not end it, as in asyncio.
func TestNetOtherCallbackPanics(t *testing.T) {
	cause := errors.New("cause")
	for _, callback := range []string{"made", "pause", "lost"} {
		t.Run(callback, func(t *testing.T) {
			l := startLoop(t)
			told := collect(l)
			p := newParty(t, l)
			switch callback {
			case "made":
				p.onMade = func(*netio.Transport) { panic(cause) }
			case "pause":
				p.onPause = func() { panic(cause) }
			case "lost":
				p.onLost = func(error) { panic(cause) }
			}
			tr, peer := connected(t, l, p)
			if callback == "pause" {
				must(t, tr.SetWriteBufferLimits(0, 0))
				sent := stuff(t, tr)
				readString(t, peer, len(sent))
				p.await(func() bool { return !p.paused })
			}
			writeString(t, peer, "x")
			p.awaitData(1)
			must(t, tr.Close())
			must(t, p.awaitLost())
			wants(t, told.only(t).Err, cause)
		})
	}
}

// After the end a transport still says what it was, and the rest are errors.
func TestNetAfterConnectionLost(t *testing.T) {
	l := startLoop(t)
	p := newParty(t, l)
	tr, _ := connected(t, l, p)
	must(t, tr.Abort())
	must(t, p.awaitLost())
	if tr.Protocol() != netio.Protocol(p) || tr.LocalAddr() == nil || tr.RemoteAddr() == nil || tr.IsReading() || !tr.IsClosing() ||
		tr.WriteBufferSize() != 0 || tr.ExtraInfo("none", 42) != 42 || !strings.Contains(tr.String(), "closed") {
		t.Errorf("%v", tr)
	}
	for name, err := range map[string]error{
		"Write":        tr.Write([]byte("x")),
		"WriteBuffers": tr.WriteBuffers([][]byte{[]byte("x"), []byte("y")}),
		"WriteContext": tr.WriteContext(bounded(t), []byte("x")),
		"PauseReading": tr.PauseReading(),
	} {
		wantError(t, name, err, zmqio.ErrTransportClosed)
	}
	must(t, tr.ResumeReading())
	must(t, tr.SetWriteBufferLimits(10, 1))
	tr.SetProtocol(newParty(t, l))
	tr.SetProtocol(p)
}

// Nothing is delivered while reading is paused: what has come waits.
func TestNetPauseResumeReading(t *testing.T) {
	for name, p := range protocols(t) {
		t.Run(name, func(t *testing.T) {
			l := startLoop(t)
			p, noted := p(l)
			tr, peer := connected(t, l, p)
			is := func(want bool) {
				t.Helper()
				if tr.IsReading() != want {
					t.Errorf("reading: %t", !want)
				}
			}
			is(true)
			wants(t, tr.ResumeReading(), zmqio.ErrNotPaused)
			onLoop(t, l, func() { must(t, tr.PauseReading()) })
			wants(t, tr.PauseReading(), zmqio.ErrAlreadyPaused)
			is(false)
			writeString(t, peer, "waits")
			for range 3 {
				onLoop(t, l, func() {})
			}
			if noted.is(func() bool { return noted.data != nil }) {
				t.Errorf("got %q while reading is paused", noted.data)
			}
			must(t, tr.ResumeReading())
			is(true)
			if got := noted.awaitData(5); got != "waits" {
				t.Errorf("got %q", got)
			}
			must(t, tr.PauseReading())
			must(t, peer.CloseWrite())
			for range 3 {
				onLoop(t, l, func() {})
			}
			if noted.is(func() bool { return noted.eof }) {
				t.Error("EOFReceived while reading is paused")
			}
			must(t, tr.ResumeReading())
			must(t, noted.awaitLost())
			is(false)
			wants(t, tr.PauseReading(), zmqio.ErrTransportClosed)
		})
	}
}

// Reading that is paused in DataReceived stops there, and a slow protocol slows its peer.
func TestNetPauseInDataReceived(t *testing.T) {
	l := startLoop(t)
	p := newBufferedParty(t, l, 4)
	p.onData = func([]byte) { must(t, p.tr.PauseReading()) }
	tr, peer := connected(t, l, p)
	const all = "0123456789ab"
	writeString(t, peer, all)
	for n := 4; n <= len(all); n += 4 {
		p.awaitData(n)
		for range 3 {
			onLoop(t, l, func() {})
		}
		if got := p.awaitData(n); got != all[:n] {
			t.Errorf("got %q, want %q", got, all[:n])
		}
		must(t, tr.ResumeReading())
	}
}

func TestNetReadReady(t *testing.T) {
	for name, p := range protocols(t) {
		t.Run(name, func(t *testing.T) {
			l := startLoop(t)
			p, noted := p(l)
			_, peer := connected(t, l, p)
			writeString(t, peer, "data")
			if got := noted.awaitData(4); got != "data" {
				t.Errorf("got %q", got)
			}
			if b, ok := p.(*bufferedParty); ok && b.is(func() bool { return b.hint != -1 }) {
				t.Errorf("the hint is %d", b.hint)
			}
		})
	}
}

// At the peer's end EOFReceived is called, and without more the transport closes, after what
// it has still to send.
func TestNetReadReadyEOF(t *testing.T) {
	for name, p := range protocols(t) {
		t.Run(name, func(t *testing.T) {
			l := startLoop(t)
			p, noted := p(l)
			tr, peer := connected(t, l, p)
			sent := stuff(t, tr)
			must(t, peer.CloseWrite())
			noted.await(func() bool { return noted.eof })
			if got := readString(t, peer, len(sent)); got != string(sent) {
				t.Error("what was buffered did not come")
			}
			readEnd(t, peer)
			must(t, noted.awaitLost())
		})
	}
}

// With keepOpen it goes on writing, and EOFReceived comes once.
func TestNetReadReadyEOFKeepOpen(t *testing.T) {
	for name, p := range protocols(t) {
		t.Run(name, func(t *testing.T) {
			l := startLoop(t)
			p, noted := p(l)
			noted.keepOpen = true
			tr, peer := connected(t, l, p)
			must(t, peer.CloseWrite())
			noted.await(func() bool { return noted.eof })
			for range 3 {
				must(t, tr.Write([]byte("open")))
				if got := readString(t, peer, 4); got != "open" {
					t.Errorf("got %q", got)
				}
			}
			if noted.is(func() bool { return noted.lost }) || tr.IsClosing() {
				t.Error("it was closed")
			}
			must(t, tr.PauseReading()) // and nothing comes twice
			must(t, tr.ResumeReading())
			must(t, tr.Close())
			readEnd(t, peer)
			must(t, noted.awaitLost())
		})
	}
}

// Signals that interrupt system calls do not show: the tests of BlockingIOError and
// InterruptedError. What is read in pieces and written to a peer that is slow is whole.
func TestNetInterrupted(t *testing.T) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	defer signal.Stop(c)
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-done:
				return
			default:
				_ = syscall.Kill(syscall.Getpid(), syscall.SIGUSR1)
				runtime.Gosched()
			}
		}
	}()
	defer func() { close(done); <-stopped }()
	for name, p := range protocols(t) {
		t.Run(name, func(t *testing.T) {
			l := startLoop(t)
			p, noted := p(l)
			noted.onData = func(data []byte) { must(t, noted.tr.Write(data)) } // echo
			_, peer := connected(t, l, p)
			sent := strings.Repeat("0123456789abcdef", 1<<14)
			wrote := make(chan error, 1)
			go func() { _, err := io.WriteString(peer, sent); wrote <- err }()
			if got := readString(t, peer, len(sent)); got != sent {
				t.Error("the echo differs")
			}
			must(t, <-wrote)
		})
	}
}

// Write sends at once: the peer has it before the loop goes on. It copies what it keeps.
func TestNetWrite(t *testing.T) {
	l := startLoop(t)
	p := newParty(t, l)
	tr, peer := connected(t, l, p)
	onLoop(t, l, func() {
		data := []byte("data")
		must(t, tr.Write(data))
		if string(data) != "data" || tr.WriteBufferSize() != 0 {
			t.Errorf("%q, %d bytes are buffered", data, tr.WriteBufferSize())
		}
		if got := readString(t, peer, 4); got != "data" {
			t.Errorf("the peer got %q", got)
		}
	})
}

// Nothing to write is no error, while the transport lives.
func TestNetWriteNoData(t *testing.T) {
	l := startLoop(t)
	p := newParty(t, l)
	tr, _ := connected(t, l, p)
	for _, b := range [][]byte{nil, {}} {
		must(t, tr.Write(b))
		must(t, tr.WriteBuffers([][]byte{b, b}))
		must(t, tr.WriteContext(bounded(t), b))
	}
	must(t, tr.WriteBuffers(nil))
	if n := tr.WriteBufferSize(); n != 0 {
		t.Errorf("%d bytes are buffered", n)
	}
	stuff(t, tr)
	n := tr.WriteBufferSize()
	must(t, tr.Write(nil))
	if m := tr.WriteBufferSize(); m != n {
		t.Errorf("%d bytes were buffered, and then %d", n, m)
	}
}

// What the system does not take is buffered, whole or in part, in its order, and goes out when
// there is room: the tests of partial writes, of BlockingIOError and of write_ready.
func TestNetWritePartial(t *testing.T) {
	l := startLoop(t)
	p := newParty(t, l)
	tr, peer := connected(t, l, p)
	sent := stuff(t, tr)
	for _, s := range []string{"data1", "data2"} {
		data := []byte(s)
		before := tr.WriteBufferSize()
		must(t, tr.Write(data))
		if n := tr.WriteBufferSize(); n != before+len(s) {
			t.Errorf("%d bytes are buffered, and %d before", n, before)
		}
		clear(data) // it has been copied
		sent = append(sent, s...)
	}
	if got := readString(t, peer, len(sent)); got != string(sent) {
		t.Error("the peer got something else")
	}
	onLoop(t, l, func() {
		if n := tr.WriteBufferSize(); n != 0 {
			t.Errorf("%d bytes are buffered", n)
		}
	})
	must(t, tr.Write([]byte("after")))
	if got := readString(t, peer, 5); got != "after" {
		t.Errorf("the peer got %q", got)
	}
}

// writelines is one write of all.
func TestNetWriteBuffers(t *testing.T) {
	l := startLoop(t)
	p := newParty(t, l)
	tr, peer := connected(t, l, p)
	onLoop(t, l, func() {
		bufs := [][]byte{[]byte("line1"), nil, []byte("line2"), []byte("line3")}
		must(t, tr.WriteBuffers(bufs))
		if got := readString(t, peer, 15); got != "line1line2line3" {
			t.Errorf("the peer got %q", got)
		}
		if len(bufs) != 4 || string(bufs[0]) != "line1" || string(bufs[3]) != "line3" {
			t.Errorf("WriteBuffers changed what it was given: %q", bufs)
		}
	})
	sent := string(stuff(t, tr))
	long := strings.Repeat("long", 100_000)
	must(t, tr.WriteBuffers([][]byte{[]byte("short"), []byte(long)}))
	sent += "short" + long
	if got := readString(t, peer, len(sent)); got != sent {
		t.Error("the peer got something else")
	}
}

// An error of the system that Write meets is returned, and ends the transport. Differs: each
// later Write is an error too, where asyncio logs the fifth.
func TestNetWriteException(t *testing.T) {
	l := startLoop(t)
	p := newParty(t, l)
	tr, peer := connected(t, l, p)
	var err error
	onLoop(t, l, func() { // so that the loop reads nothing of it
		must(t, peer.SetLinger(0))
		must(t, peer.Close())
		for err == nil {
			err = tr.Write([]byte("data"))
		}
		if p.is(func() bool { return p.lost }) || !tr.IsClosing() {
			t.Errorf("lost %t, closing %t", p.lost, tr.IsClosing())
		}
	})
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("Write: %v", err)
	}
	if lost := p.awaitLost(); lost == nil || lost.Error() != err.Error() {
		t.Errorf("lost with %v, Write returned %v", lost, err)
	}
	for range 6 {
		wants(t, tr.Write([]byte("data")), zmqio.ErrTransportClosed)
	}
}

// So it is with an error that is met later.
func TestNetWriteReadyException(t *testing.T) {
	l := startLoop(t)
	p := newParty(t, l)
	tr, peer := connected(t, l, p)
	must(t, tr.PauseReading())
	stuff(t, tr)
	must(t, peer.SetLinger(0))
	must(t, peer.Close())
	if err := p.awaitLost(); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("lost with %v", err)
	}
}

// Differs: a Write while the transport closes is an error, also while something is buffered.
func TestNetWriteClosing(t *testing.T) {
	for _, buffered := range []bool{false, true} {
		l := startLoop(t)
		p := newParty(t, l)
		tr, peer := connected(t, l, p)
		var sent []byte
		if buffered {
			sent = stuff(t, tr)
		}
		must(t, tr.Close())
		wants(t, tr.Write([]byte("data")), zmqio.ErrTransportClosed)
		if got, err := io.ReadAll(peer); err != nil || string(got) != string(sent) {
			t.Errorf("the peer got %d bytes, want %d: %v", len(got), len(sent), err)
		}
		must(t, p.awaitLost())
	}
}

// WriteEOF ends the stream to the peer and no more, and may be repeated. A Write is an error
// then.
func TestNetWriteEOF(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			l, ln := startLoop(t), listen(t, network)
			p := newParty(t, l)
			tr := connect(t, l, p, ln.Addr(), netio.Config{})
			peer := accept(t, ln)
			if !tr.CanWriteEOF() {
				t.Error("CanWriteEOF is false")
			}
			onLoop(t, l, func() {
				must(t, tr.Write([]byte("data")))
				for range 2 {
					must(t, tr.WriteEOF())
				}
				if got := readString(t, peer, 4); got != "data" {
					t.Errorf("got %q", got)
				}
				readEnd(t, peer) // at once
			})
			for _, err := range []error{tr.Write([]byte("x")), tr.WriteBuffers([][]byte{nil}), tr.WriteContext(bounded(t), []byte("x"))} {
				wants(t, err, netio.ErrWriteEOF)
			}
			writeString(t, peer, "still read")
			p.awaitData(10)
			must(t, tr.WriteEOF())
			must(t, peer.Close())
			must(t, p.awaitLost())
		})
	}
}

// The end comes after what is buffered.
func TestNetWriteEOFBuffer(t *testing.T) {
	l := startLoop(t)
	p := newParty(t, l)
	tr, peer := connected(t, l, p)
	sent := stuff(t, tr)
	must(t, tr.WriteEOF())
	if tr.WriteBufferSize() == 0 {
		t.Error("nothing is buffered")
	}
	got, err := io.ReadAll(peer)
	if err != nil || string(got) != string(sent) {
		t.Errorf("the peer got %d of %d bytes: %v", len(got), len(sent), err)
	}
	if p.is(func() bool { return p.lost }) || tr.IsClosing() {
		t.Error("it was closed")
	}
	must(t, tr.Close())
	must(t, p.awaitLost())
}

// Differs: asyncio ignores write_eof after close.
func TestNetWriteEOFAfterClose(t *testing.T) {
	l := startLoop(t)
	p := newParty(t, l)
	tr, _ := connected(t, l, p)
	must(t, tr.Close())
	wants(t, tr.WriteEOF(), zmqio.ErrTransportClosed)
	must(t, p.awaitLost())
	wants(t, tr.WriteEOF(), zmqio.ErrTransportClosed)
}

func TestNetGetExtraInfo(t *testing.T) {
	l := startLoop(t)
	p := newParty(t, l)
	tr, peer := connected(t, l, p)
	if got := tr.ExtraInfo("sockname", nil); got != any(tr.LocalAddr()) || tr.LocalAddr().String() != peer.RemoteAddr().String() {
		t.Errorf("sockname %v", got)
	}
	if got := tr.ExtraInfo("peername", nil); got != any(tr.RemoteAddr()) || tr.RemoteAddr().String() != peer.LocalAddr().String() {
		t.Errorf("peername %v", got)
	}
	def := new(int)
	if tr.ExtraInfo("unknown", nil) != nil || tr.ExtraInfo("unknown", def) != any(def) {
		t.Error("not the default")
	}
	if tr.Loop() != l || !strings.Contains(tr.String(), tr.RemoteAddr().String()) {
		t.Errorf("%v", tr)
	}
}

// A protocol that is set gets what comes next, also one that reads in another way.
func TestNetSetProtocol(t *testing.T) {
	l := startLoop(t)
	p := newParty(t, l)
	tr, peer := connected(t, l, p)
	writeString(t, peer, "data")
	p.awaitData(4)
	var none *party
	tr.SetProtocol(nil)
	tr.SetProtocol(none)
	buffered := newBufferedParty(t, l, 4)
	buffered.tr = tr // ConnectionMade is not called again
	onLoop(t, l, func() { tr.SetProtocol(buffered) })
	if tr.Protocol() != netio.Protocol(buffered) {
		t.Errorf("the protocol is %v", tr.Protocol())
	}
	writeString(t, peer, "0123456789")
	if got := buffered.awaitData(10); got != "0123456789" || buffered.chunks < 3 {
		t.Errorf("got %q in %d pieces", got, buffered.chunks)
	}
	again := newParty(t, l)
	again.tr = tr
	onLoop(t, l, func() { tr.SetProtocol(again) })
	writeString(t, peer, "data")
	again.awaitData(4)
	must(t, tr.Close())
	must(t, again.awaitLost())
	if p.is(func() bool { return len(p.data) != 4 || p.lost }) || buffered.is(func() bool { return buffered.lost }) {
		t.Error("a protocol of before was called")
	}
}

// test_get_buffer_error and test_get_buffer_zerosized.
func TestNetBufferFails(t *testing.T) {
	cause := errors.New("cause")
	for _, panics := range []bool{true, false} {
		l := startLoop(t)
		told := collect(l)
		p := newBufferedParty(t, l, 0)
		want := zmqio.ErrInvalidArgument
		if panics {
			want = cause
			p.onBuffer = func() { panic(cause) }
		}
		_, peer := connected(t, l, p)
		writeString(t, peer, "data")
		wants(t, p.awaitLost(), want)
		if p.chunks != 0 {
			t.Error("BufferUpdated was called")
		}
		wants(t, told.only(t).Err, want)
	}
}

// test_buffered_proto_create_connection and test_buf_feed_data: a buffer of any size is filled
// as often as needed.
func TestNetBufferedProtocol(t *testing.T) {
	for _, size := range []int{1, 2, 4, 100, 1 << 20} {
		noise := strings.Repeat("12345678+", min(10*size, 1<<10))
		l := startLoop(t)
		p := newBufferedParty(t, l, size)
		p.onData = func([]byte) {
			if len(p.data) == len(noise) {
				must(t, p.tr.Write([]byte("1")))
			}
		}
		_, peer := connected(t, l, p)
		writeString(t, peer, noise)
		if got := readString(t, peer, 1); got != "1" {
			t.Errorf("got %q", got)
		}
		must(t, peer.Close())
		if err := p.awaitLost(); err != nil || string(p.data) != noise {
			t.Errorf("size %d: %d bytes, %v", size, len(p.data), err)
		}
	}
}

// The loop goes on while one transport has always something to read.
func TestNetBusyTransportStarvesNoOther(t *testing.T) {
	l := startLoop(t)
	busy, other := newParty(t, l), newParty(t, l)
	busy.onData = func(data []byte) { _ = busy.tr.Write(data) } // its peer goes without notice
	_, peer := connected(t, l, busy)
	chunk := strings.Repeat("x", 64<<10)
	ctx, stop := context.WithCancel(bounded(t))
	done := make(chan struct{}, 2)
	go func() {
		defer func() { done <- struct{}{} }()
		for ctx.Err() == nil {
			if _, err := io.WriteString(peer, chunk); err != nil {
				return
			}
		}
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		_, _ = io.Copy(io.Discard, peer)
	}()
	busy.awaitData(1)
	_, quiet := connected(t, l, other)
	for n := 1; n <= 10; n++ {
		writeString(t, quiet, "x")
		other.awaitData(n)
		onLoop(t, l, func() {})
	}
	stop()
	must(t, peer.Close())
	<-done
	<-done
}
