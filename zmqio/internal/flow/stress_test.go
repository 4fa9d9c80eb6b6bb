package flow

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A pipe is a transport whose peer takes one message at a time.
type pipe struct {
	mu      sync.Mutex
	c       Control
	pending Size
}

// write buffers a message of n bytes when there is room, unless ctx ends first.
func (p *pipe) write(ctx context.Context, n int) error {
	p.mu.Lock()
	size := Size{n, 1}
	if p.c.Admit(p.pending, size, true) == Admitted {
		p.add(size)
		p.mu.Unlock()
		return nil
	}
	w := p.c.Enqueue(size)
	p.mu.Unlock()
	defer w.Release()
	for {
		select {
		case err := <-w.Turn():
			if err != nil {
				return err
			}
		case <-ctx.Done():
			p.mu.Lock()
			defer p.mu.Unlock()
			if err := p.c.GiveUp(w, p.pending); err != nil {
				return err
			}
			return ctx.Err()
		}
		p.mu.Lock()
		verdict := p.c.Claim(w, p.pending)
		if verdict == Admitted {
			p.add(size)
		}
		p.mu.Unlock()
		if verdict == Admitted {
			return nil
		}
	}
}

func (p *pipe) add(size Size) {
	p.pending.Bytes += size.Bytes
	p.pending.Items++
	p.c.Grew(p.pending, Self())
}

// take takes a message of average size, and reports whether there was one.
func (p *pipe) take() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending.Items == 0 {
		return false
	}
	p.pending.Bytes -= p.pending.Bytes / p.pending.Items
	if p.pending.Items--; p.pending.Items == 0 {
		p.pending.Bytes = 0
	}
	p.c.Shrank(p.pending)
	return true
}

// A writer waits only while there is no room, and all writers get in at last.
func TestNoWakeUpIsLost(t *testing.T) {
	p := &pipe{c: New(0)}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute) // only a lost wake-up takes so long
	defer cancel()
	var writers, others sync.WaitGroup
	var done atomic.Bool
	for range 16 {
		writers.Go(func() {
			for range 300 {
				mine, giveUp := context.WithCancel(ctx)
				if rand.IntN(4) == 0 {
					go giveUp()
				}
				_ = p.write(mine, rand.IntN(30))
				giveUp()
			}
		})
	}
	until := func(fn func()) {
		others.Go(func() {
			for !done.Load() {
				fn()
				runtime.Gosched()
			}
		})
	}
	until(func() { p.take() })
	until(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		high := rand.IntN(40)
		p.c.SetMarks(high, high/4, p.pending, Self())
	})
	until(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.c.queue) > 0 && p.c.turn == nil && p.c.room(p.pending, p.c.queue[0].size) {
			t.Error("a writer waits where there is room")
			done.Store(true)
		}
	})
	writers.Wait()
	done.Store(true)
	others.Wait()
	if ctx.Err() != nil || p.c.MustQueue() || p.c.Waiting() > 0 || p.c.turn != nil {
		t.Errorf("left behind: %+v, %v", &p.c, ctx.Err())
	}
}
