// Package reactor is an event loop. It has callbacks, timers, descriptors, and residents, which
// live on the loop and end with it. It knows no ZeroMQ.
//
// Callbacks run one at a time on the loop goroutine. The loop goroutine runs the loop, calls Do
// while no other goroutine runs the loop, or closes it. All methods are safe for concurrent use,
// in callbacks too. No callback is called with a lock held.
package reactor

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/zmqio/zmq/zmqio/internal/goroutine"
	"github.com/zmqio/zmq/zmqio/internal/poll"
)

// Package zmqio documents these errors.
var (
	ErrClosed        = errors.New("zmqio: event loop is closed")
	ErrRunning       = errors.New("zmqio: event loop is running")
	ErrNested        = fmt.Errorf("%w: another one, on this goroutine", ErrRunning)
	ErrWouldDeadlock = errors.New("zmqio: would wait for the event loop on its own goroutine; call from another")
	ErrGoexit        = errors.New("zmqio: the function called runtime.Goexit")
	// ErrReserved means that a resident watches the descriptor.
	ErrReserved = errors.New("zmqio: descriptor is used by a resident of the loop")
)

// Config configures a Loop.
type Config struct {
	// Owner is for the user of the Loop, which does not use it.
	Owner any
	// Logger gets the warnings of debug mode and the watchdog; nil is slog.Default().
	Logger *slog.Logger
	// Panicked gets a panic with value in the callback of h, which may be nil. The deferred
	// function that has recovered calls it.
	Panicked func(message string, h *Handle, value any)
	// Enter is called on the loop goroutine when a run begins, and leave when the run ends. An
	// error ends the run. Enter may be nil.
	Enter func() (leave func(), err error)
}

// A Loop is an event loop. Init must come first. A Loop must not be copied.
type Loop struct {
	cfg     Config
	start   time.Time // zero of Time
	poller  *poll.Poller
	debug   debugMode
	created *Trace
	self    weak.Pointer[Loop] // for the watchdog

	// owner is the loop goroutine, which runs the loop, works in its place or closes it. 0: none.
	owner   atomic.Int64
	running atomic.Bool // owner runs the loop; changed under mu
	shared  atomic.Bool // see Share

	// mu comes after any lock of a resident, and is held during epoll_ctl. Under it only the
	// watchdog's lock is taken.
	mu         sync.Mutex
	closed     bool          // only posted callbacks run
	ended      bool          // nothing runs any more
	stopping   bool          // Stop was called
	stopped    bool          // Stop ended the last run
	sleeping   bool          // the poller waits or is about to, so a wake-up is due
	changed    chan struct{} // see Changed
	ready      []*Handle     // the callbacks of the next iteration
	batch      []*Handle     // the callbacks of this iteration; its elements do not change
	began      time.Duration // when batch began
	stats      Stats
	timers     timerHeap
	timerSeq   uint64
	watches    map[int]*watch // by descriptor
	changes    uint32         // counts the changes of watches, for tokens
	residents  map[uint64]*Residence
	lastID     uint64          // of a Residence
	background chan struct{}   // closed when the run that Start began is over; nil without one
	leak       runtime.Cleanup // warns in debug mode if the loop is collected
	lost       runtime.Cleanup // closes the poller if the loop is collected
	guard      guard

	// The fields below are for the owner alone.
	spare      []*Handle // the other array for the ready queue
	events     []poll.Event
	parks      bool          // waits without blocking its thread
	processors int64         // GOMAXPROCS at the beginning of the run
	yielded    time.Duration // time of the last yield
	keeps      time.Duration // no yield before this time
	called     uint64        // number of callbacks that batch has called
}

// Init prepares l, which does not run yet. The loop holds descriptors until Close.
func (l *Loop) Init(cfg Config) error {
	poller, err := poll.New()
	if err != nil {
		return err
	}
	l.cfg = cfg
	l.start = time.Now()
	l.poller = poller
	l.created = NewTrace()
	l.self = weak.Make(l)
	l.lost = runtime.AddCleanup(l, func(p *poll.Poller) { _ = p.Close() }, poller)
	l.changed = make(chan struct{})
	l.watches = make(map[int]*watch)
	l.residents = make(map[uint64]*Residence)
	l.events = make([]poll.Event, 256)
	l.debug.slow.Store(int64(DefaultSlowCallback))
	l.guard = guard{unrun: unrunLimit, stuck: stuckLimit}
	return nil
}

// Owner returns Config.Owner.
func (l *Loop) Owner() any { return l.cfg.Owner }

// Created returns the trace of Init.
func (l *Loop) Created() *Trace { return l.created }

// Logger returns the logger in use.
func (l *Loop) Logger() *slog.Logger {
	if l.cfg.Logger == nil {
		return slog.Default()
	}
	return l.cfg.Logger
}

// Time returns the time since the loop was made, on a clock that never goes back.
func (l *Loop) Time() time.Duration { return time.Since(l.start) }

// IsRunning reports whether a goroutine runs the loop.
func (l *Loop) IsRunning() bool { return l.running.Load() }

// IsClosed reports whether Close has been called.
func (l *Loop) IsClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// InLoop reports whether the calling goroutine is the loop goroutine.
func (l *Loop) InLoop() bool { return l.owner.Load() == goroutine.ID() }

// Queued returns how many callbacks are ready to run and how many timers are set.
func (l *Loop) Queued() (ready, timers int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.ready), len(l.timers)
}

// CallSoon puts h at the end of the ready queue. The error is ErrClosed.
func (l *Loop) CallSoon(h *Handle) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	l.makeReadyLocked(h)
	l.wakeLocked()
	return nil
}

// makeReadyLocked puts h at the end of the ready queue. It calls Share unless the loop itself
// queues the task of a resident, because h may make other goroutines ready. Caller holds l.mu.
func (l *Loop) makeReadyLocked(h *Handle) {
	l.ready = append(l.ready, h)
	if !h.isQuiet() || !l.InLoop() {
		l.Share()
	}
	if !l.running.Load() && (len(l.ready) == 1 || !l.guard.watched) {
		l.guardUnrunLocked(0)
	}
}

// Wake interrupts the wait of the loop. The loop then calls leave again, and recomputes its
// timeout.
func (l *Loop) Wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wakeLocked()
}

// wakeLocked is Wake. Caller holds l.mu.
func (l *Loop) wakeLocked() {
	if l.sleeping {
		l.sleeping = false
		l.poller.Wake()
	}
}

// Changed returns a channel that closes at the next change: the loop gets or loses an owner, gets a
// resident, or closes. The loss of the last resident except those of SetLast is a change too.
func (l *Loop) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// notifyLocked closes the channel of Changed. Caller holds l.mu.
func (l *Loop) notifyLocked() {
	close(l.changed)
	l.changed = make(chan struct{})
}
