package sock

/*
#include "sock.h"

#cgo noescape zmqio_send
#cgo nocallback zmqio_send
#cgo noescape zmqio_send_frame
#cgo nocallback zmqio_send_frame
*/
import "C"

import (
	"cmp"
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
	return s.sendFrom(0, buf, table, refusal, events)
}

// sendFrom is Send after the first frames, from of them, have been sent.
func (s *Socket) sendFrom(from int, buf []byte, table []uint64, refusal Refusal, events bool) Sent {
	if s.headless {
		// What REQ does itself at the beginning of a request. With REQ_CORRELATE it
		// would send a number too, which cannot be had here.
		table = append([]uint64{Frame(0, true)}, table...)
	}
	var r C.zmqio_sent
	C.zmqio_send(s.handle(),
		(*C.char)(unsafe.Pointer(unsafe.SliceData(buf))),
		(*C.uint64_t)(unsafe.SliceData(table)), C.int64_t(from), C.int64_t(len(table)),
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

// SendMessage is Send for one message, whose frames stay where they are. It makes a C
// call for each, which for large ones costs less than to copy them into one buffer.
func (s *Socket) SendMessage(msg [][]byte, refusal Refusal, events bool) Sent {
	size := 0
	for i, f := range msg {
		more := i < len(msg)-1
		errno := syscall.EAGAIN
		if !s.headless {
			errno = s.sendFrame(f, more)
		}
		switch {
		case errno == 0:
			size += len(f)
			continue
		case errno != syscall.EAGAIN:
			return Sent{Errno: errno}
		case i == 0 && !s.headless:
			// Nothing has been sent, and nothing will be unless there is room by now.
			if e, errno := s.Events(); errno != 0 || !e.Writable() {
				return Sent{Errno: cmp.Or(errno, syscall.EAGAIN), Events: e, Known: errno == 0}
			}
		}
		// What becomes of a message that is cut is decided in one place.
		buf, table := gather(msg)
		return s.sendFrom(i, buf, table, refusal, events)
	}
	sent := Sent{Frames: len(msg), Bytes: size}
	if events {
		sent.Events, sent.Errno = s.Events()
		sent.Known = sent.Errno == 0
	}
	return sent
}

func (s *Socket) sendFrame(f []byte, more bool) syscall.Errno {
	errno := C.zmqio_send_frame(s.handle(), (*C.char)(unsafe.Pointer(unsafe.SliceData(f))), C.uint64_t(Frame(len(f), more)))
	runtime.KeepAlive(s.z)
	return syscall.Errno(errno)
}

// gather makes of a message what Send wants.
func gather(msg [][]byte) (buf []byte, table []uint64) {
	for i, f := range msg {
		buf = append(buf, f...)
		table = append(table, Frame(len(f), i < len(msg)-1))
	}
	return buf, table
}

func flag(b bool) C.int {
	if b {
		return 1
	}
	return 0
}
