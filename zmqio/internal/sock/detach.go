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

// A pipe that this side has ended stays in the row that libzmq's fq_t reads in turn. It leaves the
// row when fq_t finds it empty, or when libzmq handles the peer's acknowledgement. If libzmq
// handles the acknowledgement amid a message of the last pipe in the row, fq_t reads the rest from
// the first pipe. Two messages are then mixed, or the process ends in fq.cpp. libzmq handles
// acknowledgements in ZMQ_EVENTS, in each 100th receive of a frame, and in sends.
//
// After a receive that finds nothing, fq_t starts with the first pipe, and its row has only pipes
// that have woken since. It then passes a dead pipe before it reads the last one. So Detach empties
// the socket before it ends the pipe. If messages come too fast for that, Recv is wary for a while.
const (
	// settledMessages and settledBytes bound what Detach receives: a few batches. A socket that
	// still has messages after them is hardly ever empty.
	settledMessages = 4 * maxMessages
	settledBytes    = 2 * maxBatch
	// waryMessages is how many messages Recv is wary for. By then fq_t has passed each pipe, with
	// one message of each.
	waryMessages = 256
	// launched bounds the wait of Launched for a signal that another thread is about to give. The
	// thread is late only if it got no processor for so long.
	launched = 100 * time.Millisecond
)

// Detach calls do, which disconnects or unbinds the socket, and returns its error. Before, it
// receives messages into the inbox, so that libzmq mixes none: the rest of a message that
// ZMQ_EVENTS has begun, and further messages within bounds.
//
// If that does not empty the socket, Recv becomes wary: it takes one message at a time, and libzmq
// handles acknowledgements between them. libzmq then mixes messages only if an acknowledgement
// comes during the few frames before a 100th receive.
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

// settle receives until the socket is empty, which it reports, or the inbox has most settled
// messages or mostBytes.
func (s *Socket) settle(c *Copier, most, mostBytes int) (empty bool) {
	messages, bytes := s.inbox.settled() // once, because it looks at every frame
	for messages < most && bytes < mostBytes {
		msgs, errno := c.recv(s, min(most-messages, maxMessages))
		s.inbox.msgs = append(s.inbox.msgs, msgs...)
		for _, msg := range msgs {
			messages++
			bytes += Size(msg)
		}
		if errno != 0 { // the next receive returns an error again
			return errno == syscall.EAGAIN
		}
	}
	return false
}

// Launched must follow a bind or a connect, except over inproc. libzmq then sends the socket a
// command about the listener or the connection. An unbind or a disconnect before libzmq handles the
// command has no effect. libzmq handles the command in any call. The exception is an I/O thread
// that has just sent another command and not yet signalled it. So Launched waits for the signal.
func (s *Socket) Launched() syscall.Errno {
	errno := C.zmqio_await(s.handle(), C.int(launched.Milliseconds()))
	runtime.KeepAlive(s.z)
	return syscall.Errno(errno)
}

// process makes libzmq handle commands of other threads, as reading ZMQ_EVENTS does, but never
// begins a message. It does nothing amid a message.
func (s *Socket) process() syscall.Errno {
	if s.begun { // a message is begun: the next receive comes first
		return 0
	}
	errno := C.zmqio_process(s.handle())
	runtime.KeepAlive(s.z)
	return syscall.Errno(errno)
}
