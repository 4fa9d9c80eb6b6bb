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

// runners holds the loop that each goroutine runs.
var runners sync.Map // int64 -> *Loop

// Running returns the loop that the calling goroutine runs, or nil.
func Running() *Loop {
	l, _ := runners.Load(goroutine.ID())
	loop, _ := l.(*Loop)
	return loop
}

// Run runs the loop until leave returns true or Stop is called, which it reports. leave is
// called on the loop, and ctx ending makes it be called again.
//
// ErrClosed means that the loop is closed. ErrRunning means that the loop runs already or the
// goroutine runs another one. ErrWouldDeadlock means a call in a function that works in the
// loop's place. The other errors are those of the system call that waits.
func (l *Loop) Run(ctx context.Context, leave func() bool) (stopped bool, err error) {
	switch Running() {
	case nil:
	case l:
		return false, ErrRunning
	default:
		return false, errNested
	}
	if err := l.acquire(ctx, forRunning); err != nil {
		return false, err
	}
	return l.run(ctx, leave)
}

// run is Run on a goroutine that has acquired the loop, which run releases.
func (l *Loop) run(ctx context.Context, leave func() bool) (stopped bool, err error) {
	defer l.release() // also when a callback calls runtime.Goexit
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

// Stop makes the loop return from Run once the callbacks that are ready now have run. If
// the loop does not run, the next run makes one pass without waiting.
func (l *Loop) Stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopping = true
	l.wakeLocked()
}

// runOnce is one iteration: wait for I/O, then run what was ready before, what I/O made
// ready and the timers that are due, in this order. What these callbacks make ready is for
// the next iteration, so that no callback can keep I/O waiting.
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
	if l.shouldYield(now) { // before timeout: what it lets others do needs no wake-up
		runtime.Gosched()
		l.keepFor(l.Time() - l.yielded)
	}
	return l.poller.Wait(l.events, l.timeout(leave, now))
}

// timeout returns how long the iteration may wait, and takes note that it does. The batch before
// was over at ended.
func (l *Loop) timeout(leave func() bool, ended time.Duration) time.Duration {
	l.mu.Lock()
	l.endBatchLocked(len(l.batch), ended)
	d := time.Duration(-1)
	switch {
	case len(l.ready) > 0 || l.stopping:
		d = 0
	case len(l.timers) > 0:
		d = max(l.timers[0].when-l.Time(), 0)
	}
	l.sleeping = d != 0
	l.mu.Unlock()
	if d != 0 && leave() { // in this order, so that what makes it true also wakes
		d = 0
	}
	return d
}

// beginBatchLocked shows the watchdog what is about to run, now. Caller holds l.mu.
func (l *Loop) beginBatchLocked(batch []*Handle, now time.Duration) {
	l.batch, l.began = batch, now
	l.stats.Iterations++
	if len(batch) > 0 {
		l.guard.batches++
		if !l.guard.watched {
			l.guardLocked(l.guard.stuckInterval())
		}
	}
}

// endBatchLocked lets go of the first n callbacks of the batch, which have run, and of the
// batch, which was over at ended. Caller holds l.mu.
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

// runBatch calls the callbacks in batch. When one calls runtime.Goexit, the others are left
// for the next run.
func (l *Loop) runBatch(batch []*Handle) {
	next := 0
	defer func() {
		if next == len(batch) {
			return // endBatchLocked comes with the next wait
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

// call runs h, unless it was cancelled. A panic goes to Config.Panicked.
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

// A purpose is what a goroutine acquires the loop for.
type purpose int

const (
	forRunning purpose = iota
	forWorking
	forClosing
)

// acquire makes the calling goroutine the loop's owner. It waits for an owner that works in
// the loop's place; one that runs the loop is ErrRunning.
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

// tryAcquire is acquire that does not wait: while another goroutine works in the loop's
// place, it returns the channel to wait for.
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

// release ends what acquire began. Residents whose task is queued come to rest first: the
// loop may never run again.
func (l *Loop) release() {
	for _, r := range l.endRun() {
		r.Rest()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.owner.Store(0)
	l.notifyLocked()
}

// endRun ends a run, if the owner ran the loop. It returns the residents that have a task
// in the ready queue. What is scheduled from here on finds that the loop does not run.
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
		l.guardUnrunLocked(l.timers[0].when - l.Time())
	}
	return l.restlessLocked()
}

// restlessLocked returns the residents that have a task in the ready queue, some of them
// repeatedly. Caller holds l.mu.
func (l *Loop) restlessLocked() (residents []Resident) {
	for _, h := range l.ready {
		if h.isQuiet() && !h.Cancelled() {
			residents = append(residents, h.origin.residence.resident)
		}
	}
	return residents
}

// Do calls fn as the loop does, never at the same time as a callback, and returns its error:
// on the loop goroutine at once, while no goroutine runs the loop in its place, else by the
// loop. ctx bounds the wait for fn to start. If fn calls runtime.Goexit, the error is
// ErrGoexit.
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
	var claimed atomic.Bool // by the goroutine that runs fn, or by giving up
	err := ErrGoexit        // unless fn returns
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

// inPlace calls fn on the calling goroutine, which has acquired the loop.
func (l *Loop) inPlace(fn func()) {
	defer l.release()
	fn()
}
