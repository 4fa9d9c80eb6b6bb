package zmqio

import (
	"errors"
	"fmt"
	"sync"

	"github.com/zmqio/zmq/zmqio/internal/goroutine"
)

// An EventLoopPolicy decides which event loop belongs to a goroutine. Its methods must be safe
// for concurrent use. [Policy] is the usual one.
//
// asyncio: AbstractEventLoopPolicy, for threads
type EventLoopPolicy interface {
	// EventLoop returns the calling goroutine's loop, or ErrNoEventLoop.
	//
	// asyncio: get_event_loop
	EventLoop() (*EventLoop, error)
	// NewEventLoop returns a new loop. It belongs to no goroutine until SetEventLoop.
	//
	// asyncio: new_event_loop
	NewEventLoop() (*EventLoop, error)
	// SetEventLoop makes l the calling goroutine's loop; nil takes the loop from the goroutine.
	//
	// asyncio: set_event_loop
	SetEventLoop(l *EventLoop) error
	// ChildWatcher returns the watcher of child processes.
	//
	// asyncio: get_child_watcher
	ChildWatcher() (ChildWatcher, error)
	// SetChildWatcher replaces the watcher of child processes.
	//
	// asyncio: set_child_watcher
	SetChildWatcher(w ChildWatcher) error
}

// A Policy is the usual EventLoopPolicy: each goroutine has its own loop. The main goroutine
// gets a loop on demand; other goroutines have none until SetEventLoop. The zero value is a
// policy with the zero LoopConfig. All methods are safe for concurrent use.
//
// The policy drops a loop that is closed. The runtime does not tell the policy when a goroutine
// ends. So a goroutine should close its loop or set nil before it ends.
//
// aiozmq: ZmqEventLoopPolicy
type Policy struct {
	cfg *LoopConfig

	mu      sync.Mutex
	loops   map[int64]*EventLoop // by goroutine; a nil entry was set to nil; register makes the map
	watcher ChildWatcher         // nil until the first ChildWatcher call
}

// mainGoroutine is the id of the goroutine that runs main.
const mainGoroutine = 1

// NewPolicy returns a policy that makes its loops with cfg; nil means the zero LoopConfig.
func NewPolicy(cfg *LoopConfig) *Policy {
	if cfg != nil {
		c := *cfg
		cfg = &c
	}
	return &Policy{cfg: cfg}
}

// EventLoop returns the calling goroutine's loop. On the main goroutine it makes a loop, unless
// SetEventLoop has been called there.
//
// Errors:
//   - [ErrNoEventLoop]: the goroutine has no loop.
//   - Those of NewEventLoop and SetEventLoop, where it makes a loop.
//
// asyncio: get_event_loop
func (p *Policy) EventLoop() (*EventLoop, error) {
	id := goroutine.ID()
	p.mu.Lock()
	l, set := p.loops[id]
	p.mu.Unlock()
	if l != nil {
		return l, nil
	}
	if set || id != mainGoroutine {
		return nil, fmt.Errorf("goroutine %d: %w", id, ErrNoEventLoop)
	}
	l, err := p.NewEventLoop()
	if err != nil {
		return nil, err
	}
	return l, p.SetEventLoop(l)
}

// NewEventLoop returns a new loop. It belongs to no goroutine until SetEventLoop. The errors
// are those of the function NewEventLoop.
//
// asyncio: new_event_loop
func (p *Policy) NewEventLoop() (*EventLoop, error) { return NewEventLoop(p.cfg) }

