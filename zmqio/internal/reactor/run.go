package reactor

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zmqio/zmq/zmqio/internal/goroutine"
)

// runners maps the number of a goroutine to the loop that it runs.
var runners sync.Map // int64 -> *Loop

// Running returns the loop that the calling goroutine runs, or nil.
func Running() *Loop {
	l, _ := runners.Load(goroutine.ID())
	loop, _ := l.(*Loop)
	return loop
}

// Run runs the loop until leave returns true, or until Stop, which stopped reports. The loop
// goroutine calls leave before each wait. The end of ctx makes it call leave again.
//
// ErrClosed means that the loop is closed. ErrRunning means that the loop runs already, or the
// goroutine runs another loop. ErrWouldDeadlock means a call in a function that works in the loop's
// place. Other errors are those of the system call that waits.
func (l *Loop) Run(ctx context.Context, leave func() bool) (stopped bool, err error) {
	switch Running() {
	case nil:
	case l:
		return false, ErrRunning
	default:
		return false, ErrNested
	}
	if err := l.acquire(ctx, forRunning); err != nil {
		return false, err
	}
	return l.run(ctx, leave)
}

// run is Run after acquire. It releases the loop.
func (l *Loop) run(ctx context.Context, leave func() bool) (stopped bool, err error) {
	defer l.release() // runs even if a callback calls runtime.Goexit
	if l.cfg.Enter != nil {
		leave, err := l.cfg.Enter()
		if err != nil {
			return false, err
		}
		defer leave()
	}
	defer l.chooseWait()()
	self := goroutine.ID()
	runners.Store(self, l)
	defer runners.Delete(self)
	defer context.AfterFunc(ctx, l.Wake)()
	for {
		if err := l.runOnce(leave); err != nil {
			return false, err
		}
		l.mu.Lock()
		stopped := l.stopping
		l.mu.Unlock()
		if stopped || leave() {
			return stopped, nil
		}
	}
}

// Stop makes Run return after the callbacks that are ready now. If the loop does not run, the next
// run makes one iteration without waiting.
func (l *Loop) Stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopping = true
	l.wakeLocked()
}

// runOnce is one iteration. It waits for I/O. Then it runs the callbacks that were ready before,
// those of ready descriptors, and the due timers, in this order. What they make ready is for the
// next iteration, so that no callback can delay I/O for ever.
func (l *Loop) runOnce(leave func() bool) error {
	n, err := l.wait(leave)
	now := l.Time()
	l.mu.Lock()
	l.sleeping = false
	for _, ev := range l.events[:n] {
		l.queueReadyLocked(ev)
	}
	l.dueTimersLocked(now)
	batch := l.ready
	l.ready, l.spare = l.spare, nil
	l.beginBatchLocked(batch, now)
	l.mu.Unlock()
	l.runBatch(batch)
	return err
}

// wait waits for I/O and stores what is ready in l.events.
func (l *Loop) wait(leave func() bool) (ready int, err error) {
	now := l.Time()
	if l.parks {
		return l.poller.Park(l.events, l.timeout(leave, now))
	}
	if l.shouldYield(now) { // before timeout, because work that the yield brings needs no wake-up
		runtime.Gosched()
		l.keepFor(l.Time() - l.yielded)
	}
	return l.poller.Wait(l.events, l.timeout(leave, now))
}

// timeout returns how long the iteration may wait, and sets sleeping. The previous batch was over
// at ended.
func (l *Loop) timeout(leave func() bool, ended time.Duration) time.Duration {
	l.mu.Lock()
	l.endBatchLocked(len(l.batch), ended)
	d := time.Duration(-1)
	switch {
	case len(l.ready) > 0 || l.stopping:
		d = 0
	case len(l.timers) > 0:
		d = l.until(l.timers[0].when)
	}
	l.sleeping = d != 0
	l.mu.Unlock()
	if d != 0 && leave() { // leave after sleeping: a goroutine that makes leave true then also wakes the poller
		d = 0
	}
	return d
}

// beginBatchLocked makes batch visible to the watchdog. It begins at now. Caller holds l.mu.
func (l *Loop) beginBatchLocked(batch []*Handle, now time.Duration) {
	l.batch, l.began = batch, now
	l.stats.Iterations++
	if len(batch) > 0 {
		l.guard.batches++
		if !l.guard.watched && !l.closed {
			l.guardLocked(l.guard.stuckInterval())
		}
	}
}

// endBatchLocked drops the first n callbacks of the batch, which have run, and the batch. It was
// over at ended. Caller holds l.mu.
func (l *Loop) endBatchLocked(n int, ended time.Duration) {
	if l.batch == nil {
		return
	}
	l.countBatchLocked(ended)
	for _, h := range l.batch[:n] {
		h.dropLocked()
	}
	clear(l.batch)
	l.spare, l.batch = l.batch[:0], nil
}

