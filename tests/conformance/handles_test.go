package conformance

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/zmqio/zmq/zmqio"
)

func TestHandle(t *testing.T) {
	l := newLoop(t, nil)
	h := soon(t, l, func() { t.Error("called") })
	if h.Cancelled() {
		t.Error("cancelled already")
	}
	h.Cancel()
	h.Cancel()
	if !h.Cancelled() {
		t.Error("not cancelled")
	}
	pass(t, l)
	h = soon(t, l, func() {})
	pass(t, l)
	if h.Cancel(); !h.Cancelled() {
		t.Error("Cancel after it ran")
	}
}

func TestHandleRepr(t *testing.T) {
	l := newLoop(t, nil)
	h := soon(t, l, func() {})
	if h.String() != "<Handle>" {
		t.Error(h)
	}
	if h.Cancel(); h.String() != "<Handle cancelled>" {
		t.Error(h)
	}
}

func TestHandleReprDebug(t *testing.T) {
	l := newLoop(t, nil)
	l.SetDebug(true)
	h := soon(t, l, func() {})
	for _, prefix := range []string{"<Handle ", "<Handle cancelled "} {
		got := h.String()
		for _, want := range []string{prefix, "conformance.TestHandleReprDebug.func1 at ", "handles_test.go:", ", created at "} {
			if !strings.Contains(got, want) {
				t.Errorf("%s lacks %q", got, want)
			}
		}
		h.Cancel()
	}
}

// caught makes the loop's exception handler record its calls.
func caught(l *zmqio.EventLoop) *[]zmqio.ExceptionContext {
	var all []zmqio.ExceptionContext
	l.SetExceptionHandler(func(_ *zmqio.EventLoop, c zmqio.ExceptionContext) { all = append(all, c) })
	return &all
}

func TestCallbackWithException(t *testing.T) {
	l := newLoop(t, nil)
	all := caught(l)
	cause, after := errors.New("cause"), false
	h := soon(t, l, func() { panic(cause) })
	soon(t, l, func() { after = true })
	pass(t, l)
	if len(*all) != 1 || !after {
		t.Fatalf("%+v, went on: %t", *all, after)
	}
	c := (*all)[0]
	if c.Message == "" || c.Handle != h || !strings.Contains(string(c.Stack), "TestCallbackWithException") || c.Created != nil {
		t.Errorf("%+v", c)
	}
	wants(t, c.Err, cause)
}

func TestHandleSourceTraceback(t *testing.T) {
	l := newLoop(t, nil)
	l.SetDebug(true)
	all := caught(l)
	soon(t, l, func() { panic("soon") })
	later(t, l, 0, func() { panic("later") })
	_, err := l.CallAt(0, func() { panic("at") })
	must(t, err)
	pass(t, l)
	pass(t, l)
	if len(*all) != 3 {
		t.Fatalf("%d panics", len(*all))
	}
	for _, c := range *all {
		if !strings.Contains(string(c.Created), "conformance.TestHandleSourceTraceback") {
			t.Errorf("%v: created %s", c.Err, c.Created)
		}
	}
}

func TestDefaultExcHandlerCallback(t *testing.T) {
	for _, debug := range []bool{false, true} {
		j, l := newJournal(t)
		l.SetDebug(debug)
		l.SetSlowCallbackDuration(1 << 62)
		soon(t, l, func() { panic("soon") })
		later(t, l, 0, func() { panic("later") })
		pass(t, l)
		got := j.entries()
		if len(got) != 2 {
			t.Fatalf("%v", got)
		}
		for i, want := range []string{"panic: soon", "panic: later"} {
			e := got[i]
			if e["level"] != "ERROR" || e["error"] != want || !strings.Contains(e["stack"], "TestDefaultExcHandlerCallback") {
				t.Errorf("%v", e)
			}
			if debug != strings.Contains(e["handle"], "TestDefaultExcHandlerCallback.func") || debug != (e["created"] != "") {
				t.Errorf("debug %t: %v", debug, e)
			}
		}
	}
}

func TestSetExcHandlerCustom(t *testing.T) {
	j, l := newJournal(t)
	if l.ExceptionHandler() != nil {
		t.Error("a handler before one is set")
	}
	var got []zmqio.ExceptionContext
	l.SetExceptionHandler(func(on *zmqio.EventLoop, c zmqio.ExceptionContext) {
		if on != l {
			t.Error("another loop")
		}
		got = append(got, c)
	})
	soon(t, l, func() { panic("to the custom handler") })
	pass(t, l)
	if len(got) != 1 || got[0].Err.Error() != "panic: to the custom handler" || len(j.entries()) != 0 {
		t.Errorf("%v, logged %v", got, j.entries())
	}
	l.ExceptionHandler()(l, zmqio.ExceptionContext{Message: "to what is set"})
	if len(got) != 2 || got[1].Message != "to what is set" {
		t.Errorf("%v", got)
	}
	got = got[:1]
	if l.SetExceptionHandler(nil); l.ExceptionHandler() != nil {
		t.Error("the handler is still set")
	}
	soon(t, l, func() { panic("to the default handler") })
	pass(t, l)
	if e := j.entries(); len(got) != 1 || len(e) != 1 || e[0]["error"] != "panic: to the default handler" {
		t.Errorf("%v, logged %v", got, e)
	}
	own := errors.New("own")
	l.CallExceptionHandler(zmqio.ExceptionContext{Message: "called", Err: own})
	if e := j.entries(); len(e) != 2 || e[1]["msg"] != "zmqio: called" || e[1]["error"] != "own" {
		t.Errorf("%v", e)
	}
}

func TestSetExcHandlerBroken(t *testing.T) {
	j, l := newJournal(t)
	l.SetExceptionHandler(func(*zmqio.EventLoop, zmqio.ExceptionContext) { panic("broken handler") })
	after := false
	soon(t, l, func() { panic("first") })
	soon(t, l, func() { after = true })
	pass(t, l)
	e := j.entries()
	if len(e) != 1 || !after {
		t.Fatalf("%v, went on: %t", e, after)
	}
	if e[0]["msg"] != "zmqio: unhandled error in exception handler" || e[0]["error"] != "panic: broken handler" ||
		!strings.Contains(e[0]["during"], "panic: first") {
		t.Errorf("%v", e[0])
	}
}

// brokenHandler is a slog.Handler that panics.
type brokenHandler struct{ slog.Handler }

func TestDefaultExcHandlerBroken(t *testing.T) {
	j := &journal{}
	old := slog.Default()
	slog.SetDefault(slog.New(j))
	defer slog.SetDefault(old)
	l := newLoop(t, &zmqio.LoopConfig{Logger: slog.New(brokenHandler{})})
	after := false
	soon(t, l, func() { panic("first") })
	soon(t, l, func() { after = true })
	pass(t, l)
	e := j.entries()
	if len(e) != 1 || !after {
		t.Fatalf("%v, went on: %t", e, after)
	}
	if !strings.Contains(e[0]["msg"], "default exception handler") || e[0]["during"] == "" {
		t.Errorf("%v", e[0])
	}
}
