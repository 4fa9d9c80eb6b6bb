package sock

/*
#include <stdlib.h>
#include <zmq.h>
*/
import "C"

import "unsafe"

// Has reports whether libzmq has a capability, by its name for zmq_has.
func Has(capability string) bool {
	name := C.CString(capability)
	defer C.free(unsafe.Pointer(name))
	return C.zmq_has(name) != 0
}
