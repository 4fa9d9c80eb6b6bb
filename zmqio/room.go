package zmqio

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// WriteContext is Write that waits for room instead of buffering more and more: until
// the buffer, with msg, is at or below the high-water mark, and the protocol is not
// paused. An empty buffer has room for any message, so that no more than the mark or
// one message is ever buffered. Those who wait get their turn in the order in which
// they came; what Write sends meanwhile does not wait for them.
//
// Beside the errors of Write it returns the cause of ctx when that ends first,
// ErrTransportClosed when the transport is closed first, and ErrWouldDeadlock where it
// would have to wait on the loop's own goroutine; msg is not sent then. While nobody
// runs the loop, it waits for that. aiozmq's streams have drain for it.
func (t *Transport) WriteContext(ctx context.Context, msg [][]byte) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return t.write(msg, ctx)
}

// A waiter is a message that waits for room.
type waiter struct {
	msg   [][]byte
	size  int
	over  bool // it went over the high-water mark by itself
	ready chan error
}

var waiters = sync.Pool{New: func() any { return &waiter{ready: make(chan error, 1)} }}

// fits reports whether the buffer may take a message at all. Its frames are counted
// too, because empty ones need memory as well. mu is held.
func (t *Transport) fits(size, frames int) bool {
	return t.maxBuffer == 0 || t.out.bytes+size <= t.maxBuffer && t.out.frames+frames <= max(t.maxBuffer, frames)
}

func (t *Transport) bufferFull(size int) error {
	return fmt.Errorf("write: a message of %d bytes: %w", size, ErrBufferFull)
}

// hasRoom reports whether WriteContext need not wait, if nobody waits. mu is held.
func (t *Transport) hasRoom(size, frames int) bool {
	return !t.flow.paused && t.fits(size, frames) && (t.out.empty() || t.out.bytes+size <= t.flow.high)
}

// awaitRoom waits until msg is in the outbox. mu is held, and released.
func (t *Transport) awaitRoom(ctx context.Context, msg [][]byte, size int) error {
	if t.loop.onLoop() {
		t.mu.Unlock()
		return fmt.Errorf("write: %w", ErrWouldDeadlock)
	}
	w := waiters.Get().(*waiter)
	w.msg, w.size, w.over = msg, size, false
	t.waiters = append(t.waiters, w)
	t.mu.Unlock()
	var err error
	select {
	case err = <-w.ready:
	case <-ctx.Done():
		if t.leaveQueue(w) {
			err = context.Cause(ctx)
		} else {
			err = <-w.ready
		}
	}
	if w.over {
		t.mu.Lock()
		t.pauseIfOver()
	}
	w.msg = nil
	waiters.Put(w)
	return err
}

// leaveQueue reports whether w waited still.
func (t *Transport) leaveQueue(w *waiter) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.Index(t.waiters, w)
	if i < 0 {
		return false
	}
	t.waiters = slices.Delete(t.waiters, i, i+1)
	if t.admit() { // the next may be smaller
		t.schedule()
	}
	return true
}

// admit puts the messages that wait in the outbox as long as there is room, and
// wakes their writers: one after the other, because of a crowd that is woken at once
// all but one would go back to sleep. It reports whether there was any. mu is held.
func (t *Transport) admit() (any bool) {
	n := 0
	for _, w := range t.waiters {
		if !t.hasRoom(w.size, len(w.msg)) {
			break
		}
		t.out.add(w.msg, w.size)
		w.over = t.flow.wouldPause(&t.out)
		w.ready <- nil
		n++
	}
	t.waiters = slices.Delete(t.waiters, 0, n)
	return n > 0
}

// turnAway ends the waiting because the transport is closed. mu is held.
func (t *Transport) turnAway() {
	for _, w := range t.waiters {
		w.ready <- fmt.Errorf("write: %w", ErrTransportClosed)
	}
	t.waiters = nil
}
