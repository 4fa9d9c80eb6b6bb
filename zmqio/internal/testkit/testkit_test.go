package testkit

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// A witness is a test that records errors and goes on.
type witness struct {
	testing.TB
	errors  []string
	cleanup []func()
}

func (w *witness) Helper()                   {}
func (w *witness) Cleanup(fn func())         { w.cleanup = append(w.cleanup, fn) }
func (w *witness) Errorf(f string, _ ...any) { w.errors = append(w.errors, f) }

func (w *witness) end() {
	for _, fn := range w.cleanup {
		fn()
	}
}

func TestCheckLeaks(t *testing.T) {
	w := &witness{TB: t}
	CheckLeaks(w)
	w.end()
	if len(w.errors) > 0 {
		t.Errorf("errors although the test left nothing behind: %q", w.errors)
	}
	w = &witness{TB: t}
	checkLeaks(w, 0)
	f, err := os.Open(os.DevNull)
	Must(t, err)
	defer f.Close()
	stop := make(chan struct{})
	go func() { <-stop }()
	defer close(stop)
	w.end()
	if len(w.errors) != 1 || !strings.Contains(w.errors[0], "left behind") {
		t.Errorf("a leak is reported as %q", w.errors)
	}
}

func TestBounded(t *testing.T) {
	ctx := Bounded(t, time.Nanosecond)
	<-ctx.Done()
	if cause := context.Cause(ctx); cause == nil || errors.Is(cause, context.DeadlineExceeded) {
		t.Errorf("the cause is %v", cause)
	}
}
