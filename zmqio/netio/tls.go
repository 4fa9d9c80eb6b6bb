package netio

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"time"
)

// A tlsStream is TLS over a descriptor. It takes no goroutine.
//
// A tls.Conn reads until it has a record, and expects a connection that blocks. Here its
// connection is a wire, whose Read returns errNothing when there is nothing. A tls.Conn keeps
// each error of a read for ever, unless that is temporary. crypto/tls does not document
// this; TestTemporaryError guards it.
type tlsStream struct {
	wire    wire
	conn    *tls.Conn
	fresh   bool  // nothing was read yet, and conn may have more than the handshake
	undone  bool  // conn may have more to give without another byte of the wire
	readErr error // of conn; what was read before it has been returned
	told    bool  // the peer has been told of the end
}

// chunk is how much is encrypted before the descriptor is offered it.
const chunk = 64 << 10

// mostAnswers is how much waits for a peer at most when TLS answers it by itself. What is
// written waits in a chunk, and is less.
const mostAnswers = 4 * chunk

// errAnswers ends a peer that makes TLS answer, by asking for new keys again and again, and
// does not read. A tls.Conn that blocks would stop reading in turn.
var errAnswers = errors.New("netio: the peer takes no answers of TLS")

// read decrypts all that one read of the descriptor brings, as far as it fits into buf.
func (s *tlsStream) read(buf []byte) (n int, more bool, err error) {
	s.fresh = false
	if !s.holds() {
		b := takeBlock()
		defer blocks.Put(b)
		defer s.wire.keep()
		s.wire.fill(b[:])
	}
	for s.readErr == nil && n < len(buf) {
		s.undone = true
		var m int
		m, err = s.conn.Read(buf[n:])
		n += m
		if err == errNothing {
			s.undone = false
			break
		}
		s.readErr = err
	}
	s.undone = s.undone && s.readErr == nil
	if err := s.wire.flush(); err != nil && s.readErr == nil { // of an alert, or of a new key
		s.readErr = err
	}
	if len(s.wire.out) > mostAnswers && s.readErr == nil {
		s.readErr = errAnswers
	}
	if n > 0 || s.readErr == nil {
		return n, s.holds(), nil
	}
	return 0, false, s.readErr
}

// holds reports whether read has something to return without the descriptor.
func (s *tlsStream) holds() bool { return s.fresh || s.undone || s.readErr != nil }

func (s *tlsStream) write(b []byte) (n int, err error) {
	for {
		if err := s.wire.flush(); err != nil || len(s.wire.out) > 0 || n == len(b) {
			return n, err
		}
		m, err := s.conn.Write(b[n:min(len(b), n+chunk)])
		if n += m; err != nil {
			return n, err
		}
	}
}

func (s *tlsStream) buffered() int { return len(s.wire.out) }

var errNoHalfClose error = &sentinel{"netio: TLS does not end in one direction alone", errors.ErrUnsupported}

func (s *tlsStream) closeWrite() error { return errNoHalfClose }

// shutdown sends close_notify, and is done when the peer's has come.
func (s *tlsStream) shutdown() (done bool, err error) {
	if !s.told {
		s.told = true
		if err := s.conn.CloseWrite(); err != nil { // it has failed before
			return true, nil
		}
	}
	ended := s.readErr != nil
	if err := s.wire.flush(); err != nil {
		return ended, err // a peer that has ended may be gone
	}
	return ended && len(s.wire.out) == 0, nil
}

// A wire is the connection of a tlsStream's tls.Conn. During the handshake it passes all on
// to a net.Conn, and blocks. After that it never does.
type wire struct {
	blocking net.Conn // nil after the handshake
	descriptor
	in    []byte // what the descriptor has given and the tls.Conn has not taken
	inErr error  // of the descriptor, after in
	out   []byte // what the tls.Conn has written and the descriptor has not taken
	block block  // the memory of out; nil where that is out's own
}

// errNothing is returned by Read where a connection that blocks would.
var errNothing error = nothing{}

type nothing struct{}

func (nothing) Error() string   { return "netio: nothing to read" }
func (nothing) Timeout() bool   { return false }
func (nothing) Temporary() bool { return true }

// fill reads the descriptor once, into memory that is lent until keep.
func (w *wire) fill(block []byte) {
	var n int
	n, _, w.inErr = w.descriptor.read(block)
	w.in = block[:n]
}

// keep copies what is left of in.
func (w *wire) keep() { w.in = bytes.Clone(w.in[:len(w.in):len(w.in)]) }

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	switch {
	case w.blocking != nil:
		return w.blocking.Read(p)
	case len(w.in) > 0:
		n := copy(p, w.in)
		w.in = w.in[n:]
		return n, nil
	case w.inErr != nil:
		return 0, w.inErr
	}
	return 0, errNothing
}

// Write implements net.Conn.
func (w *wire) Write(p []byte) (int, error) {
	if w.blocking != nil {
		return w.blocking.Write(p)
	}
	if w.out == nil {
		w.block = takeBlock()
		w.out = w.block[:0]
	}
	w.out = append(w.out, p...)
	return len(p), nil
}

// flush offers out to the descriptor. Then out is nil, or has memory of its own.
func (w *wire) flush() error {
	if w.out == nil {
		return nil
	}
	n, err := w.descriptor.write(w.out)
	w.out = w.out[n:]
	switch {
	case len(w.out) == 0:
		w.out = nil
	case w.block != nil:
		w.out = bytes.Clone(w.out)
	}
	if w.block != nil {
		blocks.Put(w.block)
		w.block = nil
	}
	return err
}

// Close implements net.Conn. The context of the handshake has ended.
func (w *wire) Close() error {
	if w.blocking == nil {
		return nil
	}
	return w.blocking.Close()
}

// LocalAddr implements net.Conn.
func (w *wire) LocalAddr() net.Addr { return nil }

// RemoteAddr implements net.Conn.
func (w *wire) RemoteAddr() net.Addr { return nil }

// SetDeadline implements net.Conn. The handshake has its context, and then nothing blocks.
func (w *wire) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (w *wire) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
