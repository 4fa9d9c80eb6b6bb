package errors_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// silence drops the log of failed handshakes of a server of net/http.
var silence = log.New(io.Discard, "", 0)

// A listener is a protocol whose transport stays open at the end of the peer's stream.
type listener struct{ netio.BaseProtocol }

func (*listener) EOFReceived() (keepOpen bool) { return true }

func stillness() *listener { return new(listener) }

// dials returns the provocation of a connection that cannot be made.
func dials(network, address string, cfg netio.Config) func(t *testing.T) error {
	return func(t *testing.T) error {
		_, _, err := netio.CreateConnection(bounded(t), zmqiotest.RunLoop(t, nil), stillness, network, address, cfg)
		return err
	}
}

// serves returns the provocation of a server that cannot be made.
func serves(network string, addresses []string, cfg netio.ServerConfig) func(t *testing.T) error {
	return func(t *testing.T) error {
		_, err := netio.CreateServer(bounded(t), zmqiotest.RunLoop(t, nil), stillness, network, addresses, cfg)
		return err
	}
}

// server returns a server of TCP.
func server(t *testing.T, loop *zmqio.EventLoop) *netio.Server {
	t.Helper()
	s, err := netio.CreateServer(bounded(t), loop, stillness, "tcp", []string{"127.0.0.1:0"}, netio.ServerConfig{})
	zmqiotest.Must(t, err)
	t.Cleanup(func() {
		_ = s.Abort()
		zmqiotest.Must(t, s.Wait(bounded(t)))
	})
	return s
}

// connected returns a transport over TCP.
func connected(t *testing.T, cfg netio.Config) *netio.Transport {
	t.Helper()
	loop := zmqiotest.RunLoop(t, nil)
	s := server(t, loop)
	tr, _, err := netio.CreateConnection(bounded(t), loop, stillness, "tcp", s.Addrs()[0].String(), cfg)
	zmqiotest.Must(t, err)
	t.Cleanup(func() { _ = tr.Abort(); <-tr.Closed() })
	return tr
}

func onConnection(do func(tr *netio.Transport) error) func(t *testing.T) error {
	return func(t *testing.T) error { return do(connected(t, netio.Config{})) }
}

// certified starts a server of TLS for example.com, and returns its address and its authority.
func certified(t *testing.T) (string, *x509.CertPool) {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.Config.ErrorLog = silence
	s.StartTLS()
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return s.Listener.Addr().String(), pool
}

