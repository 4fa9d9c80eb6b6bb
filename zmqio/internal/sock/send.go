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
	Messages int           // that libzmq took, each whole
	Frames   int           // of these messages
	Bytes    int           // their payload
	Errno    syscall.Errno // 0 when all were taken, EAGAIN when there is no room
	Events   Events        // where Known
	Known    bool          // whether ZMQ_EVENTS was read, after anything else
	Cut      bool          // Errno came amid a message, and the next would be its rest
}

// A Refusal says what a socket does with the rest of a message after it refused a frame in the
// middle. It refuses one when the pipe to which the first frames went has died.
type Refusal int

const (
	Forgets  Refusal = C.ZMQIO_FORGETS  // it waits for the message from its beginning
	Discards Refusal = C.ZMQIO_DISCARDS // it drops the rest: PUSH and DEALER
	Requests Refusal = C.ZMQIO_REQ      // it drops the rest and waits for a reply: REQ
	Headless Refusal = C.ZMQIO_HEADLESS // it waits for the message, but adds no delimiter: an older REQ
)

// RefusalOf returns what sockets of a type do with the running libzmq.
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

// A Batch is what goes to libzmq in one call: whole messages, as a table of their
// frames and their payload, which lies in Buf, one behind the other, or in Held.
type Batch struct {
	Buf   []byte
	Held  Held // nil, or an element for each frame of Table
	Table []uint64
}

// Send hands a batch to libzmq without waiting. A message that is refused half-way is not
// taken at all. The exception is a REQ: it can lose one of three frames or more with the peer
// it was going to, as it does a request that has been sent. What Held has stays there.
// ZMQ_EVENTS is read at the end if events is set, and after EAGAIN.
func (s *Socket) Send(b Batch, refusal Refusal, events bool) Sent {
	var r C.zmqio_sent
	// With REQ_CORRELATE a headless REQ would have sent a number too, which cannot be
	// had here.
	C.zmqio_send(s.handle(),
		(*C.char)(unsafe.Pointer(unsafe.SliceData(b.Buf))), b.Held.first(), 0,
		(*C.uint64_t)(unsafe.SliceData(b.Table)), C.int64_t(len(b.Table)),
		C.int(refusal), flag(s.headless), flag(events), &r)
	runtime.KeepAlive(s.z)
	return s.sent(&r)
}

// sent takes note of what C has done with what it was to send.
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
