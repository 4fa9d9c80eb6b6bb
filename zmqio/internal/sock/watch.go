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

// Monitored is an event of a monitor. Its layout is that of zmqio_monitored.
type Monitored struct {
	Socket int32 // index of the PAIR that received it
	Event  int32 // libzmq's number of the event, or 0 if the PAIR receives no more
	Value  int32
	ipc    int32
	// Copy is a duplicate of the descriptor in Value, on Linux for CONNECTED over ipc, and else -1.
	// The caller closes it. If the number was another file's by then, Copy is a duplicate of that
	// file.
	Copy int32
	err  int32
}

// IPC reports whether the event is about an ipc endpoint.
func (m Monitored) IPC() bool { return m.ipc != 0 }

// Errno returns why the PAIR receives no more, or why there is no duplicate, or 0.
func (m Monitored) Errno() syscall.Errno { return syscall.Errno(m.err) }

var _ = [1]struct{}{}[unsafe.Sizeof(Monitored{})-unsafe.Sizeof(C.zmqio_monitored{})]

// Watch waits until one of pairs, the PAIRs of monitors, has an event, or until the descriptor wake
// is readable. It ignores a negative wake. It returns after timeout, or earlier if a signal comes.
// It fills events and returns their number.
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
