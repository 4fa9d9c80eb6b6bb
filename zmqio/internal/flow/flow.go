// Package flow is write flow control for any transport with a buffer. It has high- and low-water
// marks, pauses and resumes a protocol, bounds the buffer, and queues writers that wait for room.
//
// A [Control] decides and never acts. Its methods take what happened and how much is pending, and
// return [Effects]: what the transport must do. Nothing in the package calls a callback or takes a
// lock, and only [Pausing.Await] blocks. The transport's lock guards its Control. The transport
// carries out effects after it has released the lock.
//
// PauseWriting and ResumeWriting alternate strictly. They never run at the same time, except that a
// ResumeWriting that fills the buffer is paused from inside. ConnectionLost waits for a
// PauseWriting in progress, and ends a pause without ResumeWriting.
package flow

import (
	"math"
	"time"

	"github.com/zmqio/zmq/zmqio/internal/goroutine"
)

// DefaultMark means that the mark follows from the other mark.
//
// asyncio: None as a limit of set_write_buffer_limits
const DefaultMark = -1

const (
	defaultHigh = 64 << 10
	ratio       = 4 // high to low, if one of them is given
)

// Size is the size of the buffer or of a message. Items are frames: an empty frame needs memory
// too.
type Size struct{ Bytes, Items int }

// Effects are what a transport must do after it has released its lock.
type Effects uint8

const (
	// Offer means: hand the buffer to the peer as far as possible, then call [Control.Offered]. So
	// a peer with room never pauses a protocol.
	Offer Effects = 1 << iota
	// Pause means: call PauseWriting, then [Control.PauseReturned].
	Pause
	// Resume means: make the loop call [Control.ResumeDue].
	Resume
	// Lost means: make the loop call ConnectionLost.
	Lost
	// Own is the first of the bits for the transport's own use.
	Own
)

// Has reports whether e has all effects of f.
func (e Effects) Has(f Effects) bool { return e&f == f }

// A Control is the flow control of one transport. [New] makes it.
//
// Goroutines are identified by numbers other than 0: those of Self, except in tests.
type Control struct {
	high, low int
	max       int // limit of pending bytes, and of items; 0: no limit

	paused  bool    // PauseWriting was called, and ResumeWriting was not
	pausing Pausing // the PauseWriting in progress
	resumer int64   // the goroutine in ResumeWriting, or 0
	posted  bool    // Resume was returned, and ResumeDue was not called
	stopped bool    // nothing more is accepted
	held    bool    // Hold was called, and Release was not
	lost    bool    // Lose was called

	queue []*Waiter // oldest first
	turn  *Waiter   // was woken, and has not called Claim yet
}

// Self returns the number of the calling goroutine.
func Self() int64 { return goroutine.ID() }

// New returns a Control with the default marks. A positive limit bounds the pending bytes, and the
// items.
func New(limit int) Control {
	return Control{high: defaultHigh, low: defaultHigh / ratio, max: limit}
}

// ResolveMarks replaces DefaultMark. low is a quarter of high, and high is 64 KiB if neither is
// given. It reports whether 0 <= low <= high.
func ResolveMarks(high, low int) (h, l int, ok bool) {
	h, l = high, low
	if h == DefaultMark {
		switch {
		case l == DefaultMark:
			h = defaultHigh
		case l > math.MaxInt/ratio:
			h = math.MaxInt
		default:
			h = l * ratio
		}
	}
	if l == DefaultMark {
		l = h / ratio
	}
	return h, l, 0 <= l && l <= h
}

// Marks returns the marks, in bytes.
func (c *Control) Marks() (high, low int) { return c.high, c.low }

// SetMarks sets the marks. Marks above what is pending admit writers that wait, but do not
// resume a protocol before something has been sent. The caller is goroutine self.
func (c *Control) SetMarks(high, low int, pending Size, self int64) Effects {
	c.high, c.low = high, low
	return c.Grew(pending, self)
}

// over reports whether pending is over the high-water mark. With a mark of 0 every item is.
func (c *Control) over(pending Size) bool {
	return pending.Bytes > c.high || c.high == 0 && pending.Items > 0
}

