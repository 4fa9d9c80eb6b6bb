package sock

/*
#include "sock.h"

#cgo noescape zmqio_recv
#cgo nocallback zmqio_recv
*/
import "C"

import (
	"runtime"
	"syscall"
	"unsafe"
)

const (
	scratchSize = 64 << 10 // bytes a C call can bring over
	maxCopy     = 8 << 10  // a larger frame goes straight to memory of its own
	maxFrames   = 1024     // frames a C call can bring over
	maxMessages = 256      // messages in a batch
	maxBatch    = 512 << 10
)

// A Receiver takes batches of messages from sockets. It holds what a receive needs
// beside the socket, so that many sockets can share one. It must not be used by
// two goroutines at once, and has nothing to be closed.
type Receiver struct {
	scratch []byte
	table   []uint64
	msgs    [][][]byte
	msg     [C.sizeof_zmq_msg_t / 8]uint64 // a zmq_msg_t, aligned as C wants it
	res     C.zmqio_received
}

// NewReceiver returns a Receiver.
func NewReceiver() *Receiver {
	r := &Receiver{
		scratch: make([]byte, scratchSize),
		table:   make([]uint64, maxFrames),
	}
	C.zmq_msg_init(r.cmsg())
	return r
}

func (r *Receiver) cmsg() *C.zmq_msg_t { return (*C.zmq_msg_t)(unsafe.Pointer(&r.msg)) }

// Recv takes messages from s without waiting, up to the size of a batch. The
// frames are the caller's. The outer slice is good until the next Recv, and should
// be cleared before, so as not to hold on to a batch. The error number is EAGAIN
// when the socket is empty and 0 when the batch is full, so that there may be more.
// Messages and an error number can come together.
//
// The frames of one batch share memory, except for large ones.
//
// A message that has been begun is taken to its end, whatever its size: libzmq ends the
// process if the socket is disconnected amid one.
func (r *Receiver) Recv(s *Socket) ([][][]byte, syscall.Errno) {
	r.msgs = append(r.msgs[:0], s.settled...)
	s.settled = nil
	return r.recv(s, max(maxMessages-len(r.msgs), 1))
}

// recv receives about as many messages as most.
func (r *Receiver) recv(s *Socket, most int) ([][][]byte, syscall.Errno) {
	most += len(r.msgs)
	for bytes, full := 0, false; ; {
		left := most - len(r.msgs)
		if full {
			left = 1
		}
		C.zmqio_recv(s.handle(), r.cmsg(),
			(*C.char)(unsafe.Pointer(unsafe.SliceData(r.scratch))), scratchSize, maxCopy,
			(*C.uint64_t)(unsafe.SliceData(r.table)), maxFrames, C.int64_t(left), &r.res)
		runtime.KeepAlive(s.z)
		held := r.res.is_held != 0
		bytes += r.take(s)
		r.res.held_data = nil // it is libzmq's to free
		if r.res.err != 0 {
			s.partial = nil // there is no more of it
			return r.msgs, syscall.Errno(r.res.err)
		}
		full = full || !held || bytes >= maxBatch || len(r.msgs) >= most
		if full && s.partial == nil {
			C.zmq_msg_close(r.cmsg()) // it holds the last frame still
			C.zmq_msg_init(r.cmsg())
			return r.msgs, 0
		}
	}
}

// Settle must come before the socket is disconnected or unbound. To say whether there is
// a message, some types take its first frame from its pipe; when the pipe goes before the
// others are taken, libzmq ends the process. So the message is taken here, for the next
// Recv to return.
func (s *Socket) Settle() {
	if events, errno := s.Events(); errno == 0 && events.Readable() {
		r := NewReceiver()
		msgs, _ := r.recv(s, 1) // an error comes again
		s.settled = append(s.settled, msgs...)
		C.zmq_msg_close(r.cmsg())
	}
}

// take moves what one C call brought into Go memory: one allocation for all the
// payload in the scratch buffer and one for the slices. It returns the number of
// bytes.
func (r *Receiver) take(s *Socket) int {
	n := int(r.res.frames)
	payload := clone(r.scratch[:r.res.bytes])
	table := r.table[:n]
	size := len(payload)
	var large []byte
	if r.res.is_held != 0 {
		large = clone(unsafe.Slice((*byte)(r.res.held_data), int(r.res.held>>1)))
		size += len(large)
		n++
	}
	if n == 0 {
		return 0
	}
	frames := make([][]byte, n)
	first := 0 // of the message that is being put together
	for i, entry := range table {
		end := int(entry >> 1)
		frames[i], payload = payload[:end:end], payload[end:]
		if entry&1 == 0 {
			r.complete(s, frames[first:i+1:i+1])
			first = i + 1
		}
	}
	if r.res.is_held != 0 {
		frames[n-1] = large
		if r.res.held&1 == 0 {
			r.complete(s, frames[first:n:n])
			first = n
		}
	}
	s.partial = append(s.partial, frames[first:]...)
	return size
}

// complete adds a message of which last are the frames that ended it.
func (r *Receiver) complete(s *Socket, last [][]byte) {
	if s.partial != nil {
		last = append(s.partial, last...)
		s.partial = nil
	}
	r.msgs = append(r.msgs, last)
}

// clone copies b to memory of exactly its size, which the compiler need not clear
// first when it is written like this. It never returns nil: an empty frame is one.
func clone(b []byte) []byte {
	c := make([]byte, len(b))
	copy(c, b)
	return c
}
