package zmqio

import (
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zmqio/zmq"
)

// RunningCallback describes the running callback without waiting for it: its owner, and since when
// it is known to run.
func TestRunningCallback(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	if r, running := l.RunningCallback(); running {
		t.Errorf("on a new loop: %v", r)
	}
	began, free := make(chan struct{}), make(chan struct{})
	stuck := &recorder{onMsg: func([][]byte) { began <- struct{}{}; <-free }}
	tr := create(t, l, stuck, zmq.PULL, bindTo(anyPort))
	must(t, l.Start())
	push := create(t, l, BaseProtocol{}, zmq.PUSH, connectTo(tr.Listeners()...))
	for range 2 {
		before := time.Now()
		must(t, push.Write(msg("x")))
		<-began
		first, running := l.RunningCallback()
		if !running || !strings.HasSuffix(first.Name, "recorder).MsgReceived") || first.Resident != tr.String() || first.Start.Before(before) {
			t.Fatalf("%t: %+v, not of %v since %v", running, first, tr, before)
		}
		for ctx := bounded(t); ; { // until the clock has moved
			must(t, ctx.Err())
			again, _ := l.RunningCallback()
			if d := again.Start.Sub(first.Start); d != 0 {
				t.Fatalf("the callback was seen %v later", d)
			}
			if again.Duration > first.Duration {
				break
			}
		}
		free <- struct{}{} // the next call must not be taken for the one that RunningCallback has seen
	}
	for ctx := bounded(t); ; { // until the loop waits
		must(t, ctx.Err())
		if _, running := l.RunningCallback(); !running {
			break
		}
	}
	must(t, l.Close())
	if r, running := l.RunningCallback(); running {
		t.Errorf("on a closed loop: %v", r)
	}
}

// SlowCallbacks has the last slow callbacks, and keeps no memory of their owners.
func TestSlowCallbacks(t *testing.T) {
	leakCheck(t)
	l, err := NewEventLoop(&LoopConfig{Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	soon(t, l, func() {})
	pass(t, l)
	l.SetDebug(true)
	l.SetSlowCallbackDuration(time.Hour)
	soon(t, l, func() {})
	pass(t, l)
	if r := l.SlowCallbacks(); len(r) != 0 {
		t.Fatalf("none was slow: %v", r)
	}
	l.SetSlowCallbackDuration(-1)
	x := &lodger{name: "a"}
	x.place, err = l.Adopt(x)
	must(t, err)
	begin := time.Now()
	x.place.Post(func() {})
	pass(t, l)
	r := l.SlowCallbacks()
	if len(r) != 1 || !strings.Contains(r[0].Name, "TestSlowCallbacks.func") || !strings.Contains(r[0].Place, "callbackreport_test.go:") ||
		r[0].Resident != "a" || r[0].Start.Before(begin) || r[0].Duration < 0 {
		t.Fatalf("%+v", r)
	}
	for i := range 20 {
		x.name = strconv.Itoa(i)
		x.place.Post(func() {})
		pass(t, l)
	}
	r = l.SlowCallbacks()
	if len(r) != 16 || r[0].Resident != "4" || r[15].Resident != "19" {
		t.Errorf("%d are kept: %v", len(r), r)
	}
}

// A lodger is a resident that does nothing.
type lodger struct {
	name  string
	place *Residence
}

func (x *lodger) Close() error                    { x.place.Leave(); return nil }
func (x *lodger) Abort() error                    { return x.Close() }
func (x *lodger) Undelivered() (items, bytes int) { return 0, 0 }
func (x *lodger) String() string                  { return x.name }
