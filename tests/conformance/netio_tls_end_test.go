package conformance

import (
	"crypto/tls"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
)

// test_shutdown_cleanly: if both sides send close_notify, in either order, there is no error.
func TestNetTLSShutdownCleanly(t *testing.T) {
	for _, peerFirst := range []bool{true, false} {
		versions(t, func(t *testing.T, server, client *tls.Config) {
			l := startLoop(t)
			p := newParty(t, l)
			tr, peer := connectedTLS(t, l, p, server, client)
			if peerFirst {
				must(t, peer.CloseWrite())
			} else {
				must(t, tr.Close())
			}
			readEnd(t, peer) // Read returns io.EOF only after close_notify
			must(t, peer.Close())
			if err := p.awaitLost(); err != nil || p.eof != peerFirst {
				t.Errorf("lost with %v, eof %t", err, p.eof)
			}
		})
	}
}

// test_remote_shutdown_receives_trailing_data: after the peer's close_notify the buffered data
// still comes, and then this side's close_notify.
func TestNetTLSTrailingData(t *testing.T) {
	versions(t, func(t *testing.T, server, client *tls.Config) {
		l := startLoop(t)
		p := newParty(t, l)
		tr, peer := connectedTLS(t, l, p, server, client)
		sent := stuff(t, tr)
		must(t, peer.CloseWrite())
		p.await(func() bool { return p.eof })
		got, err := io.ReadAll(peer)
		if err != nil || string(got) != string(sent) {
			t.Errorf("the peer got %d of %d bytes: %v", len(got), len(sent), err)
		}
		must(t, p.awaitLost())
	})
}

// ssl_shutdown_timeout: Close waits only so long for a peer that never sends close_notify.
func TestNetTLSShutdownTimeout(t *testing.T) {
	versions(t, func(t *testing.T, server, client *tls.Config) {
		l, ln := startLoop(t), listen(t, "tcp4")
		done := acceptTLS(t, ln, server)
		p := newParty(t, l)
		tr := connect(t, l, p, ln.Addr(), netio.Config{TLS: client, ShutdownTimeout: 10 * time.Millisecond})
		peer := (<-done).made(t)
		must(t, tr.Close())
		wants(t, p.awaitLost(), os.ErrDeadlineExceeded)
		readEnd(t, peer)
	})
}

// Abort does not wait for the end of TLS. The peer notices that there was none.
func TestNetTLSAbort(t *testing.T) {
	versions(t, func(t *testing.T, server, client *tls.Config) {
		for _, closeFirst := range []bool{false, true} {
			l := startLoop(t)
			p := newParty(t, l)
			tr, peer := connectedTLS(t, l, p, server, client)
			sent := stuff(t, tr)
			if closeFirst {
				must(t, tr.Close())
			}
			must(t, tr.Abort())
			must(t, p.awaitLost())
			got, err := io.ReadAll(peer)
			if len(got) >= len(sent) || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the peer got %d of %d bytes: %v", len(got), len(sent), err)
			}
		}
	})
}

// Differs: TLS in TLS, of test_create_server_ssl_over_ssl, is an error, and the transport stays as
// it is.
func TestNetTLSInTLS(t *testing.T) {
	l := startLoop(t)
	p := newParty(t, l)
	tr, peer := connectedTLS(t, l, p, serverTLS(), clientTLS())
	wants(t, tr.StartTLS(bounded(t), clientTLS(), false), zmqio.ErrInvalidArgument)
	writeString(t, peer, "data")
	p.awaitData(4)
	must(t, peer.Close())
	must(t, p.awaitLost())
}
