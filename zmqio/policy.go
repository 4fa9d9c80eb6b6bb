package zmqio

import (
	"errors"
	"fmt"
	"sync"

	"github.com/zmqio/zmq/zmqio/internal/goroutine"
)

// An EventLoopPolicy decides which event loop belongs to a goroutine.
//
// asyncio: AbstractEventLoopPolicy, for threads
type EventLoopPolicy interface {
	// EventLoop returns the calling goroutine's loop.
	//
	// asyncio: get_event_loop
	EventLoop() (*EventLoop, error)
	// NewEventLoop returns a new loop, which no goroutine has until SetEventLoop.
	//
	// asyncio: new_event_loop
	NewEventLoop() (*EventLoop, error)
	// SetEventLoop makes a loop the calling goroutine's; with nil it has none.
	//
	// asyncio: set_event_loop
	SetEventLoop(l *EventLoop) error
	// ChildWatcher returns the watcher of child processes.
	//
	// asyncio: get_child_watcher
	ChildWatcher() (ChildWatcher, error)
	// SetChildWatcher replaces it.
	//
	// asyncio: set_child_watcher
	SetChildWatcher(w ChildWatcher) error
}

// A Policy is the usual EventLoopPolicy: each goroutine has its own loop. The main
// goroutine gets one on demand, others have none until they set one.
//
// The zero value is a policy with the default LoopConfig.
//
// A loop that is closed is dropped. A goroutine that ends should close its loop, or
// set nil, because the runtime does not tell the policy of the end.
//
// aiozmq: ZmqEventLoopPolicy
type Policy struct {
	cfg *LoopConfig

	mu      sync.Mutex
	loops   map[int64]*EventLoop // by goroutine; nil where nil was set; made by register
	watcher ChildWatcher         // nil until it is first asked for
}

// mainGoroutine is the id of the goroutine that main runs on.
const mainGoroutine = 1

// NewPolicy returns a policy that makes its loops with cfg.
func NewPolicy(cfg *LoopConfig) *Policy {
	if cfg != nil {
		c := *cfg
		cfg = &c
	}
	return &Policy{cfg: cfg}
}

// EventLoop returns the calling goroutine's loop. On the main goroutine, unless
// SetEventLoop has been called there, it makes one. The error is ErrNoEventLoop.
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

// NewEventLoop returns a new loop, which no goroutine has until SetEventLoop.
func (p *Policy) NewEventLoop() (*EventLoop, error) { return NewEventLoop(p.cfg) }

// SetEventLoop makes l the calling goroutine's loop; with nil it has none. On the
// main goroutine the child watcher, if there is one yet, goes along: l is attached
// to it, and nil detaches it. A watcher that has been closed is dropped instead.
//
// The errors are ErrLoopClosed, which changes nothing, and what AttachLoop of a
// watcher returns, when l has been set all the same.
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

// register makes l the loop of a goroutine, and returns the child watcher.
func (p *Policy) register(goroutine int64, l *EventLoop) (ChildWatcher, error) {
	p.mu.Lock() // before belongTo: a loop that is closed behind it is then forgotten
	defer p.mu.Unlock()
	if l != nil && !l.belongTo(p) {
		return nil, ErrLoopClosed
	}
	if p.loops == nil {
		p.loops = make(map[int64]*EventLoop)
	}
	p.loops[goroutine] = l
	return p.watcher, nil
}

// ChildWatcher returns the watcher of child processes. If there is none it makes a
// SafeChildWatcher. That one is attached to the main goroutine's loop, if there is one and the
// call comes from the main goroutine. Otherwise it has no loop until SetEventLoop is called
// there or AttachLoop anywhere. The error is always nil.
func (p *Policy) ChildWatcher() (ChildWatcher, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.watcher == nil {
		w := NewSafeChildWatcher()
		if goroutine.ID() == mainGoroutine {
			_ = w.AttachLoop(p.loops[mainGoroutine]) // an error means that it is about to be forgotten
		}
		p.watcher = w
	}
	return p.watcher, nil
}

// SetChildWatcher makes w the watcher of child processes and closes the one that
// was. It attaches no loop: the next SetEventLoop on the main goroutine does, or
// AttachLoop. With nil, ChildWatcher will make a new one. The errors are ErrInvalidArgument
// for a nil pointer in w, which changes nothing, and what Close of the old one returns.
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

// forget drops l from every goroutine, as if it had never been set.
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

// SetEventLoopPolicy makes p the policy of the process. A nil p, and a nil pointer in p,
// is a new default one.
func SetEventLoopPolicy(p EventLoopPolicy) {
	if isNil(p) {
		p = nil
	}
	current.mu.Lock()
	defer current.mu.Unlock()
	current.policy = p
}

// CurrentEventLoopPolicy returns the policy of the process: until one is set, a
// Policy with the default LoopConfig.
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

// GetEventLoop returns the loop that the calling goroutine runs, as it does inside a callback.
// Otherwise it returns the loop that the current policy has for it.
//
// The body of Run and a function that was given to Go have goroutines of their own, for
// which the policy has no loop: ErrNoEventLoop. They have the loop in their context; see
// FromContext.
//
// asyncio: get_event_loop
func GetEventLoop() (*EventLoop, error) {
	if l := RunningLoop(); l != nil {
		return l, nil
	}
	return CurrentEventLoopPolicy().EventLoop()
}

// SetEventLoop makes l the calling goroutine's loop in the current policy.
//
// asyncio: set_event_loop
func SetEventLoop(l *EventLoop) error { return CurrentEventLoopPolicy().SetEventLoop(l) }
