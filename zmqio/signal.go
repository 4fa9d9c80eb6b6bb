package zmqio

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/zmqio/zmq/zmqio/internal/reactor"
)

// AddSignalHandler makes the loop call fn each time the process gets the signal sig. Signals
// that come before the loop has called fn count once. A signal wakes the loop. fn replaces the
// handler that the loop had for sig; a signal that is due then goes to fn.
//
// Until RemoveSignalHandler or Close, sig does not have its default effect. Other loops, and
// channels that were given to signal.Notify, get it too. The Go runtime sends SIGURG to itself,
// often.
//
// Errors:
//   - [ErrInvalidArgument]: fn is nil, or a Go program cannot catch sig: SIGKILL, SIGSTOP, and
//     signals of the C library.
//   - [ErrLoopClosed]: the loop is closed.
//
// asyncio: add_signal_handler
func (l *EventLoop) AddSignalHandler(sig os.Signal, fn func()) error {
	n, err := checkSignal(sig)
	if err != nil {
		return err
	}
	if fn == nil {
		return invalid("AddSignalHandler: %v: nil function", sig)
	}
	h := l.reactor.NewTask(fn)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.IsClosed() {
		return l.refuse(fmt.Sprintf("AddSignalHandler: %v", sig), ErrLoopClosed)
	}
	if w := l.signals[n]; w != nil {
		w.replaceLocked(n, h)
		return nil
	}
	w := &signalWatch{caught: make(chan os.Signal, 1), handler: h}
	l.signals[n] = w
	signal.Notify(w.caught, n)
	go func() {
		for range w.caught {
			l.handleSignal(n, w)
		}
	}()
	return nil
}

// RemoveSignalHandler ends what AddSignalHandler began, and reports whether there was a
// handler. The loop does not call that handler, even for a signal that has come. Off the loop
// goroutine, a call that is just starting may still come. If no other loop or channel waits for
// the signal, it has its default effect again.
//
// asyncio: remove_signal_handler
func (l *EventLoop) RemoveSignalHandler(sig os.Signal) bool {
	n, _ := sig.(syscall.Signal) // 0, which is no signal, if sig is another type
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.signals[n]
	if w == nil {
		return false
	}
	l.dropSignalLocked(n, w)
	return true
}

// A signalWatch is a signal that the loop handles. Its goroutine ends when caught is closed.
type signalWatch struct {
	caught  chan os.Signal
	handler *reactor.Task // under EventLoop.mu
}

// replaceLocked makes h the handler. A signal that waits for the old handler goes to h. Caller
// holds l.mu.
func (w *signalWatch) replaceLocked(sig syscall.Signal, h *reactor.Task) {
	old := w.handler
	w.handler = h
	old.Cancel()
	if old.Queued() {
		select {
		case w.caught <- sig:
		default: // a signal waits already
		}
	}
}

// dropSignalLocked stops watching a signal. Caller holds l.mu.
func (l *EventLoop) dropSignalLocked(sig syscall.Signal, w *signalWatch) {
	delete(l.signals, sig)
	w.handler.Cancel()
	signal.Stop(w.caught) // the runtime sends nothing to caught after this
	close(w.caught)
}

// handleSignal queues the handler of a caught signal.
func (l *EventLoop) handleSignal(sig syscall.Signal, w *signalWatch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch h := w.handler; {
	case l.signals[sig] != w: // removed meanwhile
	case h.Cancelled(): // an exception handler cancelled it
		l.dropSignalLocked(sig, w)
	default:
		h.Schedule()
	}
}

// checkSignal returns an error for a signal that cannot be caught. signal.Notify accepts any.
func checkSignal(sig os.Signal) (syscall.Signal, error) {
	n, ok := sig.(syscall.Signal)
	switch {
	case !ok || n < 1 || n > lastSignal():
		return 0, invalid("AddSignalHandler: %v: no such signal", sig)
	case n == syscall.SIGKILL || n == syscall.SIGSTOP || reserved(n):
		return 0, invalid("AddSignalHandler: signal %d (%v) cannot be caught", int(n), n)
	}
	return n, nil
}

// lastSignal returns the highest signal number. On Linux alone the runtime knows real-time signals.
func lastSignal() syscall.Signal {
	if runtime.GOOS == "linux" {
		return 64
	}
	return 31
}

// reserved reports whether the runtime leaves the signal to the C library.
func reserved(sig syscall.Signal) bool {
	return runtime.GOOS == "linux" && sig >= 32 && sig <= 34
}
