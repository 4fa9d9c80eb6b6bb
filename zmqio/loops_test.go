package zmqio

import (
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"testing"
	"weak"

	"github.com/pebbe/zmq4"
)

// listed returns the entries of loops, also those of collected loops.
func listed() map[weak.Pointer[EventLoop]]runtime.Cleanup {
	loops.mu.Lock()
	defer loops.mu.Unlock()
	return maps.Clone(loops.open)
}

func TestOpenLoops(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	if !slices.Contains(Loops(), l) {
		t.Error("an open loop is not listed")
	}
	must(t, l.Close())
	if slices.Contains(Loops(), l) {
		t.Error("a closed loop is listed")
	}
}

// A loop that is never closed is collected, and leaves nothing behind.
func TestForgottenLoopIsNotListed(t *testing.T) {
	leakCheck(t)
	before := listed()
	zctx, err := zmq4.NewContext()
	must(t, err)
	forgotten(t, zctx, slog.New(make(logged, 10)), false)
	added := listed()
	maps.DeleteFunc(added, func(w weak.Pointer[EventLoop], _ runtime.Cleanup) bool { _, old := before[w]; return old })
	if len(added) != 1 {
		t.Fatalf("%d loops were listed", len(added))
	}
	for ctx := bounded(t); len(added) > 0; runtime.GC() {
		must(t, ctx.Err())
		now := listed()
		maps.DeleteFunc(added, func(w weak.Pointer[EventLoop], _ runtime.Cleanup) bool { _, still := now[w]; return !still })
	}
	terminated := make(chan error, 1)
	go func() { terminated <- zctx.Term() }()
	for ctx := bounded(t); ; runtime.GC() { // until a finalizer has closed the socket
		must(t, ctx.Err())
		select {
		case err := <-terminated:
			must(t, err)
			return
		default:
		}
	}
}