var netioCases = []provocation{
	{"CreateConnection, nil context", zmqio.ErrInvalidArgument, says{"CreateConnection"}, func(t *testing.T) error {
		_, _, err := netio.CreateConnection(noContext, zmqiotest.NewLoop(t, nil), stillness, "tcp", "127.0.0.1:1", netio.Config{})
		return err
	}},
	{"CreateConnection, nil loop", zmqio.ErrInvalidArgument, says{"CreateConnection"}, func(*testing.T) error {
		_, _, err := netio.CreateConnection(context.Background(), nil, stillness, "tcp", "127.0.0.1:1", netio.Config{})
		return err
	}},
	{"CreateConnection, nil factory", zmqio.ErrInvalidArgument, says{"CreateConnection"}, func(t *testing.T) error {
		_, _, err := netio.CreateConnection[netio.Protocol](context.Background(), zmqiotest.NewLoop(t, nil), nil, "tcp", "127.0.0.1:1", netio.Config{})
		return err
	}},
	{"CreateConnection, factory returns nil", zmqio.ErrInvalidArgument, says{"factory", "*errors_test.listener"}, func(t *testing.T) error {
		loop := zmqiotest.RunLoop(t, nil)
		nothing := func() *listener { return nil }
		_, _, err := netio.CreateConnection(bounded(t), loop, nothing, "tcp", server(t, loop).Addrs()[0].String(), netio.Config{})
		return err
	}},
	{"CreateConnection, closed loop", zmqio.ErrLoopClosed, nil, func(t *testing.T) error {
		loop := zmqiotest.RunLoop(t, nil)
		_, _, err := netio.CreateConnection(bounded(t), closedLoop(t), stillness, "tcp", server(t, loop).Addrs()[0].String(), netio.Config{})
		return err
	}},
	{"CreateConnection, no address", zmqio.ErrInvalidArgument, says{"CreateConnection", "address"}, dials("tcp", "", netio.Config{})},
	{"CreateConnection, unknown network", zmqio.ErrInvalidArgument, says{"CreateConnection", `"udp"`, "unix"}, dials("udp", "127.0.0.1:1", netio.Config{})},
	{"CreateConnection, refused", syscall.ECONNREFUSED, says{"dial tcp", "127.0.0.1:"}, func(t *testing.T) error {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		zmqiotest.Must(t, err)
		zmqiotest.Must(t, l.Close())
		return dials("tcp", l.Addr().String(), netio.Config{})(t)
	}},
	{"CreateConnection, path that is not there", fs.ErrNotExist, says{"dial unix", "/no/such/socket"}, dials("unix", "/no/such/socket", netio.Config{})},
	{"CreateConnection, loop's own goroutine", zmqio.ErrWouldDeadlock, nil, func(t *testing.T) error {
		loop := zmqiotest.RunLoop(t, nil)
		return onLoop(t, loop, func() error {
			_, _, err := netio.CreateConnection(context.Background(), loop, stillness, "tcp", "127.0.0.1:1", netio.Config{})
			return err
		})
	}},
	{"Config, timeouts without TLS", zmqio.ErrInvalidArgument, says{"HandshakeTimeout", "TLS"}, dials("tcp", "127.0.0.1:1", netio.Config{HandshakeTimeout: 1})},
	{"Config, negative timeout", zmqio.ErrInvalidArgument, says{"HandshakeTimeout", "-1ns"}, dials("tcp", "127.0.0.1:1", netio.Config{HandshakeTimeout: -1, TLS: &tls.Config{}})},
	{"Config, MaxWriteBuffer negative", zmqio.ErrInvalidArgument, says{"MaxWriteBuffer", "-1"}, dials("tcp", "127.0.0.1:1", netio.Config{MaxWriteBuffer: -1})},
	{"TLS, no ServerName", zmqio.ErrInvalidArgument, says{"ServerName", "InsecureSkipVerify"}, dials("unix", "/no/such/socket", netio.Config{TLS: &tls.Config{}})},
	{"TLS, wrong name", errAny, says{"handshake", "example.org"}, func(t *testing.T) error {
		address, pool := certified(t)
		return dials("tcp", address, netio.Config{TLS: &tls.Config{ServerName: "example.org", RootCAs: pool}})(t)
	}},
	{"TLS, unknown authority", errAny, says{"handshake", "authority"}, func(t *testing.T) error {
		address, _ := certified(t)
		return dials("tcp", address, netio.Config{TLS: &tls.Config{ServerName: "example.com", RootCAs: x509.NewCertPool()}})(t)
	}},
	{"TLS, server that says nothing", os.ErrDeadlineExceeded, says{"handshake", "127.0.0.1:"}, func(t *testing.T) error {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		zmqiotest.Must(t, err)
		defer l.Close()
		return dials("tcp", l.Addr().String(), netio.Config{TLS: &tls.Config{ServerName: "example.com"}, HandshakeTimeout: time.Millisecond})(t)
	}},
	{"CreateServer, nil context", zmqio.ErrInvalidArgument, says{"CreateServer"}, func(t *testing.T) error {
		_, err := netio.CreateServer(noContext, zmqiotest.NewLoop(t, nil), stillness, "tcp", []string{"127.0.0.1:0"}, netio.ServerConfig{})
		return err
	}},
	{"CreateServer, nothing given", zmqio.ErrInvalidArgument, says{"CreateServer", "addresses", "Listener"}, serves("tcp", nil, netio.ServerConfig{})},
	{"CreateServer, unknown network", zmqio.ErrInvalidArgument, says{"CreateServer", `"udp"`}, serves("udp", []string{"127.0.0.1:0"}, netio.ServerConfig{})},
	{"CreateServer, no port", zmqio.ErrInvalidArgument, says{"CreateServer", "127.0.0.1", "port"}, serves("tcp", []string{"127.0.0.1"}, netio.ServerConfig{})},
	{"CreateServer, no path", zmqio.ErrInvalidArgument, says{"CreateServer", "path"}, serves("unix", []string{""}, netio.ServerConfig{})},
	{"CreateServer, TLS without certificate", zmqio.ErrInvalidArgument, says{"certificate"}, serves("tcp", []string{"127.0.0.1:0"},
		netio.ServerConfig{Config: netio.Config{TLS: &tls.Config{}}})},
	{"CreateServer, address in use", syscall.EADDRINUSE, says{"listen tcp", "127.0.0.1:"}, func(t *testing.T) error {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		zmqiotest.Must(t, err)
		defer l.Close()
		return serves("tcp", []string{l.Addr().String()}, netio.ServerConfig{})(t)
	}},
	{"StartServing, closed server", netio.ErrServerClosed, says{"accept", "127.0.0.1:"}, func(t *testing.T) error {
		s := server(t, zmqiotest.RunLoop(t, nil))
		zmqiotest.Must(t, s.Close())
		return s.StartServing()
	}},
	{"ServeForever, nil context", zmqio.ErrInvalidArgument, says{"ServeForever"}, func(t *testing.T) error {
		return server(t, zmqiotest.RunLoop(t, nil)).ServeForever(noContext)
	}},
	{"ServeForever, closed server", netio.ErrServerClosed, says{"accept", "127.0.0.1:"}, func(t *testing.T) error {
		s := server(t, zmqiotest.RunLoop(t, nil))
		zmqiotest.Must(t, s.Close())
		return s.ServeForever(bounded(t))
	}},
	{"ServeForever, twice", zmqio.ErrInvalidState, says{"ServeForever", "127.0.0.1:"}, func(t *testing.T) error {
		s := server(t, zmqiotest.RunLoop(t, nil))
		ctx, cancel := context.WithCancel(bounded(t))
		ran := make(chan error, 2)
		for range cap(ran) {
			go func() { ran <- s.ServeForever(ctx) }()
		}
		err := <-ran // the second of two calls
		cancel()
		<-ran
		return err
	}},
	{"Wait of a server, nil context", zmqio.ErrInvalidArgument, says{"Wait"}, func(t *testing.T) error {
		return server(t, zmqiotest.RunLoop(t, nil)).Wait(noContext)
	}},
	{"Write, closed transport", zmqio.ErrTransportClosed, says{"write tcp", "127.0.0.1:"}, onConnection(func(tr *netio.Transport) error {
		return errors.Join(tr.Abort(), tr.Write([]byte("x")))
	})},
	{"Write, full buffer", zmqio.ErrBufferFull, says{"write tcp", "2 bytes"}, func(t *testing.T) error {
		return connected(t, netio.Config{MaxWriteBuffer: 1}).Write([]byte("xy"))
	}},
	{"Write, after WriteEOF", netio.ErrWriteEOF, says{"write tcp"}, onConnection(func(tr *netio.Transport) error {
		return errors.Join(tr.WriteEOF(), tr.Write([]byte("x")))
	})},
	{"WriteContext, nil context", zmqio.ErrInvalidArgument, says{"WriteContext"}, onConnection(func(tr *netio.Transport) error {
		return tr.WriteContext(noContext, []byte("x"))
	})},
	{"WriteContext, ended context", context.Canceled, nil, onConnection(func(tr *netio.Transport) error { return tr.WriteContext(ended(), []byte("x")) })},
	{
		"SetWriteBufferLimits, low over high", zmqio.ErrInvalidArgument,
		says{"SetWriteBufferLimits", "high 1, low 2"},
		onConnection(func(tr *netio.Transport) error { return tr.SetWriteBufferLimits(1, 2) }),
	},
	{"PauseReading twice", zmqio.ErrAlreadyPaused, says{"reading"}, onConnection(func(tr *netio.Transport) error {
		return errors.Join(tr.PauseReading(), tr.PauseReading())
	})},
	{"ResumeReading, not paused", zmqio.ErrNotPaused, says{"reading"}, onConnection((*netio.Transport).ResumeReading)},
	{"StartTLS, nil context", zmqio.ErrInvalidArgument, says{"StartTLS"}, onConnection(func(tr *netio.Transport) error {
		return tr.StartTLS(noContext, &tls.Config{ServerName: "example.com"}, false)
	})},
	{"StartTLS, nil config", zmqio.ErrInvalidArgument, says{"StartTLS", "tls.Config"}, onConnection(func(tr *netio.Transport) error {
		return tr.StartTLS(context.Background(), nil, false)
	})},
	{"StartTLS, no ServerName", zmqio.ErrInvalidArgument, says{"ServerName"}, onConnection(func(tr *netio.Transport) error {
		return tr.StartTLS(context.Background(), &tls.Config{}, false)
	})},
	{"StartTLS, closed transport", zmqio.ErrTransportClosed, says{"handshake tcp", "127.0.0.1:"}, onConnection(func(tr *netio.Transport) error {
		return errors.Join(tr.Abort(), tr.StartTLS(context.Background(), &tls.Config{ServerName: "example.com"}, false))
	})},
	{"StartTLS, after WriteEOF", netio.ErrWriteEOF, says{"handshake tcp"}, onConnection(func(tr *netio.Transport) error {
		return errors.Join(tr.WriteEOF(), tr.StartTLS(context.Background(), &tls.Config{ServerName: "example.com"}, false))
	})},
	{"StartTLS, loop's own goroutine", zmqio.ErrWouldDeadlock, nil, func(t *testing.T) error {
		tr := connected(t, netio.Config{})
		return onLoop(t, tr.Loop(), func() error { return tr.StartTLS(context.Background(), &tls.Config{ServerName: "example.com"}, false) })
	}},
	{"SendFile, nil context", zmqio.ErrInvalidArgument, says{"SendFile"}, onConnection(func(tr *netio.Transport) error {
		_, err := tr.SendFile(noContext, os.Stdin, 0, 1)
		return err
	})},
	{"SendFile, nil file", zmqio.ErrInvalidArgument, says{"SendFile", "file"}, onConnection(func(tr *netio.Transport) error {
		_, err := tr.SendFile(context.Background(), nil, 0, 1)
		return err
	})},
	{"SendFile, negative offset", zmqio.ErrInvalidArgument, says{"SendFile", "-1"}, onConnection(func(tr *netio.Transport) error {
		_, err := tr.SendFile(context.Background(), os.Stdin, -1, 1)
		return err
	})},
	{"SendFile, after WriteEOF", netio.ErrWriteEOF, says{"sendfile tcp"}, onConnection(func(tr *netio.Transport) error {
		ended := tr.WriteEOF()
		_, err := tr.SendFile(context.Background(), os.Stdin, 0, 1)
		return errors.Join(ended, err)
	})},
	{"Write, while SendFile goes on", netio.ErrSendFile, says{"write tcp"}, whileSendFile},
	{"CreateTransport, nil connection", zmqio.ErrInvalidArgument, says{"CreateTransport"}, func(t *testing.T) error {
		_, _, err := netio.CreateTransport(bounded(t), zmqiotest.RunLoop(t, nil), stillness, nil, netio.Config{}, false)
		return err
	}},
	{"CreateTransport, connection without descriptor", zmqio.ErrInvalidArgument, says{"CreateTransport", "*net.pipe"}, func(t *testing.T) error {
		a, b := net.Pipe()
		defer a.Close()
		defer b.Close()
		_, _, err := netio.CreateTransport(bounded(t), zmqiotest.RunLoop(t, nil), stillness, a, netio.Config{}, false)
		return err
	}},
}

