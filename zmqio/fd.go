package zmqio

import (
	"errors"
	"fmt"
	"math"

	"github.com/zmqio/zmq/zmqio/internal/reactor"
)

// AddReader has fn called on the loop whenever descriptor fd can be read without blocking, has
// come to its end or is in error: once in each iteration for as long as that holds. It takes
// the place of the reader that fd had.
//
// fd is watched, not owned: take the reader off with RemoveReader before closing fd.
// A regular file can always be read and written, and keeps the loop busy meanwhile.
//
// ErrInvalidArgument means a nil fn, a number that cannot be a descriptor, or the descriptor of a
// transport or of another Resident. ErrLoopClosed means that the loop is closed. The other errors
// are those of the system call that begins to watch, EBADF among them. What fd had before then
// stays.
//
// asyncio: add_reader
func (l *EventLoop) AddReader(fd int, fn func()) error {
	return l.addCallback("AddReader", l.reactor.AddReader, fd, fn)
}

// RemoveReader ends what AddReader began, and reports whether fd had a reader. A
// reader that is removed, or replaced, is not called again, not even if it is due in
// the same iteration; off the loop, a call that is just starting there may still
// come. On a closed loop no descriptor has a reader.
//
// asyncio: remove_reader
func (l *EventLoop) RemoveReader(fd int) bool { return l.reactor.RemoveReader(fd) }

// AddWriter is AddReader for writing. In an iteration where fd can be both read and
// written, its reader is called before its writer.
//
// asyncio: add_writer
func (l *EventLoop) AddWriter(fd int, fn func()) error {
	return l.addCallback("AddWriter", l.reactor.AddWriter, fd, fn)
}

// RemoveWriter is RemoveReader for the writer.
//
// asyncio: remove_writer
func (l *EventLoop) RemoveWriter(fd int) bool { return l.reactor.RemoveWriter(fd) }

func (l *EventLoop) addCallback(call string, add func(int, func()) error, fd int, fn func()) error {
	if err := checkDescriptor(call, fd); err != nil {
		return err
	}
	if fn == nil {
		return invalid("%s: descriptor %d: nil function", call, fd)
	}
	err := add(fd, fn)
	if errors.Is(err, reactor.ErrReserved) {
		return invalid("%s: descriptor %d: a resident of the loop watches it", call, fd)
	}
	if err != nil && !errors.Is(err, ErrLoopClosed) {
		return fmt.Errorf("zmqio: %s: descriptor %d: %w", call, fd, err)
	}
	return err
}

// checkDescriptor makes sure that fd can be a descriptor.
func checkDescriptor(call string, fd int) error {
	if fd < 0 || fd > math.MaxInt32 {
		return invalid("%s: %d is no descriptor", call, fd)
	}
	return nil
}
