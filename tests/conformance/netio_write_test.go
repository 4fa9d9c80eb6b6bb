package conformance

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
)

// Write sends at once, before the loop goes on. It copies what it buffers.
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

// A Write of no bytes is no error while the transport is open.
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
	onLoop(t, l, func() {
		stuff(t, tr)
		n := tr.WriteBufferSize()
		must(t, tr.Write(nil))
		if m := tr.WriteBufferSize(); m != n {
			t.Errorf("%d bytes were buffered, and then %d", n, m)
		}
	})
}

// This covers the tests of partial writes, of BlockingIOError and of write_ready. What the kernel
// does not take is buffered in order, and sent when there is room.
func TestNetWritePartial(t *testing.T) {
	l := startLoop(t)
	p := newParty(t, l)
	tr, peer := connected(t, l, p)
	sent := stuff(t, tr)
	onLoop(t, l, func() { // on the loop, so that nothing else is sent meanwhile
		for _, s := range []string{"data1", "data2"} {
			data := []byte(s)
			before := tr.WriteBufferSize()
			must(t, tr.Write(data))
			if n := tr.WriteBufferSize(); n != before+len(s) {
				t.Errorf("%d bytes are buffered, and %d before", n, before)
			}
			clear(data) // Write has copied it
			sent = append(sent, s...)
		}
	})
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

// asyncio: writelines. WriteBuffers is one write of all buffers.
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

// An error of the kernel is returned by the Write that meets it, and ends the transport. Differs:
// each later Write is an error too, where asyncio logs the fifth.
func TestNetWriteException(t *testing.T) {
	l := startLoop(t)
	p := newParty(t, l)
	tr, peer := connected(t, l, p)
	var err error
	onLoop(t, l, func() { // on the loop, so that the loop does not read the error
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

// An error that the loop meets later ends the transport too.
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

// Differs: a Write on a closing transport is an error, even while the buffer has data.
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

// WriteEOF ends the stream towards the peer only, and may be repeated. A later Write is an error.
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

// The end of the stream comes after the buffer.
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
		t.Error("the transport was closed")
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
