package zmqio

import (
	"errors"
	"math"
	"os"

	"github.com/zmqio/zmq/zmqio/internal/poll"
)

// AddReader arranges for fn to be called on the loop whenever descriptor fd can be
// read without blocking, has come to its end or is in error: once in each iteration
// for as long as that holds. It takes the place of the reader that fd had. It stands
// for add_reader.
//
// fd is watched, not owned: take the reader off with RemoveReader before closing fd.
// A regular file can always be read and written, and keeps the loop busy meanwhile.
//
// The errors are ErrInvalidArgument for a nil fn, for what cannot be a descriptor
// and for the descriptor of a transport, ErrLoopClosed, and that of the system call
// that begins to watch, EBADF among them. What fd had before then stays.
func (l *EventLoop) AddReader(fd int, fn func()) error { return l.addCallback(fd, poll.Read, fn) }

// RemoveReader ends what AddReader began, and reports whether fd had a reader. A
// reader that is removed, or replaced, is not called again, not even if it is due in
// the same iteration; off the loop, a call that is just starting there may still
// come. On a closed loop no descriptor has a reader. It stands for remove_reader.
func (l *EventLoop) RemoveReader(fd int) bool { return l.removeCallback(fd, poll.Read) }

// AddWriter is AddReader for writing. In an iteration where fd can be both read and
// written, its reader is called before its writer. It stands for add_writer.
func (l *EventLoop) AddWriter(fd int, fn func()) error { return l.addCallback(fd, poll.Write, fn) }

// RemoveWriter is RemoveReader for the writer. It stands for remove_writer.
func (l *EventLoop) RemoveWriter(fd int) bool { return l.removeCallback(fd, poll.Write) }

// A watch is what the loop calls when a descriptor is ready.
type watch struct {
	token          uint64    // of the poller's events
	reader, writer *ioHandle // nil where there is none
	transport      bool      // the descriptor is a transport's own
}

func (w *watch) side(in poll.Interest) **ioHandle {
	if in == poll.Read {
		return &w.reader
	}
	return &w.writer
}

func (w *watch) interest() (in poll.Interest) {
	if w.reader != nil {
		in |= poll.Read
	}
	if w.writer != nil {
		in |= poll.Write
	}
	return in
}

func (l *EventLoop) addCallback(fd int, in poll.Interest, fn func()) error {
	switch {
	case fn == nil:
		return invalid("nil function")
	case fd < 0 || fd > math.MaxInt32:
		return invalid("%d is no descriptor", fd)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrLoopClosed
	}
	var w watch
	if has := l.watches[fd]; has != nil {
		if has.transport {
			return invalid("descriptor %d is used by a transport", fd)
		}
		w = *has
	}
	side := w.side(in)
	old := *side
	*side = l.newCallback(fn)
	if err := l.watch(fd, w); err != nil {
		return err
	}
	if old != nil {
		old.Cancel()
	}
	return nil
}

func (l *EventLoop) removeCallback(fd int, in poll.Interest) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.watches[fd]
	if w == nil || w.transport || *w.side(in) == nil {
		return false
	}
	l.drop(fd, w, in)
	return true
}

// drop takes one callback off w, the watch of fd. mu is held.
func (l *EventLoop) drop(fd int, w *watch, in poll.Interest) {
	side := w.side(in)
	(*side).Cancel()
	*side = nil
	if left := w.interest(); left != 0 {
		_ = l.poller.Modify(fd, left, w.token) // fails only if fd has been closed
		return
	}
	l.unwatch(fd)
}

// watch makes w what is called for fd, in place of what was. If it fails, nothing
// has changed. mu is held.
//
// Each change has a token of its own: an event that the poller took before it may be
// another file's, or what has been removed since.
func (l *EventLoop) watch(fd int, w watch) error {
	l.changes++
	w.token = uint64(l.changes)<<32 | uint64(fd)
	set := l.poller.Add
	if l.watches[fd] != nil {
		set = l.poller.Modify
	}
	err := set(fd, w.interest(), w.token)
	if errors.Is(err, os.ErrNotExist) { // the descriptor was closed, and its number is in use again
		err = l.poller.Add(fd, w.interest(), w.token)
	}
	if err == nil {
		l.watches[fd] = &w
	}
	return err
}

// unwatch ends a watch. mu is held.
func (l *EventLoop) unwatch(fd int) {
	delete(l.watches, fd)
	_ = l.poller.Remove(fd) // fails only if fd has been closed behind our back
}

// queueReady puts in the ready queue what is to be called for an event of the poller.
// mu is held.
func (l *EventLoop) queueReady(ev poll.Event) {
	fd := int(uint32(ev.Token))
	w := l.watches[fd]
	if w == nil || w.token != ev.Token { // it has just been changed or removed
		return
	}
	for _, in := range []poll.Interest{poll.Read, poll.Write} {
		switch h := *w.side(in); {
		case ev.Ready&in == 0 || h == nil:
		case h.Cancelled(): // by an exception handler
			l.drop(fd, w, in)
		case h.queue():
			l.makeReady(&h.Handle)
			if !w.transport {
				l.share()
			}
		}
	}
}

// newCallback returns a handle that calls fn each time it has been queued.
func (l *EventLoop) newCallback(fn func()) *ioHandle {
	h := new(ioHandle)
	h.init(func() {
		h.phase.Store(ioIdle)
		fn()
	})
	if h.origin = l.origin(fn); h.origin == nil {
		h.origin = &origin{fn: entry(fn)} // debug mode may begin later
	}
	return h
}
