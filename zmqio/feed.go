package zmqio

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
)

// feedSize is how many items a feed keeps for a reader that is slow.
const feedSize = 1024

// A feed carries what the loop reports to one reader. It keeps feedSize items. Once it has had
// to drop one it drops all, and counts them, until the reader has had those that were kept.
type feed[T any] struct {
	items chan T

	mu      sync.Mutex // its place among the locks: Transport.sockMu
	dropped int
	ended   bool
	drops   *atomic.Uint64 // all that were dropped, of this feed and of others
}

func newFeed[T any](drops *atomic.Uint64) *feed[T] {
	return &feed[T]{items: make(chan T, feedSize), drops: drops}
}

// put adds an item, or counts it.
func (f *feed[T]) put(item T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return
	}
	if f.dropped == 0 {
		select {
		case f.items <- item:
			return
		default:
		}
	}
	f.dropped++
	f.drops.Add(1)
}

// end makes the reader see the end behind what there is.
func (f *feed[T]) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ended {
		f.ended = true
		close(f.items)
	}
}

// takeDropped returns how many items have been dropped since the last call, and 0 where items
// from before them are there.
func (f *feed[T]) takeDropped() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.items) > 0 {
		return 0
	}
	n := f.dropped
	f.dropped = 0
	return n
}

// all returns an iterator over the items. It ends with the cause of ctx, or without an error
// at the end of the feed. Where items were dropped it yields ErrEventsDropped, and goes on.
func (f *feed[T]) all(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		for {
			if ctx.Err() != nil {
				yield(zero, context.Cause(ctx))
				return
			}
			select {
			case item, ok := <-f.items:
				if ok && !yield(item, nil) {
					return
				}
				if ok {
					continue
				}
			default:
			}
			// The reader has had all that was kept.
			if n := f.takeDropped(); n > 0 && !yield(zero, fmt.Errorf("%w: %d", ErrEventsDropped, n)) {
				return
			}
			select {
			case item, ok := <-f.items:
				if !ok || !yield(item, nil) {
					return
				}
			case <-ctx.Done():
			}
		}
	}
}
