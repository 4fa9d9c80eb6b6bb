// Package reactor is an event loop: callbacks, timers, descriptors, and residents, which
// live on the loop and end with it. It knows no ZeroMQ.
//
// Callbacks run one at a time on the loop goroutine: the one that runs the loop, calls Do
// while no goroutine runs it, or closes it. All methods are safe for concurrent use,
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

// Errors are documented where package zmqio names them.
var (
	ErrClosed        = errors.New("zmqio: event loop is closed")
	ErrRunning       = errors.New("zmqio: event loop is running")
	errNested        = fmt.Errorf("%w: another one, on this goroutine", ErrRunning)
	ErrWouldDeadlock = errors.New("zmqio: would wait for the event loop on its own goroutine; call from another")
	ErrGoexit        = errors.New("zmqio: the function called runtime.Goexit")
	// ErrReserved refuses a descriptor that a resident watches.
	ErrReserved = errors.New("zmqio: descriptor is used by a resident of the loop")
)

// Config says what a Loop is made of.
type Config struct {
	// Owner is what the loop is a part of. The Loop does not use it.
	Owner any
	// Logger gets what debug mode and the watchdog have to say; nil is slog.Default().
	Logger *slog.Logger
	// Panicked is told of a panic with value in the callback of h, which may be nil. It is
	// called by the deferred function that has recovered.
	Panicked func(message string, h *Handle, value any)
	// Enter is called on the loop goroutine when a run begins, and what it returns when that
	// run ends. Its error ends the run. Nil does nothing.
	Enter func() (leave func(), err error)
}

// A Loop is an event loop. Call Init before anything else, and do not copy it.
type Loop struct {
	cfg     Config
	start   time.Time // Time counts from here
	poller  *poll.Poller
	debug   debugMode
	created *Trace
	self    weak.Pointer[Loop] // for the watchdog

	// owner is the loop goroutine: it runs the loop, works in its place or closes it. 0 is
	// none.
	owner   atomic.Int64
	running atomic.Bool // owner runs the loop; changed under mu
	shared  atomic.Bool // see Share

	// mu is taken after any lock of a resident, and held during epoll_ctl. Under it only
	// the watchdog's lock is taken.
	mu         sync.Mutex
	closed     bool          // only what is posted runs
	ended      bool          // nothing runs any more
	stopping   bool          // Stop was called
	stopped    bool          // Stop ended the last run
	sleeping   bool          // the poller waits, or is about to; a wake-up is owed
	changed    chan struct{} // see Changed
	ready      []*Handle     // what runs in the next iteration
	batch      []*Handle     // what runs in this one; its elements do not change meanwhile
	began      time.Duration // when batch did
	stats      Stats
	timers     timerHeap
	timerSeq   uint64
	watches    map[int]*watch // by descriptor
	changes    uint32         // of watches
	residents  map[uint64]*Residence
	lastID     uint64          // of a Residence
	background chan struct{}   // closed when the run that Start began is over; nil without one
	leak       runtime.Cleanup // warns, in debug mode
	lost       runtime.Cleanup // closes the poller of a loop that was forgotten
	guard      guard

	// What follows is for the owner alone.
	spare      []*Handle // the ready queue that is not in use
	events     []poll.Event
	parks      bool          // it waits without keeping its thread
	processors int64         // GOMAXPROCS when the run began
	yielded    time.Duration // when it last let other goroutines run
	keeps      time.Duration // until when it does not again
	called     uint64        // callbacks of batch
}

// Init makes l a loop that does not run yet. It holds descriptors until Close.
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

// Created returns where the loop was made.
func (l *Loop) Created() *Trace { return l.created }

// Logger returns the logger that is in use now.
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

// makeReadyLocked puts h at the end of the ready queue. Other goroutines may run because
// of h, unless h is a resident's task and comes from the loop itself. Caller holds l.mu.
func (l *Loop) makeReadyLocked(h *Handle) {
	l.ready = append(l.ready, h)
	if !h.isQuiet() || !l.InLoop() {
		l.Share()
	}
	if !l.running.Load() && (len(l.ready) == 1 || !l.guard.watched) {
		l.guardUnrunLocked(0)
	}
}

// Wake interrupts the wait of the loop, which then asks again whether to leave, and
// recomputes its timeout.
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

// Changed returns a channel that is closed when the loop gets or loses an owner, or is closed.
// It is also closed when the loop gets a resident, or loses the last one but those of SetLast.
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
