package zmqio

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// Whoever waits does so for a reason, whatever else happens, and gets in at last.
func TestWriteContextLosesNoWakeUp(t *testing.T) {
	leakCheck(t)
	l, peer := newLoop(t), newLoop(t)
	runAside(t, l)
	runAside(t, peer)
	tr := blocked(t, l, BaseProtocol{})
	must(t, tr.Sockopts().SetSndHWM(1))
	var received, sent atomic.Int64
	drain(t, peer, tr, func([][]byte) { received.Add(1) })
	ctx := bounded(t)
	var writers, others sync.WaitGroup
	for range 16 {
		writers.Go(func() {
			for range 300 {
				mine, cancel := context.WithCancel(ctx)
				if rand.IntN(4) == 0 {
					go cancel()
				}
				err := tr.WriteContext(mine, [][]byte{make([]byte, rand.IntN(30))})
				switch cancel(); {
				case err == nil:
					sent.Add(1)
				case ctx.Err() != nil || !errors.Is(err, context.Canceled):
					t.Error(err)
				}
			}
		})
	}
	var done atomic.Bool
	others.Go(func() {
		for !done.Load() {
			high := rand.IntN(40)
			if err := tr.SetWriteBufferLimits(high, high/4); err != nil {
				t.Error(err)
			}
			runtime.Gosched()
		}
	})
	writers.Wait()
	done.Store(true)
	others.Wait()
	for received.Load() < sent.Load() && ctx.Err() == nil {
		runtime.Gosched()
	}
	if got, want := received.Load(), sent.Load(); got != want {
		t.Errorf("%d messages of %d came", got, want)
	}
	if tr.flow.MustQueue() || tr.flow.Waiting() > 0 {
		t.Error("a writer that waited has left something behind")
	}
}
