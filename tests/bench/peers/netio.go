package peers

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
)

// Certificate makes a key and a self-signed certificate, as PEM.
func Certificate() (certificate, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"}, DNSNames: []string{"bench"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		return nil, nil, err
	}
	bare, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})
	return certificate, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: bare}), nil
}

// serverTLS returns the server's configuration, or nil if the job is without TLS.
func (j job) serverTLS() (*tls.Config, error) {
	if j.how != "tls" {
		return nil, nil
	}
	certificate, key, err := Certificate()
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certificate, key)
	return &tls.Config{Certificates: []tls.Certificate{pair}}, err
}

// tcpAddress returns the endpoint in the form of package net.
func (j job) tcpAddress() string {
	return strings.Replace(strings.TrimPrefix(j.endpoint, "tcp://"), "*", "0", 1)
}

func tellAddress(a net.Addr) error { return tellEndpoint("tcp://" + a.String()) }

// netioServe starts a server on a new loop. p makes the protocol of each connection.
func netioServe[P netio.Protocol](j job, p func() P) (*zmqio.EventLoop, error) {
	cfg, err := j.serverTLS()
	if err != nil {
		return nil, err
	}
	l := newLoop(zmqio.LoopConfig{})
	s, err := netio.CreateServer(context.Background(), l, p, "tcp4", []string{j.tcpAddress()},
		netio.ServerConfig{Config: netio.Config{TLS: cfg}})
	if err != nil {
		return nil, err
	}
	return l, tellAddress(s.Addrs()[0])
}

// A netEcho returns what it gets. The meter, which the server's protocols share, counts
// trips of the job's size.
type netEcho struct {
	netio.BaseProtocol
	t     *netio.Transport
	meter *meter
	bytes int
}

func (e *netEcho) ConnectionMade(t *netio.Transport) { e.t = t }

func (e *netEcho) DataReceived(data []byte) {
	if err := e.t.Write(data); err != nil {
		return // echoLoad has ended
	}
	for e.bytes += len(data); e.bytes >= e.meter.size; e.bytes -= e.meter.size {
		if e.meter.tick() {
			e.t.Loop().Stop()
		}
	}
}

func netioEcho(j job) error {
	m := &meter{job: j}
	l, err := netioServe(j, func() *netEcho { return &netEcho{meter: m} })
	if err != nil {
		return err
	}
	return runMeasured(l, m)
}

// goListen serves with a goroutine for each connection, as Go programs do.
func goListen(j job, serve func(net.Conn)) error {
	cfg, err := j.serverTLS()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp4", j.tcpAddress())
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := listener.Accept()
			must(err)
			if cfg != nil {
				c = tls.Server(c, cfg)
			}
			go serve(c)
		}
	}()
	return tellAddress(listener.Addr())
}

func goEcho(j job) error {
	tallies := make([]tally, j.sockets)
	var next atomic.Int64
	err := goListen(j, func(c net.Conn) {
		mine := &tallies[int(next.Add(1)-1)%len(tallies)]
		buf, bytes := make([]byte, 64<<10), 0
		for {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			if _, err := c.Write(buf[:n]); err != nil {
				return
			}
			for bytes += n; bytes >= j.size; bytes -= j.size {
				mine.Add(1)
			}
		}
	})
	if err != nil {
		return err
	}
	return tell(j.watch(tallies))
}

// dial connects to the server under test.
func (j job) dial() (net.Conn, error) {
	c, err := net.Dial("tcp4", j.tcpAddress())
	if err != nil || j.how != "tls" {
		return c, err
	}
	secure := tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	return secure, secure.Handshake()
}

// echoLoad is the other end of all echo servers: one trip in flight on each connection.
func echoLoad(j job) error {
	conns := make([]net.Conn, j.sockets)
	for i := range conns { // all of them before the first trip, which starts the clock
		var err error
		if conns[i], err = j.dial(); err != nil {
			return err
		}
	}
	for _, c := range conns {
		go func() {
			out, in := make([]byte, j.size), make([]byte, j.size)
			for {
				if _, err := c.Write(out); err != nil {
					return // the server has what it wanted
				}
				if _, err := io.ReadFull(c, in); err != nil {
					return
				}
			}
		}()
	}
	select {}
}

// idleLoad keeps connections that do nothing.
func idleLoad(j job) error {
	if err := allowDescriptors(); err != nil {
		return err
	}
	conns := make([]net.Conn, j.sockets)
	for i := range conns {
		var err error
		if conns[i], err = j.dial(); err != nil {
			return err
		}
		// The byte makes a TLS server read, which completes its handshake.
		if _, err := conns[i].Write([]byte{0}); err != nil {
			return err
		}
	}
	select {}
}

// allowDescriptors raises the soft limit of descriptors to the hard one.
func allowDescriptors() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}

// whenAllCame returns a function for servers to call at the first byte of each connection. The
// function closes the channel when each connection of the job has sent a byte.
func (j job) whenAllCame() (came func(), all chan struct{}) {
	var n atomic.Int64
	all = make(chan struct{})
	return func() {
		if n.Add(1) == int64(j.sockets) {
			close(all)
		}
	}, all
}

// measureIdle measures how much memory all connections add to the process, or with how=idle, how
// much CPU time they take. serve starts a server that calls came at the first byte of each.
func (j job) measureIdle(serve func(came func()) error) error {
	if err := allowDescriptors(); err != nil {
		return err
	}
	came, all := j.whenAllCame()
	before, err := resident()
	if err != nil {
		return err
	}
	if err := serve(came); err != nil {
		return err
	}
	select {
	case <-all:
	case <-time.After(time.Minute):
		return fmt.Errorf("not all of %d connections came", j.sockets)
	}
	if j.how == "idle" {
		return tell(j.watch(nil))
	}
	after, err := resident()
	if err != nil {
		return err
	}
	return tell(map[string]int{"bytes": (after - before) / j.sockets})
}

// A quiet protocol reports its first byte, and does nothing else.
type quiet struct {
	netio.BaseProtocol
	came func()
}

func (q *quiet) DataReceived([]byte) { q.came() }

func netioIdle(j job) error {
	return j.measureIdle(func(came func()) error {
		l, err := netioServe(j, func() *quiet { return &quiet{came: came} })
		if err != nil {
			return err
		}
		go func() { must(l.RunForever(context.Background())) }()
		return nil
	})
}

func goIdle(j job) error {
	return j.measureIdle(func(came func()) error {
		return goListen(j, func(c net.Conn) {
			buf := make([]byte, 4<<10)
			if _, err := c.Read(buf); err != nil {
				return
			}
			came()
			_, _ = c.Read(buf) // until the load ends
		})
	})
}
