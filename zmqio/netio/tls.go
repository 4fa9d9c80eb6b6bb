package netio

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"time"
)

// A tlsStream is TLS over a descriptor. It needs no goroutine.
//
// A tls.Conn reads until it has a record, and expects a connection that blocks. Its connection here
// is a wire, whose Read returns errNothing if there is nothing to read. A tls.Conn keeps each error
// of a read for ever, unless the error is temporary. crypto/tls does not document this;
// TestTemporaryError guards it.
type tlsStream struct {
	wire    wire
	conn    *tls.Conn
	fresh   bool  // nothing was read yet, and conn may have data from the handshake
	undone  bool  // conn may return more without further bytes of the wire
	readErr error // of conn; the data before it was returned
	told    bool  // close_notify was sent
}

// chunk is how much plain text is encrypted before the descriptor gets it.
const chunk = 64 << 10

// mostAnswers bounds the answers that TLS itself makes and the peer does not read. A write buffers
// less: one chunk.
const mostAnswers = 4 * chunk

// errAnswers ends a peer that repeatedly asks for new keys and does not read the answers. A
// blocking tls.Conn would stop reading instead.
var errAnswers = errors.New("netio: the peer takes no answers of TLS")

// read reads the descriptor once, and decrypts as much as fits into buf.
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
	if err := s.wire.flush(); err != nil && s.readErr == nil { // fails for an alert or a new key
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

// shutdown sends close_notify. It is done when the peer's has come.
func (s *tlsStream) shutdown() (done bool, err error) {
	if !s.told {
		s.told = true
		if err := s.conn.CloseWrite(); err != nil { // CloseWrite has failed before
			return true, nil
		}
	}
	ended := s.readErr != nil
	if err := s.wire.flush(); err != nil {
		return ended, err // a peer that has ended may be gone
	}
	return ended && len(s.wire.out) == 0, nil
}

// A wire is the connection of a tlsStream's tls.Conn. During the handshake it uses a net.Conn, and
// blocks. Afterwards it never blocks.
type wire struct {
	blocking net.Conn // nil after the handshake
	descriptor
	in    []byte // bytes of the descriptor that the tls.Conn has not taken
	inErr error  // error of the descriptor, after in
	out   []byte // bytes of the tls.Conn that the descriptor has not taken
	block block  // the memory of out, or nil if out has its own
}

// errNothing is the error of a Read that would block.
var errNothing error = nothing{}

type nothing struct{}

func (nothing) Error() string   { return "netio: nothing to read" }
func (nothing) Timeout() bool   { return false }
func (nothing) Temporary() bool { return true }

// fill reads the descriptor once, into block, which is lent until keep.
func (w *wire) fill(block []byte) {
	var n int
	n, _, w.inErr = w.descriptor.read(block)
	w.in = block[:n]
}

// keep copies the rest of in.
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

// flush gives out to the descriptor. Afterwards out is nil, or has its own memory.
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

// Close implements net.Conn. It is called when the context of the handshake has ended.
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

// SetDeadline implements net.Conn. It does nothing: the handshake has a context, and nothing blocks
// after it.
func (w *wire) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (w *wire) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
