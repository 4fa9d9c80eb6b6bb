package zmqio

import (
	"runtime"
	"sync"
	"weak"
)

// loops are the open loops of the process. They are held weakly, so that a loop that is
// never closed is collected, and reported, all the same.
var loops = struct {
	mu   sync.Mutex
	open map[weak.Pointer[EventLoop]]runtime.Cleanup
}{open: make(map[weak.Pointer[EventLoop]]runtime.Cleanup)}

// list puts l among the open loops.
func (l *EventLoop) list() {
	loops.mu.Lock()
	defer loops.mu.Unlock()
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

// openLoops returns the loops that are open, in no particular order.
func openLoops() []*EventLoop {
	loops.mu.Lock()
	defer loops.mu.Unlock()
	all := make([]*EventLoop, 0, len(loops.open))
	for w := range loops.open {
		if l := w.Value(); l != nil {
			all = append(all, l)
		}
	}
	return all
}
