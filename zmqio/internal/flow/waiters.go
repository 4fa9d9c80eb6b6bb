package flow

import (
	"slices"
	"sync"
)

// A Verdict is the decision about a message.
type Verdict uint8

const (
	Admitted Verdict = iota // the message may be buffered
	Wait                    // the writer must wait for room
	Full                    // there is no room, and the writer cannot wait
	Stopped                 // nothing more is accepted
)

// A Waiter is a writer that waits for room. It has only the size of the message, so that the
// caller's slices can stay off the heap.
type Waiter struct {
	size   Size
	passed bool       // woken once, when the room was gone again
	turn   chan error // nil means that the turn has come
}

var waiters = sync.Pool{New: func() any { return &Waiter{turn: make(chan error, 1)} }}

// Turn returns the channel on which the Waiter gets its turn, once for each time that it queues.
// After nil the writer calls [Control.Claim]. An error is that of [Control.Stop], and ends the
// wait.
func (w *Waiter) Turn() <-chan error { return w.turn }

// Release gives w back to the pool. The caller must not use w afterwards.
func (w *Waiter) Release() {
	w.passed = false
	waiters.Put(w)
}

// Admit decides about a message. A writer that can wait gets in if the buffer stays at or below the
// high-water mark and the protocol is not paused. An empty buffer has room for any message. A
// writer that cannot wait gets in up to the limit.
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

// fits reports whether the limit admits the message.
func (c *Control) fits(pending, msg Size) bool {
	return c.max == 0 || pending.Bytes+msg.Bytes <= c.max && pending.Items+msg.Items <= max(c.max, msg.Items)
}

// Exceeds reports whether size is over the limit. The limit never changes, so the caller needs no
// lock.
func (c *Control) Exceeds(size Size) bool { return c.max > 0 && max(size.Bytes, size.Items) > c.max }

// room reports whether the marks admit the message.
func (c *Control) room(pending, msg Size) bool {
	return !c.paused && !c.held && c.fits(pending, msg) && (pending.Items == 0 || pending.Bytes+msg.Bytes <= c.high)
}

// MustQueue reports whether a new writer must queue: another writer waits, or one is being woken
// for the second time. A writer that is being woken for the first time may be passed, because a
// running goroutine costs less than a wake-up.
func (c *Control) MustQueue() bool {
	if c.turn != nil {
		return c.turn.passed
	}
	return len(c.queue) > 0
}

// Enqueue makes a writer wait at the end of the queue.
func (c *Control) Enqueue(msg Size) *Waiter {
	w := waiters.Get().(*Waiter)
	w.size = msg
	c.queue = append(c.queue, w)
	return w
}

// Claim decides again about the message of w, whose turn has come. The second time it admits the
// message up to the limit. So at most the mark and one message are pending. After the verdict Wait,
// w is first in the queue.
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

// GiveUp ends the wait of w. If w's turn has come with an error, GiveUp returns the error.
func (c *Control) GiveUp(w *Waiter, pending Size) error {
	if i := slices.Index(c.queue, w); i >= 0 {
		c.queue = slices.Delete(c.queue, i, i+1)
	} else if err := <-w.turn; err != nil { // the turn has come
		return err
	} else {
		c.turn = nil
	}
	c.wakeNext(pending) // the next message may be smaller
	return nil
}

// Waiting returns the number of waiting writers, without one that is being woken.
func (c *Control) Waiting() int { return len(c.queue) }

// wakeNext wakes the first writer of the queue if its message has room. Writers wake one another,
// one at a time. If all were woken at once, all but one would go back to sleep.
func (c *Control) wakeNext(pending Size) {
	if c.turn != nil || len(c.queue) == 0 || !c.room(pending, c.queue[0].size) {
		return
	}
	c.turn = c.queue[0]
	c.queue = slices.Delete(c.queue, 0, 1)
	c.turn.turn <- nil
}
