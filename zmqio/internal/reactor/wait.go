package reactor

import (
	"runtime"
	"sync/atomic"
	"time"
)

// Runs counts the loops that are running.
var Runs atomic.Int64

// chooseWait decides how a run of the loop waits. A thread that blocks in epoll_wait
// is the faster to wake up: with goroutines that park in the runtime's poller a round
// trip between two loops takes 1.2 times as long (BenchmarkWait of package zmqio). But a
// thousand loops would need a thousand threads, of which only as many as there are
// processors can run anyway. So the first of these block, and the others park. The
// function returned is called when the run ends.
func (l *Loop) chooseWait() (end func()) {
	l.processors = int64(runtime.GOMAXPROCS(0))
	l.parks = Runs.Add(1) > l.processors
	return func() { Runs.Add(-1) }
}

// yieldInterval is less than the 10 ms after which the runtime's monitor takes action.
const yieldInterval = 5 * time.Millisecond

// shouldYield reports whether Go's scheduler should have a look before the loop waits, now.
//
// A loop that blocks in the system is never rescheduled by itself. The runtime's monitor takes
// it for one that hogs its P, which is what a goroutine needs to run. The monitor then does
// three things: it wakes up every 20 µs, sends signals to the loop's thread, and takes the P
// away whenever that is in C. That costs up to half the speed. So the loop yields from time to
// time.
//
// And it keeps its P while it blocks. A goroutine that became ready to run on the loop's
// thread waits there for 60 µs or longer until another P has found it. So the loop yields
// before it blocks if there may be one. It does not when it has only served residents and
// the program leaves it alone: to yield wakes a thread, which would make round trips take
// a fifth longer.
func (l *Loop) shouldYield(now time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	blocks := len(l.ready) == 0
	alone := !l.shared.Load() && Runs.Load() < l.processors
	if now < l.keeps || now-l.yielded < yieldInterval && (alone || !blocks) {
		return false
	}
	l.yielded = now
	if blocks { // else callbacks that are ready may wake other goroutines yet
		l.shared.Store(false)
	}
	return true
}

// keepFor is told how long a yield took. A yield over 1 ms means that a goroutine that
// computes took the P, for up to 10 ms each time. The loop then does not yield for four
// times as long.
func (l *Loop) keepFor(took time.Duration) {
	if took > time.Millisecond {
		l.keeps = l.yielded + 5*took
	}
}

// Share notes that other goroutines may be about to run: they use the loop, or a callback
// may have made them ready.
func (l *Loop) Share() {
	if !l.shared.Load() {
		l.shared.Store(true)
	}
}
