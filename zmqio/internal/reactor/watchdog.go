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
	unrunLimit = time.Second      // how long a loop may have something to do and not run
	stuckLimit = 10 * time.Second // how long a callback may run
	lookAgain  = time.Hour        // the watchdog looks ahead no further
)

// The watchdog looks at the loops that are busy. One timer serves all of them, and it is set
// only while there are some. Loops are held weakly, so that a loop that was forgotten can be
// collected.
//
// It costs a loop that runs nothing but a comparison in each iteration, because it reads
// what Loop.mu guards anyway: the batch that is being run, whose handles say how far that is.
var watchdog struct {
	mu    sync.Mutex // taken after any Loop.mu
	loops map[weak.Pointer[Loop]]struct{}
	timer *time.Timer // calls lookAround; nil before the first loop
	next  time.Time   // when it does; zero while it is not set
}

// A guard is what the watchdog knows of a loop. Loop.mu guards it.
type guard struct {
	unrun, stuck time.Duration
	watched      bool // the watchdog will look at the loop

	since time.Duration // from when on a loop that does not run has had something to do
	told  bool          // the logger knows that it does not run

	batches     uint64 // counts the batches that began to run
	suspect     *Handle
	inBatch     uint64        // in which the suspect runs
	seen        time.Duration // when it was first seen to run
	suspectTold bool          // the logger knows of the suspect
}

// SetPatience sets how long the loop may have something to do and not run before the logger is
// told. It sets the same for how long a callback may run.
func (l *Loop) SetPatience(unrun, stuck time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.guard.unrun, l.guard.stuck = unrun, stuck
}

// stuckInterval is how often the watchdog looks at a loop that runs.
func (g *guard) stuckInterval() time.Duration { return g.stuck / 10 }

// guardLocked has the watchdog look at the loop in d. Caller holds l.mu.
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

// guardUnrunLocked has the watchdog look at a loop that does not run, and has something to do
// in d from now on. Caller holds l.mu.
func (l *Loop) guardUnrunLocked(d time.Duration) {
	if l.guard.told || l.closed {
		return
	}
	l.guard.since = l.Time()
	l.guardLocked(min(max(d, 0), lookAgain) + l.guard.unrun)
}

// unguardLocked takes a loop that is closed off the watchdog. Caller holds l.mu.
func (l *Loop) unguardLocked() {
	watchdog.mu.Lock()
	defer watchdog.mu.Unlock()
	delete(watchdog.loops, l.self)
	if len(watchdog.loops) == 0 && !watchdog.next.IsZero() {
		watchdog.timer.Stop()
		watchdog.next = time.Time{}
	}
}

// lookAround looks at every loop that is watched. Those that are busy yet are watched again.
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

// inspect tells the logger, once, of a callback that does not return and of a loop that does
// not run.
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

// stuckLocked returns where the callback comes from that has run for too long, and for how
// long it has been seen to. Caller holds l.mu.
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

// suspectLocked makes the callback that runs the suspect, and reports whether there is one.
// Caller holds l.mu.
func (l *Loop) suspectLocked(now time.Duration) bool {
	g := &l.guard
	i := len(l.batch) - 1
	for i >= 0 && !l.batch[i].isRunning() { // to the last that has begun
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

// Current returns the callback that runs, and since when: the first of an iteration since that
// began, and any other since it was first seen. An earlier call of Current saw it first, or
// the watchdog, which looks once a second. It is nil while none runs.
func (l *Loop) Current() (from *Origin, seen time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.running.Load() || !l.suspectLocked(l.Time()) {
		return nil, time.Time{}
	}
	return l.guard.suspect.from(), l.start.Add(l.guard.seen)
}

// unrunLocked reports whether the loop has had something to do for too long, and for how
// long. Caller holds l.mu.
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

// hasCallbackLocked reports whether something else waits than tasks of residents. Caller
// holds l.mu.
func (l *Loop) hasCallbackLocked(now time.Duration) bool {
	return len(l.timers) > 0 && l.timers[0].when <= now ||
		slices.ContainsFunc(l.ready, func(h *Handle) bool { return !h.isQuiet() && !h.Cancelled() })
}

// isUnrun reports whether no goroutine runs the loop, the first time that it does.
func (l *Loop) isUnrun() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.guard.told || l.closed || l.owner.Load() != 0 {
		return false
	}
	l.guard.told = true
	return true
}

// warn tells the logger. That, and what describes a callback, may panic.
func (l *Loop) warn(message string, attrs func() []any) {
	defer func() {
		if v := recover(); v != nil {
			l.cfg.Panicked("logger panicked", nil, v)
		}
	}()
	l.Logger().Warn(message, attrs()...)
}
