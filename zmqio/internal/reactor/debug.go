package reactor

import (
	"bytes"
	"fmt"
	"log/slog"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultSlowCallback is how long a callback may take before debug mode logs a warning.
const DefaultSlowCallback = 100 * time.Millisecond

// debugMode is the state of debug mode. While it is off, a callback pays for one atomic load.
type debugMode struct {
	on   atomic.Bool
	slow atomic.Int64 // a time.Duration

	mu     sync.Mutex // no other lock is taken under it
	recent []Slow
}

// keptSlow is how many slow callbacks Slow returns.
const keptSlow = 16

// A Slow describes a callback that took longer than SlowCallback. It keeps names only, so that it
// keeps no memory alive.
type Slow struct {
	Name, Place string // as Origin.Place has them
	Resident    string // empty for a callback that belongs to no resident
	Start       time.Time
	Took        time.Duration
}

// SetDebug turns debug mode on or off. In debug mode Origin takes traces. The logger gets warnings
// of slow callbacks, and of a loop that is garbage collected without Close.
func (l *Loop) SetDebug(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.debug.on.Swap(on) == on {
		return
	}
	if on {
		l.leak = WarnIfCollected(l, l.cfg.Logger, "event loop", l.created)
	} else {
		l.leak.Stop()
	}
}

// Debug reports whether debug mode is on.
func (l *Loop) Debug() bool { return l.debug.on.Load() }

// SetSlowCallback sets how long a callback may take before debug mode logs it.
func (l *Loop) SetSlowCallback(d time.Duration) { l.debug.slow.Store(int64(d)) }

// SlowCallback returns the value of SetSlowCallback.
func (l *Loop) SlowCallback() time.Duration { return time.Duration(l.debug.slow.Load()) }

// Slow returns the last callbacks that debug mode has logged, at most 16, oldest first.
func (l *Loop) Slow() []Slow {
	l.debug.mu.Lock()
	defer l.debug.mu.Unlock()
	return slices.Clone(l.debug.recent)
}

// keep adds s to the slow callbacks.
func (d *debugMode) keep(s Slow) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.recent) == keptSlow {
		d.recent = slices.Delete(d.recent, 0, 1)
	}
	d.recent = append(d.recent, s)
}

// noteIfSlow keeps and logs a callback that took longer than SlowCallback.
func (l *Loop) noteIfSlow(h *Handle, start time.Time, took time.Duration) {
	if took < l.SlowCallback() {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			l.cfg.Panicked("logger panicked", nil, v)
		}
	}()
	from := h.from()
	s := Slow{Start: start, Took: took}
	s.Name, s.Place = from.Place()
	if r := from.Resident(); r != nil {
		s.Resident = r.String()
	}
	l.debug.keep(s)
	l.Logger().Warn("zmqio: slow callback", from.attrs(took)...)
}

// from returns the origin of h, which runs and has not been dropped.
func (h *Handle) from() *Origin {
	if h.origin == nil { // given outside debug mode, or just beginning
		return &Origin{fn: entry(h.fn)}
	}
	return h.origin
}

// attrs describes a callback that has run for took, for a logger. Caller holds no lock.
func (o *Origin) attrs(took time.Duration) []any {
	name, place := o.Place()
	a := []any{slog.String("callback", name), slog.String("place", place), slog.Duration("duration", took)}
	switch {
	case o.source != nil:
		a = append(a, o.source.Attrs()...)
	case o.residence != nil:
		a = append(a, slog.String("resident", o.residence.resident.String()))
	}
	if created := o.Created(); created != nil {
		a = append(a, slog.String("created", string(created)))
	}
	return a
}

// An Origin says where a callback comes from: a function that was given to the loop, or a Source.
type Origin struct {
	fn        uintptr
	source    Source
	trace     *Trace
	residence *Residence // owner of the callback, or nil
}

// A Source finds the function of a callback when a log line needs it. Every goroutine may call its
// methods.
type Source interface {
	// Func returns the entry address of the function, or 0.
	Func() uintptr
	// Attrs describes the owner of the function, as arguments of a slog.Logger.
	Attrs() []any
}

// Origin returns the origin of fn, which the caller of Origin's caller gave to the loop. It returns
// nil outside debug mode.
func (l *Loop) Origin(fn any) *Origin {
	if !l.Debug() {
		return nil
	}
	return &Origin{fn: entry(fn), trace: NewTrace()}
}

// NewOrigin returns the origin of a callback of s, made at created.
func NewOrigin(s Source, created *Trace) *Origin { return &Origin{source: s, trace: created} }

// Resident returns the owner of the callback, or nil.
func (o *Origin) Resident() Resident {
	if o == nil || o.residence == nil {
		return nil
	}
	return o.residence.resident
}

// Created returns the text of the Origin's trace, or nil.
func (o *Origin) Created() []byte {
	if o == nil {
		return nil
	}
	return o.trace.Text()
}

// Place returns the name of the callback's function, and its file and line.
func (o *Origin) Place() (name, place string) {
	fn := o.fn
	if o.source != nil {
		fn = o.source.Func()
	}
	f := runtime.FuncForPC(fn)
	if f == nil {
		return "unknown", "unknown"
	}
	file, line := f.FileLine(fn)
	return f.Name(), fmt.Sprintf("%s:%d", file, line)
}

func entry(fn any) uintptr { return reflect.ValueOf(fn).Pointer() }

// A Trace is the stack at which something was made, innermost caller first.
type Trace [24]uintptr

// NewTrace returns the callers of its caller.
func NewTrace() *Trace {
	t := new(Trace)
	runtime.Callers(3, t[:])
	return t
}

func (t *Trace) frames(yield func(runtime.Frame) bool) {
	frames := runtime.CallersFrames(t[:])
	for more := true; more; {
		var f runtime.Frame
		if f, more = frames.Next(); f.PC != 0 && !yield(f) {
			return
		}
	}
}

// Text returns the trace in the form of a panic, or nil for a nil trace.
func (t *Trace) Text() []byte {
	if t == nil {
		return nil
	}
	var b bytes.Buffer
	for f := range t.frames {
		fmt.Fprintf(&b, "%s\n\t%s:%d\n", f.Function, f.File, f.Line)
	}
	return b.Bytes()
}

// String returns the first caller outside package zmqio and its internal packages.
func (t *Trace) String() string {
	for f := range t.frames {
		if !strings.HasPrefix(f.Function, zmqioPath+".") && !strings.HasPrefix(f.Function, zmqioPath+"/internal/") {
			return fmt.Sprintf("%s:%d", f.File, f.Line)
		}
	}
	return "unknown"
}

const zmqioPath = "github.com/zmqio/zmq/zmqio"

// WarnIfCollected makes the collection of ptr log a warning. The Cleanup that it returns cancels
// this.
func WarnIfCollected[T any](ptr *T, logger *slog.Logger, what string, created *Trace, attrs ...any) runtime.Cleanup {
	return runtime.AddCleanup(ptr, func(created *Trace) {
		if logger == nil {
			logger = slog.Default()
		}
		logger.Warn("zmqio: unclosed "+what+" was garbage collected",
			append(attrs, slog.String("created", string(created.Text())))...)
	}, created)
}
