package sock

/*
#include "sock.h"

#cgo noescape zmqio_hold
#cgo nocallback zmqio_hold
*/
import "C"

import (
	"slices"
	"sync"
	"syscall"
	"unsafe"
)

// Held is a message in libzmq's memory, one zmq_msg_t for each frame. It serves large messages: a
// send from it copies nothing, at the first try or later. It must be closed.
type Held [][C.sizeof_zmq_msg_t / 8]uint64

// keptMemory is how much free memory malloc keeps in each arena for large messages, in bytes.
const keptMemory = 8 << 20

// keepMemory keeps malloc from giving the memory of each large message back to the system. The
// system would have to clear that memory for the next message. glibc keeps at most twice the size of
// the largest block that it has mapped and freed.
var keepMemory = sync.OnceFunc(func() { C.zmqio_keep_memory(keptMemory / 2) })

// Hold copies msg into h, which is empty, and reuses its capacity. The errno means that libzmq has
// no memory.
func (h Held) Hold(msg [][]byte) (Held, syscall.Errno) {
	keepMemory()
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
