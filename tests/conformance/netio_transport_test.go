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

// After Abort too, ConnectionLost comes once and later, and the buffer is dropped.
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

// test_close_write_buffer and test_write_ready_closing: ConnectionLost comes when everything
// written before Close has been sent.
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
		t.Error("the buffered data did not come")
	}
	readEnd(t, peer)
	must(t, p.awaitLost())
}

// test__add_reader: nothing is read after Close, even while the buffer has data.
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
		t.Error("the transport reads")
	}
	must(t, tr.Abort())
	if err := p.awaitLost(); err != nil || p.data != nil {
		t.Errorf("lost with %v after %q", err, p.data)
	}
}

// test_fatal_error, test_read_ready_conn_reset and test_read_ready_err: an error of the kernel ends
// a transport, and the exception handler is not told.
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

// A panic in another callback does not end the transport, as in asyncio.
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
				var sent []byte
				onLoop(t, l, func() { sent = stuff(t, tr) })
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

// After its end a transport still describes itself, and its other methods return errors.
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
