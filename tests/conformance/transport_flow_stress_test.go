package conformance

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// yieldFor yields to others until done, or until they have written or had time to.
func yieldFor(done func() bool, written *atomic.Int64) {
	until := written.Load() + 50
	for i := 0; i < 2000 && written.Load() < until && !done(); i++ {
		runtime.Gosched()
	}
}

// Many goroutines write while the loop is in a slow ResumeWriting, and while the peer stops
// reading and goes on. Each message arrives once and in order, the last ones without a further
// write. The buffer stays below its bound, and pause and resume alternate.
func TestWritersBesideASlowResume(t *testing.T) {
	const (
		writers, each = 20, 300
		high, low     = 400, 100
		limit         = 1000
		part          = 8 // messages of a batch
	)
	one := len("19" + "299" + "padding") // the most that a message has
	for name, c := range map[string]struct {
		bound int
		write func(ctx context.Context, tr *zmqio.Transport, msgs [][][]byte) error
	}{
		"Write": {limit, func(ctx context.Context, tr *zmqio.Transport, msgs [][][]byte) error {
			for _, m := range msgs {
				for a := tr.Protocol().(*alternator); a.isPaused() && ctx.Err() == nil; {
					runtime.Gosched()
				}
				err := tr.Write(m)
				for ; errors.Is(err, zmqio.ErrBufferFull) && ctx.Err() == nil; err = tr.Write(m) {
					runtime.Gosched()
				}
				if err != nil {
					return err
				}
			}
			return nil
		}},
		"WriteContext": {high + one, func(ctx context.Context, tr *zmqio.Transport, msgs [][][]byte) error {
			for _, m := range msgs {
				if err := tr.WriteContext(ctx, m); err != nil {
					return err
				}
			}
			return nil
		}},
		"WriteBatchContext": {high + part*one, func(ctx context.Context, tr *zmqio.Transport, msgs [][][]byte) error {
			var b zmqio.Batch
			for _, m := range msgs {
				b.Append(m...)
			}
			_, err := tr.WriteBatchContext(ctx, &b)
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := bounded(t)
			zctx, out := newContext(t)
			rawSocket(t, zctx, zmq4.PUSH) // starts libzmq's threads, whose descriptors last as long as zctx
			in := newLoop(t, &zmqio.LoopConfig{Context: zctx})
			var written, biggest atomic.Int64
			var finished atomic.Bool
			a := &alternator{t: t, lost: make(chan struct{}), during: func(pause bool) {
				if !pause {
					yieldFor(func() bool { return false }, &written)
				}
			}}
			tr := create(t, out, a, zmq.PUSH, zmqio.ConnectionConfig{
				Bind: []string{"inproc://slow"}, MaxWriteBuffer: limit,
				Configure: func(o zmq.Sockopts) error { return o.SetSndHWM(10) },
			})
			must(t, tr.SetWriteBufferLimits(high, low))
			next := make(map[string]int)
			n, all := 0, make(chan struct{})
			var pull *zmqio.Transport
			var resuming sync.WaitGroup
			pull = create(t, in, receiver{received: func(m [][]byte) {
				if who := string(m[0]); string(m[1]) != numbersUpTo[next[who]] {
					t.Errorf("writer %s: got %s, want %d", who, m[1], next[who])
				}
				next[string(m[0])]++
				if n++; n == writers*each {
					close(all)
				}
				if n%100 == 0 && n < writers*each {
					if err := pull.PauseReading(); err != nil {
						t.Error(err)
					}
					resuming.Go(func() {
						yieldFor(func() bool { return a.isPaused() || finished.Load() }, &written)
						if err := pull.ResumeReading(); err != nil {
							t.Error(err)
						}
					})
				}
			}}, zmq.PULL, zmqio.ConnectionConfig{
				Connect: []string{"inproc://slow"}, Configure: func(o zmq.Sockopts) error { return o.SetRcvHWM(10) },
			})
			reading := make(chan error, 1)
			go func() { reading <- in.RunForever(ctx) }()
			must(t, out.Run(ctx, func(ctx context.Context) error {
				var writing sync.WaitGroup
				for w := range writers {
					writing.Go(func() {
						var msgs [][][]byte
						for i := range each {
							msgs = append(msgs, msg(numbersUpTo[w], numbersUpTo[i], "padding"))
							if len(msgs) < part && i < each-1 {
								continue
							}
							if err := c.write(ctx, tr, msgs); err != nil {
								t.Error(err)
							}
							written.Add(int64(len(msgs)))
							msgs = msgs[:0]
							size := int64(tr.WriteBufferSize())
							for old := biggest.Load(); size > old && !biggest.CompareAndSwap(old, size); old = biggest.Load() {
							}
						}
					})
				}
				writing.Wait()
				finished.Store(true)
				select {
				case <-all:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
				for a.isPaused() && ctx.Err() == nil {
					runtime.Gosched()
				}
				resuming.Wait()
				for _, end := range []*zmqio.Transport{tr, pull} {
					gone := end.Closed()
					if err := end.Abort(); err != nil {
						return err
					}
					<-gone
				}
				return nil
			}))
			in.Stop()
			must(t, <-reading)
			if got := biggest.Load(); got > int64(c.bound) {
				t.Errorf("%d bytes in the buffer, want at most %d", got, c.bound)
			}
			if a.isPaused() || name == "Write" && a.pauses < 2 {
				t.Errorf("paused %t at the end, %d times in all", a.isPaused(), a.pauses)
			}
			t.Logf("%d pauses, at most %d bytes in the buffer", a.pauses, biggest.Load())
		})
	}
}
