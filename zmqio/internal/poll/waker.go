//go:build unix

package poll

// A Waker is a descriptor that can be read after Wake was called, until Drain is.
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

// Drain takes back all calls of Wake.
func (w *Waker) Drain() { w.w.drain() }

// Close closes the descriptor. Wake then does nothing.
func (w *Waker) Close() { w.w.close() }
