package conformance

import (
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

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
)

// check_ssl_extra_info.
func checkTLSInfo(t testing.TB, tr *netio.Transport, wantCert bool) {
	t.Helper()
	s, ok := tr.ExtraInfo("tls_connection_state", nil).(tls.ConnectionState)
	if !ok || !s.HandshakeComplete || tls.CipherSuiteName(s.CipherSuite) == "" || (len(s.PeerCertificates) > 0) != wantCert {
		t.Errorf("%t, %+v", ok, s)
	}
	if tr.ExtraInfo("sockname", nil) == nil || tr.ExtraInfo("peername", nil) == nil || tr.CanWriteEOF() {
		t.Errorf("addresses %v and %v, CanWriteEOF %t", tr.LocalAddr(), tr.RemoteAddr(), tr.CanWriteEOF())
	}
}

// test_create_ssl_connection and test_create_ssl_unix_connection: the transport is made after the
// handshake, which verifies the certificate by default.
func TestNetCreateTLSConnection(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			l, ln := startLoop(t), listen(t, network)
			for _, cfg := range []*tls.Config{{InsecureSkipVerify: true}, clientTLS()} {
				server := acceptTLS(t, ln, serverTLS())
				p := newParty(t, l)
				p.onMade = func(tr *netio.Transport) {
					checkTLSInfo(t, tr, true)
					must(t, tr.Write([]byte(getRequest)))
				}
				tr := connect(t, l, p, ln.Addr(), netio.Config{TLS: cfg})
				c := (<-server).made(t)
				if got := readString(t, c, len(getRequest)); got != getRequest {
					t.Errorf("got %q", got)
				}
				writeString(t, c, getResponse)
				must(t, c.Close())
				if err := p.awaitLost(); err != nil || string(p.data) != getResponse || !p.eof {
					t.Errorf("lost with %v after %q", err, p.data)
				}
				must(t, tr.Close())
			}
			server := acceptTLS(t, ln, serverTLS())
			_, _, err := netio.CreateConnection(bounded(t), l, noFactory(t), network, ln.Addr().String(), netio.Config{TLS: &tls.Config{ServerName: "localhost"}})
			var unknown x509.UnknownAuthorityError
			if !errors.As(err, &unknown) {
				t.Errorf("error: %v", err)
			}
			failed(t, (<-server).err)
		})
	}
}

// test_create_server_ssl, test_create_server_ssl_verified and their sisters for Unix sockets.
func TestNetCreateServerTLS(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			l := startLoop(t)
			s, made := serve(t, l, network, netio.ServerConfig{Config: netio.Config{TLS: serverTLS()}})
			for _, cfg := range []*tls.Config{{InsecureSkipVerify: true}, clientTLS()} {
				client := newParty(t, l)
				tr := connect(t, l, client, s.Addrs()[0], netio.Config{TLS: cfg})
				must(t, tr.Write([]byte("xxx")))
				p := next(t, made)
				if got := p.awaitData(3); got != "xxx" {
					t.Errorf("got %q", got)
				}
				checkTLSInfo(t, tr, true)
				checkTLSInfo(t, p.tr, false)
				must(t, p.tr.Close())
				must(t, p.awaitLost())
				must(t, client.awaitLost())
			}
		})
	}
}

// test_create_server_ssl_verify_failed, test_create_server_ssl_match_failed and their sisters:
// a client that refuses the certificate gets the error, and no protocol is made on either side.
func TestNetCreateServerTLSRefused(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			l := startLoop(t)
			told := collect(l)
			s, made := serve(t, l, network, netio.ServerConfig{Config: netio.Config{TLS: serverTLS()}})
			for name, cfg := range map[string]*tls.Config{
				"no authority": {ServerName: "localhost"},
				"wrong name":   {ServerName: "example.org", RootCAs: localhost().authority},
			} {
				_, _, err := netio.CreateConnection(bounded(t), l, noFactory(t), network, s.Addrs()[0].String(), netio.Config{TLS: cfg})
				var verification *tls.CertificateVerificationError
				if !errors.As(err, &verification) {
					t.Errorf("%s: %v", name, err)
				}
				var mismatch x509.HostnameError
				if errors.As(err, &mismatch) != (name == "wrong name") {
					t.Errorf("%s: %v", name, err)
				}
			}
			// The server goes on.
			connect(t, l, newParty(t, l), s.Addrs()[0], netio.Config{TLS: clientTLS()})
			next(t, made)
			select {
			case <-made:
				t.Error("a protocol was made for a client that refused")
			default:
			}
			told.Lock()
			defer told.Unlock()
			for _, c := range told.all { // asyncio logs them too, in debug mode
				failed(t, c.Err)
			}
		})
	}
}

