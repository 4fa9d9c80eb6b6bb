package conformance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
)

// credentials are a certificate for localhost, and the authority that has signed it.
type credentials struct {
	certificate tls.Certificate
	authority   *x509.CertPool
}

// localhost returns the credentials of all tests.
var localhost = sync.OnceValue(func() credentials {
	sign := func(template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		if parent == nil {
			parent, parentKey = template, key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
		if err != nil {
			panic(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			panic(err)
		}
		return cert, key
	}
	from, until := time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	authority, authorityKey := sign(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: from, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, nil)
	cert, key := sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: from, NotAfter: until,
		DNSNames: []string{"localhost"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, authority, authorityKey)
	pool := x509.NewCertPool()
	pool.AddCert(authority)
	return credentials{tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}, pool}
})

// serverTLS returns the configuration of a server that is localhost.
func serverTLS() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{localhost().certificate}}
}

// clientTLS returns the configuration of a client that trusts the authority.
func clientTLS() *tls.Config {
	return &tls.Config{RootCAs: localhost().authority, ServerName: "localhost"}
}

// versions calls test for each version of TLS, with configurations for it.
func versions(t *testing.T, test func(t *testing.T, server, client *tls.Config)) {
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			server, client := serverTLS(), clientTLS()
			server.MaxVersion, client.MaxVersion = version, version
			test(t, server, client)
		})
	}
}

// A secured is the connection of package tls after a handshake, or the handshake's error.
type secured struct {
	conn *tls.Conn
	err  error
}

// acceptTLS accepts one connection, and makes the handshake in the background.
func acceptTLS(t testing.TB, ln net.Listener, cfg *tls.Config) <-chan secured {
	t.Helper()
	done := make(chan secured, 1)
	go func() {
		c, err := ln.Accept()
		if err != nil {
			done <- secured{nil, err}
			return
		}
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		conn := tls.Server(c, cfg)
		err = conn.Handshake()
		if err != nil {
			c.Close()
		}
		done <- secured{conn, err}
	}()
	return done
}

// made returns the connection of acceptTLS.
func (s secured) made(t testing.TB) *tls.Conn {
	t.Helper()
	must(t, s.err)
	return patient(t, s.conn)
}

// connectedTLS returns a TLS transport of protocol p, and the connection of package tls at its
// other end.
func connectedTLS(t testing.TB, l *zmqio.EventLoop, p netio.Protocol, server, client *tls.Config) (*netio.Transport, *tls.Conn) {
	t.Helper()
	ln := listen(t, "tcp4")
	done := acceptTLS(t, ln, server)
	tr := connect(t, l, p, ln.Addr(), netio.Config{TLS: client})
	return tr, (<-done).made(t)
}

// A rewound is a connection whose reader has been replaced.
type rewound struct {
	net.Conn
	from io.Reader
}

func (c rewound) Read(b []byte) (int, error) { return c.from.Read(b) }
