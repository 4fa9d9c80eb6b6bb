package reactor

import (
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
	"weak"
)

const (
	unrunLimit = time.Second      // how long a loop may have work and not run
	stuckLimit = 10 * time.Second // how long a callback may run
	lookAgain  = time.Hour        // the longest time until the next look at a loop
)

// The watchdog looks at loops that are busy. One timer serves all loops, and is set only while a
// loop is busy. The watchdog holds loops weakly, so that a forgotten loop can be collected.
//
// For a running loop the cost is one comparison in each iteration. The watchdog reads the running
// batch under Loop.mu, and the handles of the batch tell how far it is.
var watchdog struct {
	mu    sync.Mutex // comes after any Loop.mu
	loops map[weak.Pointer[Loop]]struct{}
	timer *time.Timer // calls lookAround; nil before the first loop
	next  time.Time   // when timer fires; zero while it is not set
}

// A guard is the watchdog's state of one loop. Loop.mu guards it.
type guard struct {
	unrun, stuck time.Duration
	watched      bool // the watchdog will look at the loop

	since time.Duration // since when a loop that does not run has had work
	told  bool          // the logger knows that the loop does not run

	batches     uint64 // counts the batches that have begun
	suspect     *Handle
	inBatch     uint64        // number of the batch in which suspect runs
	seen        time.Duration // when suspect was first seen to run
	suspectTold bool          // the logger knows of suspect
}

// SetPatience sets how long the loop may have work and not run before the logger is told, and how
// long a callback may run.
func (l *Loop) SetPatience(unrun, stuck time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.guard.unrun, l.guard.stuck = unrun, stuck
}

// stuckInterval is how often the watchdog looks at a running loop.
func (g *guard) stuckInterval() time.Duration { return g.stuck / 10 }

// guardLocked makes the watchdog look at the loop after d. Caller holds l.mu.
func (l *Loop) guardLocked(d time.Duration) {
	l.guard.watched = true
	next := time.Now().Add(d)
	watchdog.mu.Lock()
	defer watchdog.mu.Unlock()
	if watchdog.loops == nil {
		watchdog.loops = make(map[weak.Pointer[Loop]]struct{})
	}
	watchdog.loops[l.self] = struct{}{}
	switch {
	case !watchdog.next.IsZero() && !next.Before(watchdog.next):
		return
	case watchdog.timer == nil:
		watchdog.timer = time.AfterFunc(d, lookAround)
	default:
		watchdog.timer.Reset(d)
	}
	watchdog.next = next
}

// guardUnrunLocked makes the watchdog look at a loop that does not run and has work d from now.
// Caller holds l.mu.
func (l *Loop) guardUnrunLocked(d time.Duration) {
	if l.guard.told || l.closed {
		return
	}
	l.guard.since = l.Time()
	l.guardLocked(min(max(d, 0), lookAgain) + l.guard.unrun)
}

// unguardLocked makes the watchdog forget a closed loop. Caller holds l.mu.
func (l *Loop) unguardLocked() {
	watchdog.mu.Lock()
	defer watchdog.mu.Unlock()
	delete(watchdog.loops, l.self)
	if len(watchdog.loops) == 0 && !watchdog.next.IsZero() {
		watchdog.timer.Stop()
		watchdog.next = time.Time{}
	}
}

// lookAround inspects every watched loop. inspect watches a loop again if it is still busy.
func lookAround() {
	watchdog.mu.Lock()
	loops := slices.Collect(maps.Keys(watchdog.loops))
	clear(watchdog.loops)
	watchdog.next = time.Time{}
	watchdog.mu.Unlock()
	for _, p := range loops {
		if l := p.Value(); l != nil {
			l.inspect()
		}
	}
}

