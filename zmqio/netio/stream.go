package netio

import (
	"io"
	"sync"

	"golang.org/x/sys/unix"
)

// A stream is the byte stream under a Transport: a descriptor, or TLS over one. None of its
// methods blocks. Caller holds Transport.mu for each of them.
type stream interface {
	// read reads what there is, as far as it fits into buf; io.EOF is the peer's end. more is
	// what holds returns then. Without n, more and err there is nothing to read.
	read(buf []byte) (n int, more bool, err error)
	// write takes what it can of b, after what it has taken before. If n is less than len(b)
	// the descriptor has no room.
	write(b []byte) (n int, err error)
	// holds reports whether there is something to read that the descriptor does not show.
	holds() bool
	// buffered returns how many bytes write has taken and the descriptor has not.
	buffered() int
	// closeWrite ends the stream in the direction to the peer. Nothing is buffered.
	closeWrite() error
	// shutdown begins the end of the stream, or goes on with it, and reports whether the
	// descriptor can be closed. Else it is to be called again when something has been read,
	// or what is buffered has been sent.
	shutdown() (done bool, err error)
}

// A descriptor is a stream socket of the system that does not block.
type descriptor int

func (d descriptor) read(buf []byte) (n int, more bool, err error) {
	for {
		n, err := unix.Read(int(d), buf)
		switch {
		case n > 0:
			return n, false, nil
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return 0, false, nil
		case err == nil:
			err = io.EOF
		default:
			err = syscallError("read", err)
		}
		return 0, false, err
	}
}

func (d descriptor) write(b []byte) (n int, err error) {
	for len(b) > 0 {
		n, err := unix.Write(int(d), b)
		switch err {
		case nil:
			return n, nil
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return 0, nil
		}
		return 0, syscallError("write", err)
	}
	return 0, nil
}

func (d descriptor) holds() bool { return false }

func (d descriptor) buffered() int { return 0 }

func (d descriptor) closeWrite() error {
	return syscallError("shutdown", unix.Shutdown(int(d), unix.SHUT_WR))
}

func (d descriptor) shutdown() (done bool, err error) { return true, nil }

func (d descriptor) close() { _ = unix.Close(int(d)) }

// blockSize is how much one read takes at most, as in asyncio.
const blockSize = 256 << 10

// blocks are what transports read into. A loop uses one at a time for what DataReceived is
// lent, and another for ciphertext.
var blocks = sync.Pool{New: func() any { return new([blockSize]byte) }}

type block = *[blockSize]byte

func takeBlock() block { return blocks.Get().(block) }
