package netio

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/internal/testkit"
)

// In both roles ConnectionMade comes after the handshake, bytes go both ways, and both sides see
// the end.
func TestTLS(t *testing.T) {
	onEach(t, func(t *testing.T, n network) {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(tls.VersionName(version), func(t *testing.T) {
				testkit.CheckLeaks(t)
				l, _ := newLoop(t)
				clients := make(chan *recorder, 1)
				s, address := n.serve(t, l, func() *recorder {
					r := newRecorder()
					r.onData = func(tr *Transport, b []byte) { must(t, tr.Write(b)) }
					clients <- r
					return r
				}, ServerConfig{Config: Config{TLS: serverTLS()}})
				cfg := clientTLS()
				cfg.MaxVersion = version
				r := newRecorder()
				want := pattern(3 << 20)
				r.onMade = func(tr *Transport) { must(t, tr.Write(want)) }
				tr, _, err := CreateConnection(bounded(t), l, func() *recorder { return r }, n.name, address, Config{TLS: cfg})
				must(t, err)
				if got := r.await(t, len(want)); !bytes.Equal(got, want) {
					t.Error("other bytes came back")
				}
				info, _ := tr.ExtraInfo("tls_connection_state", nil).(tls.ConnectionState)
				if info.Version != version || len(info.PeerCertificates) != 1 || info.ServerName != serverName {
					t.Errorf("the connection state is %+v", info)
				}
				if !strings.Contains(tr.String(), "TLS") {
					t.Error(tr)
				}
				if err := tr.WriteEOF(); tr.CanWriteEOF() || !errors.Is(err, errors.ErrUnsupported) {
					t.Errorf("WriteEOF: %v", err)
				}
				must(t, tr.Close())
				must(t, wait(t, r.lost))
				accepted := wait(t, clients)
				must(t, wait(t, accepted.lost))
				if e := accepted.events(); e[0] != "made" || e[len(e)-2] != "eof" {
					t.Errorf("called on the server: %q", e)
				}
				must(t, s.Close())
				must(t, s.Wait(bounded(t)))
			})
		}
	})
}

// A true of EOFReceived does not keep TLS open. The peer sees a clean end.
func TestEndOfTLSPeer(t *testing.T) {
	l, _ := newLoop(t)
	r := newRecorder()
	r.onEOF = func() bool { return true }
	_, peer := networks[0].connectTLS(t, l, r, Config{})
	must(t, peer.CloseWrite())
	if _, err := peer.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the peer reads %v", err)
	}
	must(t, wait(t, r.lost))
	wantEvents(t, r, "made", "eof", "lost <nil>")
}

// If the peer has ended TLS and is gone, this side need not send close_notify.
func TestEndOfTLSPeerThatIsGone(t *testing.T) {
	l, _ := newLoop(t)
	r := newRecorder()
	_, peer := networks[0].connectTLS(t, l, r, Config{})
	do(t, l, func() {
		r.onEOF = func() bool {
			must(t, peer.NetConn().(*net.TCPConn).SetLinger(0))
			must(t, peer.NetConn().Close())
			return false
		}
	})
	must(t, peer.CloseWrite())
	must(t, wait(t, r.lost))
}

// Close sends close_notify, waits for the peer's, and drops data until then.
func TestCloseTLS(t *testing.T) {
	l, _ := newLoop(t)
	r := newRecorder()
	tr, peer := networks[0].connectTLS(t, l, r, Config{})
	want := pattern(16 << 20)
	must(t, tr.Write(want))
	must(t, tr.Close())
	if got := readN(t, peer, len(want)); !bytes.Equal(got, want) {
		t.Error("other bytes came")
	}
	if _, err := peer.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the peer reads %v", err)
	}
	send(t, peer, "too late")
	do(t, l, func() {})
	if len(r.lost) > 0 {
		t.Error("Close does not wait for the peer")
	}
	must(t, peer.CloseWrite())
	must(t, wait(t, r.lost))
	if len(r.data) > 0 {
		t.Error("data after Close")
	}
}