// test_create_connection_ssl_server_hostname_default: the verified name is that of the
// configuration, or else the host of the address.
func TestNetServerNameDefault(t *testing.T) {
	l, ln := startLoop(t), listen(t, "tcp4")
	names := make(chan string, 1)
	server := serverTLS()
	server.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		names <- hello.ServerName
		return nil, nil
	}
	dialer := &net.Dialer{Resolver: records{typeA: {{127, 0, 0, 1}}}.resolver()}
	for _, c := range []struct{ host, name, want string }{
		{"python.test", "", "python.test"},
		{"python.test", "perl.test", "perl.test"},
		{"127.0.0.1", "", ""}, // the extension is for host names alone
	} {
		done := acceptTLS(t, ln, server)
		given := &tls.Config{InsecureSkipVerify: true, ServerName: c.name}
		p := newParty(t, l)
		tr, _, err := netio.CreateConnection(bounded(t), l, func() *party { return p }, "tcp4", net.JoinHostPort(c.host, portOf(ln.Addr())),
			netio.Config{TLS: given, Dialer: dialer})
		must(t, err)
		abortInTheEnd(t, tr)
		if got := <-names; got != c.want || given.ServerName != c.name {
			t.Errorf("%s with %q: the server was asked for %q; the configuration has %q now", c.host, c.name, got, given.ServerName)
		}
		(<-done).made(t)
	}
	// An IP address is verified too: the certificate has only the name.
	done := acceptTLS(t, ln, serverTLS())
	_, _, err := netio.CreateConnection(bounded(t), l, noFactory(t), "tcp", ln.Addr().String(), netio.Config{TLS: &tls.Config{RootCAs: localhost().authority}})
	var mismatch x509.HostnameError
	if !errors.As(err, &mismatch) {
		t.Errorf("error: %v", err)
	}
	failed(t, (<-done).err)
}

// This covers the tests of server_hostname, and test_check_hostname_requires_server_hostname.
// Without a name or an address there is nothing to verify.
func TestNetServerNameMissing(t *testing.T) {
	l, ln := startLoop(t), listen(t, "tcp4")
	unix := listen(t, "unix")
	nameless := netio.Config{TLS: &tls.Config{RootCAs: localhost().authority}}
	_, _, err := netio.CreateConnection(bounded(t), l, noFactory(t), "unix", unix.Addr().String(), nameless)
	wantError(t, "unix", err, zmqio.ErrInvalidArgument)
	_, _, err = netio.CreateConnection(bounded(t), l, noFactory(t), "tcp4", ":"+portOf(ln.Addr()), nameless)
	wantError(t, "no host", err, zmqio.ErrInvalidArgument)
	_, _, err = netio.CreateTransport(bounded(t), l, noFactory(t), dialNet(t, ln.Addr()), nameless, false)
	wantError(t, "a connection", err, zmqio.ErrInvalidArgument)
}

// test_check_hostname_accepts_server_hostname
func TestNetServerNameGiven(t *testing.T) {
	l, ln := startLoop(t), listen(t, "tcp4")
	done := acceptTLS(t, ln, serverTLS())
	adoptConn(t, l, newParty(t, l), dialNet(t, ln.Addr()), netio.Config{TLS: clientTLS()}, false)
	(<-done).made(t)
}

// test_ssl_connect_accepted_socket
func TestNetConnectAcceptedSocketTLS(t *testing.T) {
	versions(t, func(t *testing.T, server, client *tls.Config) {
		l, ln := startLoop(t), listen(t, "tcp4")
		response := make(chan error, 1)
		go func() {
			c, err := tls.Dial("tcp", ln.Addr().String(), client)
			if err == nil {
				defer c.Close()
				_, err = io.WriteString(c, "test data")
			}
			if err == nil {
				b := make([]byte, 5)
				if _, err = io.ReadFull(c, b); err == nil && string(b) != "roger" {
					err = errors.New("the response is " + string(b))
				}
			}
			response <- err
		}()
		p := newParty(t, l)
		p.onData = func([]byte) { must(t, p.tr.Write([]byte("roger"))) }
		adoptConn(t, l, p, accept(t, ln), netio.Config{TLS: server}, true)
		must(t, <-response)
		if err := p.awaitLost(); err != nil || string(p.data) != "test data" {
			t.Errorf("%q, lost with %v", p.data, err)
		}
	})
}

