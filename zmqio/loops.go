package zmqio

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"sync"
	"weak"

	"github.com/zmqio/zmq/zmqio/internal/reactor"
)

// loops has the open loops of the process. It holds them weakly, so that a loop that is never
// closed is collected and reported.
var loops = struct {
	mu   sync.Mutex
	open map[weak.Pointer[EventLoop]]runtime.Cleanup
	last uint64 // the id of the newest loop

	names names
	ended map[string]LoopStats // by name
}{
	open:  make(map[weak.Pointer[EventLoop]]runtime.Cleanup),
	names: make(names),
	ended: make(map[string]LoopStats),
}

// list adds l to the open loops.
func (l *EventLoop) list() {
	loops.mu.Lock()
	defer loops.mu.Unlock()
	loops.last++
	l.id = loops.last
	w := weak.Make(l)
	loops.open[w] = runtime.AddCleanup(l, unlist, w)
}

// unlist removes a loop that was closed or collected. It keeps the counts of a closed loop.
func unlist(w weak.Pointer[EventLoop]) {
	loops.mu.Lock()
	defer loops.mu.Unlock()
	loops.open[w].Stop()
	delete(loops.open, w)
	if l := w.Value(); l != nil {
		name := loops.names.of(l.label)
		ended := loops.ended[name]
		ended.count(l.Stats())
		loops.ended[name] = ended
	}
}

// Loops returns all loops that have not been closed, oldest first. The list keeps no loop from
// being garbage collected.
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

// RunningLoop returns the loop that the calling goroutine runs, or nil.
//
// asyncio: get_running_loop
func RunningLoop() *EventLoop {
	l := reactor.Running()
	if l == nil {
		return nil
	}
	return l.Owner().(*EventLoop)
}

type loopKey struct{}

// NewContext returns a context that carries l, for code that passes its loop along.
func NewContext(ctx context.Context, l *EventLoop) context.Context {
	return context.WithValue(ctx, loopKey{}, l)
}

// FromContext returns the loop that NewContext put into ctx, and whether ctx carries one. That
// loop may be closed. Run and Go put their loop into the context of the function that they
// call.
func FromContext(ctx context.Context) (*EventLoop, bool) {
	l, _ := ctx.Value(loopKey{}).(*EventLoop)
	return l, l != nil
}
