package reactor

import "time"

// A Timer has a callback run at a certain time.
type Timer struct {
	handle *Handle
	when   time.Duration
	seq    uint64 // orders timers of equal times
	index  int    // in the loop's heap; -1: in none
}

// When returns the time at which the callback is due, on the clock of Loop.Time.
func (t *Timer) When() time.Duration { return t.when }

// CallAt sets t, a zero Timer: the loop runs h when Time has reached when. Timers run in the order
// of their times, and equal times in the order of the calls. The error is ErrClosed.
func (l *Loop) CallAt(t *Timer, h *Handle, when time.Duration) error {
	t.handle, t.when, t.index = h, when, -1
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	l.timerSeq++
	t.seq = l.timerSeq
	l.timers.push(t)
	if t.index == 0 {
		l.wakeLocked() // it may be due before the loop would wake up
		if !l.running.Load() {
			l.guardUnrunLocked(l.until(when))
		}
	}
	return nil
}

// until returns the time from now to when, or 0 if when has come. The difference may not fit a
// Duration if when is long past.
func (l *Loop) until(when time.Duration) time.Duration {
	now := l.Time()
	if when <= now {
		return 0
	}
	return when - now
}

// CancelTimer removes t from the loop, and cancels its callback.
func (l *Loop) CancelTimer(t *Timer) {
	t.handle.Cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.index >= 0 {
		l.timers.remove(t.index)
	}
}

// dueTimersLocked moves the due timers to the ready queue. Caller holds l.mu.
func (l *Loop) dueTimersLocked(now time.Duration) {
	for len(l.timers) > 0 && l.timers[0].when <= now {
		l.makeReadyLocked(l.timers.remove(0).handle)
	}
}

// A timerHeap has the timer that is due first at its root. Each entry has four below it: those
// of i begin at 4i+1.
type timerHeap []timerEntry

// A timerEntry has copies of what orders a timer. Most of 100,000 timers are in no cache, and are
// so not read where others come and go.
type timerEntry struct {
	when  time.Duration
	seq   uint64
	timer *Timer
}

func (e timerEntry) before(other timerEntry) bool {
	return e.when < other.when || e.when == other.when && e.seq < other.seq
}

func (h *timerHeap) push(t *Timer) {
	*h = append(*h, timerEntry{t.when, t.seq, t})
	h.up(len(*h) - 1)
}

// remove takes the timer at i off the heap.
func (h *timerHeap) remove(i int) *Timer {
	t := (*h)[i].timer
	last := len(*h) - 1
	moved := (*h)[last]
	(*h)[last] = timerEntry{}
	*h = (*h)[:last]
	if i < last {
		(*h)[i] = moved
		h.down(i)
		h.up(moved.timer.index)
	}
	t.index = -1
	return t
}

// up puts the entry at i where it belongs among those above it.
func (h timerHeap) up(i int) {
	e := h[i]
	for i > 0 {
		above := (i - 1) / 4
		if !e.before(h[above]) {
			break
		}
		h.put(i, h[above])
		i = above
	}
	h.put(i, e)
}

// down puts the entry at i where it belongs among those below it.
func (h timerHeap) down(i int) {
	e := h[i]
	for {
		first := 4*i + 1
		if first >= len(h) {
			break
		}
		least := first
		for k := first + 1; k < min(first+4, len(h)); k++ {
			if h[k].before(h[least]) {
				least = k
			}
		}
		if !h[least].before(e) {
			break
		}
		h.put(i, h[least])
		i = least
	}
	h.put(i, e)
}

func (h timerHeap) put(i int, e timerEntry) {
	h[i] = e
	e.timer.index = i
}
