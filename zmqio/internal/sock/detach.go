package sock

/*
#include "sock.h"

#cgo noescape zmqio_process
#cgo nocallback zmqio_process
#cgo noescape zmqio_await
#cgo nocallback zmqio_await
*/
import "C"

import (
	"runtime"
	"syscall"
	"time"
)

// A pipe that this side has ended stays among those that libzmq's fq_t reads in turn. It
// leaves them when fq_t finds that it cannot be read, or the peer has acknowledged its end.
// The acknowledgement may be handled first, amid a message of the last pipe in the row. fq_t
// then reads the rest of that message from the first pipe: two messages are mixed, or the
// process ends in fq.cpp. libzmq handles acknowledgements in ZMQ_EVENTS, in each 100th receive
// of a frame, and in sends.
//
// After a receive that finds nothing, fq_t starts with the first pipe, and its row has only
// pipes that have woken since. It then passes a dead one before it reads the last one,
// whatever is handled meanwhile. So Detach empties the socket before it ends the pipe.
// Where messages come faster than that, Recv is wary for a while.
const (
	// settledMessages and settledBytes bound what Detach receives to empty the socket: a
	// few batches. A socket that still has messages then has hardly ever none.
	settledMessages = 4 * maxMessages
	settledBytes    = 2 * maxBatch
	// waryMessages is for how many messages Recv is wary: as many as may have to be read
	// until fq_t has passed each pipe, one message of each.
	waryMessages = 256
	// launched is how long Launched waits for a signal that another thread is about to
	// give. Only a thread that got no processor for so long is late.
	launched = 100 * time.Millisecond
)

// Detach calls do, which disconnects or unbinds the socket, and returns its error. Before
// it Detach receives messages into the inbox: the rest of one that ZMQ_EVENTS has begun,
// and what else there is, within bounds. So libzmq mixes no messages.
//
// If that did not empty the socket, Recv is wary: it takes one message at a time and has
// acknowledgements handled between them. Then libzmq mixes messages only if one comes
// while the few frames before a 100th receive are read.
func (s *Socket) Detach(do func() error) error {
	c := NewCopier(true)
	if s.begun {
		messages, bytes := s.inbox.settled()
		s.settle(c, messages+1, bytes+1)
	}
	empty := s.settle(c, settledMessages, settledBytes)
	err := do()
	if err == nil && !empty {
		s.wary = waryMessages
	}
	return err
}

// settle receives until the socket is empty, which it reports, or most messages or bytes
// are settled.
func (s *Socket) settle(c *Copier, most, mostBytes int) (empty bool) {
	messages, bytes := s.inbox.settled() // once, because it looks at every frame
	for messages < most && bytes < mostBytes {
		msgs, errno := c.recv(s, min(most-messages, maxMessages))
		s.inbox.msgs = append(s.inbox.msgs, msgs...)
		for _, msg := range msgs {
			messages++
			bytes += Size(msg)
		}
		if errno != 0 { // an error comes again
			return errno == syscall.EAGAIN
		}
	}
	return false
}

// Launched must follow a bind or a connect, except over inproc. libzmq then sends the socket a
// command about the listener or the connection. An unbind or a disconnect that comes before
// libzmq handles the command ends neither. libzmq handles it in any call, unless an I/O thread
// has just sent another command and has not signalled it yet. So Launched waits for the
// signal.
func (s *Socket) Launched() syscall.Errno {
	errno := C.zmqio_await(s.handle(), C.int(launched.Milliseconds()))
	runtime.KeepAlive(s.z)
	return syscall.Errno(errno)
}

// process makes libzmq handle what other threads have told the socket, as ZMQ_EVENTS does,
// but never begins a message. It does nothing amid one that has been begun.
func (s *Socket) process() syscall.Errno {
	if s.begun { // the next receive comes first
		return 0
	}
	errno := C.zmqio_process(s.handle())
	runtime.KeepAlive(s.z)
	return syscall.Errno(errno)
}
