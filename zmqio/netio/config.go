package netio

import (
	"cmp"
	"crypto/tls"
	"net"
	"time"
)

// The timeouts that 0 in Config stands for. asyncio has the same.
const (
	DefaultHandshakeTimeout = time.Minute
	DefaultShutdownTimeout  = 30 * time.Second
)

// A Config configures a transport. The zero value makes a plain one.
type Config struct {
	// TLS, if not nil, makes the transport speak TLS: ConnectionMade comes after the handshake.
	// A client without ServerName takes the host of the address. A client that has neither is
	// refused, unless InsecureSkipVerify is set; so is a server without a certificate. The
	// transport does not renegotiate. ClientSessionCache is called with a lock held, and must
	// not call the transport.
	//
	// asyncio: ssl
	TLS *tls.Config
	// HandshakeTimeout is how long the TLS handshake may take; 0 means DefaultHandshakeTimeout.
	// Without TLS it must be 0.
	//
	// asyncio: ssl_handshake_timeout
	HandshakeTimeout time.Duration
	// ShutdownTimeout is how long Close may take with TLS; 0 means DefaultShutdownTimeout.
	// Without TLS it must be 0.
	//
	// asyncio: ssl_shutdown_timeout
	ShutdownTimeout time.Duration
	// Dialer is the dialer of CreateConnection: its LocalAddr, Timeout, Resolver, FallbackDelay
	// and KeepAlive. nil means the zero Dialer. A nil Resolver means the loop's.
	//
	// asyncio: local_addr, happy_eyeballs_delay
	Dialer *net.Dialer
	// MaxWriteBuffer is the most bytes that the write buffer holds; 0 means no limit. A Write
	// that could exceed it fails with zmqio.ErrBufferFull, before any of its bytes are sent. So
	// it also bounds a single Write.
	MaxWriteBuffer int
	// NoCopying makes Transport.SendFile fail with errors.ErrUnsupported where it cannot use
	// sendfile(2). Otherwise SendFile copies there.
	//
	// asyncio: fallback=False of sendfile
	NoCopying bool
}

func (c Config) check() error {
	switch {
	case c.HandshakeTimeout < 0:
		return invalid("netio.Config.HandshakeTimeout is negative: %v", c.HandshakeTimeout)
	case c.ShutdownTimeout < 0:
		return invalid("netio.Config.ShutdownTimeout is negative: %v", c.ShutdownTimeout)
	case c.TLS == nil && (c.HandshakeTimeout != 0 || c.ShutdownTimeout != 0):
		return invalid("netio.Config.TLS is nil; HandshakeTimeout and ShutdownTimeout are for TLS")
	case c.MaxWriteBuffer < 0:
		return invalid("netio.Config.MaxWriteBuffer is negative: %d", c.MaxWriteBuffer)
	}
	return nil
}

func (c Config) handshakeTimeout() time.Duration {
	return cmp.Or(c.HandshakeTimeout, DefaultHandshakeTimeout)
}

func (c Config) shutdownTimeout() time.Duration {
	return cmp.Or(c.ShutdownTimeout, DefaultShutdownTimeout)
}