// runBatch calls the callbacks in batch. If one calls runtime.Goexit, the rest goes back to the
// ready queue.
func (l *Loop) runBatch(batch []*Handle) {
	next := 0
	defer func() {
		if next == len(batch) {
			return // the next wait calls endBatchLocked
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.ready = append(slices.Clone(batch[next:]), l.ready...)
		l.endBatchLocked(next, l.Time())
	}()
	for next < len(batch) {
		h := batch[next]
		next++
		l.call(h)
	}
}

// call runs h unless it is cancelled. A panic goes to Config.Panicked.
func (l *Loop) call(h *Handle) {
	fn := h.begin()
	if fn == nil {
		return
	}
	l.called++
	if l.Debug() {
		start := time.Now()
		defer func() { l.noteIfSlow(h, start, time.Since(start)) }()
	}
	defer l.end(h)
	fn()
}

// end is deferred around the callback of h.
func (l *Loop) end(h *Handle) {
	v := recover()
	if h.state.Load()&repeats != 0 {
		l.finish(h)
	}
	if v != nil {
		l.cfg.Panicked("callback panicked", h, v)
	}
}

// A purpose is why a goroutine acquires the loop.
type purpose int

const (
	forRunning purpose = iota
	forWorking
	forClosing
)

// acquire makes the calling goroutine the loop's owner. It waits for an owner that works in the
// loop's place. If the owner runs the loop, it returns ErrRunning.
func (l *Loop) acquire(ctx context.Context, why purpose) error {
	for {
		acquired, changed, err := l.tryAcquire(why)
		if acquired || err != nil {
			return err
		}
		if l.InLoop() {
			return ErrWouldDeadlock
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// tryAcquire is acquire without waiting. If another goroutine works in the loop's place, it returns
// the channel to wait for.
func (l *Loop) tryAcquire(why purpose) (acquired bool, changed <-chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return false, nil, ErrClosed
	case l.running.Load():
		return false, nil, ErrRunning
	case l.owner.Load() != 0:
		return false, l.changed, nil
	}
	l.owner.Store(goroutine.ID())
	l.running.Store(why == forRunning)
	l.closed = why == forClosing
	if why == forRunning {
		l.guard.told, l.guard.watched = false, false
		l.stopped = false
	}
	l.notifyLocked()
	return true, nil, nil
}

// release ends the ownership that acquire began. It calls Rest of residents with a queued task
// first, because the loop may never run again.
func (l *Loop) release() {
	for _, r := range l.endRun() {
		r.Rest()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.owner.Store(0)
	l.notifyLocked()
}

// endRun ends a run, if the owner ran the loop. It returns the residents with a task in the ready
// queue. A Schedule after it finds that the loop does not run.
func (l *Loop) endRun() []Resident {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.running.Swap(false) {
		return nil
	}
	l.endBatchLocked(len(l.batch), l.Time())
	l.stopped = l.stopping
	l.stopping, l.sleeping = false, false
	switch {
	case len(l.ready) > 0:
		l.guardUnrunLocked(0)
	case len(l.timers) > 0:
		l.guardUnrunLocked(l.until(l.timers[0].when))
	}
	return l.restlessLocked()
}

// restlessLocked returns the residents with a task in the ready queue, some of them repeatedly.
// Caller holds l.mu.
func (l *Loop) restlessLocked() (residents []Resident) {
	for _, h := range l.ready {
		if h.isQuiet() && !h.Cancelled() {
			residents = append(residents, h.origin.residence.resident)
		}
	}
	return residents
}

// Do calls fn, never at the same time as a callback, and returns its error. On the loop goroutine
// it calls fn at once. If no goroutine runs the loop, fn runs in its place. Else the loop calls fn.
// ctx bounds the wait for fn to start. The error is ErrGoexit if fn calls runtime.Goexit.
func (l *Loop) Do(ctx context.Context, fn func() error) error {
	if l.InLoop() {
		if l.IsClosed() {
			return ErrClosed
		}
		return fn()
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var claimed atomic.Bool // by run, or by a caller that gives up
	err := ErrGoexit        // fn replaces it, unless it calls Goexit
	end := make(chan struct{})
	run := func() {
		if !claimed.Swap(true) {
			defer close(end)
			err = fn()
		}
	}
	for isPosted := false; ; {
		changed := l.Changed()
		switch acquired := l.acquire(ctx, forWorking); {
		case acquired == nil:
			l.inPlace(run)
		case !errors.Is(acquired, ErrRunning):
			if !claimed.Swap(true) {
				return acquired
			}
		case !isPosted:
			if err := l.CallSoon(NewHandle(run, l.Origin(fn))); err != nil {
				return err
			}
			isPosted = true
		}
		done := ctx.Done()
		if claimed.Load() {
			done, changed = nil, nil
		}
		select {
		case <-end:
			return err
		case <-changed:
		case <-done:
			if !claimed.Swap(true) {
				return context.Cause(ctx)
			}
		}
	}
}

// inPlace calls fn on the calling goroutine, which owns the loop.
func (l *Loop) inPlace(fn func()) {
	defer l.release()
	fn()
}
