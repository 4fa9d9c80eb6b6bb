package reactor

import (
	"container/heap"
	"time"
)

// A Timer has a callback run at a certain time.
type Timer struct {
	handle *Handle
	when   time.Duration
	seq    uint64 // equal times first come, first served
	index  int    // in the loop's heap; -1 outside
}

// When returns the time at which the callback is due, on the clock of Loop.Time.
func (t *Timer) When() time.Duration { return t.when }

// CallAt sets t, a zero Timer: h runs when Time has reached when, in the order of times,
// equal ones in the order of the calls. The error is ErrClosed.
func (l *Loop) CallAt(t *Timer, h *Handle, when time.Duration) error {
	t.handle, t.when, t.index = h, when, -1
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	l.timerSeq++
	t.seq = l.timerSeq
	heap.Push(&l.timers, t)
	if t.index == 0 {
		l.wakeLocked() // it may be due before the loop would wake up
		if !l.running.Load() {
			l.guardUnrunLocked(when - l.Time())
		}
	}
	return nil
}

// CancelTimer takes t off the loop and cancels its callback.
func (l *Loop) CancelTimer(t *Timer) {
	t.handle.Cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.index >= 0 {
		heap.Remove(&l.timers, t.index)
	}
}

// dueTimersLocked moves the timers that are due now to the ready queue. Caller holds l.mu.
func (l *Loop) dueTimersLocked(now time.Duration) {
	for len(l.timers) > 0 && l.timers[0].when <= now {
		l.makeReadyLocked(heap.Pop(&l.timers).(*Timer).handle)
	}
}

// A timerHeap has the timer that is due first at its root.
type timerHeap []*Timer

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
	timer := x.(*Timer)
	timer.index = len(*t)
	*t = append(*t, timer)
}

func (t *timerHeap) Pop() any {
	old := *t
	timer := old[len(old)-1]
	old[len(old)-1] = nil
	*t = old[:len(old)-1]
	timer.index = -1
	return timer
}
