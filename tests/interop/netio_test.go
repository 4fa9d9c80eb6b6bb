package interop

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// A program is a foreign peer that prints lines.
type program struct {
	t      *testing.T
	in     io.WriteCloser
	lines  *bufio.Reader
	stderr bytes.Buffer
}

// runProgram starts a program. The end of the test kills it, and it must have printed its lines
// before.
func runProgram(t *testing.T, name string, args ...string) *program {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, err)
	}
	p := &program{t: t}
	ctx, kill := context.WithTimeout(context.Background(), deadline)
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stderr = &p.stderr
	p.in, err = cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	p.lines = bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		kill()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s: standard error:\n%s", name, p.stderr.Bytes())
		}
	})
	return p
}

// runProgramWithErrors is runProgram for a program whose standard error the test reads.
func runProgramWithErrors(t *testing.T, name string, args ...string) *program {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		missing(t, err)
	}
	return runProgram(t, "sh", append([]string{"-c", `exec "$0" "$@" 2>&1`, name}, args...)...)
}

// line returns the next line that the program prints.
func (p *program) line() string {
	p.t.Helper()
	line, err := p.lines.ReadString('\n')
	if err != nil {
		p.t.Fatalf("no line but %q: %v", line, err)
	}
	return strings.TrimSuffix(line, "\n")
}

func (p *program) wants(line string) {
	p.t.Helper()
	if got := p.line(); got != line {
		p.t.Errorf("the program printed %q, want %q", got, line)
	}
}

// asyncioPeer starts testdata/asyncio_peer.py.
func asyncioPeer(t *testing.T, job, address string, settings ...string) *program {
	t.Helper()
	return runProgram(t, pythonWith(t, "pyzmq"), append([]string{"-B", "testdata/asyncio_peer.py", job, address}, settings...)...)
}

// chunks are the data in both directions; asyncio_peer.py has the same.
func chunks() (all [][]byte) {
	base := make([]byte, 251)
	for i := range base {
		base[i] = byte(i)
	}
	for range 3 {
		for _, size := range []int{1, 2, 100, 8191, 65536, 1 << 20} {
			all = append(all, bytes.Repeat(base, size/251+1)[:size])
		}
	}
	return all
}

const bye = "bye\n"

// An echoer is a server's protocol. It returns all data until the end of the stream, and then says
// bye. A slow peer slows it.
type echoer struct {
	netio.BaseProtocol
	t       *netio.Transport
	upgrade *tls.Config // after a line that asks for it
	lost    chan error
}

func (e *echoer) ConnectionMade(t *netio.Transport) { e.t = t }
func (e *echoer) PauseWriting()                     { _ = e.t.PauseReading() }
func (e *echoer) ResumeWriting()                    { _ = e.t.ResumeReading() }
func (e *echoer) ConnectionLost(err error)          { e.lost <- err }

func (e *echoer) DataReceived(data []byte) {
	if e.upgrade == nil || string(data) != "STARTTLS\n" {
		_ = e.t.Write(data)
		return
	}
	cfg := e.upgrade
	e.upgrade = nil
	_ = e.t.PauseReading() // or the peer's handshake would be taken for data
	_ = e.t.Write([]byte("go on\n"))
	go func() {
		if e.t.StartTLS(context.Background(), cfg, true) == nil { // else the peer says why
			_ = e.t.ResumeReading()
		}
	}()
}

func (e *echoer) EOFReceived() (keepOpen bool) {
	if e.t.CanWriteEOF() {
		_ = e.t.Write([]byte(bye))
	}
	return false
}

// An exchanger is a client's protocol that collects data.
type exchanger struct {
	netio.BaseProtocol
	got  bytes.Buffer
	more chan int // how much has come
	lost chan error
}

func newExchanger() *exchanger {
	return &exchanger{more: make(chan int, 1), lost: make(chan error, 1)}
}

func (e *exchanger) DataReceived(data []byte) {
	e.got.Write(data)
	select {
	case <-e.more:
	default:
	}
	e.more <- e.got.Len()
}

func (e *exchanger) ConnectionLost(err error) { e.lost <- err }

