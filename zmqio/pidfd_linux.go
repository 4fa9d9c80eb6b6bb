package zmqio

import (
	"github.com/zmqio/zmq/zmqio/internal/proc"
)

// A PidfdChildWatcher is a ChildWatcher that has a descriptor for each of its children; the
// descriptor tells when the child has ended. The watcher needs no signal, and the time it takes
// does not depend on the number of children. It cannot mistake a new process for an old one
// that had the same number.
//
// All methods are safe for concurrent use. Use NewPidfdChildWatcher: a zero PidfdChildWatcher
// takes no loop and no handlers.
//
// asyncio: PidfdChildWatcher
type PidfdChildWatcher struct{ children }

// NewPidfdChildWatcher returns a watcher that has no loop yet: see AttachLoop. The error is
// errors.ErrUnsupported where Linux is older than 5.4 or does not allow pidfds.
//
// The errors of the watcher's AddChildHandler include those of pidfd_open: ESRCH if there is no
// such process or it was reaped, EMFILE without descriptors.
func NewPidfdChildWatcher() (*PidfdChildWatcher, error) {
	if err := proc.CheckPidfd(); err != nil {
		return nil, err
	}
	w := &PidfdChildWatcher{}
	w.open = w.openPidfd
	w.handlers = make(map[int]*childHandler)
	return w, nil
}

// openPidfd makes the loop check pid after its exit. The goroutine waits in the runtime's poller,
// so it takes no thread. release ends it.
func (w *PidfdChildWatcher) openPidfd(pid int) (child, error) {
	fd, err := proc.OpenPidfd(pid)
	if err != nil {
		return nil, err
	}
	p := &pidfd{process(pid), fd}
	go func() {
		if p.fd.Wait() == nil {
			w.post(pid)
		}
	}()
	return p, nil
}

// A pidfd is a child with a pidfd.
type pidfd struct {
	process
	fd *proc.Pidfd
}

func (p *pidfd) reap() (code int, ended bool, err error) {
	if ended, err := p.fd.Ended(); err != nil || !ended {
		return 0, false, err
	}
	return p.process.reap() // the child is not reaped, so its number is still its own
}

func (p *pidfd) release() { p.fd.Close() }
