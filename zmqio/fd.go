package zmqio

import (
	"errors"
	"fmt"
	"math"

	"github.com/zmqio/zmq/zmqio/internal/reactor"
)

// AddReader makes the loop call fn while descriptor fd can be read without blocking, is at its
// end or has an error. The loop calls fn once in each iteration for as long as that holds. fn
// replaces the reader that fd had.
//
// The caller keeps fd, and must call RemoveReader before closing it. A regular file can always
// be read and keeps the loop busy.
//
// Errors, after which the earlier reader stays:
//   - [ErrInvalidArgument]: fn is nil, fd cannot be a descriptor, or fd belongs to a transport
//     or other Resident.
//   - [ErrLoopClosed]: the loop is closed.
//   - The error of the system call that begins to watch, EBADF for example.
//
// asyncio: add_reader
func (l *EventLoop) AddReader(fd int, fn func()) error {
	return l.addCallback("AddReader", l.reactor.AddReader, fd, fn)
}

// RemoveReader ends what AddReader began, and reports whether fd had a reader. The loop does
// not call a removed or replaced reader, even if it is due in the same iteration. Off the loop
// goroutine, a call that is just starting may still come. On a closed loop no descriptor has a
// reader.
//
// asyncio: remove_reader
func (l *EventLoop) RemoveReader(fd int) bool { return l.reactor.RemoveReader(fd) }

// AddWriter is AddReader for writing. In an iteration where fd can be both read and written,
// the loop calls the reader first.
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
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrLoopClosed):
		return l.refuse(fmt.Sprintf("%s: descriptor %d", call, fd), err)
	}
	return fmt.Errorf("zmqio: %s: descriptor %d: %w", call, fd, err)
}

// checkDescriptor returns an error if fd cannot be a descriptor.
func checkDescriptor(call string, fd int) error {
	if fd < 0 || fd > math.MaxInt32 {
		return invalid("%s: %d is no descriptor", call, fd)
	}
	return nil
}
