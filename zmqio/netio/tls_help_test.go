package netio

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/zmqio/zmq/zmqio"
)

const serverName = "server.test"

// identity makes a certificate for serverName, and a pool that trusts it, once.
var identity = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: serverName}, DNSNames: []string{serverName},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:   time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
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
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
})

func serverTLS() *tls.Config {
	cert, _ := identity()
	return &tls.Config{Certificates: []tls.Certificate{cert}}
}

func clientTLS() *tls.Config {
	_, pool := identity()
	return &tls.Config{RootCAs: pool, ServerName: serverName}
}

// connectTLS returns a transport on l that is a client of TLS, and the server at its other
// end.
func (n network) connectTLS(t testing.TB, l *zmqio.EventLoop, r *recorder, cfg Config) (*Transport, *tls.Conn) {
	t.Helper()
	listener := n.listen(t)
	peers := make(chan *tls.Conn, 1)
	go func() {
		c, err := listener.Accept()
		if err != nil {
			t.Error(err)
			close(peers)
			return
		}
		peer := tls.Server(c, serverTLS())
		if err := peer.Handshake(); err != nil {
			t.Error(err)
		}
		peers <- peer
	}()
	if cfg.TLS == nil {
		cfg.TLS = clientTLS()
	}
	made, _, err := CreateConnection(bounded(t), l, func() *recorder { return r }, n.name, listener.Addr().String(), cfg)
	must(t, err)
	peer := wait(t, peers)
	must(t, peer.SetDeadline(time.Now().Add(patience)))
	t.Cleanup(func() { peer.NetConn().Close() })
	return made, peer
}
