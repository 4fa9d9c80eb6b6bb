package sock

import (
	"errors"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/pebbe/zmq4"
	"github.com/zmqio/zmq"
)

// pebbe/zmq4 treats a context of makeContext as its own.
func TestMadeContext(t *testing.T) {
	ctx, err := makeContext()
	must(t, err)
	defer runtime.KeepAlive(ctx)
	must(t, ctx.SetIoThreads(2))
	if n, err := ctx.GetIoThreads(); n != 2 || err != nil {
		t.Errorf("%d I/O threads, %v", n, err)
	}
	if !ctx.GetRetryAfterEINTR() {
		t.Error("a call that a signal interrupts is not tried again")
	}
	to, err := ctx.NewSocket(zmq4.PULL)
	must(t, err)
	must(t, to.Bind("inproc://made"))
	from, err := ctx.NewSocket(zmq4.PUSH)
	must(t, err)
	must(t, from.Connect("inproc://made"))
	_, err = from.Send("hello", 0)
	must(t, err)
	if got, err := to.Recv(0); got != "hello" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	must(t, from.Close())
	must(t, to.Close())
	must(t, ctx.Term())
	if _, err := ctx.NewSocket(zmq4.PULL); !errors.Is(err, zmq4.ErrorContextClosed) {
		t.Errorf("a context that was terminated: %v", err)
	}
}

func TestNewContext(t *testing.T) {
	ctx, err := NewContext()
	must(t, err)
	must(t, ctx.Term())
}

// A libzmq that pebbe/zmq4 does not know runs programs built with an earlier release.
func TestServes(t *testing.T) {
	for _, test := range []struct {
		running, built zmq.Version
		want           bool
	}{
		{zmq.Version{Major: 4, Minor: 3, Patch: 6}, zmq.Version{Major: 4, Minor: 3, Patch: 5}, true},
		{zmq.Version{Major: 4, Minor: 4}, zmq.Version{Major: 4, Minor: 2, Patch: 5}, true},
		{zmq.Version{Major: 4, Minor: 3, Patch: 6}, zmq.Version{Major: 4, Minor: 3, Patch: 6}, true},
		{zmq.Version{Major: 4, Minor: 3, Patch: 5}, zmq.Version{Major: 4, Minor: 3, Patch: 6}, false},
		{zmq.Version{Major: 5}, zmq.Version{Major: 4, Minor: 3, Patch: 5}, false},
	} {
		if got := serves(test.running, test.built); got != test.want {
			t.Errorf("built with %v, running %v: %t", test.built, test.running, got)
		}
	}
	why := errors.New("why")
	err := refused(zmq.Version{Major: 4, Minor: 2, Patch: 5}, zmq.Version{Major: 4, Minor: 3, Patch: 5}, why)
	if !errors.Is(err, errors.ErrUnsupported) || !errors.Is(err, why) {
		t.Errorf("%v is not errors.ErrUnsupported", err)
	}
	for _, part := range []string{"this is libzmq 4.2.5", "built with 4.3.5", "pebbe/zmq4"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in: %v", part, err)
		}
	}
}

func TestVersion(t *testing.T) {
	major, minor, patch := zmq4.Version()
	if a, b, c := Version(); a != major || b != minor || c != patch {
		t.Errorf("%d.%d.%d, but pebbe/zmq4 has %d.%d.%d", a, b, c, major, minor, patch)
	}
}

func TestChangedPebbeIsNoticed(t *testing.T) {
	type renamed struct {
		handle unsafe.Pointer //lint:ignore U1000 found by reflection
	}
	type retyped struct {
		soc uintptr //lint:ignore U1000 found by reflection
		ctx uintptr //lint:ignore U1000 found by reflection
	}
	for _, v := range []any{renamed{}, retyped{}} {
		typ := reflect.TypeOf(v)
		if _, err := findField(typ, "soc", reflect.UnsafePointer); err == nil || !strings.Contains(err.Error(), "pebbe/zmq4") {
			t.Errorf("%T: %v", v, err)
		}
		if _, err := findContextFields(typ); err == nil || !strings.Contains(err.Error(), "pebbe/zmq4") {
			t.Errorf("%T: %v", v, err)
		}
	}
}
