package reactor

import (
	"context"
	"maps"
	"time"
)

// Close closes the loop for good. First it stops a run that Start began and waits for its end. Then
// it drops callbacks, timers, readers and writers, calls first, and ends all residents. It runs
// what the residents post until each has left, for at most linger. It returns the errors of the
// residents.
//
// Close returns ErrRunning while a goroutine runs the loop, and ErrWouldDeadlock in a function that
// works in the loop's place. It returns ErrClosed if the loop is closed already. In these cases it
// does not call first.
// then it does not call first.
func (l *Loop) Close(linger time.Duration, first func()) (lost []error, err error) {
	if err := l.stopBackground(); err != nil {
		return nil, err
	}
	if err := l.acquire(context.Background(), forClosing); err != nil {
		return nil, err
	}
	defer l.release()
	defer func() { err = l.poller.Close() }()
	deadline := time.Now().Add(linger)
	l.dropCallbacks()
	defer l.runPosted(deadline)
	first()
	order, _ := l.Departing()
	return EndAll(order, deadline), nil
}

// dropCallbacks drops every callback that was not posted.
func (l *Loop) dropCallbacks() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leak.Stop()
	l.lost.Stop()
	l.unguardLocked()
	for _, t := range l.timers {
		t.timer.index = -1
	}
	l.timers = nil
	kept := l.ready[:0]
	for _, h := range l.ready {
		if h.state.Load()&posted != 0 {
			kept = append(kept, h)
		}
	}
	clear(l.ready[len(kept):])
	l.ready = kept
	maps.DeleteFunc(l.watches, func(_ int, w *watch) bool { return w.reservedBy == nil })
}

// EndAll ends the residents, even if the End of one calls runtime.Goexit. It returns the errors
// that are not nil.
func EndAll(residents []*Residence, deadline time.Time) (errs []error) {
	defer func() {
		if len(residents) > 0 { // an End called runtime.Goexit
			EndAll(residents, deadline)
		}
	}()
	for len(residents) > 0 {
		r := residents[0].resident
		residents = residents[1:]
		if err := r.End(deadline); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// runPosted runs what residents post until each has left, even if a callback calls runtime.Goexit.
func (l *Loop) runPosted(deadline time.Time) {
	over := false
	defer func() {
		if !over {
			l.runPosted(deadline)
		}
	}()
	for !over {
		batch, changed := l.takePosted(deadline)
		switch {
		case len(batch) > 0:
			l.runBatch(batch)
		case changed == nil:
			over = true
		default:
			waitUntil(deadline, changed)
		}
	}
}

// takePosted returns the callbacks to run, or else a channel to wait for. Without either, the loop
// has ended.
func (l *Loop) takePosted(deadline time.Time) (batch []*Handle, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.Time()
	l.endBatchLocked(len(l.batch), now)
	switch {
	case len(l.ready) > 0:
		batch, l.ready = l.ready, nil
		l.beginBatchLocked(batch, now)
		return batch, nil
	case len(l.residents) > 0 && time.Now().Before(deadline):
		return nil, l.changed
	}
	l.ended = true
	return nil, nil
}

func waitUntil(deadline time.Time, changed <-chan struct{}) {
	timeout := time.NewTimer(time.Until(deadline))
	defer timeout.Stop()
	select {
	case <-changed:
	case <-timeout.C:
	}
}