// Close waits for a peer that does not end until ShutdownTimeout.
func TestShutdownTimeout(t *testing.T) {
	l, _ := newLoop(t)
	r := newRecorder()
	tr, _ := networks[0].connectTLS(t, l, r, Config{TLS: clientTLS(), ShutdownTimeout: time.Millisecond})
	must(t, tr.Close())
	var op *net.OpError
	if err := wait(t, r.lost); !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &op) || !op.Timeout() {
		t.Errorf("lost: %v", err)
	}
}

// Abort does not wait for the peer.
func TestAbortTLS(t *testing.T) {
	l, _ := newLoop(t)
	r := newRecorder()
	tr, _ := networks[0].connectTLS(t, l, r, Config{})
	must(t, tr.Close())
	must(t, tr.Abort())
	must(t, wait(t, r.lost))
}

// Decrypted data is held while reading is paused, and delivered even if no more data comes.
func TestPauseReadingTLS(t *testing.T) {
	l, _ := newLoop(t)
	b := &buffered{recorder: newRecorder(), memory: make([]byte, 3)}
	b.onData = func(tr *Transport, _ []byte) { must(t, tr.PauseReading()) }
	tr, peer := networks[0].connectTLS(t, l, newRecorder(), Config{})
	do(t, l, func() { b.t = tr; tr.SetProtocol(b) })
	send(t, peer, "hello")
	wait(t, b.data)
	do(t, l, func() {})
	if got := b.received(); string(got) != "hel" {
		t.Errorf("received %q while paused", got)
	}
	must(t, tr.ResumeReading())
	if got := b.await(t, 5); string(got) != "hello" {
		t.Errorf("received %q", got)
	}
	must(t, peer.CloseWrite())
	do(t, l, func() {})
	if len(b.eof) > 0 {
		t.Error("eof while paused")
	}
	must(t, tr.ResumeReading())
	must(t, wait(t, b.lost))
}

// Close reads the held data, and finds the peer's end in it.
func TestCloseTLSWhilePaused(t *testing.T) {
	l, _ := newLoop(t)
	b := &buffered{recorder: newRecorder(), memory: make([]byte, 3)}
	b.onData = func(tr *Transport, _ []byte) { must(t, tr.PauseReading()) }
	tr, peer := networks[0].connectTLS(t, l, newRecorder(), Config{})
	do(t, l, func() { // so that both records are there when the transport reads
		b.t = tr
		tr.SetProtocol(b)
		send(t, peer, "hello")
		must(t, peer.CloseWrite())
	})
	wait(t, b.data)
	must(t, tr.Close())
	must(t, wait(t, b.lost))
	wantEvents(t, b.recorder, "data", "lost <nil>")
}

// Flow control counts plain and encrypted bytes.
func TestMarksTLS(t *testing.T) {
	l, _ := newLoop(t)
	r := newRecorder()
	tr, peer := networks[0].connectTLS(t, l, r, Config{})
	b := pattern(100_000)
	for len(r.pauses) == 0 {
		must(t, tr.Write(b))
	}
	if !<-r.pauses || tr.WriteBufferSize() <= 64<<10 {
		t.Error("paused too early")
	}
	go func() { _, _ = io.Copy(io.Discard, peer) }()
	if wait(t, r.pauses) {
		t.Error("paused twice")
	}
	ctx := bounded(t)
	for range 100 {
		must(t, tr.WriteContext(ctx, b))
		if n := tr.WriteBufferSize(); n > 64<<10+2*len(b) {
			t.Errorf("%d bytes buffered", n)
		}
	}
}

