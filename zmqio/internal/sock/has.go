package sock

/*
#include <stdlib.h>
#include <zmq.h>
*/
import "C"

import "unsafe"

// Has asks libzmq whether it has a capability, by the name that zmq_has knows.
func Has(capability string) bool {
	name := C.CString(capability)
	defer C.free(unsafe.Pointer(name))
	return C.zmq_has(name) != 0
}