// SetEventLoop makes l the calling goroutine's loop; nil takes the loop from the goroutine. On
// the main goroutine SetEventLoop also attaches l to the child watcher, if there is one; nil
// detaches it. It drops a watcher that has been closed.
//
// Errors:
//   - [ErrLoopClosed]: l is closed. Nothing changes.
//   - Those of AttachLoop of the watcher. l is set all the same.
//
// asyncio: set_event_loop
func (p *Policy) SetEventLoop(l *EventLoop) error {
	id := goroutine.ID()
	w, err := p.register(id, l)
	if err != nil || w == nil || id != mainGoroutine {
		return err
	}
	err = w.AttachLoop(l)
	if !errors.Is(err, ErrWatcherClosed) {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.watcher == w {
		p.watcher = nil
	}
	return nil
}

// register makes l the loop of a goroutine. It returns the child watcher to attach.
func (p *Policy) register(goroutine int64, l *EventLoop) (ChildWatcher, error) {
	p.mu.Lock() // taken before belongTo, so that a loop that closes afterwards calls forget
	defer p.mu.Unlock()
	if l != nil && !l.belongTo(p) {
		return nil, l.refuse("SetEventLoop", ErrLoopClosed)
	}
	if p.loops == nil {
		p.loops = make(map[int64]*EventLoop)
	}
	p.loops[goroutine] = l
	return p.watcher, nil
}

// ChildWatcher returns the watcher of child processes. If there is none, it makes a
// SafeChildWatcher. Called on the main goroutine, it attaches that goroutine's loop, if there
// is one, to the new watcher. Otherwise the watcher has no loop until the next SetEventLoop on
// the main goroutine, or AttachLoop. The error is always nil.
//
// asyncio: get_child_watcher
func (p *Policy) ChildWatcher() (ChildWatcher, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.watcher == nil {
		w := NewSafeChildWatcher()
		if goroutine.ID() == mainGoroutine {
			_ = w.AttachLoop(p.loops[mainGoroutine]) // fails only on a closing loop, which calls forget
		}
		p.watcher = w
	}
	return p.watcher, nil
}

// SetChildWatcher makes w the watcher of child processes, and closes the watcher before. It
// attaches no loop: the next SetEventLoop on the main goroutine does, or AttachLoop. After nil,
// ChildWatcher makes a new watcher.
//
// Errors:
//   - [ErrInvalidArgument]: w holds a nil pointer. Nothing changes.
//   - Those of Close of the watcher before.
//
// asyncio: set_child_watcher
func (p *Policy) SetChildWatcher(w ChildWatcher) error {
	if w != nil && isNil(w) {
		return invalid("SetChildWatcher: nil %T", w)
	}
	p.mu.Lock()
	old := p.watcher
	p.watcher = w
	p.mu.Unlock()
	if old == nil || old == w {
		return nil
	}
	return old.Close()
}

// forget implements follower: it removes l from every goroutine.
func (p *Policy) forget(l *EventLoop) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, has := range p.loops {
		if has == l {
			delete(p.loops, id)
		}
	}
}

var current struct {
	mu     sync.Mutex
	policy EventLoopPolicy
}

// SetEventLoopPolicy makes p the policy of the process. A nil p, or a nil pointer in p, means a
// new default policy.
//
// asyncio: set_event_loop_policy
func SetEventLoopPolicy(p EventLoopPolicy) {
	if isNil(p) {
		p = nil
	}
	current.mu.Lock()
	defer current.mu.Unlock()
	current.policy = p
}

// CurrentEventLoopPolicy returns the policy of the process. Until SetEventLoopPolicy, that is a
// Policy with the zero LoopConfig.
//
// asyncio: get_event_loop_policy
func CurrentEventLoopPolicy() EventLoopPolicy {
	current.mu.Lock()
	defer current.mu.Unlock()
	if current.policy == nil {
		current.policy = NewPolicy(nil)
	}
	return current.policy
}

// GetEventLoop returns the loop that the calling goroutine runs, in a callback for example. On
// other goroutines it returns the loop of the current policy for the goroutine.
//
// The body of Run and a function given to Go have goroutines of their own. The policy has no
// loop for these, and GetEventLoop returns ErrNoEventLoop. [FromContext] finds the loop in
// their context.
//
// The errors are those of EventLoopPolicy.EventLoop.
//
// asyncio: get_event_loop
func GetEventLoop() (*EventLoop, error) {
	if l := RunningLoop(); l != nil {
		return l, nil
	}
	return CurrentEventLoopPolicy().EventLoop()
}

// SetEventLoop makes l the calling goroutine's loop in the current policy. The errors are those
// of EventLoopPolicy.SetEventLoop.
//
// asyncio: set_event_loop
func SetEventLoop(l *EventLoop) error { return CurrentEventLoopPolicy().SetEventLoop(l) }
