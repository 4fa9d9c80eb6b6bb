package netio

import (
	"io"
	"sync"

	"golang.org/x/sys/unix"
)

// A stream is the byte stream under a Transport: a descriptor, or TLS over one. Its methods do not
// block. Caller holds Transport.mu for each.
type stream interface {
	// read reads available bytes into buf. io.EOF is the peer's end. more is what holds would
	// return now. A zero n without more and err means that there is nothing to read.
	read(buf []byte) (n int, more bool, err error)
	// write takes a part of b. If n is less than len(b), the descriptor has no room.
	write(b []byte) (n int, err error)
	// holds reports whether the stream has data to read that the descriptor does not show.
	holds() bool
	// buffered returns how many bytes write has taken and the descriptor has not.
	buffered() int
	// closeWrite ends the stream towards the peer. Nothing must be buffered.
	closeWrite() error
	// shutdown begins or continues the end of the stream. done means that the descriptor can be
	// closed. Else the caller calls shutdown again after a read or a flush.
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

// blockSize is the most that one read takes, as in asyncio.
const blockSize = 256 << 10

// blocks are the buffers of reads. A loop uses one at a time to lend data to DataReceived, and
// another for ciphertext.
var blocks = sync.Pool{New: func() any { return new([blockSize]byte) }}

type block = *[blockSize]byte

func takeBlock() block { return blocks.Get().(block) }
