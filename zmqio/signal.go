package zmqio

import (
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
		return ErrLoopClosed
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
	n, _ := sig.(syscall.Signal) // 0, which is no signal, for what is none
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.signals[n]
	if w == nil {
		return false
	}
	l.dropSignalLocked(n, w)
	return true
}

// A signalWatch is a signal that the loop handles. Its goroutine ends when caught is
// closed.
type signalWatch struct {
	caught  chan os.Signal
	handler *reactor.Task // guarded by the loop's mu
}

// replaceLocked makes h the handler. A signal that the old one has not been called for yet
// is h's. Caller holds l.mu.
func (w *signalWatch) replaceLocked(sig syscall.Signal, h *reactor.Task) {
	old := w.handler
	w.handler = h
	old.Cancel()
	if old.Queued() {
		select {
		case w.caught <- sig:
		default: // one has come already
		}
	}
}

// dropSignalLocked ends a watch. Caller holds l.mu.
func (l *EventLoop) dropSignalLocked(sig syscall.Signal, w *signalWatch) {
	delete(l.signals, sig)
	w.handler.Cancel()
	signal.Stop(w.caught) // from here on nothing is sent to it
	close(w.caught)
}

// handleSignal queues the handler of a signal that has been caught.
func (l *EventLoop) handleSignal(sig syscall.Signal, w *signalWatch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch h := w.handler; {
	case l.signals[sig] != w: // removed meanwhile
	case h.Cancelled(): // by an exception handler
		l.dropSignalLocked(sig, w)
	default:
		h.Schedule()
	}
}

// checkSignal makes sure that sig can be caught. signal.Notify takes anything.
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

// lastSignal is the highest number of a signal. Only Linux has real-time signals that
// the runtime knows.
func lastSignal() syscall.Signal {
	if runtime.GOOS == "linux" {
		return 64
	}
	return 31
}

// reserved reports whether the runtime leaves a signal to the C library.
func reserved(sig syscall.Signal) bool {
	return runtime.GOOS == "linux" && sig >= 32 && sig <= 34
}
