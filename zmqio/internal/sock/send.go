package sock

/*
#include "sock.h"

#cgo noescape zmqio_send
#cgo nocallback zmqio_send
*/
import "C"

import (
	"runtime"
	"syscall"
	"unsafe"
)

// Frame returns the entry of a frame table for a frame of size bytes; more says
// that the message goes on behind it.
func Frame(size int, more bool) uint64 {
	entry := uint64(size) << 1
	if more {
		entry |= 1
	}
	return entry
}

// Sent says what became of a Send.
type Sent struct {
	Frames int           // frames of the messages that libzmq took, each whole
	Bytes  int           // their payload
	Errno  syscall.Errno // 0 when all were taken, EAGAIN when there is no room
	Events Events        // where Known
	Known  bool          // whether ZMQ_EVENTS was read, after anything else
}

// SendOptions say how a Send deals with the socket at hand.
type SendOptions struct {
	// Discards is set for the types that drop the rest of a message one of whose
	// frames they refused: PUSH, DEALER and REQ.
	Discards bool
	// Events asks for ZMQ_EVENTS at the end; after EAGAIN it is read anyway.
	Events bool
}

// Send hands the frames in table, whose payloads lie in buf one behind the other,
// to libzmq without waiting. They end with the last frame of a message. A message
// that is refused half-way is not taken at all.
func (s *Socket) Send(buf []byte, table []uint64, opts SendOptions) Sent {
	var r C.zmqio_sent
	C.zmqio_send(s.handle,
		(*C.char)(unsafe.Pointer(unsafe.SliceData(buf))),
		(*C.uint64_t)(unsafe.SliceData(table)), C.int64_t(len(table)),
		flag(opts.Discards), flag(opts.Events), &r)
	runtime.KeepAlive(s.z)
	sent := Sent{Frames: int(r.frames), Bytes: int(r.bytes), Errno: syscall.Errno(r.err)}
	if r.events >= 0 {
		sent.Events, sent.Known = Events(r.events), true
	}
	return sent
}

func flag(b bool) C.int {
	if b {
		return 1
	}
	return 0
}
