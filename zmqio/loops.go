package zmqio

import (
	"cmp"
	"runtime"
	"slices"
	"sync"
	"weak"
)

// loops are the open loops of the process. They are held weakly, so that a loop that is
// never closed is collected, and reported, all the same.
var loops = struct {
	mu   sync.Mutex
	open map[weak.Pointer[EventLoop]]runtime.Cleanup
	last uint64 // id of a loop
}{open: make(map[weak.Pointer[EventLoop]]runtime.Cleanup)}

// list puts l among the open loops.
func (l *EventLoop) list() {
	loops.mu.Lock()
	defer loops.mu.Unlock()
	loops.last++
	l.id = loops.last
	w := weak.Make(l)
	loops.open[w] = runtime.AddCleanup(l, unlist, w)
}

// unlist takes a loop that is closed, or has been collected, from the open loops.
func unlist(w weak.Pointer[EventLoop]) {
	loops.mu.Lock()
	defer loops.mu.Unlock()
	loops.open[w].Stop()
	delete(loops.open, w)
}

// Loops returns all loops that have not been closed, oldest first. A loop that the program
// has forgotten is not kept for it.
func Loops() []*EventLoop {
	loops.mu.Lock()
	defer loops.mu.Unlock()
	open := make([]*EventLoop, 0, len(loops.open))
	for w := range loops.open {
		if l := w.Value(); l != nil {
			open = append(open, l)
		}
	}
	slices.SortFunc(open, func(a, b *EventLoop) int { return cmp.Compare(a.id, b.id) })
	return open
}
