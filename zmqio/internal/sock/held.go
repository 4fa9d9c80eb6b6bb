package sock

/*
#include "spare.h"

#cgo noescape zmqio_init_frame
#cgo nocallback zmqio_init_frame
*/
import "C"

import (
	"slices"
	"syscall"
	"unsafe"
)

// Held is a message in C's memory, one zmq_msg_t for each frame. It serves large messages: a
// send from it copies nothing, at the first try or later. It must be closed.
type Held [][C.sizeof_zmq_msg_t / 8]uint64

// Hold copies msg into h, which is empty, and reuses its capacity. The errno means that C has no
// memory.
func (h Held) Hold(msg [][]byte) (Held, syscall.Errno) {
	h = slices.Grow(h[:0], len(msg))
	for _, f := range msg {
		h = h[:len(h)+1]
		errno := C.zmqio_init_frame(h[len(h)-1:].first(), (*C.char)(unsafe.Pointer(unsafe.SliceData(f))), C.size_t(len(f)))
		if errno != 0 {
			h[:len(h)-1].Close()
			return nil, syscall.Errno(errno)
		}
	}
	return h, 0
}

// Close drops the message. Frames that libzmq has taken stay in libzmq.
func (h Held) Close() {
	for i := range h {
		C.zmq_msg_close(h[i:].first())
	}
}

// Frame returns frame i. The caller must not change it, and may use it until Close.
func (h Held) Frame(i int) []byte {
	msg := h[i:].first()
	return unsafe.Slice((*byte)(C.zmq_msg_data(msg)), C.zmq_msg_size(msg))
}

func (h Held) first() *C.zmq_msg_t { return (*C.zmq_msg_t)(unsafe.Pointer(unsafe.SliceData(h))) }

const (
	spareFrame = C.ZMQIO_SPARE_FRAME // the smallest frame whose memory is kept, in bytes
	spareMost  = C.ZMQIO_SPARE_BYTES // the most that the process keeps, in bytes
)

// spareBytes returns the memory that the process keeps of large frames that libzmq has dropped.
func spareBytes() int { return int(C.zmqio_spare_bytes()) }
