package zmqio

import (
	"syscall"
	"testing"
)

// queued returns the number of ready callbacks.
func queued(l *EventLoop) int {
	ready, _ := l.reactor.Queued()
	return ready
}

// A queued handler that is replaced is not called. Its signal goes to the new handler.
func TestSignalGoesToTheNewHandler(t *testing.T) {
	l := newLoop(t)
	must(t, l.AddSignalHandler(syscall.SIGUSR1, func() { t.Error("old handler called") }))
	l.handleSignal(syscall.SIGUSR1, l.signals[syscall.SIGUSR1])
	if queued(l) != 1 {
		t.Fatal("not queued")
	}
	must(t, l.AddSignalHandler(syscall.SIGUSR1, l.Stop))
	must(t, l.RunForever(bounded(t)))
}

func TestQueuedSignalHandlerIsRemoved(t *testing.T) {
	l := newLoop(t)
	must(t, l.AddSignalHandler(syscall.SIGUSR1, func() { t.Error("called after it was removed") }))
	w := l.signals[syscall.SIGUSR1]
	l.handleSignal(syscall.SIGUSR1, w)
	l.handleSignal(syscall.SIGUSR1, w)
	if queued(l) != 1 {
		t.Fatalf("queued %d times", queued(l))
	}
	if !l.RemoveSignalHandler(syscall.SIGUSR1) {
		t.Error("not removed")
	}
	l.handleSignal(syscall.SIGUSR1, w) // as the watch's goroutine may do
	pass(t, l)
	if len(l.signals) != 0 {
		t.Error("still there")
	}
}

func TestCancelledSignalHandlerIsRemoved(t *testing.T) {
	l := newLoop(t)
	must(t, l.AddSignalHandler(syscall.SIGUSR1, func() { t.Error("called after it was cancelled") }))
	w := l.signals[syscall.SIGUSR1]
	w.handler.Cancel()
	l.handleSignal(syscall.SIGUSR1, w)
	if l.RemoveSignalHandler(syscall.SIGUSR1) {
		t.Error("still there")
	}
	pass(t, l)
}
