package flow

import (
	"slices"
	"sync"
)

// A Verdict says what becomes of a message.
type Verdict uint8

const (
	Admitted Verdict = iota // it may be buffered
	Wait                    // the writer has to wait for room
	Full                    // there is no room, and the writer cannot wait for it
	Stopped                 // nothing more is accepted
)

// A Waiter is a writer that waits for room. It knows the size of its message alone, so
// that the slices that a caller writes need not be on the heap.
type Waiter struct {
	size   Size
	passed bool       // had its turn, and the room was gone
	turn   chan error // nil: the turn has come
}

var waiters = sync.Pool{New: func() any { return &Waiter{turn: make(chan error, 1)} }}

// Turn is where the Waiter's turn is told, once for each time that it queues. Nil asks it
// to call [Control.Claim]; an error is that of [Control.Stop], and ends the wait.
func (w *Waiter) Turn() <-chan error { return w.turn }

// Release gives w back for another wait. Nothing of w may be used afterwards.
func (w *Waiter) Release() {
	w.passed = false
	waiters.Put(w)
}

// Admit decides about a message of the given size. A writer that can wait gets in at or
// below the high-water mark while the protocol is not paused; an empty buffer has room for
// any message. One that cannot wait gets in up to the limit.
func (c *Control) Admit(pending, msg Size, canWait bool) Verdict {
	switch {
	case c.stopped:
		return Stopped
	case !canWait && !c.held && c.fits(pending, msg), canWait && !c.MustQueue() && c.room(pending, msg):
		return Admitted
	case !canWait || c.max > 0 && msg.Bytes > c.max:
		return Full
	}
	return Wait
}

// fits reports whether the limit lets a message in.
func (c *Control) fits(pending, msg Size) bool {
	return c.max == 0 || pending.Bytes+msg.Bytes <= c.max && pending.Items+msg.Items <= max(c.max, msg.Items)
}

// room reports whether the marks let a message in.
func (c *Control) room(pending, msg Size) bool {
	return !c.paused && !c.held && c.fits(pending, msg) && (pending.Items == 0 || pending.Bytes+msg.Bytes <= c.high)
}

// MustQueue reports whether a new writer must queue: another one waits, or is being woken for
// the second time. A writer that is being woken for the first time may be passed: a goroutine
// that runs costs less than one that has to be woken.
func (c *Control) MustQueue() bool {
	if c.turn != nil {
		return c.turn.passed
	}
	return len(c.queue) > 0
}

// Enqueue makes a writer wait behind the others.
func (c *Control) Enqueue(msg Size) *Waiter {
	w := waiters.Get().(*Waiter)
	w.size = msg
	c.queue = append(c.queue, w)
	return w
}

// Claim is told that w's turn has come, and decides about its message again. At the second
// time the message gets in up to the limit. So the mark and one message is the most that is
// ever pending. After Wait the Waiter is first in the queue.
func (c *Control) Claim(w *Waiter, pending Size) Verdict {
	c.turn = nil
	switch {
	case c.stopped:
		return Stopped
	case c.room(pending, w.size), w.passed && !c.held && c.fits(pending, w.size):
		return Admitted
	}
	w.passed = w.passed || !c.held
	c.queue = slices.Insert(c.queue, 0, w)
	return Wait
}

// GiveUp ends the wait of w. If w's turn has come with an error, GiveUp returns that.
func (c *Control) GiveUp(w *Waiter, pending Size) error {
	if i := slices.Index(c.queue, w); i >= 0 {
		c.queue = slices.Delete(c.queue, i, i+1)
	} else if err := <-w.turn; err != nil { // it is there
		return err
	} else {
		c.turn = nil
	}
	c.wakeNext(pending) // the next message may be smaller
	return nil
}

// Waiting returns how many writers wait, without one that is being woken.
func (c *Control) Waiting() int { return len(c.queue) }

// wakeNext wakes the writer that has waited longest if there is room for its message.
// Writers wake one another, one at a time: of a crowd that is woken at once all but one
// would go back to sleep.
func (c *Control) wakeNext(pending Size) {
	if c.turn != nil || len(c.queue) == 0 || !c.room(pending, c.queue[0].size) {
		return
	}
	c.turn = c.queue[0]
	c.queue = slices.Delete(c.queue, 0, 1)
	c.turn.turn <- nil
}