// wantsExchange makes a client send all chunks to an echo server, and compares the answers.
func wantsExchange(ctx context.Context, t *testing.T, tr *netio.Transport, e *exchanger) {
	t.Helper()
	before := e.got.Len()
	for _, c := range chunks() {
		must(t, tr.WriteContext(ctx, c))
	}
	half := tr.CanWriteEOF()
	want := slices.Concat(chunks()...)
	if half {
		must(t, tr.WriteEOF())
		want = append(want, bye...)
	}
	for n := 0; n < before+len(want); {
		select {
		case n = <-e.more:
		case err := <-e.lost:
			if n = e.got.Len(); n < before+len(want) {
				t.Fatalf("the connection ended after %d bytes: %v", n, err)
			}
			e.lost <- err
		case <-ctx.Done():
			t.Fatalf("after %d bytes: %v", n, context.Cause(ctx))
		}
	}
	if !half {
		must(t, tr.Close())
	}
	must(t, <-e.lost)
	if !bytes.Equal(e.got.Bytes()[before:], want) {
		t.Error("other bytes came back")
	}
}

// serveEcho serves on address, which may be a path, until the test ends. Each connection
// must end with nil, unless fails is set.
func serveEcho(t *testing.T, address string, secure *tls.Config, fails bool) (addr string) {
	t.Helper()
	network := "tcp4"
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	loop := zmqiotest.RunLoop(t, nil)
	if fails {
		loop.SetExceptionHandler(func(*zmqio.EventLoop, zmqio.ExceptionContext) {})
	}
	lost := make(chan error, 1)
	s, err := netio.CreateServer(zmqiotest.Bounded(t, deadline), loop, func() *echoer { return &echoer{lost: lost} },
		network, []string{address}, netio.ServerConfig{Config: netio.Config{TLS: secure}})
	must(t, err)
	t.Cleanup(func() {
		must(t, s.Close())
		if !fails {
			must(t, <-lost)
		}
	})
	return s.Addrs()[0].String()
}

func TestNetClientOfAsyncio(t *testing.T) {
	certs := newCertificates(t)
	for name, c := range map[string]struct {
		unix     bool
		settings []string
		secure   *tls.Config
	}{
		"tcp":       {},
		"unix":      {unix: true},
		"tls1.2":    {settings: append(certs.forServer(), "version=1.2"), secure: certs.clientConfig()},
		"tls1.3":    {settings: append(certs.forServer(), "version=1.3"), secure: certs.clientConfig()},
		"tls, unix": {unix: true, settings: certs.forServer(), secure: certs.clientConfig()},
		"mutual":    {settings: append(certs.forServer(), certs.trust()), secure: certs.mutualConfig()},
	} {
		t.Run(name, func(t *testing.T) {
			checkLeaks(t)
			ctx := zmqiotest.Bounded(t, deadline)
			network, address := "tcp4", "127.0.0.1:0"
			if c.unix {
				network, address = "unix", filepath.Join(zmqiotest.SocketDir(t), "s")
			}
			p := asyncioPeer(t, "serve", address, c.settings...)
			tr, e, err := netio.CreateConnection(ctx, zmqiotest.RunLoop(t, nil), newExchanger, network, p.line(), netio.Config{TLS: c.secure})
			must(t, err)
			wantsExchange(ctx, t, tr, e)
			p.wants("ok")
		})
	}
}

func TestNetServerForAsyncio(t *testing.T) {
	certs := newCertificates(t)
	for name, c := range map[string]struct {
		unix     bool
		settings []string
		secure   *tls.Config
	}{
		"tcp":       {},
		"unix":      {unix: true},
		"tls1.2":    {settings: []string{certs.trust(), "name=" + serverName, "version=1.2"}, secure: certs.serverConfig()},
		"tls1.3":    {settings: []string{certs.trust(), "name=" + serverName, "version=1.3"}, secure: certs.serverConfig()},
		"tls, unix": {unix: true, settings: []string{certs.trust(), "name=" + serverName}, secure: certs.serverConfig()},
		"mutual":    {settings: append(certs.forClient(), certs.trust(), "name="+serverName), secure: certs.demandingConfig()},
	} {
		t.Run(name, func(t *testing.T) {
			checkLeaks(t)
			address := "127.0.0.1:0"
			if c.unix {
				address = filepath.Join(zmqiotest.SocketDir(t), "s")
			}
			p := asyncioPeer(t, "connect", serveEcho(t, address, c.secure, false), c.settings...)
			p.wants("ok")
		})
	}
}

