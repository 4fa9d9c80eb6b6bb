package reactor

import "context"

// Start runs the loop on a new goroutine until Stop or Close. When Start returns, the loop runs. An
// error that ends the run goes to failed. If a callback calls runtime.Goexit, the loop goes on on
// another goroutine. The errors are ErrClosed, ErrRunning, and ErrWouldDeadlock in a function that
// works in the loop's place.
func (l *Loop) Start(failed func(error)) error {
	if l.InLoop() && !l.IsRunning() {
		return ErrWouldDeadlock
	}
	acquired := make(chan error, 1)
	go l.runInBackground(acquired, make(chan struct{}), failed)
	return <-acquired
}

// runInBackground runs the loop. It sends to acquired whether it may, and closes over at the end of
// the run.
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
		go l.runInBackground(make(chan error, 1), over, failed) // goes on after runtime.Goexit
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

// stopBackground stops the run that Start began, if there is one, and waits for its end. On the
// loop goroutine it returns ErrRunning.
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
