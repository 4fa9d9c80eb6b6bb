package live

import (
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/gen/internal/spec"
)

// TestAccessorCount compares the number of accessors with that of the accesses in the spec.
func TestAccessorCount(t *testing.T) {
	type count struct{ get, set int }
	want, got := map[bool]count{}, map[bool]count{}
	for _, o := range loadSpec(t).Options {
		draft := o.Draft() && o.Status != "deprecated"
		c := want[draft]
		if o.Can("get") {
			c.get++
		}
		if o.Can("set") {
			c.set++
		}
		want[draft] = c
	}
	for _, opt := range zmq.Options() {
		info := opt.Info()
		c := got[info.Status == zmq.Draft]
		if info.Get {
			c.get++
		}
		if info.Set {
			c.set++
		}
		got[info.Status == zmq.Draft] = c
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("by draft: %v, want %v", got, want)
	}
}

// TestAccessors checks that Sockopts has exactly the methods of the options, under their present
// and former names. Each method has its option's type, and does the same as Get or Set on a socket.
func TestAccessors(t *testing.T) {
	s := newBench(t, zmq.DEALER).open(t)
	methods := reflect.ValueOf(s)
	left := map[string]bool{}
	for i := range methods.NumMethod() {
		left[methods.Type().Method(i).Name] = true
	}
	for _, general := range []string{"Get", "Set", "SetText", "GetRaw", "SetRaw"} {
		delete(left, general)
	}
	take := func(name string, exists bool) reflect.Value {
		if left[name] != exists {
			t.Errorf("%s is there: %t", name, left[name])
		}
		delete(left, name)
		return methods.MethodByName(name)
	}
	infos := formerly(t)
	for _, opt := range zmq.Options() {
		infos = append(infos, opt.Info())
	}
	for _, info := range infos {
		opt := info.Option
		set := take("Set"+info.Method, info.Set)
		wipe := take("Clear"+info.Method, info.Clear != "")
		if get := take(info.Method, info.Get); get.IsValid() {
			checkGetter(t, s, info, get)
			if set.IsValid() && get.Type().Out(0) != set.Type().In(0) {
				t.Errorf("%v: reads a %v, sets a %v", opt, get.Type().Out(0), set.Type().In(0))
			}
		}
		if set.IsValid() {
			checkSetter(t, s, info, set)
		}
		if wipe.IsValid() {
			if err := failure(wipe.Call(nil)[0]); !alike(err, s.SetRaw(opt, nil)) {
				t.Errorf("Clear%s: %v", info.Method, err)
			}
		}
	}
	if len(left) > 0 {
		t.Errorf("no options have the methods %v", left)
	}
}

// formerly returns the options whose methods had other names, under those names.
func formerly(t *testing.T) []zmq.OptionInfo {
	s, err := spec.Load(os.DirFS("../../spec"), "spec")
	must(t, err)
	var infos []zmq.OptionInfo
	for _, o := range s.Options {
		if o.Was != "" {
			info := zmq.Option(o.Number).Info()
			info.Method = o.Was
			infos = append(infos, info)
		}
	}
	return infos
}

func checkGetter(t *testing.T, s zmq.Sockopts, info zmq.OptionInfo, get reflect.Value) {
	t.Helper()
	if got := typeName(get.Type().Out(0)); got != info.Type {
		t.Errorf("%s returns a %s, not a %s", info.Method, got, info.Type)
	}
	want, wantErr := s.Get(info.Option)
	out := get.Call(nil)
	v, err := out[0].Interface(), failure(out[1])
	if !alike(err, wantErr) || err == nil && !reflect.DeepEqual(v, want) {
		t.Errorf("%s: %v, %v; Get has %v, %v", info.Method, v, err, want, wantErr)
	}
}

func checkSetter(t *testing.T, s zmq.Sockopts, info zmq.OptionInfo, set reflect.Value) {
	t.Helper()
	if got := typeName(set.Type().In(0)); got != info.Type {
		t.Errorf("Set%s takes a %s, not a %s", info.Method, got, info.Type)
	}
	v := reflect.Zero(set.Type().In(0))
	if err, want := failure(set.Call([]reflect.Value{v})[0]), s.Set(info.Option, v.Interface()); !alike(err, want) {
		t.Errorf("Set%s: %v; Set has %v", info.Method, err, want)
	}
}

func typeName(t reflect.Type) string {
	return strings.ReplaceAll(strings.TrimPrefix(t.String(), "zmq."), "uint8", "byte")
}

func failure(v reflect.Value) error {
	err, _ := v.Interface().(error)
	return err
}

// alike compares two errors by libzmq's errno.
func alike(a, b error) bool {
	var x, y zmq.Errno
	return (a == nil) == (b == nil) && errors.As(a, &x) == errors.As(b, &y) && x == y
}