// A client of zmqio refuses asyncio's certificate with an error. No protocol is made.
func TestNetClientRefusesAsyncio(t *testing.T) {
	certs := newCertificates(t)
	for name, c := range map[string]struct {
		secure *tls.Config
		as     any
	}{
		"unknown authority": {&tls.Config{ServerName: serverName}, new(x509.UnknownAuthorityError)},
		"another name":      {&tls.Config{ServerName: "other.example", RootCAs: certs.pool}, new(x509.HostnameError)},
	} {
		t.Run(name, func(t *testing.T) {
			checkLeaks(t)
			p := asyncioPeer(t, "serve", "127.0.0.1:0", certs.forServer()...)
			_, _, err := netio.CreateConnection(zmqiotest.Bounded(t, deadline), zmqiotest.RunLoop(t, nil), func() *exchanger {
				t.Error("a protocol was made")
				return newExchanger()
			}, "tcp4", p.line(), netio.Config{TLS: c.secure})
			if err == nil || !errors.As(err, c.as) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// asyncio refuses the certificate of a server of zmqio. The server refuses a client of asyncio that
// has no certificate.
func TestNetServerIsRefusedByAsyncio(t *testing.T) {
	certs := newCertificates(t)
	for name, c := range map[string]struct {
		settings []string
		secure   *tls.Config
		want     []string
	}{
		"unknown authority": {[]string{"tls=", "name=" + serverName}, certs.serverConfig(), []string{"SSLCertVerificationError"}},
		"another name":      {[]string{certs.trust(), "name=other.example"}, certs.serverConfig(), []string{"SSLCertVerificationError"}},
		// With TLS 1.3 the client gets the refusal when it reads.
		"no certificate": {
			[]string{certs.trust(), "name=" + serverName},
			certs.demandingConfig(),
			[]string{"SSLError", "ConnectionResetError", "IncompleteReadError", "BrokenPipeError"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			checkLeaks(t)
			p := asyncioPeer(t, "connect", serveEcho(t, "127.0.0.1:0", c.secure, true), c.settings...)
			if got := p.line(); !slices.Contains(c.want, got) {
				t.Errorf("asyncio's error is %s, want one of %v", got, c.want)
			}
		})
	}
}

// Both ends change to TLS in the middle of a connection, after one of them has asked for it.
func TestNetStartTLSWithAsyncio(t *testing.T) {
	certs := newCertificates(t)
	t.Run("client", func(t *testing.T) {
		checkLeaks(t)
		ctx := zmqiotest.Bounded(t, deadline)
		p := asyncioPeer(t, "serve", "127.0.0.1:0", append(certs.forServer(), "upgrade=")...)
		tr, e, err := netio.CreateConnection(ctx, zmqiotest.RunLoop(t, nil), newExchanger, "tcp4", p.line(), netio.Config{})
		must(t, err)
		must(t, tr.Write([]byte("STARTTLS\n")))
		for <-e.more < len("go on\n") {
		}
		must(t, tr.StartTLS(ctx, certs.clientConfig(), false))
		wantsExchange(ctx, t, tr, e)
		p.wants("ok")
	})
	t.Run("server", func(t *testing.T) {
		checkLeaks(t)
		lost := make(chan error, 1)
		s, err := netio.CreateServer(zmqiotest.Bounded(t, deadline), zmqiotest.RunLoop(t, nil), func() *echoer {
			return &echoer{lost: lost, upgrade: certs.serverConfig()}
		}, "tcp4", []string{"127.0.0.1:0"}, netio.ServerConfig{})
		must(t, err)
		p := asyncioPeer(t, "connect", s.Addrs()[0].String(), certs.trust(), "name="+serverName, "upgrade=")
		p.wants("ok")
		must(t, <-lost)
		must(t, s.Close())
	})
}
