package zmqio

import (
	"bytes"
	"fmt"
	"log/slog"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
)

// DefaultSlowCallbackDuration is how long a callback may take before debug mode logs
// it, until SetSlowCallbackDuration says otherwise.
const DefaultSlowCallbackDuration = 100 * time.Millisecond

// debugMode is what EventLoop.SetDebug sets. While it is off, it costs a callback
// one load.
type debugMode struct {
	on   atomic.Bool
	slow atomic.Int64 // a time.Duration
}

// SetDebug turns debug mode on or off; a loop starts with it on if the environment
// variable ZMQIO_DEBUG is 1. It stands for set_debug.
//
// In debug mode the loop's logger gets a warning of callbacks that take long, and of a
// loop, and the transports made in debug mode, that are garbage collected without
// having been closed; and of a connection to an inproc endpoint that is not bound in its own
// context and is in that of another loop, once, as soon as both are there. What is given to the exception handler says where it was created.
// All of this takes time: some microseconds a callback.
func (l *EventLoop) SetDebug(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.debug.on.Swap(on) == on {
		return
	}
	if on {
		l.leak = warnIfCollected(l, l.logger, "event loop", l.created)
	} else {
		l.leak.Stop()
	}
}

// Debug reports whether debug mode is on. It stands for get_debug.
func (l *EventLoop) Debug() bool { return l.debug.on.Load() }

// SetSlowCallbackDuration sets how long a callback may take before debug mode logs it
// with level WARN; what is not positive logs all of them. It stands for
// slow_callback_duration.
func (l *EventLoop) SetSlowCallbackDuration(d time.Duration) { l.debug.slow.Store(int64(d)) }

// call calls fn, which is h's.
func (l *EventLoop) call(h *Handle, fn func()) {
	if l.Debug() {
		start := time.Now()
		defer func() {
			took := time.Since(start)
			l.protect(ExceptionContext{Message: "logger panicked"}, func() { l.logIfSlow(h, fn, took) })
		}()
	}
	l.protect(ExceptionContext{Message: "callback panicked", Handle: h}, fn)
}

func (l *EventLoop) logIfSlow(h *Handle, fn func(), took time.Duration) {
	if took < time.Duration(l.debug.slow.Load()) {
		return
	}
	o := h.origin
	if o == nil { // debug mode has just begun
		o = &origin{fn: entry(fn)}
	}
	name, place := o.place()
	a := []any{slog.String("callback", name), slog.String("place", place), slog.Duration("duration", took)}
	if t := o.transport; t != nil {
		a = append(a, slog.String("transport", t.String()), slog.String("protocol", fmt.Sprintf("%T", t.Protocol())))
	}
	if created := o.created(); created != nil {
		a = append(a, slog.String("created", string(created)))
	}
	orDefault(l.logger).Warn("zmqio: slow callback", a...)
}

// An origin is, in debug mode, where a callback comes from: a function that somebody
// gave to the loop, or a method of a transport's protocol.
type origin struct {
	fn        uintptr
	trace     *trace
	transport *Transport
	method    string
}

// origin returns the origin of fn, a function, which the caller's caller gave to the
// loop; nil outside debug mode.
func (l *EventLoop) origin(fn any) *origin {
	if !l.Debug() {
		return nil
	}
	return &origin{fn: entry(fn), trace: newTrace()}
}

// origin returns the origin of a method of the protocol; nil outside debug mode.
func (t *Transport) origin(method string) *origin {
	if !t.loop.Debug() {
		return nil
	}
	return &origin{transport: t, trace: t.created, method: method}
}

func (o *origin) created() []byte {
	if o == nil {
		return nil
	}
	return o.trace.text()
}

// place returns the name of the callback's function, and the file and line at which
// that is.
func (o *origin) place() (name, place string) {
	fn := o.fn
	if o.transport != nil {
		fn = methodEntry(o.transport.Protocol(), o.method)
	}
	f := runtime.FuncForPC(fn)
	if f == nil {
		return "unknown", "unknown"
	}
	file, line := f.FileLine(fn)
	return f.Name(), fmt.Sprintf("%s:%d", file, line)
}

func entry(fn any) uintptr { return reflect.ValueOf(fn).Pointer() }

// methodEntry is entry for one of the methods of p that the loop calls. Its names are
// constants because a method that is looked up by any other name makes the linker keep
// all methods of the program.
func methodEntry(p Protocol, name string) uintptr {
	var m reflect.Method
	switch typ := reflect.TypeOf(p); name {
	case "MsgReceived":
		m, _ = typ.MethodByName("MsgReceived")
	case "ConnectionLost":
		m, _ = typ.MethodByName("ConnectionLost")
	case "ResumeWriting":
		m, _ = typ.MethodByName("ResumeWriting")
	case "EventReceived":
		m, _ = typ.MethodByName("EventReceived")
	}
	if !m.Func.IsValid() { // a protocol without it has taken the place of one with
		return 0
	}
	return m.Func.Pointer()
}

// A trace is where something was made: the callers, from the inside out.
type trace [24]uintptr

// newTrace returns the callers of the function that calls it.
func newTrace() *trace {
	t := new(trace)
	runtime.Callers(3, t[:])
	return t
}

func (t *trace) frames(yield func(runtime.Frame) bool) {
	frames := runtime.CallersFrames(t[:])
	for more := true; more; {
		var f runtime.Frame
		if f, more = frames.Next(); f.PC != 0 && !yield(f) {
			return
		}
	}
}

// text is the trace in the form of a panic's; nil for a nil trace.
func (t *trace) text() []byte {
	if t == nil {
		return nil
	}
	var b bytes.Buffer
	for f := range t.frames {
		fmt.Fprintf(&b, "%s\n\t%s:%d\n", f.Function, f.File, f.Line)
	}
	return b.Bytes()
}

// String is the place outside this package.
func (t *trace) String() string {
	for f := range t.frames {
		if !strings.HasPrefix(f.Function, "github.com/zmqio/zmq/zmqio.") {
			return fmt.Sprintf("%s:%d", f.File, f.Line)
		}
	}
	return "unknown"
}

// warnIfCollected has a warning logged when ptr is collected, unless the Cleanup that
// it returns is stopped before.
func warnIfCollected[T any](ptr *T, logger *slog.Logger, what string, created *trace, attrs ...any) runtime.Cleanup {
	return runtime.AddCleanup(ptr, func(created *trace) {
		orDefault(logger).Warn("zmqio: unclosed "+what+" was garbage collected",
			append(attrs, slog.String("created", string(created.text())))...)
	}, created)
}
