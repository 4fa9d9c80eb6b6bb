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

	"github.com/zmqio/zmq"
)

// Frame returns the entry of a frame table for a frame of size bytes. more says that the message
// has further frames.
func Frame(size int, more bool) uint64 {
	entry := uint64(size) << 1
	if more {
		entry |= 1
	}
	return entry
}

// Sent is the result of a Send.
type Sent struct {
	Messages int           // messages that libzmq took whole
	Frames   int           // frames of these messages
	Bytes    int           // their payload
	Errno    syscall.Errno // 0 if all were taken, EAGAIN if there is no room
	Events   Events        // valid if Known
	Known    bool          // ZMQ_EVENTS was read, after the last send
	Cut      bool          // Errno came amid a message, and libzmq waits for the rest
}

// A Refusal says what a socket does with the rest of a message after it has refused a frame in the
// middle. It refuses one when the pipe of the first frames has died.
type Refusal int

const (
	Forgets  Refusal = C.ZMQIO_FORGETS  // the socket waits for the message from its beginning
	Discards Refusal = C.ZMQIO_DISCARDS // the socket drops the rest: PUSH and DEALER
	Requests Refusal = C.ZMQIO_REQ      // the socket drops the rest and waits for a reply: REQ
	Headless Refusal = C.ZMQIO_HEADLESS // an older REQ waits for the message, but adds no delimiter
)

// RefusalOf returns the Refusal of a socket type with the running libzmq.
func RefusalOf(typ zmq.SocketType) Refusal {
	switch typ.Info().Refusal {
	case zmq.RefusalDiscards:
		return Discards
	case zmq.RefusalRequests:
		return Requests
	case zmq.RefusalHeadless:
		return Headless
	}
	return Forgets
}

// A Batch is what goes to libzmq in one call: whole messages. Table has their frames. Their payload
// is in Buf, one frame behind the other, or in Held.
type Batch struct {
	Buf   []byte
	Held  Held // nil, or an element for each frame of Table
	Table []uint64
}

// Size returns the payload of b, in bytes.
func (b Batch) Size() (bytes int) {
	if len(b.Held) == 0 {
		return len(b.Buf)
	}
	for _, entry := range b.Table {
		bytes += int(entry >> 1)
	}
	return bytes
}

// Send hands a batch to libzmq without waiting. libzmq takes a message whole or not at all. The
// exception is a REQ, which can lose a message of three frames or more with its peer, like a
// request that was sent. Held keeps its frames. Send reads ZMQ_EVENTS at the end if events is set,
// and after EAGAIN.
func (s *Socket) Send(b Batch, refusal Refusal, events bool) Sent {
	var r C.zmqio_sent
	// With REQ_CORRELATE a headless REQ would also need the request's number, which is unknown
	// here.
	C.zmqio_send(s.handle(),
		(*C.char)(unsafe.Pointer(unsafe.SliceData(b.Buf))), b.Held.first(), 0,
		(*C.uint64_t)(unsafe.SliceData(b.Table)), C.int64_t(len(b.Table)),
		C.int(refusal), flag(s.headless), flag(events), &r)
	runtime.KeepAlive(s.z)
	return s.sent(&r)
}

// sent converts the result of C.
func (s *Socket) sent(r *C.zmqio_sent) Sent {
	s.headless = r.headless != 0
	sent := Sent{Messages: int(r.messages), Frames: int(r.frames), Bytes: int(r.bytes), Errno: syscall.Errno(r.err), Cut: r.cut != 0}
	if r.events >= 0 {
		sent.Events, sent.Known = s.seen(C.int(r.events)), true
	}
	return sent
}

func flag(b bool) C.int {
	if b {
		return 1
	}
	return 0
}
