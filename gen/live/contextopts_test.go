package live

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"testing"

	"github.com/pebbe/zmq4"
	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/gen/internal/spec"
	"github.com/zmqio/zmq/zmqio"
)

// TestContextAccessors checks that Contextopts has exactly the methods of the spec's context
// options, and tries each on the library.
func TestContextAccessors(t *testing.T) {
	s, err := spec.Load(os.DirFS("../../spec"), "spec")
	must(t, err)
	ctx, err := zmq4.NewContext()
	must(t, err)
	defer func() { must(t, ctx.Term()) }()
	opts, err := zmqio.ContextOptions(ctx)
	must(t, err)
	methods := reflect.ValueOf(opts)
	left := map[string]bool{}
	for i := range methods.NumMethod() {
		left[methods.Type().Method(i).Name] = true
	}
	delete(left, "GetContext")
	delete(left, "SetContext")
	for _, c := range s.Contexts {
		t.Run(c.Name, func(t *testing.T) {
			get, set := methods.MethodByName(c.Method), methods.MethodByName("Set"+c.Method)
			if get.IsValid() != c.Can("get") || set.IsValid() != c.Can("set") {
				t.Fatalf("reads: %t, sets: %t", get.IsValid(), set.IsValid())
			}
			delete(left, c.Method)
			delete(left, "Set"+c.Method)
			tryContext(t, c, get, set)
		})
	}
	if len(left) > 0 {
		t.Errorf("no options have the methods %v", left)
	}
}

// tryContext reads the option's default, sets and reads the least value, and sets a lower one.
// libzmq 4.2 cannot read THREAD_SCHED_POLICY.
func tryContext(t *testing.T, c spec.Context, get, set reflect.Value) {
	read := func() (any, error) {
		out := get.Call(nil)
		return out[0].Interface(), failure(out[1])
	}
	write := func(v any) error { return failure(set.Call([]reflect.Value{reflect.ValueOf(v)})[0]) }
	if running().Compare(zmq.Version(c.First())) < 0 {
		if get.IsValid() {
			if _, err := read(); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("the library is too old, and reading it says %v", err)
			}
		}
		return
	}
	readable := get.IsValid() && (c.Name != "THREAD_SCHED_POLICY" || running().Minor > 2)
	if readable {
		if v, err := read(); fmt.Sprint(v) != fmt.Sprint(contextValue(t, c, c.Default)) || err != nil {
			t.Errorf("its default is %v, %v, want %s", v, err, c.Default)
		}
	}
	if !set.IsValid() {
		return
	}
	least := int64(1)
	if c.Min != nil {
		least = *c.Min
	}
	v := contextValue(t, c, fmt.Sprint(least))
	if err := write(v); err != nil {
		t.Errorf("%v is refused: %v", v, err)
	}
	if readable {
		if back, err := read(); back != v || err != nil {
			t.Errorf("%v was set, %v is read, %v", v, back, err)
		}
	}
	if c.Min != nil && c.Kind != "bool" {
		if err := write(int(least - 1)); !errors.Is(err, zmq.EINVAL) {
			t.Errorf("%d is accepted: %v", least-1, err)
		}
	}
}

// contextValue converts text to a value of the option.
func contextValue(t *testing.T, c spec.Context, text string) any {
	n, err := strconv.Atoi(text)
	must(t, err)
	if c.Kind == "bool" {
		return n != 0
	}
	return n
}
