package zmqio

import (
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"github.com/zmqio/zmq/zmqio/internal/proc"
)

// A SafeChildWatcher is a ChildWatcher that asks the system about each of its children whenever
// SIGCHLD arrives. The time for that is proportional to the number of handlers.
//
// While it has a loop, the watcher listens to SIGCHLD through a channel of its own. Other
// channels, other watchers and AddSignalHandler get the signal too. But signal.Ignore and
// signal.Reset of SIGCHLD take it from all of them.
//
// All methods are safe for concurrent use. Use NewSafeChildWatcher: a zero SafeChildWatcher
// takes no loop and no handlers.
//
// asyncio: SafeChildWatcher
type SafeChildWatcher struct{ children }

// NewSafeChildWatcher returns a watcher that has no loop yet: see AttachLoop.
func NewSafeChildWatcher() *SafeChildWatcher {
	w := &SafeChildWatcher{}
	w.open = func(pid int) (child, error) { return process(pid), nil }
	w.listen = w.listenToSIGCHLD
	w.handlers = make(map[int]*childHandler)
	return w
}

func (w *SafeChildWatcher) listenToSIGCHLD(l *EventLoop) (stop func()) {
	sigchld := make(chan os.Signal, 1) // one is enough: a scan finds all children that have ended
	signal.Notify(sigchld, syscall.SIGCHLD)
	go func() {
		var queued atomic.Bool // a scan that has not begun will find this child too
		for range sigchld {
			if queued.Swap(true) {
				continue
			}
			_, _ = l.CallSoon(func() { // fails only if l is closing; l then calls forget
				queued.Store(false)
				w.checkAll(l)
			})
		}
	}()
	return func() {
		signal.Stop(sigchld)
		close(sigchld)
	}
}

// A process is a child that is known by its number alone.
type process int

func (p process) reap() (code int, ended bool, err error) {
	status, ended, err := proc.Reap(int(p))
	return exitCode(status), ended, err
}

func (process) release() {}

// exitCode returns the code that a handler gets. A status that is neither an exit nor a death by a
// signal, for example from a debugger, is returned as it is.
func exitCode(status syscall.WaitStatus) int {
	switch {
	case status.Exited():
		return status.ExitStatus()
	case status.Signaled():
		return -int(status.Signal())
	}
	return int(status)
}