// Timeouts need TLS and must not be negative. Differs: 0 is the default.
func TestNetTLSTimeoutArguments(t *testing.T) {
	l, ln := startLoop(t), listen(t, "tcp4")
	for name, cfg := range map[string]netio.Config{
		"handshake without TLS": {HandshakeTimeout: time.Second},
		"shutdown without TLS":  {ShutdownTimeout: time.Second},
		"a negative handshake":  {HandshakeTimeout: -1, TLS: clientTLS()},
		"a negative shutdown":   {ShutdownTimeout: -1, TLS: clientTLS()},
	} {
		for _, network := range []string{"tcp", "unix"} {
			_, _, err := netio.CreateConnection(bounded(t), l, noFactory(t), network, anyAddress(t, network), cfg)
			wantError(t, name, err, zmqio.ErrInvalidArgument)
			_, err = netio.CreateServer(bounded(t), l, noFactory(t), network, []string{anyAddress(t, network)}, netio.ServerConfig{Config: cfg})
			wantError(t, name, err, zmqio.ErrInvalidArgument)
		}
		c := dialNet(t, ln.Addr())
		_, _, err := netio.CreateTransport(bounded(t), l, noFactory(t), c, cfg, true)
		wantError(t, name, err, zmqio.ErrInvalidArgument)
	}
}

// A server without a certificate cannot begin.
func TestNetServerWithoutCertificate(t *testing.T) {
	l := startLoop(t)
	_, err := netio.CreateServer(bounded(t), l, noFactory(t), "tcp", []string{"127.0.0.1:0"}, netio.ServerConfig{Config: netio.Config{TLS: &tls.Config{}}})
	wants(t, err, zmqio.ErrInvalidArgument)
}

// test_handshake_timeout: the end of the context ends the handshake and closes the connection. No
// timer is left, and the exception handler is not told.
func TestNetTLSHandshakeCancelled(t *testing.T) {
	l, ln := startLoop(t), listen(t, "tcp4")
	cause := errors.New("cause")
	ctx, cancel := context.WithCancelCause(bounded(t))
	done := make(chan error, 1)
	go func() {
		_, _, err := netio.CreateConnection(ctx, l, noFactory(t), "tcp", ln.Addr().String(), netio.Config{TLS: clientTLS()})
		done <- err
	}()
	c := accept(t, ln)
	readString(t, c, 1) // the handshake has begun
	cancel(cause)
	if err := <-done; !errors.Is(err, cause) && !errors.Is(err, context.Canceled) {
		t.Errorf("error: %v", err)
	}
	_, err := io.Copy(io.Discard, c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the peer was not let go")
	}
}

// test_create_connection_ssl_slow_handshake
func TestNetTLSSlowHandshake(t *testing.T) {
	l, ln := startLoop(t), listen(t, "tcp4")
	_, _, err := netio.CreateConnection(bounded(t), l, noFactory(t), "tcp", ln.Addr().String(),
		netio.Config{TLS: clientTLS(), HandshakeTimeout: 10 * time.Millisecond})
	wants(t, err, os.ErrDeadlineExceeded)
	if _, err := io.Copy(io.Discard, accept(t, ln)); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the peer was not let go")
	}
}

// A server closes a client whose handshake takes too long, and serves others meanwhile. On a busy
// machine the handshake of the others may take too long as well. Then the timeout grows.
func TestNetTLSServerSlowHandshake(t *testing.T) {
	l := startLoop(t)
	collect(l)
	for timeout := 200 * time.Millisecond; ; timeout *= 4 {
		s, made := serve(t, l, "tcp4", netio.ServerConfig{Config: netio.Config{TLS: serverTLS(), HandshakeTimeout: timeout}})
		slow := dialNet(t, s.Addrs()[0])
		c := tls.Client(dialNet(t, s.Addrs()[0]), clientTLS())
		err := c.Handshake()
		if err == nil {
			_, err = c.Write([]byte("xxx"))
		}
		if _, err := io.Copy(io.Discard, slow); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the slow client was not let go")
		}
		if err == nil && len(made) > 0 {
			next(t, made).awaitData(3)
			return
		}
		if timeout > 30*time.Second {
			t.Fatalf("no other client was served: %v", err)
		}
	}
}

