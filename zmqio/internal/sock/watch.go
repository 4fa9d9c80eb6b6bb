package sock

/*
#include "watch.h"

#cgo noescape zmqio_watch
#cgo nocallback zmqio_watch
*/
import "C"

import (
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

// Monitored is what a monitor says. Its layout is that of zmqio_monitored.
type Monitored struct {
	Socket int32 // which of the PAIRs received it
	Event  int32 // libzmq's number of the event, or 0: the PAIR receives no more
	Value  int32
	ipc    int32
	// Copy is a duplicate of the descriptor in Value, on Linux, for CONNECTED over ipc;
	// else it is -1. The caller closes it. The number may have become another file's
	// before it was duplicated.
	Copy int32
	err  int32
}

// IPC reports whether the event is one of an ipc endpoint.
func (m Monitored) IPC() bool { return m.ipc != 0 }

// Errno is why the PAIR receives no more or why there is no duplicate. 0 is none.
func (m Monitored) Errno() syscall.Errno { return syscall.Errno(m.err) }

var _ = [1]struct{}{}[unsafe.Sizeof(Monitored{})-unsafe.Sizeof(C.zmqio_monitored{})]

// Watch waits until one of pairs, the PAIRs of monitors, has an event or the descriptor
// wake can be read. A negative wake is ignored. Watch returns after timeout at the
// latest, and earlier if a signal comes. It fills events and returns how many there are.
func Watch(pairs []*Socket, wake int, timeout time.Duration, events []Monitored) int {
	handles := make([]C.uintptr_t, len(pairs))
	for i, s := range pairs {
		handles[i] = s.handle()
	}
	millis := (timeout + time.Millisecond - 1) / time.Millisecond
	n := C.zmqio_watch(unsafe.SliceData(handles), C.int(len(handles)), C.int(wake), C.long(millis),
		(*C.zmqio_monitored)(unsafe.Pointer(unsafe.SliceData(events))), C.int(len(events)))
	runtime.KeepAlive(pairs)
	return int(n)
}
