package netio

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/internal/flow"
)

// StartTLS makes a plain transport speak TLS from now on, as a server if serverSide is true,
// and as a client otherwise. cfg must say which name to verify. The protocol stays, and
// ConnectionMade is not called again.
//
// What was written before goes out in the clear first. During the handshake the transport reads
// nothing else. It buffers what is written, and encrypts that after the handshake.
//
// A protocol that reads the peer's request for TLS calls PauseReading in that DataReceived, so
// that the handshake is not taken for data. It then calls StartTLS off the loop, and after that
// ResumeReading.
//
// StartTLS waits for the handshake, for DefaultHandshakeTimeout and until ctx ends. If the
// handshake fails, the transport ends with that error. The error is zmqio.ErrGoexit if a
// function of cfg panics or calls runtime.Goexit.
//
// Other errors:
//   - zmqio.ErrInvalidArgument: an argument is impossible, or the transport is a pipe, has TLS,
//     or is in StartTLS.
//   - zmqio.ErrWouldDeadlock: the caller is the loop goroutine. Call it in zmqio.Go there.
//   - zmqio.ErrTransportClosed, [ErrWriteEOF] and [ErrSendFile].
//
// asyncio: start_tls
func (t *Transport) StartTLS(ctx context.Context, cfg *tls.Config, serverSide bool) (err error) {
	switch {
	case ctx == nil:
		return invalid("netio.Transport.StartTLS: nil context")
	case cfg == nil:
		return invalid("netio.Transport.StartTLS: nil tls.Config")
	}
	if err := checkTLS(cfg, serverSide); err != nil {
		return err
	}
	switch {
	case t.loop.InLoop():
		return refused("Transport.StartTLS", zmqio.ErrWouldDeadlock)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s, err := t.startSecuring(cancel)
	if err != nil {
		return err
	}
	var secured *tlsStream
	failed := zmqio.ErrGoexit // secureBy replaces it; functions of cfg may call Goexit
	defer func() {
		t.mu.Lock()
		fx, failed := t.securedLocked(secured, failed)
		t.mu.Unlock()
		t.carry(fx)
		err = failed
	}()
	secured, failed = t.secureBy(ctx, s, Config{TLS: cfg}, serverSide)
	return failed
}

// startSecuring stops reading, and marks the end of the plain text in the buffer.
func (t *Transport) startSecuring(cancel context.CancelCauseFunc) (*securing, error) {
	t.mu.Lock()
	s, fx, err := t.startSecuringLocked(cancel)
	t.mu.Unlock()
	t.carry(fx)
	return s, err
}

func (t *Transport) startSecuringLocked(cancel context.CancelCauseFunc) (*securing, flow.Effects, error) {
	_, secure := t.stream.(*tlsStream)
	switch {
	case t.state.is(closing):
		return nil, 0, t.errClosed("handshake")
	case t.state.is(eofWanted):
		return nil, 0, t.opError("handshake", ErrWriteEOF)
	case t.state.is(filing):
		return nil, 0, t.opError("handshake", ErrSendFile)
	case t.pipe != nil:
		return nil, 0, invalid("netio.Transport.StartTLS: %v is a pipe", t.remote)
	case secure || t.state.is(starting):
		return nil, 0, invalid("netio.Transport.StartTLS: %v has TLS, or is about to", t.remote)
	}
	s := &securing{clear: t.out.len(), ready: make(chan struct{}), cancel: cancel}
	if s.clear == 0 {
		close(s.ready)
	}
	t.state |= starting
	t.secure = s
	return s, t.settleLocked(), nil
}

// secureBy waits until the plain text has been sent, and does the handshake.
func (t *Transport) secureBy(ctx context.Context, s *securing, cfg Config, serverSide bool) (*tlsStream, error) {
	select {
	case <-s.ready:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	t.mu.Lock()
	if t.state.is(closed) {
		t.mu.Unlock()
		return nil, t.errClosed("handshake")
	}
	conn, err := t.fd.blocking()
	t.mu.Unlock()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return handshake(ctx, conn, cfg, serverSide)
}

// securedLocked sets the stream to secured, or ends the transport. Caller holds t.mu.
func (t *Transport) securedLocked(secured *tlsStream, err error) (flow.Effects, error) {
	switch {
	case t.state.is(closed):
		return 0, t.errClosed("handshake")
	case err != nil:
		return t.endLocked(err), err
	}
	secured.wire.descriptor = t.fd
	t.stream = secured
	t.state &^= starting
	t.secure = nil
	return t.flushLocked() | t.readAgainLocked(), nil
}

// blocking returns a connection of package net for the socket of d. The caller must close it.
func (d descriptor) blocking() (net.Conn, error) {
	fd, err := unix.FcntlInt(uintptr(d), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, syscallError("fcntl", err)
	}
	f := os.NewFile(uintptr(fd), "")
	defer f.Close()
	return net.FileConn(f)
}

// handshake does the TLS handshake over conn, and waits for it. It returns a stream that lacks its
// descriptor. conn stays open, unless ctx or the time ends: then it is closed.
func handshake(ctx context.Context, conn net.Conn, cfg Config, serverSide bool) (*tlsStream, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.handshakeTimeout(), os.ErrDeadlineExceeded)
	defer cancel()
	_ = conn.SetDeadline(time.Time{}) // the caller's deadline may be over
	s := &tlsStream{fresh: true}
	s.wire.blocking = conn
	end := tls.Client
	if serverSide {
		end = tls.Server
	}
	s.conn = end(&s.wire, withoutRenegotiation(cfg.TLS))
	err := s.conn.HandshakeContext(ctx)
	if err == nil { // else the end of ctx may still close the wire
		s.wire.blocking = nil
		return s, nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	var of *net.OpError
	if errors.As(err, &of) && of.Net != "" {
		return nil, err
	}
	return nil, &net.OpError{Op: "handshake", Net: conn.LocalAddr().Network(), Source: conn.LocalAddr(), Addr: conn.RemoteAddr(), Err: err}
}

// withoutRenegotiation returns cfg without renegotiation, because a second handshake would wait.
func withoutRenegotiation(cfg *tls.Config) *tls.Config {
	if cfg.Renegotiation == tls.RenegotiateNever {
		return cfg
	}
	cfg = cfg.Clone()
	cfg.Renegotiation = tls.RenegotiateNever
	return cfg
}

// forHost returns c for a connection to address: TLS sends and verifies the host's name, unless c
// has another.
func (c Config) forHost(network, address string) Config {
	if c.TLS == nil || c.TLS.ServerName != "" || network == "unix" {
		return c
	}
	if host, _, err := net.SplitHostPort(address); err == nil && host != "" {
		c.TLS = c.TLS.Clone()
		c.TLS.ServerName = host
	}
	return c
}

// checkTLS returns an error for a client without a name to verify, and for a server without a
// certificate.
func checkTLS(cfg *tls.Config, serverSide bool) error {
	switch {
	case cfg == nil:
		return nil
	case serverSide:
		if len(cfg.Certificates) == 0 && cfg.GetCertificate == nil && cfg.GetConfigForClient == nil {
			return invalid("netio: the tls.Config of a server needs a certificate")
		}
	case cfg.ServerName == "" && !cfg.InsecureSkipVerify:
		return invalid("netio: the tls.Config of a client needs ServerName, or InsecureSkipVerify")
	}
	return nil
}
