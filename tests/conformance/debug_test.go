package conformance

import (
	"strings"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

func TestSetDebug(t *testing.T) {
	l := newLoop(t, nil)
	for _, on := range []bool{true, true, false, false} {
		if l.SetDebug(on); l.Debug() != on {
			t.Errorf("not %t", on)
		}
	}
}

func TestSlowCallbackDuration(t *testing.T) {
	l := newLoop(t, nil)
	if d := l.SlowCallbackDuration(); d != zmqio.DefaultSlowCallbackDuration {
		t.Errorf("%v at first", d)
	}
	for _, want := range []time.Duration{time.Hour, 0, -1} {
		if l.SetSlowCallbackDuration(want); l.SlowCallbackDuration() != want {
			t.Errorf("%v, want %v", l.SlowCallbackDuration(), want)
		}
	}
}

func TestEnvVarDebug(t *testing.T) {
	for value, want := range map[string]bool{"1": true, "": false, "0": false, "true": false, "2": false} {
		t.Setenv("ZMQIO_DEBUG", value)
		if got := newLoop(t, nil).Debug(); got != want {
			t.Errorf("%q: %t", value, got)
		}
	}
}

// onlySlow checks that the log has exactly one slow callback, with its function.
func onlySlow(t *testing.T, j *journal, function, file string) map[string]string {
	t.Helper()
	all := j.entries()
	if len(all) != 1 {
		t.Fatalf("%d entries: %v", len(all), all)
	}
	e := all[0]
	d, err := time.ParseDuration(e["duration"])
	if e["msg"] != "zmqio: slow callback" || e["level"] != "WARN" || err != nil || d <= 0 ||
		!strings.HasSuffix(e["callback"], function) || !strings.Contains(e["place"], file+":") {
		t.Errorf("%v", e)
	}
	return e
}

func slowFunction() {}

func slowDone(*zmqio.Future[int]) {}

func TestLogSlowCallbacks(t *testing.T) {
	for name, schedule := range map[string]func(*zmqio.EventLoop){
		"soon":  func(l *zmqio.EventLoop) { soon(t, l, slowFunction) },
		"timer": func(l *zmqio.EventLoop) { later(t, l, 0, slowFunction) },
		"panic": func(l *zmqio.EventLoop) { soon(t, l, slowPanic); caught(l) },
	} {
		j, l := newJournal(t)
		l.SetDebug(true)
		l.SetSlowCallbackDuration(0)
		schedule(l)
		pass(t, l)
		want := "conformance.slowFunction"
		if name == "panic" {
			want = "conformance.slowPanic"
		}
		if e := onlySlow(t, j, want, "debug_test.go"); !strings.Contains(e["created"], "conformance.TestLogSlowCallbacks") {
			t.Errorf("%s: %v", name, e)
		}
	}
}

func slowPanic() { panic("slow") }

func TestLogSlowDoneCallback(t *testing.T) {
	j, l := newJournal(t)
	l.SetDebug(true)
	l.SetSlowCallbackDuration(0)
	f := zmqio.NewFuture[int](l)
	f.AddDoneCallback(slowDone)
	must(t, f.SetResult(1))
	pass(t, l)
	onlySlow(t, j, "conformance.slowDone", "debug_test.go")
}

func TestLogSlowProtocol(t *testing.T) {
	j, l := newJournal(t)
	l.SetDebug(true)
	l.SetSlowCallbackDuration(0)
	p := &counter{}
	tr, _, err := l.CreateZmqConnection(bounded(t), func() zmqio.Protocol { return p },
		zmq.PULL, zmqio.ConnectionConfig{Connect: []string{"inproc://nobody"}})
	must(t, err)
	pass(t, l)
	e := onlySlow(t, j, "conformance.(*counter).MsgReceived", "loop_test.go")
	if e["protocol"] != "*conformance.counter" || !strings.HasPrefix(e["transport"], "<Transport PULL") ||
		!strings.Contains(e["created"], "conformance.TestLogSlowProtocol") {
		t.Errorf("%v", e)
	}
	must(t, tr.Close())
	pass(t, l)
	lost := 0
	for _, e := range j.entries() {
		if strings.HasSuffix(e["callback"], ".ConnectionLost") {
			lost++
		}
	}
	if lost != 1 {
		t.Errorf("%v", j.entries())
	}
}

// The log has nothing about callbacks faster than the limit, or outside debug mode.
func TestLogSlowCallbacksQuiet(t *testing.T) {
	j, l := newJournal(t)
	l.SetSlowCallbackDuration(0)
	soon(t, l, slowFunction)
	pass(t, l)
	l.SetDebug(true)
	l.SetSlowCallbackDuration(time.Hour)
	soon(t, l, slowFunction)
	pass(t, l)
	if e := j.entries(); len(e) != 0 {
		t.Errorf("%v", e)
	}
}

// Debug mode logs a slow callback that was given to the loop earlier, without a place of creation.
func TestLogSlowCallbackFromBefore(t *testing.T) {
	j, l := newJournal(t)
	l.SetSlowCallbackDuration(0)
	soon(t, l, slowFunction)
	l.SetDebug(true)
	pass(t, l)
	if e := onlySlow(t, j, "conformance.slowFunction", "debug_test.go"); e["created"] != "" {
		t.Errorf("%v", e)
	}
}

// An exception context names the place where its transport was created, on any goroutine.
func TestTransportSourceTraceback(t *testing.T) {
	l := newLoop(t, nil)
	l.SetDebug(true)
	all := caught(l)
	soon(t, l, func() {
		go func() {
			defer l.Stop()
			tr, _, err := l.CreateZmqConnection(bounded(t), func() zmqio.Protocol { return panicsWhenLost{} },
				zmq.PULL, zmqio.ConnectionConfig{Bind: []string{}})
			if err != nil {
				t.Error(err)
				return
			}
			_ = tr.Close()
		}()
	})
	run(t, l)
	pass(t, l)
	if len(*all) != 1 || !strings.Contains(string((*all)[0].Created), "conformance.TestTransportSourceTraceback") {
		t.Errorf("%+v", *all)
	}
}

type panicsWhenLost struct{ zmqio.BaseProtocol }

func (panicsWhenLost) ConnectionLost(error) { panic("lost") }