// whileSendFile writes while a file is sent to a peer that does not read.
func whileSendFile(t *testing.T) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	zmqiotest.Must(t, err)
	defer l.Close()
	loop := zmqiotest.RunLoop(t, nil)
	tr, _, err := netio.CreateConnection(bounded(t), loop, stillness, "tcp", l.Addr().String(), netio.Config{})
	zmqiotest.Must(t, err)
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	zmqiotest.Must(t, err)
	defer f.Close()
	zmqiotest.Must(t, f.Truncate(64<<20))
	sent := make(chan error, 1)
	// SendFile begins on the loop goroutine, and then waits for the peer.
	go func() { _, err := tr.SendFile(context.Background(), f, 0, 64<<20); sent <- err }()
	for err = nil; err == nil; {
		err = tr.Write(nil)
	}
	zmqiotest.Must(t, tr.Abort())
	<-sent
	<-tr.Closed()
	return err
}

func onDatagrams(network string, cfg netio.DatagramConfig) func(t *testing.T) error {
	return func(t *testing.T) error {
		_, _, err := netio.CreateDatagramEndpoint(bounded(t), zmqiotest.RunLoop(t, nil), silent, network, cfg)
		return err
	}
}

func silent() *netio.BaseDatagramProtocol { return new(netio.BaseDatagramProtocol) }

