// Package flow is write flow control for any transport that buffers what it cannot send
// at once: high- and low-water marks, a protocol that is paused and resumed, a bound on
// the buffer, and writers that wait for room in their order.
//
// A [Control] decides and never acts. Each method is told what happened and how much is
// pending, and returns [Effects]: what the transport has to do. Apart from [Pausing.Await],
// nothing in the package blocks. Nothing in it calls a callback or takes a lock. The
// transport's lock guards its Control; the transport carries effects out when it has
// released that lock.
//
// PauseWriting and ResumeWriting alternate strictly. They never run at the same time,
// unless a ResumeWriting that fills the buffer is paused from inside itself.
// ConnectionLost follows a PauseWriting that is running, and ends a pause without
// ResumeWriting.
package flow

import (
	"math"
	"time"

	"github.com/zmqio/zmq/zmqio/internal/goroutine"
)

// DefaultMark stands for a mark that follows from the other one.
//
// asyncio: None as a limit of set_write_buffer_limits
const DefaultMark = -1

const (
	defaultHigh = 64 << 10
	ratio       = 4 // of high to low where one of them is given
)

// Size is how much is buffered, or how large a message is. Items are frames: an empty
// frame needs memory too.
type Size struct{ Bytes, Items int }

// Effects are what a transport has to do once it has released its lock.
type Effects uint8

const (
	// Offer asks to hand what is pending to the peer as far as it goes, and then to call
	// [Control.Offered]: a peer that has room never pauses a protocol.
	Offer Effects = 1 << iota
	// Pause asks to call PauseWriting and then [Control.PauseReturned].
	Pause
	// Resume asks to have the loop call [Control.ResumeDue].
	Resume
	// Lost asks to have the loop call ConnectionLost.
	Lost
	// Own is the first of the bits that are left to transports.
	Own
)

// Has reports whether all effects of f are among e.
func (e Effects) Has(f Effects) bool { return e&f == f }

// A Control is the flow control of one transport. Make it with [New].
//
// Goroutines are told apart by a number that is never 0: that of Self, except in tests.
type Control struct {
	high, low int
	max       int // of the bytes pending, and of the items; 0 is no limit

	paused  bool    // PauseWriting was called, and ResumeWriting was not
	pausing Pausing // the PauseWriting in progress
	resumer int64   // the goroutine in ResumeWriting, or 0
	posted  bool    // the loop has been asked to call ResumeDue
	stopped bool    // nothing more is accepted
	held    bool    // Hold was called, and Release was not
	lost    bool    // Lose was called

	queue []*Waiter // oldest first
	turn  *Waiter   // has been woken and has not claimed its room yet
}

// Self returns the number of the calling goroutine.
func Self() int64 { return goroutine.ID() }

// New returns a Control with the default marks. A positive limit bounds the bytes pending,
// and the items.
func New(limit int) Control {
	return Control{high: defaultHigh, low: defaultHigh / ratio, max: limit}
}

// ResolveMarks replaces DefaultMark by a default that goes with the other mark: low is a
// quarter of high, which by default is 64 KiB. It reports whether 0 <= low <= high.
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

// over reports whether pending is over the high-water mark. Where that is 0 any item is.
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

// PauseReturned is told that PauseWriting has returned.
func (c *Control) PauseReturned(pending Size) Effects {
	close(c.pausing.returned)
	c.pausing = Pausing{}
	if c.lost { // while PauseWriting ran: no pause begins after Stop
		return Lost
	}
	return c.resumeIfUnder(pending)
}

// Pausing returns the PauseWriting in progress.
func (c *Control) Pausing() Pausing { return c.pausing }

// A Pausing is a PauseWriting in progress, or none if it is zero.
type Pausing struct {
	by       int64         // the goroutine that runs it
	returned chan struct{} // closed when it returns
}

// By reports whether goroutine self is in it.
func (p Pausing) By(self int64) bool { return p.by == self }

// Await waits until it has returned, or deadline. On the goroutine that is in it there is
// nothing to wait for. The caller, goroutine self, holds no lock.
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

// Shrank is told that less is pending.
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

// ResumeDue is told that the loop can call ResumeWriting, and reports whether it is to.
// Then ResumeReturned follows. Otherwise Resume is asked for again when it is time.
func (c *Control) ResumeDue(pending Size, self int64) bool {
	c.posted = false
	if c.lost || c.held || !c.under(pending) {
		return false
	}
	c.paused = false
	c.resumer = self
	c.wakeNext(pending) // before the protocol, which may fill the buffer each time
	return true
}

// ResumeReturned is told that ResumeWriting has returned on goroutine self. What other
// goroutines wrote meanwhile may be over the mark.
func (c *Control) ResumeReturned(pending Size, self int64) Effects {
	c.resumer = 0
	return c.offerIfOver(pending, self)
}

// Hold admits nothing from here on, and neither pauses nor resumes the protocol, until
// Release. What the transport itself sends meanwhile concerns neither writers nor protocol.
func (c *Control) Hold() { c.held = true }

// Release ends what Hold began. The caller is goroutine self.
func (c *Control) Release(pending Size, self int64) Effects {
	c.held = false
	return c.Grew(pending, self) | c.resumeIfUnder(pending)
}

// Stop is told that nothing more is accepted. Writers that wait get err.
func (c *Control) Stop(err error) {
	c.stopped = true
	for _, w := range c.queue {
		w.turn <- err
	}
	c.queue = nil
}

// Lose is told that the connection is lost, once, after Stop.
func (c *Control) Lose() Effects {
	c.lost = true
	if c.pausing.returned != nil { // then PauseReturned asks for it
		return 0
	}
	return Lost
}
