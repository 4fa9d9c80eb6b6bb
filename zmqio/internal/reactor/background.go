package reactor

import "context"

// Start runs the loop on a goroutine of its own until Stop or Close. When it returns, the
// loop runs. failed is told of an error that ends the run. A callback that calls
// runtime.Goexit ends the goroutine alone: the loop goes on on another one. The errors are
// ErrClosed, ErrRunning, and ErrWouldDeadlock in a function that works in the loop's place.
func (l *Loop) Start(failed func(error)) error {
	if l.InLoop() && !l.IsRunning() {
		return ErrWouldDeadlock
	}
	acquired := make(chan error, 1)
	go l.runInBackground(acquired, make(chan struct{}), failed)
	return <-acquired
}

// runInBackground tells acquired whether it can run the loop, and closes over when the run
// has ended.
func (l *Loop) runInBackground(acquired chan<- error, over chan struct{}, failed func(error)) {
	err := l.acquire(context.Background(), forRunning)
	if err != nil {
		acquired <- err
		l.endBackground(over)
		return
	}
	l.mu.Lock()
	l.background = over
	l.mu.Unlock()
	acquired <- nil
	returned := false
	defer func() {
		if returned || l.wasStopped() {
			l.endBackground(over)
			return
		}
		go l.runInBackground(make(chan error, 1), over, failed) // after runtime.Goexit
	}()
	if _, err = l.run(context.Background(), func() bool { return false }); err != nil {
		failed(err)
	}
	returned = true
}

// wasStopped reports whether Stop ended the last run.
func (l *Loop) wasStopped() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stopped
}

func (l *Loop) endBackground(over chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.background == over {
		l.background = nil
	}
	close(over)
}

// stopBackground ends the run that Start began, if there is one, and waits for that. On the
// loop goroutine the error is ErrRunning.
func (l *Loop) stopBackground() error {
	l.mu.Lock()
	over := l.background
	l.mu.Unlock()
	switch {
	case over == nil:
		return nil
	case l.InLoop():
		return ErrRunning
	}
	l.Stop()
	<-over
	return nil
}