// test_eof_received_waiter and test_connection_lost: the peer goes amid the handshake.
func TestNetTLSPeerGoesInHandshake(t *testing.T) {
	for name, linger := range map[string]int{"end": -1, "reset": 0} {
		t.Run(name, func(t *testing.T) {
			l, ln := startLoop(t), listen(t, "tcp4")
			done := make(chan error, 1)
			go func() {
				_, _, err := netio.CreateConnection(bounded(t), l, noFactory(t), "tcp", ln.Addr().String(), netio.Config{TLS: clientTLS()})
				done <- err
			}()
			c := accept(t, ln).(*net.TCPConn)
			readString(t, c, 1)
			must(t, c.SetLinger(linger))
			must(t, c.Close())
			failed(t, <-done)
		})
	}
}

// test_create_connection_ssl_failed_certificate: the server gets an error too.
func TestNetTLSFailedCertificate(t *testing.T) {
	versions(t, func(t *testing.T, server, client *tls.Config) {
		l, ln := startLoop(t), listen(t, "tcp4")
		done := acceptTLS(t, ln, server)
		client.RootCAs = x509.NewCertPool()
		_, _, err := netio.CreateConnection(bounded(t), l, noFactory(t), "tcp", ln.Addr().String(), netio.Config{TLS: client, HandshakeTimeout: time.Minute})
		var verification *tls.CertificateVerificationError
		if !errors.As(err, &verification) {
			t.Errorf("error: %v", err)
		}
		failed(t, (<-done).err)
	})
}

// A server that demands a certificate refuses a client without one.
func TestNetTLSClientCertificate(t *testing.T) {
	versions(t, func(t *testing.T, server, client *tls.Config) {
		l := startLoop(t)
		collect(l)
		server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, localhost().authority
		s, made := serve(t, l, "tcp4", netio.ServerConfig{Config: netio.Config{TLS: server}})
		bare := dialNet(t, s.Addrs()[0])
		c := tls.Client(bare, client)
		if err := c.Handshake(); err == nil {
			_, err = c.Read(make([]byte, 1)) // in TLS 1.3 the client learns of the refusal here
			failed(t, err)
		}
		client.Certificates = []tls.Certificate{localhost().certificate}
		p := newParty(t, l)
		connect(t, l, p, s.Addrs()[0], netio.Config{TLS: client})
		checkTLSInfo(t, next(t, made).tr, true)
	})
}

// test_start_tls_client_corrupted_ssl: garbage ends the transport with an error.
func TestNetTLSCorrupted(t *testing.T) {
	versions(t, func(t *testing.T, server, client *tls.Config) {
		l := startLoop(t)
		p := newParty(t, l)
		tr, peer := connectedTLS(t, l, p, server, client)
		writeString(t, peer, "A\n")
		p.awaitData(2)
		must(t, tr.Write([]byte("B")))
		readString(t, peer, 1)
		writeString(t, peer.NetConn(), "please corrupt the SSL connection")
		failed(t, p.awaitLost())
		if p.eof || len(p.data) != 2 {
			t.Errorf("eof %t, got %q", p.eof, p.data)
		}
	})
}

// A connection that ends without close_notify counts as ended. The peers in test_start_tls_* end in
// this way.
func TestNetTLSCutOff(t *testing.T) {
	versions(t, func(t *testing.T, server, client *tls.Config) {
		l := startLoop(t)
		p := newParty(t, l)
		_, peer := connectedTLS(t, l, p, server, client)
		writeString(t, peer, "data")
		p.awaitData(4)
		must(t, peer.NetConn().Close())
		if err := p.awaitLost(); err != nil || !p.eof {
			t.Errorf("lost with %v, eof %t", err, p.eof)
		}
	})
}

// test_set_new_app_protocol, test_data_received_after_closing, test_write_after_closing and
// test_get_extra_info_on_closed_connection.
func TestNetTLSAfterClosing(t *testing.T) {
	versions(t, func(t *testing.T, server, client *tls.Config) {
		l := startLoop(t)
		p := newParty(t, l)
		tr, peer := connectedTLS(t, l, p, server, client)
		again := newParty(t, l)
		again.tr = tr
		onLoop(t, l, func() { tr.SetProtocol(again) })
		if tr.Protocol() != netio.Protocol(again) {
			t.Errorf("the protocol is %v", tr.Protocol())
		}
		writeString(t, peer, "data")
		again.awaitData(4)
		must(t, tr.Close())
		wants(t, tr.Write([]byte("x")), zmqio.ErrTransportClosed)
		writeString(t, peer, "not delivered")
		if got, err := io.ReadAll(peer); len(got) != 0 || err != nil {
			t.Errorf("the peer got %q, %v", got, err)
		}
		must(t, peer.Close())
		if err := again.awaitLost(); err != nil || len(again.data) != 4 || p.is(func() bool { return p.lost }) {
			t.Errorf("lost with %v after %q", err, again.data)
		}
		checkTLSInfo(t, tr, true)
		if tr.ExtraInfo("unknown", 42) != 42 {
			t.Error("not the default")
		}
	})
}

