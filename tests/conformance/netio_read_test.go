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

// While reading is paused nothing is delivered, and the data waits.
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

// PauseReading in DataReceived stops the delivery at once. A slow protocol thereby slows its peer.
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

// The end of the peer's side calls EOFReceived. By default the transport then sends its buffer and
// closes.
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
				t.Error("the buffered data did not come")
			}
			readEnd(t, peer)
			must(t, noted.awaitLost())
		})
	}
}

// With keepOpen the transport writes on, and EOFReceived comes once.
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
				t.Error("the transport was closed")
			}
			must(t, tr.PauseReading()) // no callback comes twice
			must(t, tr.ResumeReading())
			must(t, tr.Close())
			readEnd(t, peer)
			must(t, noted.awaitLost())
		})
	}
}

// This covers the tests of BlockingIOError and InterruptedError: signals that interrupt system
// calls do no harm. Data that is read in pieces and written to a slow peer stays whole.
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

// SetProtocol gives the next data to the new protocol, even if that reads in another way.
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

// The loop serves others while one transport always has data to read.
func TestNetBusyTransportStarvesNoOther(t *testing.T) {
	l := startLoop(t)
	busy, other := newParty(t, l), newParty(t, l)
	busy.onData = func(data []byte) { _ = busy.tr.Write(data) } // its peer may end at any time
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
