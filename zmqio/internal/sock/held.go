package sock

/*
#include "sock.h"

#cgo noescape zmqio_hold
#cgo nocallback zmqio_hold
*/
import "C"

import (
	"slices"
	"syscall"
	"unsafe"
)

// Held is a message in memory of libzmq's own, a zmq_msg_t for each frame. It is for
// large messages: to send one from here copies nothing, whether libzmq has room at the
// first try or later. It must be closed.
type Held [][C.sizeof_zmq_msg_t / 8]uint64

// Hold makes h, which is empty, hold a copy of msg in the capacity that it has. The error
// number says that libzmq has no memory for it.
func (h Held) Hold(msg [][]byte) (Held, syscall.Errno) {
	h = slices.Grow(h[:0], len(msg))
	for _, f := range msg {
		h = h[:len(h)+1]
		errno := C.zmqio_hold(h[len(h)-1:].first(), (*C.char)(unsafe.Pointer(unsafe.SliceData(f))), C.size_t(len(f)))
		if errno != 0 {
			h[:len(h)-1].Close()
			return nil, syscall.Errno(errno)
		}
	}
	return h, 0
}

// Close drops the message. What libzmq has been sent of it stays there.
func (h Held) Close() {
	for i := range h {
		C.zmq_msg_close(h[i:].first())
	}
}

// Frame returns frame i. It must not be changed, and is good until Close.
func (h Held) Frame(i int) []byte {
	msg := h[i:].first()
	return unsafe.Slice((*byte)(C.zmq_msg_data(msg)), C.zmq_msg_size(msg))
}

func (h Held) first() *C.zmq_msg_t { return (*C.zmq_msg_t)(unsafe.Pointer(unsafe.SliceData(h))) }