// A certificate that is not trusted, or has another name, fails the creation. Neither side makes a
// protocol.
func TestVerifyFails(t *testing.T) {
	testkit.CheckLeaks(t)
	l, exceptions := newLoop(t)
	s, address := networks[0].serve(t, l, func() *recorder {
		t.Error("the server made a protocol")
		return newRecorder()
	}, ServerConfig{Config: Config{TLS: serverTLS()}})
	_, pool := identity()
	for name, cfg := range map[string]*tls.Config{
		"unknown": {ServerName: serverName, RootCAs: x509.NewCertPool()},
		"name":    {ServerName: "other.test", RootCAs: pool},
	} {
		_, _, err := CreateConnection(bounded(t), l, func() *recorder {
			t.Error("a protocol was made")
			return newRecorder()
		}, "tcp", address, Config{TLS: cfg})
		var refused *tls.CertificateVerificationError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), address) {
			t.Errorf("%s: %v", name, err)
		}
		if e := wait(t, exceptions); e.Message != "TLS handshake failed" || e.Source != s || !strings.Contains(e.Err.Error(), "bad certificate") {
			t.Errorf("the handler got %+v", e)
		}
	}
	// Without a ServerName the address gives the name; unix needs a ServerName.
	r := newRecorder()
	tr, _, err := CreateConnection(bounded(t), l, func() *recorder { return r }, "tcp", closedAddress(t), Config{TLS: &tls.Config{}})
	if tr != nil || err == nil {
		t.Errorf("got %v, %v", tr, err)
	}
	_, _, err = CreateConnection(bounded(t), l, newRecorder, "unix", "/missing", Config{TLS: &tls.Config{}})
	if !errors.Is(err, zmqio.ErrInvalidArgument) {
		t.Errorf("without a name: %v", err)
	}
	must(t, s.Close())
}

func closedAddress(t testing.TB) string { return "127.0.0.1:" + closedPort(t) }

// TLS verifies the host of the address.
func TestServerNameOfAddress(t *testing.T) {
	l, _ := newLoop(t)
	_, address := networks[0].serve(t, l, newRecorder, ServerConfig{Config: Config{TLS: serverTLS()}})
	_, pool := identity()
	cfg := &tls.Config{RootCAs: pool}
	must(t, second(CreateConnection(bounded(t), l, newRecorder, "tcp", address, Config{TLS: cfg})))
	if cfg.ServerName != "" {
		t.Error("the caller's configuration was changed")
	}
}

// Garbage instead of a handshake goes to the exception handler; the loss of a peer does not. The
// server goes on.
func TestGarbage(t *testing.T) {
	testkit.CheckLeaks(t)
	l, exceptions := newLoop(t)
	clients := make(chan *recorder, 1)
	s, address := networks[0].serve(t, l, func() *recorder {
		r := newRecorder()
		clients <- r
		return r
	}, ServerConfig{Config: Config{TLS: serverTLS()}})
	networks[0].dialTo(t, address).Close()
	conn := networks[0].dialTo(t, address)
	send(t, conn, strings.Repeat("garbage", 100))
	var garbage tls.RecordHeaderError
	if e := wait(t, exceptions); e.Source != s || !errors.As(e.Err, &garbage) || !strings.Contains(e.Err.Error(), conn.LocalAddr().String()) {
		t.Errorf("the handler got %+v", e)
	}
	if _, err := io.ReadAll(conn); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Error(err)
	}
	must(t, second(CreateConnection(bounded(t), l, newRecorder, "tcp", address, Config{TLS: clientTLS()})))
	wait(t, clients)

	// The creator gets the error too.
	listener := networks[0].listen(t)
	go func() {
		c, err := listener.Accept()
		if err == nil {
			_, _ = io.WriteString(c, strings.Repeat("garbage", 100))
			_, _ = io.Copy(io.Discard, c)
			c.Close()
		}
	}()
	_, _, err := CreateConnection(bounded(t), l, newRecorder, "tcp", listener.Addr().String(), Config{TLS: clientTLS()})
	if !errors.As(err, &garbage) {
		t.Errorf("garbage: %v", err)
	}
}

