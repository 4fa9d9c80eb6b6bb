package netio

import (
	"cmp"
	"crypto/tls"
	"net"
	"time"
)

// Timeouts where Config has 0: those of asyncio.
const (
	DefaultHandshakeTimeout = time.Minute
	DefaultShutdownTimeout  = 30 * time.Second
)

// A Config says what a transport is made of. The zero value is fine.
type Config struct {
	// TLS, if not nil, makes the transport speak TLS: ConnectionMade comes after the
	// handshake. A client whose ServerName is empty takes the host of the address. Without
	// either it is refused, unless InsecureSkipVerify is set, and so is a server without a
	// certificate. The transport does not renegotiate.
	// Its ClientSessionCache is called with a lock held, and must not call the transport.
	TLS *tls.Config
	// HandshakeTimeout is how long the handshake of TLS may take; 0 is
	// DefaultHandshakeTimeout. It is for TLS alone.
	//
	// asyncio: ssl_handshake_timeout
	HandshakeTimeout time.Duration
	// ShutdownTimeout is how long Close may take with TLS; 0 is DefaultShutdownTimeout. It is
	// for TLS alone.
	//
	// asyncio: ssl_shutdown_timeout
	ShutdownTimeout time.Duration
	// Dialer is what CreateConnection connects with, and its LocalAddr, Timeout, Resolver,
	// FallbackDelay and KeepAlive count. nil is the zero Dialer. A nil Resolver is the loop's.
	Dialer *net.Dialer
	// MaxWriteBuffer is how many bytes the transport buffers at most; 0 is no limit. A Write
	// that could exceed it is refused whole, with zmqio.ErrBufferFull, before any of it is
	// sent: it also bounds a single Write.
	MaxWriteBuffer int
	// NoCopying has Transport.SendFile fail with errors.ErrUnsupported where sendfile(2) does
	// not serve, instead of copying.
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
