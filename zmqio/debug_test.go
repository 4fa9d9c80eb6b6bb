package zmqio

import (
	"context"
	"log/slog"
	"runtime"
	"strings"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
)

// logged is a slog.Handler that sends its records.
type logged chan slog.Record

func (c logged) Enabled(context.Context, slog.Level) bool      { return true }
func (c logged) WithAttrs([]slog.Attr) slog.Handler            { return c }
func (c logged) WithGroup(string) slog.Handler                 { return c }
func (c logged) Handle(_ context.Context, r slog.Record) error { c <- r.Clone(); return nil }

// forgotten makes a loop with a transport and forgets both.
//
//go:noinline
func forgotten(t *testing.T, ctx *zmq4.Context, logger *slog.Logger, closed bool) {
	t.Helper()
	l, err := NewEventLoop(&LoopConfig{Context: ctx, Logger: logger})
	must(t, err)
	l.SetDebug(true)
	create(t, l, BaseProtocol{}, zmq.PULL, bindTo(anyPort))
	if closed {
		must(t, l.Close())
	}
}

func TestUnclosed(t *testing.T) {
	leakCheck(t)
	zctx, err := zmq4.NewContext()
	must(t, err)
	entries := make(logged, 10)
	forgotten(t, zctx, slog.New(entries), true) // a closed transport is no leak
	forgotten(t, zctx, slog.New(entries), false)
	ctx := bounded(t)
	for len(entries) < 2 {
		must(t, ctx.Err())
		runtime.GC()
	}
	var got []string
	for range 2 {
		r := <-entries
		got = append(got, r.Message)
		created := ""
		r.Attrs(func(a slog.Attr) bool {
			if a.Key == "created" {
				created = a.Value.String()
			}
			return true
		})
		if r.Level != slog.LevelWarn || !strings.Contains(created, "zmqio.forgotten") {
			t.Errorf("%v, created %s", r, created)
		}
	}
	all := strings.Join(got, "; ")
	if !strings.Contains(all, "unclosed event loop") || !strings.Contains(all, "unclosed transport") || len(entries) != 0 {
		t.Errorf("%s, and %d more", all, len(entries))
	}
	// The finalizer of the transport's socket closes it.
	done := make(chan error, 1)
	go func() { done <- zctx.Term() }()
	for {
		select {
		case err := <-done:
			must(t, err)
			return
		default:
			must(t, ctx.Err())
			runtime.GC()
		}
	}
}

// panicking is a slog.Handler that panics.
type panicking struct{ slog.Handler }

func (panicking) Enabled(context.Context, slog.Level) bool  { return true }
func (panicking) Handle(context.Context, slog.Record) error { panic("logger") }

func TestLoggerThatPanics(t *testing.T) {
	leakCheck(t)
	l, err := NewEventLoop(&LoopConfig{Logger: slog.New(panicking{})})
	must(t, err)
	l.SetDebug(true)
	l.SetSlowCallbackDuration(-1) // logs every callback
	ran := false
	soon(t, l, func() {})
	soon(t, l, func() { ran = true })
	pass(t, l)
	if !ran {
		t.Error("the logger's panic stopped the loop")
	}
	l.SetDebug(false)
	must(t, l.Close())
}
