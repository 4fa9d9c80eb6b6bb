package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zmqio/zmq/zmqio/netio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// serverName is the host name of the servers' certificate.
const serverName = "server.example"

// certificates has those of an authority, a server and a client, as files and for package tls.
type certificates struct {
	dir            string
	pool           *x509.CertPool
	server, client tls.Certificate
}

func newCertificates(t *testing.T) *certificates {
	t.Helper()
	c := &certificates{dir: t.TempDir(), pool: x509.NewCertPool()}
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	key := newKey(t)
	signed, err := x509.CreateCertificate(rand.Reader, authority, authority, &key.PublicKey, key)
	must(t, err)
	authority, err = x509.ParseCertificate(signed)
	must(t, err)
	c.pool.AddCert(authority)
	writePEM(t, c.path("authority"), "CERTIFICATE", signed)
	for i, name := range []string{"server", "client"} {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 2)), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name + ".example"},
			NotBefore: authority.NotBefore, NotAfter: authority.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}
		own := newKey(t)
		signed, err := x509.CreateCertificate(rand.Reader, template, authority, &own.PublicKey, key)
		must(t, err)
		bare, err := x509.MarshalPKCS8PrivateKey(own)
		must(t, err)
		writePEM(t, c.path(name), "CERTIFICATE", signed)
		writePEM(t, c.path(name+"-key"), "PRIVATE KEY", bare)
		pair := tls.Certificate{Certificate: [][]byte{signed}, PrivateKey: own}
		if name == "server" {
			c.server = pair
		} else {
			c.client = pair
		}
	}
	return c
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return key
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	must(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

func (c *certificates) path(name string) string { return filepath.Join(c.dir, name+".pem") }

// Settings of asyncio_peer.py.

func (c *certificates) forServer() []string {
	return []string{"certificate=" + c.path("server"), "key=" + c.path("server-key")}
}

func (c *certificates) forClient() []string {
	return []string{"certificate=" + c.path("client"), "key=" + c.path("client-key")}
}

func (c *certificates) trust() string { return "trusted=" + c.path("authority") }

// Configurations of package tls.

func (c *certificates) serverConfig() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c.server}}
}

func (c *certificates) demandingConfig() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c.server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: c.pool}
}

func (c *certificates) clientConfig() *tls.Config {
	return &tls.Config{ServerName: serverName, RootCAs: c.pool}
}

func (c *certificates) mutualConfig() *tls.Config {
	return &tls.Config{ServerName: serverName, RootCAs: c.pool, Certificates: []tls.Certificate{c.client}}
}

// openssl changes its keys in the middle of a connection, in both directions.
func TestNetServerForOpenSSL(t *testing.T) {
	certs := newCertificates(t)
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		t.Run(version, func(t *testing.T) {
			checkLeaks(t)
			addr := serveEcho(t, "127.0.0.1:0", certs.serverConfig(), false)
			p := runProgramWithErrors(t, "openssl", "s_client", version, "-quiet", "-no_ign_eof", "-verify_return_error",
				"-verify_quiet", "-CAfile", certs.path("authority"), "-servername", serverName, "-verify_hostname", serverName, "-connect", addr)
			say := func(line string) {
				t.Helper()
				_, err := p.in.Write([]byte(line + "\n"))
				must(t, err)
			}
			say("hello")
			p.wants("hello")
			if version == "-tls1_3" {
				say("k") // openssl drops what it reads together with a command
				p.wants("KEYUPDATE")
				say("own key updated")
				p.wants("own key updated")
				say("K") // asks for an update of the server's key as well
				p.wants("KEYUPDATE")
				say("both keys updated")
				p.wants("both keys updated")
			}
			long := strings.Repeat("x", 8000)
			for range 10 {
				say(long)
				p.wants(long)
			}
			say("Q")
		})
	}
}

// openssl returns each line backwards.
func TestNetClientOfOpenSSL(t *testing.T) {
	checkLeaks(t)
	certs := newCertificates(t)
	ctx := zmqiotest.Bounded(t, deadline)
	p := runProgram(t, "openssl", "s_server", "-rev", "-accept", "127.0.0.1:0", "-cert", certs.path("server"), "-key", certs.path("server-key"))
	addr, found := "", false
	for !found {
		addr, found = strings.CutPrefix(p.line(), "ACCEPT ")
	}
	tr, e, err := netio.CreateConnection(ctx, zmqiotest.RunLoop(t, nil), newExchanger, "tcp4", addr, netio.Config{TLS: certs.clientConfig()})
	must(t, err)
	must(t, tr.Write([]byte("zmqio\n")))
	for <-e.more < len("oiqmz\n") {
	}
	must(t, tr.Close())
	must(t, <-e.lost)
	if got := e.got.String(); got != "oiqmz\n" {
		t.Errorf("got %q", got)
	}
}

// socat ends its side first and waits for the rest, over TCP and over a Unix socket.
func TestNetServerForSocat(t *testing.T) {
	for _, address := range []string{"tcp", "unix"} {
		t.Run(address, func(t *testing.T) {
			checkLeaks(t)
			to := "TCP4:" + serveEchoOn(t, address)
			if address == "unix" {
				to = "UNIX-CONNECT:" + strings.TrimPrefix(to, "TCP4:")
			}
			p := runProgram(t, "socat", "-t", "120", "STDIO", to)
			_, err := p.in.Write([]byte("one\ntwo\n"))
			must(t, err)
			p.wants("one")
			p.wants("two")
			must(t, p.in.Close())
			p.wants("bye")
		})
	}
}

func serveEchoOn(t *testing.T, network string) string {
	t.Helper()
	if network == "unix" {
		return serveEcho(t, filepath.Join(zmqiotest.SocketDir(t), "s"), nil, false)
	}
	return serveEcho(t, "127.0.0.1:0", nil, false)
}
