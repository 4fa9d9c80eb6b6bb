package reactor

import (
	"errors"
	"os"

	"github.com/zmqio/zmq/zmqio/internal/poll"
)

// A watch is what the loop calls when a descriptor is ready.
type watch struct {
	token       uint64        // of the poller's events
	wanted      poll.Interest // what the poller looks for; it does not know of the descriptor if 0
	read, write *Task         // nil where there is none
	reservedBy  *Watch        // nil for the readers and writers of AddReader and AddWriter
}

func (w *watch) side(in poll.Interest) **Task {
	if in == poll.Read {
		return &w.read
	}
	return &w.write
}

// AddReader has fn called whenever fd can be read: once in each iteration for as long as
// that holds. It takes the place of the reader that fd had. The errors are ErrClosed,
// ErrReserved, and that of the system call. What fd had before then stays.
func (l *Loop) AddReader(fd int, fn func()) error { return l.addTask(fd, poll.Read, l.NewTask(fn)) }

// AddWriter is AddReader for writing. Of a descriptor that can be both read and written the
// reader comes first.
func (l *Loop) AddWriter(fd int, fn func()) error { return l.addTask(fd, poll.Write, l.NewTask(fn)) }

// RemoveReader ends what AddReader began, and reports whether fd had a reader.
func (l *Loop) RemoveReader(fd int) bool { return l.removeTask(fd, poll.Read) }

// RemoveWriter is RemoveReader for the writer.
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

// dropTaskLocked takes a reader or a writer off w, the watch of fd. Caller holds l.mu.
func (l *Loop) dropTaskLocked(fd int, w *watch, in poll.Interest) {
	side := w.side(in)
	(*side).Cancel()
	*side = nil
	_ = l.wantLocked(fd, w, w.wanted&^in) // fails only if fd has been closed
	if w.read == nil && w.write == nil {
		delete(l.watches, fd)
	}
}

// wantLocked has the poller look for in of fd, whose watch is w or becomes w. If it fails,
// nothing has changed. Caller holds l.mu.
//
// Each change has a token of its own: an event that the poller took before it may be
// another file's, or what has been removed since.
func (l *Loop) wantLocked(fd int, w *watch, in poll.Interest) (err error) {
	l.changes++
	token := uint64(l.changes)<<32 | uint64(fd)
	switch {
	case in == 0 && w.wanted == 0:
		return nil
	case in == 0:
		_ = l.poller.Remove(fd) // fails only if fd has been closed behind the loop's back
	case w.wanted == 0:
		err = l.poller.Add(fd, in, token)
	default:
		err = l.poller.Modify(fd, in, token)
		if errors.Is(err, os.ErrNotExist) { // fd was closed, and its number is in use again
			err = l.poller.Add(fd, in, token)
		}
	}
	if err == nil {
		w.token, w.wanted = token, in
	}
	return err
}

// queueReadyLocked puts in the ready queue what is to be called for an event of the poller.
// Caller holds l.mu.
func (l *Loop) queueReadyLocked(ev poll.Event) {
	fd := int(uint32(ev.Token))
	w := l.watches[fd]
	if w == nil || w.token != ev.Token { // it has just been changed or removed
		return
	}
	for _, in := range [...]poll.Interest{poll.Read, poll.Write} {
		task := *w.side(in)
		switch {
		case ev.Ready&w.wanted&in == 0 || task == nil:
		case task.Cancelled() && w.reservedBy == nil: // by an exception handler
			l.dropTaskLocked(fd, w, in)
		default:
			task.scheduleLocked()
		}
	}
}

// A Watch is a descriptor that a resident watches.
type Watch struct {
	loop *Loop
	fd   int
}

// Watch reserves fd, which no other resident and no AddReader or AddWriter can then use. It
// takes the place of the readers and writers that fd has. When fd is ready for what
// [Watch.Want] asks for, the loop schedules read and write, which may be nil or the same
// task. Nothing is wanted at first. The errors are ErrClosed and ErrReserved.
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

// isWatchedLocked reports whether the poller still knows the file behind fd by w. It does
// not when fd was closed behind the loop's back, and the number is another file's by now.
// Caller holds l.mu.
func (l *Loop) isWatchedLocked(fd int, w *watch) bool {
	return w.wanted == 0 || l.poller.Modify(fd, w.wanted, w.token) == nil
}

// Want says what the loop is to look for: each call makes at most one system call. The
// errors are ErrClosed, os.ErrClosed after Stop, and that of the system call; then what was
// wanted before stays.
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

// Stop ends the watch, which must be done before fd is closed. It may be repeated. It does
// not touch another watch that has the same number by now.
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

// Spare reports whether the process can open n more descriptors. The error is the system's
// error number: EMFILE or ENFILE. Close of the loop must not end meanwhile.
func (l *Loop) Spare(n int) error { return l.poller.Spare(n) }