// A peer that stalls in the handshake is given up after the timeout, or when ctx ends.
func TestHandshakeTimeout(t *testing.T) {
	testkit.CheckLeaks(t)
	l, exceptions := newLoop(t)
	stalled := networks[0].listen(t)
	_, _, err := CreateConnection(bounded(t), l, newRecorder, "tcp", stalled.Addr().String(), Config{TLS: clientTLS(), HandshakeTimeout: time.Millisecond})
	var op *net.OpError
	if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &op) || !op.Timeout() {
		t.Errorf("client: %v", err)
	}
	mine := errors.New("mine")
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() {
		for range 3 { // descriptors of the first peer, and of this one
			c, err := stalled.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			if _, err := c.Read(make([]byte, 1)); err == nil {
				cancel(mine)
			}
		}
	}()
	_, _, err = CreateConnection(ctx, l, newRecorder, "tcp", stalled.Addr().String(), Config{TLS: clientTLS()})
	if !errors.Is(err, mine) && !errors.Is(err, context.Canceled) {
		t.Errorf("ctx ended: %v", err)
	}
	stalled.Close()

	s, address := networks[0].serve(t, l, newRecorder, ServerConfig{Config: Config{TLS: serverTLS(), HandshakeTimeout: time.Millisecond}})
	networks[0].dialTo(t, address)
	if e := wait(t, exceptions); !errors.Is(e.Err, os.ErrDeadlineExceeded) || e.Source != s {
		t.Errorf("the handler got %+v", e)
	}
}

// Close of a server, and of its loop, refuses clients that are in the handshake.
func TestCloseDuringHandshakes(t *testing.T) {
	testkit.CheckLeaks(t)
	l, _ := newLoop(t)
	s, address := networks[0].serve(t, l, newRecorder, ServerConfig{Config: Config{TLS: serverTLS()}})
	arrive := func(s *Server) net.Conn {
		conn := networks[0].dialTo(t, address)
		for arrived := false; !arrived; runtime.Gosched() {
			s.mu.Lock()
			arrived = s.arriving > 0
			s.mu.Unlock()
		}
		return conn
	}
	conn := arrive(s)
	must(t, s.Close())
	must(t, s.Wait(bounded(t)))
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is open")
	}
	s, address = networks[0].serve(t, l, newRecorder, ServerConfig{Config: Config{TLS: serverTLS()}})
	conn = arrive(s)
	must(t, l.Close())
	must(t, s.Wait(bounded(t)))
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is open")
	}
	conn.Close()
}

// A read that sends buffered data makes room: the protocol is resumed, and a waiter gets its turn.
func TestReadMakesRoom(t *testing.T) {
	onEach(t, func(t *testing.T, n network) {
		testkit.CheckLeaks(t)
		l, _ := newLoop(t)
		r := newRecorder()
		tr, peer := n.connectTLS(t, l, r, Config{})
		written := make(chan error, 1)
		do(t, l, func() { // the loop does nothing else meanwhile
			for tr.WriteBufferSize() == 0 {
				must(t, tr.Write(make([]byte, chunk)))
			}
			must(t, tr.SetWriteBufferLimits(0, 0))
			go func() { written <- tr.WriteContext(bounded(t), []byte("more")) }()
			go func() { _, _ = io.Copy(io.Discard, peer) }()
			_, err := peer.Write([]byte("now"))
			must(t, err)
			for ctx := bounded(t); ; runtime.Gosched() {
				unread, err := unix.IoctlGetInt(int(tr.fd), unix.TIOCOUTQ)
				must(t, err)
				must(t, ctx.Err())
				if unread == 0 && tr.waiting() == 1 {
					return
				}
			}
		})
		if !wait(t, r.pauses) || wait(t, r.pauses) {
			t.Error("not paused and resumed")
		}
		must(t, wait(t, written))
		must(t, tr.Abort())
		must(t, wait(t, r.lost))
	})
}

// waiting returns the number of waiters.
func (t *Transport) waiting() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.flow.Waiting()
}
