package zmqio

import (
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
)

// A descriptor leaves the poller before its socket is closed, because the kernel may give the
// number to another file at once. The loop cannot forget the descriptor here yet, so the socket
// must still be open.
func TestDescriptorLeavesThePollerFirst(t *testing.T) {
	l := newLoop(t)
	for _, c := range []struct {
		name string
		end  func(*Transport) error
		of   func(*Transport) *zmq4.Socket
	}{
		{"Abort", (*Transport).Abort, func(tr *Transport) *zmq4.Socket { return tr.zsock }},
		{"Close", (*Transport).Close, func(tr *Transport) *zmq4.Socket { return tr.zsock }},
		{"Closed", func(tr *Transport) error {
			tr.Closed()
			return tr.Abort()
		}, func(tr *Transport) *zmq4.Socket { return tr.zsock }},
		{"monitor", (*Transport).DisableMonitor, func(tr *Transport) *zmq4.Socket { return tr.monitor.pair.zsock }},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := bounded(t)
			tr := create(t, l, new(monitorRecorder), zmq.PULL, bindTo(anyPort))
			if c.name == "monitor" {
				must(t, tr.EnableMonitor(zmq.EVENT_ALL))
			}
			s := c.of(tr)
			mu := lockOf(l)
			mu.Lock()
			ended := make(chan error, 1)
			go func() { ended <- c.end(tr) }()
			for !waitsIn("reactor.(*Watch).Stop") && ctx.Err() == nil {
				runtime.Gosched()
			}
			if _, err := s.GetType(); err != nil {
				t.Errorf("the socket is closed, and its descriptor is watched: %v", err)
			}
			mu.Unlock()
			must(t, <-ended)
			must(t, ctx.Err())
		})
	}
}

// lockOf returns the lock under which the loop adds and removes descriptors.
func lockOf(l *EventLoop) *sync.Mutex {
	return (*sync.Mutex)(unsafe.Pointer(reflect.ValueOf(&l.reactor).Elem().FieldByName("mu").UnsafeAddr()))
}

// waitsIn reports whether a goroutine waits for a lock in a function.
func waitsIn(function string) bool {
	stacks := make([]byte, 1<<20)
	for _, g := range strings.Split(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
		if strings.Contains(g, function+"(") && strings.Contains(g, "sync.(*Mutex).Lock(") {
			return true
		}
	}
	return false
}
