// Package sock is the only cgo of zmqio. It reads the libzmq handle out of a
// *zmq4.Socket and gives what pebbe/zmq4 does not: any option as raw bytes, and
// batches of whole multipart messages, received or sent in one C call together
// with ZMQ_EVENTS.
//
// Nothing here locks. A libzmq socket may be in one call at a time, and it is the
// caller who sees to that. Errors are error numbers; 0 is success, and EINTR is
// retried here and never returned.
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

// A Socket is the libzmq socket inside a *zmq4.Socket.
type Socket struct {
	z     *zmq4.Socket // kept reachable: its finalizer closes the socket
	inbox inbox

	begun     bool // ZMQ_EVENTS was read since the last receive: libzmq may have begun a message
	wary      int  // messages to receive one at a time: see Detach
	outOfTurn bool // the last receive failed, though not because there was nothing

	headless bool // a REQ that will not start its next request by itself

	conflates bool // see Conflate
	torn      bool // libzmq would end the process at the next receive

	origins *origins // nil, or what TrackOrigins began

	names []byte // of the properties that are asked for, as zmqio_recv wants them; nil: none

	taken struct{ messages, bytes uint64 }
}

// Conflate tells that the socket has CONFLATE, of which it makes use. Its connections
// keep the newest frame alone. After a frame of which more is to come libzmq asserts that
// it has the next one, so Recv and Detach then receive no more. Their error number is
// ErrnoTorn from there on. All else may still be called.
func (s *Socket) Conflate() { s.conflates = true }

// ErrnoTorn says that a socket that conflates has begun a message of several frames.
const ErrnoTorn = syscall.EPROTO

// New returns the libzmq socket inside z. It fails only when pebbe/zmq4 no longer
// keeps its handle where this package looks for it.
func New(z *zmq4.Socket) (*Socket, error) {
	if errField != nil {
		return nil, errField
	}
	return &Socket{z: z}, nil
}

// handle returns what libzmq knows the socket by. When the socket has been closed, that is
// NULL, which libzmq answers with ENOTSOCK; of one kept from before the memory would
// be gone.
func (s *Socket) handle() C.uintptr_t {
	return C.uintptr_t(uintptr(*(*unsafe.Pointer)(unsafe.Add(unsafe.Pointer(s.z), handleOffset))))
}

// handleOffset is where zmq4.Socket keeps its handle, a field with no accessor.
var handleOffset, errField = findField(reflect.TypeFor[zmq4.Socket](), "soc", reflect.UnsafePointer)

// findField returns where a type of pebbe/zmq4 has a field.
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

// SetRaw sets a socket option. A nil value is libzmq's NULL with length 0, which
// for some options differs from an empty one.
func (s *Socket) SetRaw(opt int, value []byte) syscall.Errno {
	p := unsafe.Pointer(unsafe.SliceData(value))
	errno := C.zmqio_setsockopt(s.handle(), C.int(opt), p, C.size_t(len(value)))
	runtime.KeepAlive(s.z)
	return syscall.Errno(errno)
}

// Events reads ZMQ_EVENTS, which also makes libzmq handle what its I/O threads
// have told the socket and so clears ZMQ_FD. While Recv is wary it says only that there may
// be messages; see Detach.
func (s *Socket) Events() (Events, syscall.Errno) {
	if s.wary > 0 && !s.outOfTurn {
		return pollIn, s.process()
	}
	var events C.int
	errno := C.zmqio_events(s.handle(), &events)
	runtime.KeepAlive(s.z)
	return s.seen(events), syscall.Errno(errno)
}

// seen takes note that ZMQ_EVENTS was read. Messages of the inbox can be
// received too.
func (s *Socket) seen(events C.int) Events {
	s.begun = true
	if len(s.inbox.msgs) > 0 {
		return Events(events) | pollIn
	}
	return Events(events)
}

// Events is what ZMQ_EVENTS says of a socket.
type Events int

const (
	pollIn  Events = C.ZMQ_POLLIN
	pollOut Events = C.ZMQ_POLLOUT
)

// Readable reports whether a message can be received.
func (e Events) Readable() bool { return e&pollIn != 0 }

// Writable reports whether a message can be sent. A ROUTER says so as long as any of
// its peers has room, or always.
func (e Events) Writable() bool { return e&pollOut != 0 }
