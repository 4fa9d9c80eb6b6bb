package reactor

import "time"

// Stats are figures of a Loop. Figures of callbacks count only iterations that are over.
type Stats struct {
	Iterations uint64        // includes the one that runs
	Callbacks  uint64        // calls
	Busy       time.Duration // time in callbacks
	Longest    time.Duration // the longest time in the callbacks of one iteration
	Slow       uint64        // iterations whose callbacks took at least SlowCallback

	Current   time.Duration // now: time in the callbacks of this iteration; 0 outside them
	Ready     int           // now: callbacks of the next iteration
	Timers    int           // now
	Watches   int           // now: descriptors
	Residents int           // now
}

// Stats returns the figures of the loop.
func (l *Loop) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	if len(l.batch) > 0 {
		s.Current = l.Time() - l.began
	}
	s.Ready, s.Timers, s.Watches, s.Residents = len(l.ready), len(l.timers), len(l.watches), len(l.residents)
	return s
}

// countBatchLocked counts the batch that is over at now. The loop reads the clock once before and
// once after a batch, because a reading around each callback would cost more than some callbacks.
// Caller holds l.mu.
func (l *Loop) countBatchLocked(now time.Duration) {
	if len(l.batch) == 0 {
		return
	}
	took := now - l.began
	l.stats.Callbacks += l.called
	l.called = 0
	l.stats.Busy += took
	l.stats.Longest = max(l.stats.Longest, took)
	if took >= l.SlowCallback() {
		l.stats.Slow++
	}
}
