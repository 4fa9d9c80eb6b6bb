package sock

/*
#include "sock.h"

#cgo noescape zmqio_recv
#cgo nocallback zmqio_recv
*/
import "C"

import (
	"runtime"
	"slices"
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
	frames  [][]byte // of messages that are lent
	msgs    [][][]byte
	msg     [C.sizeof_zmq_msg_t / 8]uint64 // a zmq_msg_t, aligned as C wants it
	res     C.zmqio_received
	lends   bool // Borrow is taking messages
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
	if r.msgs = s.takeSettled(r.msgs[:0]); len(r.msgs) > 0 {
		return r.msgs, 0
	}
	return r.recv(s, maxMessages)
}

// Borrow is Recv for frames that are only lent: they are in the receiver's buffer, or in
// libzmq's own memory, and must not be changed. They are good until Return, which must
// come before the next Recv or Borrow. A large frame ends the batch.
func (r *Receiver) Borrow(s *Socket) ([][][]byte, syscall.Errno) {
	if r.msgs = s.takeSettled(r.msgs[:0]); len(r.msgs) > 0 {
		return r.msgs, 0
	}
	if r.frames == nil {
		r.frames = make([][]byte, maxFrames+1)
	}
	r.lends = true
	msgs, errno := r.recv(s, maxMessages)
	r.lends = false
	return msgs, errno
}

// Return takes back what Borrow lent. If spoil is set, Return overwrites the frames, to
// expose retained ones. It returns the size of the large frame that ended the batch, if one did.
func (r *Receiver) Return(spoil bool) (large int) {
	if r.res.is_held != 0 {
		large = int(r.res.held >> 1)
		r.drop()
	}
	if spoil {
		for i := range r.scratch[:r.res.bytes] {
			r.scratch[i] = 0xdb
		}
	}
	r.res = C.zmqio_received{}
	return large
}

// drop closes the message that C left, and forgets where its memory was.
func (r *Receiver) drop() {
	if r.frames != nil {
		r.frames[r.res.frames] = nil
	}
	C.zmq_msg_close(r.cmsg())
	C.zmq_msg_init(r.cmsg())
	r.res.held_data = nil
	r.res.is_held = 0
}

// recv receives about as many messages as most.
func (r *Receiver) recv(s *Socket, most int) ([][][]byte, syscall.Errno) {
	if s.torn {
		return r.msgs, ErrnoTorn
	}
	most += len(r.msgs)
	owned := 0 // of r.msgs, where they are lent
	for bytes, full := 0, false; ; {
		left := most - len(r.msgs)
		if full || s.wary > 0 {
			left = 1
		}
		if s.wary > 0 && s.partial == nil {
			s.process() // an error comes again
		}
		C.zmqio_recv(s.handle(), r.cmsg(),
			(*C.char)(unsafe.Pointer(unsafe.SliceData(r.scratch))), scratchSize, maxCopy,
			(*C.uint64_t)(unsafe.SliceData(r.table)), maxFrames, C.int64_t(left), flag(s.conflates), &r.res)
		runtime.KeepAlive(s.z)
		s.begun = false
		held := r.res.is_held != 0
		bytes += r.take(s)
		s.outOfTurn = r.res.err != 0 && r.res.err != C.EAGAIN
		switch {
		case r.res.err == C.EAGAIN:
			s.wary = 0
		case r.res.err == 0 && s.wary > 0:
			s.wary--
		}
		if r.res.err != 0 {
			s.partial = nil // there is no more of it
			s.torn = s.conflates && syscall.Errno(r.res.err) == ErrnoTorn
			return r.msgs, syscall.Errno(r.res.err)
		}
		full = full || r.lends && len(r.msgs) > 0 || !held || bytes >= maxBatch || len(r.msgs) >= most
		if full && s.partial == nil {
			if held && !r.lends {
				r.drop()
			}
			return r.msgs, 0
		}
		if r.lends { // what is lent does not survive the next call
			Own(r.msgs[owned:])
			owned = len(r.msgs)
			if held { // as the end of what is in s.partial, cloned
				r.drop()
			}
		}
	}
}

// take makes Go slices of what one C call brought, and moves it into Go memory unless it
// is lent: one allocation for all the payload in the scratch buffer and one for the
// slices. It returns the number of bytes.
func (r *Receiver) take(s *Socket) int {
	n := int(r.res.frames)
	payload, size := r.scratch[:r.res.bytes], int(r.res.bytes)
	var large []byte
	if r.res.is_held != 0 {
		large = unsafe.Slice((*byte)(r.res.held_data), int(r.res.held>>1))
		size += len(large)
		n++
	}
	if n == 0 {
		return 0
	}
	frames := r.frames
	if !r.lends {
		payload, large, frames = clone(payload), clone(large), make([][]byte, n)
	}
	first := 0 // of the message that is being put together
	for i, entry := range r.table[:r.res.frames] {
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
	s.partial = append(s.partial, frames[first:n]...)
	if r.lends {
		cloneAll(s.partial[len(s.partial)-(n-first):])
	}
	return size
}

// Own makes messages that are lent the caller's own.
func Own(msgs [][][]byte) {
	for i, msg := range msgs {
		msgs[i] = slices.Clone(msg)
		cloneAll(msgs[i])
	}
}

// cloneAll makes each frame a copy of what it is.
func cloneAll(frames [][]byte) {
	for i, f := range frames {
		frames[i] = clone(f)
	}
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
