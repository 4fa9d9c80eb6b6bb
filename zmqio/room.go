package zmqio

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// WriteContext is Write that waits for room instead of buffering more and more: until
// the buffer, with msg, is at or below the high-water mark, and the protocol is not
// paused. An empty buffer has room for any message. Those who wait get their turn in the
// order in which they came. While the first of them is being woken, others who find room
// go before it, because a goroutine that runs costs less than one that has to be woken;
// but nobody is passed over so a second time: then its message goes in all the same, so
// that the mark and one message is the most that is ever buffered.
//
// Beside the errors of Write it returns the cause of ctx when that ends first,
// ErrTransportClosed when the transport is closed first, and ErrWouldDeadlock where it
// would have to wait on the loop's own goroutine or in the transport's own PauseWriting;
// msg is not sent then. A message that is larger than ConnectionConfig.MaxWriteBuffer
// does not wait: it is ErrBufferFull unless libzmq takes it. While nobody runs the loop,
// WriteContext waits for that. asyncio's streams have drain for it.
func (t *Transport) WriteContext(ctx context.Context, msg [][]byte) error {
	switch {
	case ctx == nil:
		return errNilContext()
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return t.write(msg, ctx)
}

// A waiter is a goroutine that waits for room. It keeps its message to itself, so that
// the slices that Write is given need not be on the heap.
type waiter struct {
	size, frames int
	turn         chan error // nil: it is this one's turn
}

var waiters = sync.Pool{New: func() any { return &waiter{turn: make(chan error, 1)} }}

// fits reports whether the buffer may take a message at all. Its frames are counted
// too, because empty ones need memory as well. mu is held.
func (t *Transport) fits(size, frames int) bool {
	return t.maxBuffer == 0 || t.out.bytes+size <= t.maxBuffer && t.out.frames+frames <= max(t.maxBuffer, frames)
}

func (t *Transport) bufferFull(size int) error {
	return fmt.Errorf("write: a message of %d bytes: %w", size, ErrBufferFull)
}

// hasRoom reports whether a message is at or below the high-water mark. mu is held.
func (t *Transport) hasRoom(size, frames int) bool {
	return !t.flow.paused && t.fits(size, frames) && (t.out.empty() || t.out.bytes+size <= t.flow.high)
}

// mustQueue reports whether a newcomer has to wait behind others: behind one who has
// been passed over, or for whom there is no room. mu is held.
func (t *Transport) mustQueue() bool {
	return t.passedOver || len(t.waiters) > 0 && !t.turnTaken
}

// awaitRoom waits in the queue until there is room for a message. mu is held, and
// released when that fails; meanwhile others can have it.
func (t *Transport) awaitRoom(ctx context.Context, size, frames int) error {
	if t.loop.onLoop() || t.flow.inPause() {
		t.mu.Unlock()
		return fmt.Errorf("write: %w", ErrWouldDeadlock)
	}
	w := waiters.Get().(*waiter)
	defer waiters.Put(w)
	w.size, w.frames = size, frames
	t.waiters = append(t.waiters, w)
	for second := false; ; second = true {
		t.mu.Unlock()
		err := t.awaitTurn(ctx, w)
		if err != nil {
			return err
		}
		t.mu.Lock()
		t.turnTaken = false
		switch {
		case t.state != stateOpen:
			t.mu.Unlock()
			return errClosedForWrite()
		case t.hasRoom(size, frames), second && t.fits(size, frames):
			t.passedOver = false
			return nil
		}
		t.passedOver = true
		t.waiters = slices.Insert(t.waiters, 0, w)
	}
}

// awaitTurn waits until it is w's turn or ctx ends.
func (t *Transport) awaitTurn(ctx context.Context, w *waiter) error {
	select {
	case err := <-w.turn:
		return err
	case <-ctx.Done():
	}
	if err := t.giveUp(w); err != nil {
		return err
	}
	return context.Cause(ctx) // without mu: it calls a method of the user's
}

// giveUp takes w, which no longer waits, out of the queue. The error is that of w's turn
// if it has come to that.
func (t *Transport) giveUp(w *waiter) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.waiters, w); i >= 0 {
		t.waiters = slices.Delete(t.waiters, i, i+1)
		t.passedOver = t.passedOver && (i > 0 || t.turnTaken) // by another one
	} else if err := <-w.turn; err != nil {
		return err
	} else {
		t.turnTaken, t.passedOver = false, false
	}
	t.nextTurn() // the next message may be smaller
	return nil
}

// nextTurn wakes the one who has waited longest if there is room for its message. It
// is called when there may be more room, and by whoever had the turn before: so they
// wake one another, one at a time. Of a crowd that is woken at once, all but one would
// go back to sleep. mu is held.
func (t *Transport) nextTurn() {
	if t.turnTaken || len(t.waiters) == 0 {
		return
	}
	w := t.waiters[0]
	if !t.hasRoom(w.size, w.frames) {
		return
	}
	t.waiters = slices.Delete(t.waiters, 0, 1)
	t.turnTaken = true
	w.turn <- nil
}

// turnAway ends the waiting because the transport is closed. mu is held.
func (t *Transport) turnAway() {
	for _, w := range t.waiters {
		w.turn <- errClosedForWrite()
	}
	t.waiters = nil
}

func errClosedForWrite() error { return fmt.Errorf("write: %w", ErrTransportClosed) }
