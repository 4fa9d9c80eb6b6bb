//go:build unix

package poll

import (
	"sync"

	"golang.org/x/sys/unix"
)

// A waker is a descriptor that wake makes readable. Every goroutine may call wake.
type waker struct {
	fds wakeFDs

	mu     sync.Mutex // keeps wake from writing to a number that belongs to another file by now
	closed bool
}

func newWaker() (*waker, error) {
	fds, err := openWakeFDs()
	if err != nil {
		return nil, err
	}
	return &waker{fds: fds}, nil
}

func (w *waker) readFD() int { return w.fds.read }

// wake makes the descriptor readable. It ignores EAGAIN: the descriptor is full, and so readable.
func (w *waker) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	for {
		if _, err := unix.Write(w.fds.write, wakeMessage); err != unix.EINTR {
			return
		}
	}
}

// drain takes back all wake-ups.
func (w *waker) drain() {
	var buf [512]byte
	for {
		n, err := unix.Read(w.fds.read, buf[:])
		if err == unix.EINTR {
			continue
		}
		if err != nil || n < len(buf) {
			return
		}
	}
}

func (w *waker) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	w.closed = true
	unix.Close(w.fds.read)
	if w.fds.write != w.fds.read {
		unix.Close(w.fds.write)
	}
}
