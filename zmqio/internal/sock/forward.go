package sock

/*
#include "forward.h"

#cgo noescape zmqio_forward
#cgo nocallback zmqio_forward
#cgo noescape zmqio_init
#cgo nocallback zmqio_init
#cgo noescape zmqio_drop
#cgo nocallback zmqio_drop
#cgo noescape zmqio_share
#cgo nocallback zmqio_share
*/
import "C"

import (
	"runtime"
	"slices"
	"syscall"
	"unsafe"
)

// usualFrames is the number of frames that a new Forwarder has room for.
const usualFrames = 16

// A Forwarder moves messages from one socket to another, in libzmq's memory. Between calls it keeps
// only a message that an outlet refused, until [Forwarder.Drop]. Only one goroutine may use it at a
// time. It needs no close.
type Forwarder struct {
	msgs  Held // one message at a time
	table []uint64
	res   C.zmqio_forwarded
	outs  [2]C.zmqio_outlet // the destination, and the socket that captures
}

// NewForwarder returns a Forwarder.
func NewForwarder() *Forwarder {
	f := new(Forwarder)
	f.grow(usualFrames)
	return f
}

// grow makes room for n more frames.
func (f *Forwarder) grow(n int) {
	at := len(f.msgs)
	f.msgs = slices.Grow(f.msgs, n)[:at+n]
	f.table = slices.Grow(f.table, n)[:at+n]
	C.zmqio_init(f.msgs[at:].first(), C.int64_t(n))
}

// An Outlet is a socket that messages are forwarded to. [Socket.Send] explains the fields.
type Outlet struct {
	Socket  *Socket
	Refusal Refusal
	Events  bool
}

// Forwarded is the result of a Forward.
type Forwarded struct {
	Messages int           // received
	Bytes    int           // their payload
	Errno    syscall.Errno // of the receive that found no message, or 0
	To       Passed
	Capture  Passed
}

// Passed is the result of the sends to an outlet.
type Passed struct {
	Sent
	Refused bool // the last message was not taken: the caller sends it before any other, from Forwarder.Share
}

// CanForward reports whether messages of the socket can be forwarded without a look at them. Else
// the caller must use Recv: for messages in the inbox, while Recv is wary or tracks origins, and
// with CONFLATE.
func (s *Socket) CanForward() bool {
	return len(s.inbox.msgs) == 0 && s.inbox.partial == nil && s.wary == 0 && s.origins == nil && !s.conflates
}

// Forward receives messages from a socket and sends each to the outlets, without waiting.
// CanForward must hold for the socket. Forward receives a message whole before it sends its first
// frame. It stops when the socket is empty, when an outlet refuses a message, or after a few
// hundred messages. capture may have no Socket.
func (f *Forwarder) Forward(from *Socket, to, capture Outlet) Forwarded {
	f.res = C.zmqio_forwarded{}
	f.outs[0], f.outs[1] = to.forC(), capture.forC()
	second := &f.outs[1]
	if capture.Socket == nil {
		second = nil
	}
	for {
		C.zmqio_forward(from.handle(), &f.outs[0], second, f.msgs.first(), (*C.uint64_t)(unsafe.SliceData(f.table)),
			C.int64_t(len(f.msgs)), &f.res)
		if f.res.begun < C.int64_t(len(f.msgs)) || f.res.left != 0 {
			break
		}
		f.grow(len(f.msgs))
	}
	from.taken.messages += uint64(f.res.messages)
	from.taken.bytes += uint64(f.res.bytes)
	runtime.KeepAlive(from.z)
	r := Forwarded{
		Messages: int(f.res.messages), Bytes: int(f.res.bytes), Errno: from.received(syscall.Errno(f.res.err)),
		To: to.passed(&f.outs[0]),
	}
	if second != nil {
		r.Capture = capture.passed(second)
	}
	return r
}

func (o Outlet) forC() (c C.zmqio_outlet) {
	if o.Socket != nil {
		c.sock, c.refusal, c.want_events = o.Socket.handle(), C.int32_t(o.Refusal), C.int32_t(flag(o.Events))
		c.sent.headless, c.sent.events = C.int32_t(flag(o.Socket.headless)), -1
	}
	return c
}

func (o Outlet) passed(c *C.zmqio_outlet) Passed {
	runtime.KeepAlive(o.Socket.z)
	return Passed{o.Socket.sent(&c.sent), c.refused != 0}
}

// Share returns the message that an outlet refused, in the capacity of h, which is empty, and its
// frame table. The result shares the message's memory and must be closed. The table is valid until
// Drop.
func (f *Forwarder) Share(h Held) (Held, []uint64) {
	n := int(f.res.begun)
	h = slices.Grow(h[:0], n)[:n]
	C.zmqio_share(h.first(), f.msgs.first(), C.int64_t(n))
	return h, f.table[:n]
}

// Drop must follow each Forward. It drops a refused message and the remains of longer ones before
// it. It also frees the room for messages with very many frames.
func (f *Forwarder) Drop() {
	if f.res.used > 0 {
		C.zmqio_drop(f.msgs.first(), f.res.used)
		f.res.begun, f.res.used = 0, 0
	}
	if len(f.msgs) > maxFrames {
		f.msgs, f.table = nil, nil
		f.grow(usualFrames)
	}
}
