package zmqio

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
)

// feedSize is how many items a feed keeps for a slow reader.
const feedSize = 1024

// A feed carries items from the loop to one reader. It keeps feedSize items. After the first drop a
// feed drops and counts every item until the reader has read all that were kept.
type feed[T any] struct {
	items chan T

	mu      sync.Mutex // in the order of locks at Transport.sockMu
	dropped int
	ended   bool
	drops   *atomic.Uint64 // counts the drops of this feed and of others
}

func newFeed[T any](drops *atomic.Uint64) *feed[T] {
	return &feed[T]{items: make(chan T, feedSize), drops: drops}
}

// put adds an item, or counts it as dropped.
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

// end closes the feed. The reader still gets the items that are kept.
func (f *feed[T]) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ended {
		f.ended = true
		close(f.items)
	}
}

// takeDropped returns how many items were dropped since the last call. It returns 0 while the
// reader has items from before the drop.
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

// all returns an iterator over the items. The iterator ends with the cause of ctx, or without an
// error when the feed ends. For dropped items it yields ErrEventsDropped and goes on.
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
			// The reader has read every kept item.
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
