package zmqio

import (
	"github.com/zmqio/zmq/zmqio/internal/proc"
)

// A PidfdChildWatcher is a [ChildWatcher] that has a descriptor for each of its children,
// which tells when that child has ended. It needs no signal, and takes the same time for any
// number of children. It cannot take a new process for an old one that had its number.
//
// All methods may be called from every goroutine. Use [NewPidfdChildWatcher]: a
// zero PidfdChildWatcher takes no loop and no handlers.
//
// asyncio: PidfdChildWatcher
type PidfdChildWatcher struct{ children }

// NewPidfdChildWatcher returns a watcher that has no loop yet. The error is
// errors.ErrUnsupported where Linux is older than 5.4 or does not allow it.
//
// The watcher's AddChildHandler may return an error of pidfd_open as well: ESRCH for
// a process that does not exist or was reaped, EMFILE where there are too many
// descriptors.
func NewPidfdChildWatcher() (*PidfdChildWatcher, error) {
	if err := proc.CheckPidfd(); err != nil {
		return nil, err
	}
	w := &PidfdChildWatcher{}
	w.open = w.openPidfd
	w.handlers = make(map[int]*childHandler)
	return w, nil
}

// openPidfd has pid checked when it has ended. The goroutine waits in the runtime's
// poller, so it needs no thread, and release ends it.
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

// A pidfd is a child that is known by a descriptor.
type pidfd struct {
	process
	fd *proc.Pidfd
}

func (p *pidfd) reap() (code int, ended bool, err error) {
	if ended, err := p.fd.Ended(); err != nil || !ended {
		return 0, false, err
	}
	return p.process.reap() // it has not been reaped, so the number is still its own
}

func (p *pidfd) release() { p.fd.Close() }