// sends returns the provocation of a datagram that cannot be sent.
func sends(cfg netio.DatagramConfig, addr net.Addr, data string) func(t *testing.T) error {
	return func(t *testing.T) error {
		tr, _, err := netio.CreateDatagramEndpoint(bounded(t), zmqiotest.RunLoop(t, nil), silent, "udp", cfg)
		zmqiotest.Must(t, err)
		defer func() { _ = tr.Abort(); <-tr.Closed() }()
		return tr.SendTo([]byte(data), addr)
	}
}

var local = netio.DatagramConfig{Local: "127.0.0.1:0"}

var datagramCases = []provocation{
	{"nil context", zmqio.ErrInvalidArgument, says{"CreateDatagramEndpoint"}, func(t *testing.T) error {
		_, _, err := netio.CreateDatagramEndpoint(noContext, zmqiotest.NewLoop(t, nil), silent, "udp", local)
		return err
	}},
	{"nil factory", zmqio.ErrInvalidArgument, says{"CreateDatagramEndpoint"}, func(t *testing.T) error {
		_, _, err := netio.CreateDatagramEndpoint[netio.DatagramProtocol](context.Background(), zmqiotest.NewLoop(t, nil), nil, "udp", local)
		return err
	}},
	{"nothing given", zmqio.ErrInvalidArgument, says{"DatagramConfig", "Local", "Remote"}, onDatagrams("udp", netio.DatagramConfig{})},
	{"unknown network", zmqio.ErrInvalidArgument, says{"CreateDatagramEndpoint", `"tcp"`, "udp"}, onDatagrams("tcp", local)},
	{"Broadcast on unixgram", zmqio.ErrInvalidArgument, says{"DatagramConfig", "Broadcast"}, onDatagrams("unixgram", netio.DatagramConfig{Local: "/tmp/x", Broadcast: true})},
	{"MaxWriteBuffer negative", zmqio.ErrInvalidArgument, says{"MaxWriteBuffer", "-1"}, onDatagrams("udp", netio.DatagramConfig{Local: "127.0.0.1:0", MaxWriteBuffer: -1})},
	{"Local and Conn", zmqio.ErrInvalidArgument, says{"DatagramConfig", "Conn", "Local"}, func(t *testing.T) error {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		zmqiotest.Must(t, err)
		defer c.Close()
		return onDatagrams("", netio.DatagramConfig{Local: "127.0.0.1:0", Conn: c})(t)
	}},
	{"address without port", zmqio.ErrInvalidArgument, says{"127.0.0.1", "port"}, onDatagrams("udp", netio.DatagramConfig{Local: "127.0.0.1"})},
	{"SendTo, nil address", zmqio.ErrInvalidArgument, says{"SendTo"}, sends(local, nil, "x")},
	{"SendTo, address of another type", zmqio.ErrInvalidArgument, says{"SendTo", "*net.TCPAddr"}, sends(local, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, "x")},
	{"SendTo, IPv6 address", zmqio.ErrInvalidArgument, says{"SendTo", "[::1]:1"}, sends(local, &net.UDPAddr{IP: net.IPv6loopback, Port: 1}, "x")},
	{
		"SendTo, another address than the peer's", zmqio.ErrInvalidArgument,
		says{"SendTo", "127.0.0.1:2", "127.0.0.1:1"},
		sends(netio.DatagramConfig{Remote: "127.0.0.1:1"}, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2}, "x"),
	},
	{"SendTo, datagram that is too long", syscall.EMSGSIZE, says{"write udp"}, sends(local, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9}, string(make([]byte, 70000)))},
	{"SendTo, closed transport", zmqio.ErrTransportClosed, says{"write udp"}, func(t *testing.T) error {
		tr, _, err := netio.CreateDatagramEndpoint(bounded(t), zmqiotest.RunLoop(t, nil), silent, "udp", local)
		zmqiotest.Must(t, err)
		zmqiotest.Must(t, tr.Abort())
		<-tr.Closed()
		return tr.SendTo([]byte("x"), &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1})
	}},
}

