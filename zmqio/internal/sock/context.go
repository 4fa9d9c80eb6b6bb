package sock

/*
#include <zmq.h>
*/
import "C"

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"unsafe"

	"github.com/pebbe/zmq4"
	"github.com/zmqio/zmq"
)

// Version returns the release of the running libzmq, from zmq_version. zmq4.Version returns 0.0.0
// for a release that pebbe/zmq4 refuses.
func Version() (major, minor, patch int) {
	var a, b, c C.int
	C.zmq_version(&a, &b, &c)
	return int(a), int(b), int(c)
}

// NewContext makes a context, with zmq4.NewContext where possible. zmq4.NewContext refuses a
// running libzmq that it does not know, unless the program was built with that release. No other
// call of pebbe/zmq4 that zmqio makes depends on the release, and libzmq serves programs built with
// earlier ones. So NewContext then makes the context itself. It refuses a libzmq older than that of
// the build, with errors.ErrUnsupported.
func NewContext() (*zmq4.Context, error) {
	ctx, err := zmq4.NewContext()
	if major, _, _ := zmq4.Version(); major != 0 {
		return ctx, err
	}
	built := zmq.Version{Major: C.ZMQ_VERSION_MAJOR, Minor: C.ZMQ_VERSION_MINOR, Patch: C.ZMQ_VERSION_PATCH}
	var running zmq.Version
	running.Major, running.Minor, running.Patch = Version()
	if !serves(running, built) {
		return nil, refused(running, built, err)
	}
	return makeContext()
}

// serves reports whether one release of libzmq can run a program built with another.
func serves(running, built zmq.Version) bool {
	return running.Major == built.Major && running.Compare(built) >= 0
}

func refused(running, built zmq.Version, why error) error {
	return fmt.Errorf("%w: this is libzmq %v, and the program was built with %v: run libzmq %v or a later %d, or build with %v (pebbe/zmq4: %w)",
		errors.ErrUnsupported, running, built, built, built.Major, running, why)
}

// makeContext makes a zmq4.Context by writing its fields.
func makeContext() (*zmq4.Context, error) {
	if errContextFields != nil {
		return nil, errContextFields
	}
	handle, err := C.zmq_ctx_new()
	if handle == nil {
		return nil, err
	}
	ctx := new(zmq4.Context)
	field := func(name string) unsafe.Pointer { return unsafe.Add(unsafe.Pointer(ctx), contextFields[name]) }
	*(*unsafe.Pointer)(field("ctx")) = handle
	*(*bool)(field("opened")) = true
	*(*bool)(field("retryEINTR")) = true
	return ctx, nil
}

// GetContext returns a context option. The error is libzmq's errno, or zmq4.ErrorContextClosed.
//
// libzmq: zmq_ctx_get
func GetContext(ctx *zmq4.Context, opt int) (int, error) {
	handle, err := contextHandle(ctx)
	if err != nil {
		return 0, err
	}
	n, err := C.zmq_ctx_get(handle, C.int(opt))
	runtime.KeepAlive(ctx)
	if n == -1 && err != nil { // -1 without an errno is the value
		return 0, err
	}
	return int(n), nil
}

// SetContext sets a context option of 32 bits. The errors are those of GetContext.
//
// libzmq: zmq_ctx_set
func SetContext(ctx *zmq4.Context, opt, value int) error {
	handle, err := contextHandle(ctx)
	if err != nil {
		return err
	}
	n, err := C.zmq_ctx_set(handle, C.int(opt), C.int(value))
	runtime.KeepAlive(ctx)
	if n == 0 {
		return nil
	}
	return err
}

// contextHandle returns libzmq's handle of a context, valid until Term is called.
func contextHandle(ctx *zmq4.Context) (unsafe.Pointer, error) {
	if errContextFields != nil {
		return nil, errContextFields
	}
	if !*(*bool)(unsafe.Add(unsafe.Pointer(ctx), contextFields["opened"])) {
		return nil, zmq4.ErrorContextClosed
	}
	return *(*unsafe.Pointer)(unsafe.Add(unsafe.Pointer(ctx), contextFields["ctx"])), nil
}

// contextFields has the offsets of the fields that zmq4.NewContext sets.
var contextFields, errContextFields = findContextFields(reflect.TypeFor[zmq4.Context]())

func findContextFields(t reflect.Type) (map[string]uintptr, error) {
	places := make(map[string]uintptr)
	for name, kind := range map[string]reflect.Kind{"ctx": reflect.UnsafePointer, "opened": reflect.Bool, "retryEINTR": reflect.Bool} {
		f, err := findField(t, name, kind)
		if err != nil {
			return nil, err
		}
		places[name] = f
	}
	return places, nil
}