// inspect logs, once each, a callback that does not return and a loop that does not run.
func (l *Loop) inspect() {
	l.mu.Lock()
	l.guard.watched = false
	var stuck *Origin
	var since time.Duration
	var unrun bool
	var residents []Resident
	switch now := l.Time(); {
	case l.closed:
	case l.running.Load():
		stuck, since = l.stuckLocked(now)
	default:
		if unrun, since = l.unrunLocked(now); unrun && !l.hasCallbackLocked(now) {
			residents = l.restlessLocked()
			unrun = false
		}
	}
	l.mu.Unlock()
	for _, r := range residents {
		unrun = r.Rest() || unrun
	}
	switch {
	case stuck != nil:
		l.warn("zmqio: callback has not returned", func() []any { return stuck.attrs(since) })
	case unrun && l.isUnrun():
		l.warn("zmqio: event loop has something to do, and no goroutine runs it", func() []any {
			return []any{slog.Duration("duration", since), slog.String("created", string(l.created.Text()))}
		})
	}
}

// stuckLocked returns the origin of a callback that has run for too long, and for how long it was
// seen to run. Caller holds l.mu.
func (l *Loop) stuckLocked(now time.Duration) (from *Origin, took time.Duration) {
	g := &l.guard
	if !l.suspectLocked(now) {
		return nil, 0 // the next batch is watched again
	}
	l.guardLocked(g.stuckInterval())
	if g.suspectTold || now-g.seen < g.stuck {
		return nil, 0
	}
	g.suspectTold = true
	return g.suspect.from(), now - g.seen
}

// suspectLocked makes the running callback the suspect, and reports whether one runs. Caller holds
// l.mu.
func (l *Loop) suspectLocked(now time.Duration) bool {
	g := &l.guard
	i := len(l.batch) - 1
	for i >= 0 && !l.batch[i].isRunning() { // back to the last callback that has begun
		i--
	}
	if i < 0 {
		g.suspect = nil
		return false
	}
	if h := l.batch[i]; h != g.suspect || g.batches != g.inBatch {
		g.suspect, g.inBatch, g.seen, g.suspectTold = h, g.batches, now, false
		if i == 0 {
			g.seen = l.began
		}
	}
	return true
}

// Current returns the origin of the running callback, and since when it is known to run. For the
// first callback of an iteration that is the beginning of the iteration. For others it is when the
// watchdog, or an earlier Current, first saw it. from is nil if no callback runs.
func (l *Loop) Current() (from *Origin, seen time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.running.Load() || !l.suspectLocked(l.Time()) {
		return nil, time.Time{}
	}
	return l.guard.suspect.from(), l.start.Add(l.guard.seen)
}

// unrunLocked reports whether the loop has had work for too long without a run, and for how long.
// Caller holds l.mu.
func (l *Loop) unrunLocked(now time.Duration) (tooLong bool, waits time.Duration) {
	g := &l.guard
	since := g.since
	switch {
	case g.told:
		return false, 0
	case len(l.ready) > 0:
	case len(l.timers) > 0:
		since = max(since, l.timers[0].when)
	default:
		return false, 0
	}
	waits = max(now-since, -lookAgain)
	if tooLong = waits >= g.unrun && l.owner.Load() == 0; !tooLong {
		l.guardLocked(max(g.unrun-waits, g.unrun/10))
	}
	return tooLong, waits
}

// hasCallbackLocked reports whether a callback waits that is no resident's task. Caller holds l.mu.
func (l *Loop) hasCallbackLocked(now time.Duration) bool {
	return len(l.timers) > 0 && l.timers[0].when <= now ||
		slices.ContainsFunc(l.ready, func(h *Handle) bool { return !h.isQuiet() && !h.Cancelled() })
}

// isUnrun reports whether the logger must be told that no goroutine runs the loop. It returns true
// once.
func (l *Loop) isUnrun() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.guard.told || l.closed || l.owner.Load() != 0 {
		return false
	}
	l.guard.told = true
	return true
}

// warn logs. The logger and the methods of a Source may panic.
func (l *Loop) warn(message string, attrs func() []any) {
	defer func() {
		if v := recover(); v != nil {
			l.cfg.Panicked("logger panicked", nil, v)
		}
	}()
	l.Logger().Warn(message, attrs()...)
}
