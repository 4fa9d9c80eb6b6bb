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

// A Refusal says what a socket does with the rest of a message when it has refused
// a frame in the middle, because the pipe has died that the first ones went to.
type Refusal int

const (
	Forgets  Refusal = C.ZMQIO_FORGETS  // it waits for the message from its beginning
	Discards Refusal = C.ZMQIO_DISCARDS // it drops the rest: PUSH and DEALER
	Requests Refusal = C.ZMQIO_REQ      // it drops the rest and waits for a reply: REQ
)

// Send hands the frames in table, whose payloads lie in buf one behind the other,
// to libzmq without waiting. They end with the last frame of a message. A message
// that is refused half-way is not taken at all, except that a REQ can lose one of
// three frames or more with the peer it was going to, as it does a request that has
// been sent. ZMQ_EVENTS is read at the end if events is set, and after EAGAIN.
func (s *Socket) Send(buf []byte, table []uint64, refusal Refusal, events bool) Sent {
	if s.headless {
		// What REQ does itself at the beginning of a request. With REQ_CORRELATE it
		// would send a number too, which cannot be had here.
		table = append([]uint64{Frame(0, true)}, table...)
	}
	var r C.zmqio_sent
	C.zmqio_send(s.handle(),
		(*C.char)(unsafe.Pointer(unsafe.SliceData(buf))),
		(*C.uint64_t)(unsafe.SliceData(table)), C.int64_t(len(table)),
		C.int(refusal), flag(events), &r)
	runtime.KeepAlive(s.z)
	if s.headless && r.frames > 0 {
		s.headless = false
		r.frames--
	}
	if r.headless != 0 {
		s.headless = true
	}
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