// Close sends the buffer, and then close_notify.
func TestNetTLSCloseFlushes(t *testing.T) {
	versions(t, func(t *testing.T, server, client *tls.Config) {
		l := startLoop(t)
		p := newParty(t, l)
		tr, peer := connectedTLS(t, l, p, server, client)
		sent := stuff(t, tr)
		must(t, tr.Close())
		got, err := io.ReadAll(peer)
		if err != nil || string(got) != string(sent) {
			t.Errorf("the peer got %d of %d bytes: %v", len(got), len(sent), err)
		}
		must(t, peer.Close())
		must(t, p.awaitLost())
	})
}

// TLS cannot be half-closed. keepOpen therefore does nothing, where asyncio logs a warning.
// WriteEOF is an error.
func TestNetTLSNoHalfClose(t *testing.T) {
	versions(t, func(t *testing.T, server, client *tls.Config) {
		l := startLoop(t)
		p := newParty(t, l)
		p.keepOpen = true
		tr, peer := connectedTLS(t, l, p, server, client)
		wants(t, tr.WriteEOF(), errors.ErrUnsupported)
		must(t, tr.Write([]byte("x")))
		readString(t, peer, 1)
		must(t, peer.Close())
		if err := p.awaitLost(); err != nil || !p.eof {
			t.Errorf("lost with %v, eof %t", err, p.eof)
		}
	})
}

// Data that is written in many pieces, both ways at once, stays whole. This holds with pauses of
// reading, and with a BufferedProtocol.
func TestNetTLSEcho(t *testing.T) {
	for buffer, size := range map[int]int{0: 256 << 10, 7: 8 << 10, 100_000: 256 << 10} {
		versions(t, func(t *testing.T, server, client *tls.Config) {
			l := startLoop(t)
			var p *party
			var protocol netio.Protocol
			if buffer == 0 {
				p = newParty(t, l)
				protocol = p
			} else {
				b := newBufferedParty(t, l, buffer)
				p, protocol = b.party, b
			}
			pauses := 0
			p.onData = func(data []byte) {
				must(t, p.tr.Write(data))
				if p.chunks%50 == 0 && pauses < 20 {
					pauses++
					must(t, p.tr.PauseReading())
					soon(t, l, func() { must(t, p.tr.ResumeReading()) })
				}
			}
			_, peer := connectedTLS(t, l, protocol, server, client)
			sent := strings.Repeat("0123456789abcdef", size/16)
			wrote := make(chan error, 1)
			go func() { _, err := io.WriteString(peer, sent); wrote <- err }()
			if got := readString(t, peer, len(sent)); got != sent {
				t.Error("the echo differs")
			}
			must(t, <-wrote)
			must(t, peer.Close())
			must(t, p.awaitLost())
		})
	}
}

// test_create_connection_memory_leak, and the checks for garbage in other tests: the memory of TLS
// is freed with the transport, even if the connection was cut off.
func TestNetTLSGarbage(t *testing.T) {
	for _, clean := range []bool{true, false} {
		l := startLoop(t)
		collected := make(chan struct{})
		func() {
			cfg := clientTLS()
			runtime.AddCleanup(cfg, func(c chan struct{}) { close(c) }, collected)
			p := newParty(t, l)
			ln := listen(t, "tcp4")
			done := acceptTLS(t, ln, serverTLS())
			tr, _, err := netio.CreateConnection(bounded(t), l, func() *party { return p }, "tcp", ln.Addr().String(), netio.Config{TLS: cfg})
			must(t, err)
			peer := (<-done).conn
			if clean {
				must(t, peer.Close())
			} else {
				must(t, peer.NetConn().Close())
			}
			must(t, p.awaitLost())
			<-tr.Closed()
		}()
		ctx := bounded(t)
		for gone := false; !gone; {
			runtime.GC()
			select {
			case <-collected:
				gone = true
			case <-ctx.Done():
				t.Fatal("the memory of TLS is still held")
			case <-time.After(time.Millisecond):
			}
		}
	}
}
