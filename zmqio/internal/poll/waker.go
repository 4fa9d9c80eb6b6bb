//go:build unix

package poll

// A Waker has a descriptor that is readable from Wake until Drain.
type Waker struct{ w *waker }

// NewWaker returns a Waker, which must be closed.
func NewWaker() (*Waker, error) {
	w, err := newWaker()
	if err != nil {
		return nil, err
	}
	return &Waker{w}, nil
}

// FD returns the descriptor to wait for.
func (w *Waker) FD() int { return w.w.readFD() }

// Wake makes the descriptor readable. Safe for concurrent use.
func (w *Waker) Wake() { w.w.wake() }

// Drain takes back all earlier calls of Wake.
func (w *Waker) Drain() { w.w.drain() }

// Close closes the descriptor. After it Wake does nothing.
func (w *Waker) Close() { w.w.close() }
