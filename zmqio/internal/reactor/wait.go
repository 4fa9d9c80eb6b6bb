package reactor

import (
	"runtime"
	"sync/atomic"
	"time"
)

// Runs counts the running loops.
var Runs atomic.Int64

// chooseWait decides how a run of the loop waits. A thread that blocks in epoll_wait wakes up
// faster. If goroutines park in the runtime's poller, a round trip between two loops takes 1.2
// times as long (BenchmarkWait of package zmqio). But a thousand blocking loops would need a
// thousand threads, of which only GOMAXPROCS can run. So the first GOMAXPROCS loops block, and the
// others park. The run calls end at its end.
func (l *Loop) chooseWait() (end func()) {
	l.processors = int64(runtime.GOMAXPROCS(0))
	l.parks = Runs.Add(1) > l.processors
	return func() { Runs.Add(-1) }
}

// yieldInterval is below the 10 ms after which the runtime's monitor acts.
const yieldInterval = 5 * time.Millisecond

// shouldYield reports whether the loop must call Gosched before it waits, at now.
//
// Go's scheduler never interrupts a loop that blocks in the system. The runtime's monitor then
// takes the loop for one that hogs its P. It wakes up every 20 µs, sends signals to the loop's
// thread, and takes the P away whenever the thread is in C. This costs up to half the speed. So the
// loop yields from time to time.
//
// A blocked loop also keeps its P. A goroutine that became ready on the loop's thread waits 60 µs
// or more until another P finds it. So the loop yields before it blocks if such a goroutine may
// exist. The loop does not yield if it has only served residents and the program does not use it. A
// yield wakes a thread, which makes round trips a fifth longer.
func (l *Loop) shouldYield(now time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	blocks := len(l.ready) == 0
	alone := !l.shared.Load() && Runs.Load() < l.processors
	if now < l.keeps || now-l.yielded < yieldInterval && (alone || !blocks) {
		return false
	}
	l.yielded = now
	if blocks { // else the ready callbacks may still wake other goroutines
		l.shared.Store(false)
	}
	return true
}

// keepFor gets the duration of a yield. More than 1 ms means that a CPU-bound goroutine took the P,
// which it may keep for 10 ms each time. The loop then does not yield for four times as long.
func (l *Loop) keepFor(took time.Duration) {
	if took > time.Millisecond {
		l.keeps = l.yielded + 5*took
	}
}

// Share records that other goroutines may be ready to run: they use the loop, or a callback may
// have made them ready.
func (l *Loop) Share() {
	if !l.shared.Load() {
		l.shared.Store(true)
	}
}