var pipeCases = []provocation{
	{"nil file", zmqio.ErrInvalidArgument, says{"ConnectReadPipe"}, func(t *testing.T) error {
		_, _, err := netio.ConnectReadPipe(bounded(t), zmqiotest.RunLoop(t, nil), stillness, nil)
		return err
	}},
	{"regular file", zmqio.ErrInvalidArgument, says{"errors_test.go", "FIFO"}, func(t *testing.T) error {
		f, err := os.Open("errors_test.go")
		zmqiotest.Must(t, err)
		defer f.Close()
		_, _, err = netio.ConnectReadPipe(bounded(t), zmqiotest.RunLoop(t, nil), stillness, f)
		return err
	}},
	{"reading end to write", zmqio.ErrInvalidArgument, says{"|0", "writing"}, func(t *testing.T) error {
		r, _ := pipe(t)
		_, _, err := netio.ConnectWritePipe(bounded(t), zmqiotest.RunLoop(t, nil), stillness, r)
		return err
	}},
	{"closed file", fs.ErrClosed, says{"|0"}, func(t *testing.T) error {
		r, _ := pipe(t)
		zmqiotest.Must(t, r.Close())
		_, _, err := netio.ConnectReadPipe(bounded(t), zmqiotest.RunLoop(t, nil), stillness, r)
		return err
	}},
	{"Write to what is read", errors.ErrUnsupported, says{"write |0"}, func(t *testing.T) error {
		r, _ := pipe(t)
		tr, _, err := netio.ConnectReadPipe(bounded(t), zmqiotest.RunLoop(t, nil), stillness, r)
		zmqiotest.Must(t, err)
		defer func() { _ = tr.Abort(); <-tr.Closed() }()
		return tr.Write([]byte("x"))
	}},
	{"StartTLS", zmqio.ErrInvalidArgument, says{"StartTLS", "|0"}, func(t *testing.T) error {
		r, _ := pipe(t)
		tr, _, err := netio.ConnectReadPipe(bounded(t), zmqiotest.RunLoop(t, nil), stillness, r)
		zmqiotest.Must(t, err)
		defer func() { _ = tr.Abort(); <-tr.Closed() }()
		return tr.StartTLS(bounded(t), &tls.Config{ServerName: "example.com"}, false)
	}},
}
