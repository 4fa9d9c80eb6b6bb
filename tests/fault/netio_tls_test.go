package fault

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
)

// certified returns the configurations of a server and of a client that trusts it.
func certified(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	parsed, err := x509.ParseCertificate(signed)
	must(t, err)
	trusted := x509.NewCertPool()
	trusted.AddCert(parsed)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{signed}, PrivateKey: key}}}, &tls.Config{RootCAs: trusted}
}

// quietLoop is newLoop with an exception handler that ignores failed handshakes.
func quietLoop(t *testing.T) *zmqio.EventLoop {
	t.Helper()
	loop := newLoop(t, nil)
	loop.SetExceptionHandler(func(_ *zmqio.EventLoop, c zmqio.ExceptionContext) {
		if c.Err == nil || errors.As(c.Err, new(*zmqio.PanicError)) {
			t.Errorf("exception handler: %s: %v\n%s", c.Message, c.Err, c.Stack)
		}
	})
	return loop
}

// Clients send garbage instead of a handshake, or leave amid one. The server closes each
// connection, makes no protocol for it, and goes on.
func TestNetGarbageInsteadOfHandshake(t *testing.T) {
	checkLeaks(t)
	forServer, forClient := certified(t)
	var made atomic.Int64
	_, addr := serve(t, quietLoop(t), func() *netPeer {
		made.Add(1)
		return &netPeer{received: echoes}
	}, netio.ServerConfig{Config: netio.Config{TLS: forServer}})
	for name, garbage := range map[string]string{
		"nothing":              "",
		"a letter":             "G",
		"HTTP":                 "GET / HTTP/1.1\r\nHost: here\r\n\r\n",
		"a record too long":    "\x16\x03\x01\xff\xff",
		"a hello that ends":    "\x16\x03\x01\x00\x05\x01\x00\x10\x00\x00",
		"application data":     "\x17\x03\x03\x00\x05hello",
		"an alert":             "\x15\x03\x01\x00\x02\x02\x28",
		"ZeroMQ's own":         "\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00NULL",
		"a mebibyte of zeroes": string(make([]byte, mib)),
	} {
		c := dial(t, addr)
		_, _ = c.Write([]byte(garbage)) // the server may have closed
		_ = c.CloseWrite()              // the server may have closed
		if _, err := io.Copy(io.Discard, c); err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the server keeps the connection: %v", name, err)
		}
	}
	if n := made.Load(); n != 0 {
		t.Errorf("%d protocols were made", n)
	}
	c, err := tls.Dial("tcp4", addr, forClient)
	must(t, err)
	defer c.Close()
	must(t, c.SetDeadline(time.Now().Add(hang)))
	wantsEcho(t, c)
}

// A client of a server that speaks no TLS gets an error, and no protocol.
func TestNetGarbageInsteadOfServer(t *testing.T) {
	checkLeaks(t)
	loop := newLoop(t, nil)
	_, addr := serve(t, loop, func() *netPeer { return &netPeer{received: echoes} }, netio.ServerConfig{}) // echoes the hello
	_, _, err := netio.CreateConnection(bounded(t, hang), loop, func() *netPeer {
		t.Error("a protocol was made")
		return new(netPeer)
	}, "tcp4", addr, netio.Config{TLS: &tls.Config{InsecureSkipVerify: true}})
	if err == nil {
		t.Error("the handshake succeeded")
	}
}

// A server and a client give up a peer that stalls in the handshake, after HandshakeTimeout. A
// hundred such peers do not delay a server's other clients. On a busy machine the handshake of
// another client may take too long as well. Then the timeout grows.
func TestNetPeerStallsInHandshake(t *testing.T) {
	checkLeaks(t)
	ctx := bounded(t, hang)
	forServer, forClient := certified(t)
	loop := quietLoop(t)
	for timeout := 300 * time.Millisecond; ; timeout *= 4 {
		err := stalledHandshakes(t, loop, timeout, forServer, forClient)
		if err == nil {
			break
		}
		if timeout > time.Minute {
			t.Fatalf("another client was not served: %v", err)
		}
	}

	silent, err := net.Listen("tcp4", "127.0.0.1:0")
	must(t, err)
	defer silent.Close()
	_, _, err = netio.CreateConnection(ctx, loop, func() *netPeer {
		t.Error("a protocol was made")
		return new(netPeer)
	}, "tcp4", silent.Addr().String(), netio.Config{TLS: forClient, HandshakeTimeout: 50 * time.Millisecond})
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the client's handshake with a server that says nothing: %v", err)
	}
}

// stalledHandshakes fails the test unless a server gives up a hundred peers that stall in the
// handshake. The error is that of another client, which comes after them.
func stalledHandshakes(t *testing.T, loop *zmqio.EventLoop, timeout time.Duration, forServer, forClient *tls.Config) error {
	t.Helper()
	cfg := netio.Config{TLS: forServer, HandshakeTimeout: timeout}
	_, addr := serve(t, loop, func() *netPeer { return &netPeer{received: echoes} }, netio.ServerConfig{Config: cfg})
	var stalled []*net.TCPConn
	for i := range 100 {
		c := dial(t, addr)
		if i%2 == 0 {
			_, err := c.Write([]byte("\x16\x03\x01\x00\xff\x01")) // the beginning of a hello
			must(t, err)
		}
		stalled = append(stalled, c)
	}
	forClient = forClient.Clone()
	forClient.ServerName = "127.0.0.1"
	c := tls.Client(dial(t, addr), forClient)
	asked := []byte("is there a server?")
	_, err := c.Write(asked) // after the handshake
	if err == nil {
		_, err = io.ReadFull(c, asked)
	}
	for _, c := range stalled {
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("the server keeps a connection that stalls: %v", err)
		}
	}
	return err
}
