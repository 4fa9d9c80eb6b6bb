package reactor

import (
	"errors"
	"os"

	"github.com/zmqio/zmq/zmqio/internal/poll"
)

// A watch has the tasks of a descriptor.
type watch struct {
	token       uint64        // of the poller's events
	wanted      poll.Interest // as the poller has it; 0: the poller does not watch the descriptor
	read, write *Task         // nil if there is none
	reservedBy  *Watch        // nil for AddReader and AddWriter
}

func (w *watch) side(in poll.Interest) **Task {
	if in == poll.Read {
		return &w.read
	}
	return &w.write
}

// AddReader makes the loop call fn once in each iteration in which fd can be read. fn replaces the
// reader of fd. The errors are ErrClosed, ErrReserved, and that of the system call. After an error
// the old reader stays.
func (l *Loop) AddReader(fd int, fn func()) error { return l.addTask(fd, poll.Read, l.NewTask(fn)) }

// AddWriter is AddReader for writing. If fd can be both read and written, the reader comes first.
func (l *Loop) AddWriter(fd int, fn func()) error { return l.addTask(fd, poll.Write, l.NewTask(fn)) }

// RemoveReader removes the reader of fd, and reports whether there was one.
func (l *Loop) RemoveReader(fd int) bool { return l.removeTask(fd, poll.Read) }

// RemoveWriter removes the writer of fd, and reports whether there was one.
func (l *Loop) RemoveWriter(fd int) bool { return l.removeTask(fd, poll.Write) }

func (l *Loop) addTask(fd int, in poll.Interest, task *Task) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	w := l.watches[fd]
	switch {
	case w == nil:
		w = &watch{}
	case w.reservedBy != nil:
		return ErrReserved
	}
	if err := l.wantLocked(fd, w, w.wanted|in); err != nil {
		return err
	}
	l.watches[fd] = w
	side := w.side(in)
	if *side != nil {
		(*side).Cancel()
	}
	*side = task
	return nil
}

func (l *Loop) removeTask(fd int, in poll.Interest) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.watches[fd]
	if w == nil || w.reservedBy != nil || *w.side(in) == nil {
		return false
	}
	l.dropTaskLocked(fd, w, in)
	return true
}

// dropTaskLocked removes the reader or the writer of w, the watch of fd. Caller holds l.mu.
func (l *Loop) dropTaskLocked(fd int, w *watch, in poll.Interest) {
	side := w.side(in)
	(*side).Cancel()
	*side = nil
	_ = l.wantLocked(fd, w, w.wanted&^in) // fails only if fd is closed
	if w.read == nil && w.write == nil {
		delete(l.watches, fd)
	}
}

// wantLocked makes the poller watch fd for in. w is the watch of fd, or becomes it. An error leaves
// everything as it was. Caller holds l.mu.
//
// Each change gets a new token. An event that the poller took before the change may belong to
// another file, or to a task that is removed.
func (l *Loop) wantLocked(fd int, w *watch, in poll.Interest) (err error) {
	l.changes++
	token := uint64(l.changes)<<32 | uint64(fd)
	switch {
	case in == 0 && w.wanted == 0:
		return nil
	case in == 0:
		_ = l.poller.Remove(fd) // fails only if the program has closed fd itself
	case w.wanted == 0:
		err = l.poller.Add(fd, in, token)
	default:
		err = l.poller.Modify(fd, in, token)
		if errors.Is(err, os.ErrNotExist) { // the program closed fd, and the number is in use again
			err = l.poller.Add(fd, in, token)
		}
	}
	if err == nil {
		w.token, w.wanted = token, in
	}
	return err
}

// queueReadyLocked queues the tasks for an event of the poller. Caller holds l.mu.
func (l *Loop) queueReadyLocked(ev poll.Event) {
	fd := int(uint32(ev.Token))
	w := l.watches[fd]
	if w == nil || w.token != ev.Token { // changed or removed after the poller took the event
		return
	}
	for _, in := range [...]poll.Interest{poll.Read, poll.Write} {
		task := *w.side(in)
		switch {
		case ev.Ready&w.wanted&in == 0 || task == nil:
		case task.Cancelled() && w.reservedBy == nil: // an exception handler cancelled it
			l.dropTaskLocked(fd, w, in)
		default:
			task.scheduleLocked()
		}
	}
}

// A Watch is a resident's hold on a descriptor.
type Watch struct {
	loop *Loop
	fd   int
}

// Watch reserves fd for the resident: no other resident can use it, and neither AddReader nor
// AddWriter. It removes the reader and writer that fd has. The loop schedules read and write, which
// may be nil or the same task, when fd is ready for what [Watch.Want] asks for. At first that is
// nothing. The errors are ErrClosed and ErrReserved.
func (p *Residence) Watch(fd int, read, write *Task) (*Watch, error) {
	l := p.loop
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	w := &Watch{loop: l, fd: fd}
	next := &watch{read: read, write: write, reservedBy: w}
	if old := l.watches[fd]; old != nil {
		if old.reservedBy != nil && l.isWatchedLocked(fd, old) {
			return nil, ErrReserved
		}
		for _, in := range [...]poll.Interest{poll.Read, poll.Write} {
			if old.reservedBy == nil && *old.side(in) != nil {
				l.dropTaskLocked(fd, old, in)
			}
		}
	}
	l.watches[fd] = next
	return w, nil
}

// isWatchedLocked reports whether the poller still watches fd for w. It does not if the program
// closed fd, and the number belongs to another file by now. Caller holds l.mu.
func (l *Loop) isWatchedLocked(fd int, w *watch) bool {
	return w.wanted == 0 || l.poller.Modify(fd, w.wanted, w.token) == nil
}

// Want sets what the loop watches for, with at most one system call. The errors are ErrClosed,
// os.ErrClosed after Stop, and that of the system call. After an error the old setting stays.
func (w *Watch) Want(read, write bool) error {
	var in poll.Interest
	if read {
		in |= poll.Read
	}
	if write {
		in |= poll.Write
	}
	w.loop.mu.Lock()
	defer w.loop.mu.Unlock()
	mine := w.loop.watches[w.fd]
	switch {
	case w.loop.ended:
		return ErrClosed
	case mine == nil || mine.reservedBy != w:
		return os.ErrClosed
	case mine.wanted == in:
		return nil
	}
	return w.loop.wantLocked(w.fd, mine, in)
}

// Stop ends the watch. It must come before fd is closed, and may be repeated. It leaves alone a
// newer watch of the same number.
func (w *Watch) Stop() {
	w.loop.mu.Lock()
	defer w.loop.mu.Unlock()
	mine := w.loop.watches[w.fd]
	if mine == nil || mine.reservedBy != w {
		return
	}
	_ = w.loop.wantLocked(w.fd, mine, 0)
	delete(w.loop.watches, w.fd)
}

// Spare reports whether the process can open n more descriptors. The error is EMFILE or ENFILE.
// Close of the loop must not return meanwhile.
func (l *Loop) Spare(n int) error { return l.poller.Spare(n) }
