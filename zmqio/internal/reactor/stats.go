package reactor

import "time"

// Stats are figures of a Loop. Those of callbacks count iterations that are over.
type Stats struct {
	Iterations uint64        // the one that runs included
	Callbacks  uint64        // that were called
	Busy       time.Duration // in callbacks
	Longest    time.Duration // that the callbacks of one iteration took
	Slow       uint64        // iterations whose callbacks took at least SlowCallback

	Current   time.Duration // now: how long the callbacks of this iteration have run; 0 outside them
	Ready     int           // now: callbacks that are to run in the next iteration
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

// countBatchLocked counts the batch that is over since now. It took the clock once before the
// batch and once behind it: to take it around each callback would cost more than some callbacks.
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
