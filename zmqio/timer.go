package zmqio

import (
	"container/heap"
	"math"
	"time"
)

// CallLater arranges for fn to be called on the loop once at least d has passed.
// A d that is not positive makes it due at once.
func (l *EventLoop) CallLater(d time.Duration, fn func()) (*TimerHandle, error) {
	when := l.Time()
	if d > math.MaxInt64-when {
		when = math.MaxInt64
	} else {
		when += d
	}
	return l.CallAt(when, fn)
}

// CallAt arranges for fn to be called on the loop when Time has reached when.
// Callbacks come in the order of their times, equal ones in the order of the calls.
// fn is never called early, and never inside CallAt.
func (l *EventLoop) CallAt(when time.Duration, fn func()) (*TimerHandle, error) {
	if fn == nil {
		return nil, invalid("nil function")
	}
	h := &TimerHandle{Handle: Handle{fn: fn, origin: l.origin(fn)}, loop: l, when: when}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrLoopClosed
	}
	l.timerSeq++
	h.seq = l.timerSeq
	heap.Push(&l.timers, h)
	if h.index == 0 {
		l.wakeLocked() // it may be due before the loop would wake up
	}
	return h, nil
}

// dueTimers moves the timers that are due to the ready queue. l.mu is held.
func (l *EventLoop) dueTimers() {
	if len(l.timers) == 0 {
		return
	}
	for now := l.Time(); len(l.timers) > 0 && l.timers[0].when <= now; {
		h := heap.Pop(&l.timers).(*TimerHandle)
		l.makeReady(&h.Handle)
	}
}

func (l *EventLoop) removeTimer(h *TimerHandle) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h.index >= 0 {
		heap.Remove(&l.timers, h.index)
	}
}

// A timerHeap has the timer that is due first at its root.
type timerHeap []*TimerHandle

func (t timerHeap) Len() int { return len(t) }

func (t timerHeap) Less(i, j int) bool {
	if t[i].when != t[j].when {
		return t[i].when < t[j].when
	}
	return t[i].seq < t[j].seq
}

func (t timerHeap) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].index, t[j].index = i, j
}

func (t *timerHeap) Push(x any) {
	h := x.(*TimerHandle)
	h.index = len(*t)
	*t = append(*t, h)
}

func (t *timerHeap) Pop() any {
	old := *t
	h := old[len(old)-1]
	old[len(old)-1] = nil
	*t = old[:len(old)-1]
	h.index = -1
	return h
}
