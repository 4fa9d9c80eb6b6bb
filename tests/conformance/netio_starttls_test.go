package conformance

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
)

// hello is sent once in plain text, and once over TLS.
var hello = strings.Repeat("1", 100<<10)

// test_start_tls_client_reg_proto_1 and test_start_tls_client_buf_proto_1: earlier writes go out in
// plain text, ConnectionMade is called once, and later data goes over TLS.
func TestNetStartTLSClient(t *testing.T) {
	for name, p := range protocols(t) {
		t.Run(name, func(t *testing.T) {
			versions(t, func(t *testing.T, server, client *tls.Config) {
				l := startLoop(t)
				p, noted := p(l)
				tr, conn := connected(t, l, p)
				peer := make(chan secured, 1)
				go func() {
					if _, err := io.ReadFull(conn, make([]byte, len(hello))); err != nil {
						peer <- secured{nil, err}
						return
					}
					c := tls.Server(conn, server)
					peer <- secured{c, c.Handshake()}
				}()
				must(t, tr.Write([]byte(hello)))
				must(t, tr.StartTLS(bounded(t), client, false))
				c := (<-peer).made(t)
				checkTLSInfo(t, tr, true)
				writeString(t, c, "O")
				if got := noted.awaitData(1); got != "O" {
					t.Errorf("got %q", got)
				}
				must(t, tr.Write([]byte(hello)))
				if got := readString(t, c, len(hello)); got != hello {
					t.Error("the peer got something else")
				}
				// Another protocol takes over, as in the second of the tests.
				second := newParty(t, l)
				second.tr = tr
				onLoop(t, l, func() { tr.SetProtocol(second) })
				writeString(t, c, "2")
				second.awaitData(1)
				must(t, c.Close())
				if err := second.awaitLost(); err != nil || !second.eof || len(noted.data) != 1 {
					t.Errorf("lost with %v, eof %t", err, second.eof)
				}
			})
		})
	}
}

// test_start_tls_server_1
func TestNetStartTLSServer(t *testing.T) {
	versions(t, func(t *testing.T, server, client *tls.Config) {
		l := startLoop(t)
		s, made := serve(t, l, "tcp4", netio.ServerConfig{})
		conn := dialNet(t, s.Addrs()[0])
		p := next(t, made)
		must(t, p.tr.PauseReading()) // before the client begins with TLS
		must(t, p.tr.Write([]byte(hello)))
		peer := make(chan secured, 1)
		go func() {
			if _, err := io.ReadFull(conn, make([]byte, len(hello))); err != nil {
				peer <- secured{nil, err}
				return
			}
			c := tls.Client(conn, client)
			peer <- secured{c, c.Handshake()}
		}()
		must(t, p.tr.StartTLS(bounded(t), server, true))
		must(t, p.tr.ResumeReading())
		if p.is(func() bool { return p.data != nil }) {
			t.Errorf("got %d bytes before TLS", len(p.data))
		}
		c := (<-peer).made(t)
		writeString(t, c, hello)
		if got := p.awaitData(len(hello)); got != hello {
			t.Error("got something else")
		}
		must(t, p.tr.Write([]byte("answer")))
		if got := readString(t, c, 6); got != "answer" {
			t.Errorf("the answer is %q", got)
		}
		must(t, c.Close())
		must(t, p.awaitLost())
	})
}

// Writes during the handshake are sent after it, over TLS.
func TestNetStartTLSWriteMeanwhile(t *testing.T) {
	l := startLoop(t)
	p := newParty(t, l)
	tr, conn := connected(t, l, p)
	done := make(chan error, 1)
	go func() { done <- tr.StartTLS(bounded(t), clientTLS(), false) }()
	first := make([]byte, 1)
	if _, err := io.ReadFull(conn, first); err != nil { // the handshake has begun
		t.Fatal(err)
	}
	must(t, tr.Write([]byte("secret")))
	if n := tr.WriteBufferSize(); n != 6 {
		t.Errorf("%d bytes are buffered", n)
	}
	c := tls.Server(rewound{conn, io.MultiReader(strings.NewReader(string(first)), conn)}, serverTLS())
	must(t, c.Handshake())
	must(t, <-done)
	if got := readString(t, c, 6); got != "secret" {
		t.Errorf("the peer got %q", got)
	}
	must(t, c.Close())
	must(t, p.awaitLost())
}

// test_start_tls_slow_client_cancel: the end of the context ends the handshake and the connection.
func TestNetStartTLSCancelled(t *testing.T) {
	l := startLoop(t)
	p := newParty(t, l)
	tr, conn := connected(t, l, p)
	must(t, tr.Write([]byte(hello)))
	cause := errors.New("cause")
	ctx, cancel := context.WithCancelCause(bounded(t))
	done := make(chan error, 1)
	go func() { done <- tr.StartTLS(ctx, clientTLS(), false) }()
	readString(t, conn, len(hello)+1) // the handshake has begun
	cancel(cause)
	if err := <-done; !errors.Is(err, cause) && !errors.Is(err, context.Canceled) {
		t.Errorf("error: %v", err)
	}
	_ = p.awaitLost()
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the peer was not let go")
	}
}

// test_close_during_handshake
func TestNetStartTLSClosed(t *testing.T) {
	l := startLoop(t)
	p := newParty(t, l)
	tr, conn := connected(t, l, p)
	done := make(chan error, 1)
	go func() { done <- tr.StartTLS(bounded(t), clientTLS(), false) }()
	readString(t, conn, 1)
	must(t, tr.Close())
	wants(t, <-done, zmqio.ErrTransportClosed)
	must(t, p.awaitLost())
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the peer was not let go")
	}
}

// A certificate that is refused ends the transport.
func TestNetStartTLSRefused(t *testing.T) {
	l := startLoop(t)
	p := newParty(t, l)
	tr, conn := connected(t, l, p)
	peer := make(chan error, 1)
	go func() { peer <- tls.Server(conn, serverTLS()).Handshake() }()
	err := tr.StartTLS(bounded(t), &tls.Config{ServerName: "localhost"}, false)
	var verification *tls.CertificateVerificationError
	if !errors.As(err, &verification) {
		t.Errorf("error: %v", err)
	}
	failed(t, <-peer)
	if !errors.As(p.awaitLost(), &verification) {
		t.Errorf("lost with %v", p.lostErr)
	}
}

// test_start_tls_wrong_args
func TestNetStartTLSArguments(t *testing.T) {
	l := startLoop(t)
	p := newParty(t, l)
	tr, peer := connected(t, l, p)
	var none context.Context
	wantError(t, "no context", tr.StartTLS(none, clientTLS(), false), zmqio.ErrInvalidArgument)
	wantError(t, "no configuration", tr.StartTLS(bounded(t), nil, false), zmqio.ErrInvalidArgument)
	wantError(t, "no name", tr.StartTLS(bounded(t), &tls.Config{}, false), zmqio.ErrInvalidArgument)
	var on error
	onLoop(t, l, func() { on = tr.StartTLS(bounded(t), clientTLS(), false) })
	wantError(t, "on the loop", on, zmqio.ErrWouldDeadlock)
	// None of these calls has changed the transport.
	writeString(t, peer, "x")
	p.awaitData(1)
	must(t, tr.Abort())
	must(t, p.awaitLost())
	wantError(t, "after the end", tr.StartTLS(bounded(t), clientTLS(), false), zmqio.ErrTransportClosed)
}
