// Package sock is the only cgo of zmqio. It reads the libzmq handle out of a *zmq4.Socket and
// offers what pebbe/zmq4 lacks: any option as raw bytes, and batches of whole messages. One C call
// receives or sends a batch, and reads ZMQ_EVENTS.
//
// Nothing here locks. Only one goroutine may use a libzmq socket at a time, and the caller
// guarantees that. Errors are errnos, and 0 is success. The package retries after EINTR and never
// returns it.
package sock

/*
#cgo pkg-config: libzmq
#include "sock.h"

// Nothing that is passed to C is kept there, and C never calls back.
#cgo noescape zmqio_getsockopt
#cgo nocallback zmqio_getsockopt
#cgo noescape zmqio_setsockopt
#cgo nocallback zmqio_setsockopt
#cgo noescape zmqio_events
#cgo nocallback zmqio_events
*/
import "C"

import (
	"fmt"
	"reflect"
	"runtime"
	"syscall"
	"unsafe"

	"github.com/pebbe/zmq4"
)

// A Socket is the libzmq socket of a *zmq4.Socket.
type Socket struct {
	z     *zmq4.Socket // kept reachable: its finalizer closes the socket
	inbox inbox

	begun     bool // ZMQ_EVENTS was read after the last receive, so libzmq may have begun a message
	wary      int  // number of messages to receive one at a time: see Detach
	outOfTurn bool // the last receive failed with another error than EAGAIN

	headless bool // a REQ that does not start its next request itself

	conflates bool // see Conflate
	torn      bool // the next receive would make libzmq end the process

	origins *origins // nil while TrackOrigins is off

	names []byte // property names to ask for, in the form of zmqio_recv; nil: none

	taken struct{ messages, bytes uint64 }
}

// Conflate says that the socket has CONFLATE, on a type that heeds it. Its connections keep only
// the newest frame. After a frame with SNDMORE libzmq asserts that it has the next one, so Recv and
// Detach stop receiving. They then return ErrnoTorn. All other calls stay possible.
func (s *Socket) Conflate() { s.conflates = true }

// ErrnoTorn means that a socket with CONFLATE has begun a message of several frames.
const ErrnoTorn = syscall.EPROTO

// New returns the Socket of z. It fails only if a pebbe/zmq4 keeps its handle elsewhere.
func New(z *zmq4.Socket) (*Socket, error) {
	if errField != nil {
		return nil, errField
	}
	return &Socket{z: z}, nil
}

// handle returns libzmq's handle. It reads the field each time: after a close the field is NULL,
// for which libzmq returns ENOTSOCK. The memory behind an older copy would be gone.
func (s *Socket) handle() C.uintptr_t {
	return C.uintptr_t(uintptr(*(*unsafe.Pointer)(unsafe.Add(unsafe.Pointer(s.z), handleOffset))))
}

// handleOffset is the offset of the handle in zmq4.Socket, which has no accessor for it.
var handleOffset, errField = findField(reflect.TypeFor[zmq4.Socket](), "soc", reflect.UnsafePointer)

// findField returns the offset of a field in a type of pebbe/zmq4.
func findField(t reflect.Type, name string, kind reflect.Kind) (uintptr, error) {
	f, ok := t.FieldByName(name)
	switch {
	case !ok:
		return 0, fmt.Errorf("zmqio: this release of pebbe/zmq4 has no field %s.%s; use the one that zmqio's go.mod names", t.Name(), name)
	case f.Type.Kind() != kind:
		return 0, fmt.Errorf("zmqio: in this release of pebbe/zmq4 %s.%s is of type %v; use the one that zmqio's go.mod names", t.Name(), name, f.Type)
	}
	return f.Offset, nil
}

// GetRaw reads a socket option into buf and returns its length.
func (s *Socket) GetRaw(opt int, buf []byte) (int, syscall.Errno) {
	s.begun = s.begun || opt == C.ZMQ_EVENTS
	n := C.size_t(len(buf))
	errno := C.zmqio_getsockopt(s.handle(), C.int(opt), unsafe.Pointer(unsafe.SliceData(buf)), &n)
	runtime.KeepAlive(s.z)
	return int(n), syscall.Errno(errno)
}

// SetRaw sets a socket option. A nil value is libzmq's NULL with length 0. For some options this
// differs from an empty value.
func (s *Socket) SetRaw(opt int, value []byte) syscall.Errno {
	p := unsafe.Pointer(unsafe.SliceData(value))
	errno := C.zmqio_setsockopt(s.handle(), C.int(opt), p, C.size_t(len(value)))
	runtime.KeepAlive(s.z)
	return syscall.Errno(errno)
}

// Events reads ZMQ_EVENTS. libzmq thereby handles commands of its I/O threads and clears ZMQ_FD.
// While Recv is wary, Events says only that there may be messages: see Detach.
func (s *Socket) Events() (Events, syscall.Errno) {
	if s.wary > 0 && !s.outOfTurn {
		return pollIn, s.process()
	}
	var events C.int
	errno := C.zmqio_events(s.handle(), &events)
	runtime.KeepAlive(s.z)
	return s.seen(events), syscall.Errno(errno)
}

// seen records that ZMQ_EVENTS was read. Messages in the inbox count as readable.
func (s *Socket) seen(events C.int) Events {
	s.begun = true
	if len(s.inbox.msgs) > 0 {
		return Events(events) | pollIn
	}
	return Events(events)
}

// Events is a value of ZMQ_EVENTS.
type Events int

const (
	pollIn  Events = C.ZMQ_POLLIN
	pollOut Events = C.ZMQ_POLLOUT
)

// Readable reports whether a message can be received.
func (e Events) Readable() bool { return e&pollIn != 0 }

// Writable reports whether a message can be sent. A ROUTER reports true while any of its peers has
// room, or always.
func (e Events) Writable() bool { return e&pollOut != 0 }