// under reports whether pending is at or below the low-water mark.
func (c *Control) under(pending Size) bool {
	return pending.Bytes <= c.low && (c.low > 0 || pending.Items == 0)
}

// mustPause reports whether goroutine self is to pause the protocol. While another goroutine
// is in ResumeWriting, the pause is left to the end of that.
func (c *Control) mustPause(pending Size, self int64) bool {
	return !c.stopped && !c.paused && !c.held && c.over(pending) && (c.resumer == 0 || c.resumer == self)
}

// Grew is told that goroutine self has buffered something.
func (c *Control) Grew(pending Size, self int64) Effects {
	c.wakeNext(pending)
	return c.offerIfOver(pending, self)
}

// offerIfOver asks for the offer that comes before a pause.
func (c *Control) offerIfOver(pending Size, self int64) Effects {
	if !c.mustPause(pending, self) {
		return 0
	}
	return Offer
}

// Offered is told that goroutine self has offered the peer what is pending.
func (c *Control) Offered(pending Size, self int64) Effects {
	if !c.mustPause(pending, self) {
		return 0
	}
	c.paused = true
	c.pausing = Pausing{self, make(chan struct{})}
	return Pause
}

// PauseReturned follows the return of PauseWriting.
func (c *Control) PauseReturned(pending Size) Effects {
	close(c.pausing.returned)
	c.pausing = Pausing{}
	if c.lost { // lost while PauseWriting ran: no pause begins after Stop
		return Lost
	}
	return c.resumeIfUnder(pending)
}

// Pausing returns the PauseWriting in progress.
func (c *Control) Pausing() Pausing { return c.pausing }

// A Pausing is a PauseWriting in progress. The zero Pausing is none.
type Pausing struct {
	by       int64         // the goroutine that runs it
	returned chan struct{} // closed when it returns
}

// By reports whether goroutine self runs the PauseWriting.
func (p Pausing) By(self int64) bool { return p.by == self }

// Await waits until the PauseWriting has returned, or until deadline. On the goroutine that runs it
// Await returns at once. The caller, goroutine self, holds no lock.
func (p Pausing) Await(self int64, deadline time.Time) {
	if p.returned == nil || p.By(self) {
		return
	}
	timeout := time.NewTimer(time.Until(deadline))
	defer timeout.Stop()
	select {
	case <-p.returned:
	case <-timeout.C:
	}
}

// Shrank follows a send or a drop.
func (c *Control) Shrank(pending Size) Effects {
	c.wakeNext(pending)
	return c.resumeIfUnder(pending)
}

func (c *Control) resumeIfUnder(pending Size) Effects {
	if !c.paused || c.posted || c.pausing.returned != nil || c.lost || c.held || !c.under(pending) {
		return 0
	}
	c.posted = true
	return Resume
}

// ResumeDue reports whether the loop, goroutine self, must call ResumeWriting now, and then
// ResumeReturned. If not, a later method returns Resume again.
func (c *Control) ResumeDue(pending Size, self int64) bool {
	c.posted = false
	if c.lost || c.held || !c.under(pending) {
		return false
	}
	c.paused = false
	c.resumer = self
	c.wakeNext(pending) // before the protocol, which may fill the buffer in each ResumeWriting
	return true
}

// ResumeReturned is told that ResumeWriting has returned on goroutine self. What other
// goroutines wrote meanwhile may be over the mark.
func (c *Control) ResumeReturned(pending Size, self int64) Effects {
	c.resumer = 0
	return c.offerIfOver(pending, self)
}

// Hold stops admission, pauses and resumes until Release. The transport may send messages of its
// own meanwhile.
func (c *Control) Hold() { c.held = true }

// Release ends what Hold began. The caller is goroutine self.
func (c *Control) Release(pending Size, self int64) Effects {
	c.held = false
	return c.Grew(pending, self) | c.resumeIfUnder(pending)
}

// Stop ends admission. Waiting writers get err.
func (c *Control) Stop(err error) {
	c.stopped = true
	for _, w := range c.queue {
		w.turn <- err
	}
	c.queue = nil
}

// Lose follows the loss of the connection, once, after Stop.
func (c *Control) Lose() Effects {
	c.lost = true
	if c.pausing.returned != nil { // PauseReturned returns Lost then
		return 0
	}
	return Lost
}
