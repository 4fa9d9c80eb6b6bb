package conformance

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// fileData is the content of sent files. It is larger than small buffers of a socket, and no
// multiple of their sizes.
var fileData = func() []byte {
	b := make([]byte, 1<<20+1)
	for i := range b {
		b[i] = byte(i ^ i>>8)
	}
	return b
}()

// smallBuffer is the size of buffers of sockets, so that sending has to wait.
const smallBuffer = 64 << 10

// openFile returns an open file with fileData in it.
func openFile(t testing.TB) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(path, fileData, 0o600))
	f, err := os.Open(path)
	must(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// wantsPosition fails the test unless the offset of f is want.
func wantsPosition(t testing.TB, f *os.File, want int64) {
	t.Helper()
	got, err := f.Seek(0, io.SeekCurrent)
	must(t, err)
	if got != want {
		t.Errorf("the file is at %d, want %d", got, want)
	}
}

// A sender is the protocol of a transport that sends a file.
type sender struct {
	netio.BaseProtocol
	zmqiotest.Condition
	tr      *netio.Transport
	data    []byte
	paused  bool
	lost    bool
	lostErr error
}

func (s *sender) ConnectionMade(tr *netio.Transport) { s.tr = tr }
func (s *sender) DataReceived(data []byte)           { s.Change(func() { s.data = append(s.data, data...) }) }
func (s *sender) PauseWriting()                      { s.Change(func() { s.paused = true }) }
func (s *sender) ResumeWriting()                     { s.Change(func() { s.paused = false }) }
func (s *sender) ConnectionLost(err error)           { s.Change(func() { s.lost, s.lostErr = true, err }) }

// is returns the result of fn, which it calls with the sender's lock held.
func (s *sender) is(fn func() bool) bool {
	s.Lock()
	defer s.Unlock()
	return fn()
}

// fileLinks are the connections that files are sent over.
var fileLinks = []string{"tcp", "unix", "tls"}

// onFileLinks runs a test over each kind of connection.
func onFileLinks(t *testing.T, test func(t *testing.T, link string)) {
	for _, link := range fileLinks {
		t.Run(link, func(t *testing.T) { test(t, link) })
	}
}

// fileLink returns a sender on a loop that runs, and the connection at its other end. That
// connection is one of package net or of package tls. Both have small buffers.
func fileLink(t testing.TB, link string, cfg netio.Config) (*sender, net.Conn) {
	t.Helper()
	l := endpointLoop(t)
	network, address := "tcp4", "127.0.0.1:0"
	if link == "unix" {
		network, address = "unix", filepath.Join(zmqiotest.SocketDir(t), "s")
	}
	ln, err := net.Listen(network, address)
	must(t, err)
	defer ln.Close()
	near, err := net.Dial(network, ln.Addr().String())
	must(t, err)
	far, err := ln.Accept()
	must(t, err)
	must(t, far.SetDeadline(time.Now().Add(zmqiotest.Patience)))
	must(t, near.(interface{ SetWriteBuffer(int) error }).SetWriteBuffer(smallBuffer))
	must(t, far.(interface{ SetReadBuffer(int) error }).SetReadBuffer(smallBuffer))
	hands := make(chan error, 1)
	if link == "tls" {
		server, client := fileTLS()
		cfg.TLS = client
		secured := tls.Server(far, server)
		far = secured
		go func() { hands <- secured.Handshake() }()
	} else {
		hands <- nil
	}
	t.Cleanup(func() { far.Close() })
	tr, s, err := netio.CreateTransport(bounded(t), l, func() *sender { return &sender{} }, near, cfg, false)
	must(t, err)
	must(t, <-hands)
	must(t, tr.SetWriteBufferLimits(smallBuffer, zmqio.DefaultLimit))
	t.Cleanup(func() {
		must(t, tr.Abort())
		<-tr.Closed()
	})
	return s, far
}

// fileTLS returns the configurations of a server and of a client that trusts it.
var fileTLS = sync.OnceValues(func() (server, client *tls.Config) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"files.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
		&tls.Config{RootCAs: pool, ServerName: "files.example"}
})

// A sent is the result of SendFile.
type sent struct {
	n   int64
	err error
}

// sendingFile calls SendFile on a goroutine of its own.
func sendingFile(ctx context.Context, s *sender, f *os.File, offset, count int64) <-chan sent {
	done := make(chan sent, 1)
	go func() {
		n, err := s.tr.SendFile(ctx, f, offset, count)
		done <- sent{n, err}
	}()
	return done
}

// begun waits until a SendFile is in progress, whose file the peer does not read.
func begun(t testing.TB, s *sender) {
	t.Helper()
	for ctx := bounded(t); ; {
		must(t, ctx.Err())
		if err := s.tr.Write(nil); err != nil { // an empty write changes nothing
			wants(t, err, netio.ErrSendFile)
			return
		}
		must(t, s.tr.Loop().Do(ctx, func() error { return nil }))
	}
}

// wantsSent fails the test unless SendFile has returned n and no error.
func wantsSent(t testing.TB, done <-chan sent, n int64) {
	t.Helper()
	if got := <-done; got != (sent{n, nil}) {
		t.Errorf("SendFile returned %d, %v, want %d", got.n, got.err, n)
	}
}

// wantsBytes reads as many bytes as want has, and compares them.
func wantsBytes(t testing.TB, c io.Reader, want ...[]byte) {
	t.Helper()
	all := bytes.Join(want, nil)
	got := make([]byte, len(all))
	if n, err := io.ReadFull(c, got); err != nil {
		t.Fatalf("after %d of %d bytes: %v", n, len(all), err)
	}
	if !bytes.Equal(got, all) {
		t.Error("other bytes came")
	}
}

// wantsNoMore fails the test unless c is at its end.
func wantsNoMore(t testing.TB, c io.Reader) {
	t.Helper()
	if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil {
		t.Errorf("%d bytes and %v, want the end", len(rest), err)
	}
}
