package live

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/zmqio/zmq"
)

// TestAccessorCount compares the number of accessors with what libzmq's sources serve.
func TestAccessorCount(t *testing.T) {
	type count struct{ get, set int }
	want, got := map[bool]count{false: {57, 73}, true: {20, 31}}, map[bool]count{}
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
	var methods count
	general := []string{"Get", "Set", "SetText", "GetRaw", "SetRaw"}
	sockopts := reflect.TypeFor[zmq.Sockopts]()
	for i := range sockopts.NumMethod() {
		name := sockopts.Method(i).Name
		switch {
		case slices.Contains(general, name) || strings.HasPrefix(name, "Clear"):
		case strings.HasPrefix(name, "Set"):
			methods.set++
		default:
			methods.get++
		}
	}
	if methods != (count{77, 104}) {
		t.Errorf("methods: %v", methods)
	}
}
