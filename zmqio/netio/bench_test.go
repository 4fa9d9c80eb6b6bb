package netio

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/zmqio/zmq/zmqio"
)

// An echo sends back its data.
type echo struct {
	BaseProtocol
	t *Transport
}

func (e *echo) ConnectionMade(t *Transport) { e.t = t }
func (e *echo) DataReceived(b []byte)       { _ = e.t.Write(b) }

// echoServer returns the address of an echo server of netio.
func echoServer(b *testing.B, cfg Config) string {
	l, err := zmqio.NewEventLoop(nil)
	must(b, err)
	b.Cleanup(func() { must(b, l.Close()) })
	must(b, l.Start())
	s, err := CreateServer(bounded(b), l, func() *echo { return new(echo) }, "tcp", []string{"127.0.0.1:0"}, ServerConfig{Config: cfg})
	must(b, err)
	return s.Addrs()[0].String()
}

// plainServer returns the address of an echo server with a goroutine for each connection.
func plainServer(b *testing.B, cfg Config) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(b, err)
	if cfg.TLS != nil {
		l = tls.NewListener(l, cfg.TLS)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 64<<10)
				for {
					n, err := c.Read(buf)
					if err != nil {
						return
					}
					if _, err := c.Write(buf[:n]); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// BenchmarkEcho measures round trips through a server in the same process. All servers have the
// same client, with a goroutine for each connection, so the ratio is nearer to 1 than that of
// servers alone.
func BenchmarkEcho(b *testing.B) {
	for _, secure := range []bool{false, true} {
		for _, conns := range []int{1, 100} {
			for _, size := range []int{64, 1 << 10, 64 << 10} {
				var cfg Config
				if secure {
					cfg.TLS = serverTLS()
				}
				name := fmt.Sprintf("tls=%t/conns=%d/size=%d", secure, conns, size)
				b.Run(name+"/netio", func(b *testing.B) { benchmarkEcho(b, echoServer(b, cfg), secure, conns, size) })
				b.Run(name+"/plain", func(b *testing.B) { benchmarkEcho(b, plainServer(b, cfg), secure, conns, size) })
			}
		}
	}
}

func benchmarkEcho(b *testing.B, address string, secure bool, conns, size int) {
	clients := make([]net.Conn, conns)
	for i := range clients {
		c, err := net.Dial("tcp", address)
		must(b, err)
		if secure {
			c = tls.Client(c, clientTLS())
			must(b, c.(*tls.Conn).Handshake())
		}
		defer c.Close()
		clients[i] = c
	}
	b.SetBytes(int64(size))
	b.ResetTimer()
	var wg sync.WaitGroup
	for i, c := range clients {
		wg.Go(func() {
			buf := make([]byte, size)
			for range (b.N + conns - 1 - i) / conns {
				if _, err := c.Write(buf); err != nil {
					b.Error(err)
					return
				}
				if _, err := io.ReadFull(c, buf); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
