//go:build unix

package poll

import (
	"sync"

	"golang.org/x/sys/unix"
)

// A waker is a descriptor that becomes readable when wake is called, from any
// goroutine.
type waker struct {
	fds wakeFDs

	mu     sync.Mutex // wake must not write to a number that means another file by now
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

// wake ignores EAGAIN: then the descriptor is as readable as can be.
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

// drain takes all wake-ups that have come.
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
