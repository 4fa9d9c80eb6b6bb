package zmqio

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/poll"
	"github.com/zmqio/zmq/zmqio/internal/sock"
)

// DefaultLinger is how long EventLoop.Close waits, in all, for libzmq to send what
// it has taken, where LoopConfig.Linger is 0.
const DefaultLinger = time.Second

// maxLinger is what libzmq can count.
const maxLinger = math.MaxInt32 * time.Millisecond

// LoopConfig says what an event loop is made of. The zero value is fine.
type LoopConfig struct {
	// IOThreads is the number of libzmq I/O threads of the loop's own context; 0
	// means 1. It stands for aiozmq's io_threads.
	IOThreads int
	// MaxSockets is how many sockets the loop's own context may have; 0 leaves
	// libzmq's default.
	MaxSockets int
	// Context is used instead of a context of the loop's own. The loop never
	// terminates it. Two loops have two contexts, and inproc endpoints of the one are
	// unknown in the other: a connection between them delivers nothing, without an error.
	// Loops that talk over inproc need the same Context.
	Context *zmq4.Context
	// Linger is how long Close waits in all for messages that libzmq has taken to
	// be sent and, over ipc, to be read; 0 is DefaultLinger. It takes the place of an infinite ZMQ_LINGER,
	// and of a longer one. libzmq counts milliseconds in 32 bits, so it can be 24
	// days.
	Linger time.Duration
	// ExecutorLimit is how many functions that were given to Go run at the same
	// time; 0 is DefaultExecutorLimit.
	ExecutorLimit int
	// Resolver looks up names for GetAddrInfo, GetNameInfo and ResolveEndpoint; nil
	// is net.DefaultResolver.
	Resolver *net.Resolver
	// Logger gets what no exception handler was set for, and what debug mode has to
	// say; nil is slog.Default().
	Logger *slog.Logger
}

func (c LoopConfig) check() error {
	switch {
	case c.IOThreads < 0:
		return invalid("IOThreads is negative: %d", c.IOThreads)
	case c.MaxSockets < 0:
		return invalid("MaxSockets is negative: %d", c.MaxSockets)
	case c.Linger < 0 || c.Linger > maxLinger:
		return invalid("Linger is %v, not between 0 and %v", c.Linger, maxLinger)
	case c.ExecutorLimit < 0:
		return invalid("ExecutorLimit is negative: %d", c.ExecutorLimit)
	case c.Context != nil && (c.IOThreads != 0 || c.MaxSockets != 0):
		return invalid("IOThreads and MaxSockets are for a context of the loop's own, but Context is given")
	}
	return nil
}

// An EventLoop runs callbacks, timers and transports on one goroutine, the one
// that calls RunForever, Run or RunUntilComplete. It is aiozmq's ZmqEventLoop. All
// its methods may be called from every goroutine.
//
// A loop must be made by NewEventLoop, and closed when it is no longer needed. The
// methods of a zero EventLoop panic.
type EventLoop struct {
	context    *zmq4.Context
	ownContext bool
	linger     time.Duration
	logger     *slog.Logger
	resolver   *net.Resolver
	debug      debugMode
	slots      chan struct{}   // one for each function of Go that runs
	alive      context.Context // ends in Close
	end        context.CancelFunc
	start      time.Time // Time counts from here
	poller     *poll.Poller

	// owner is the goroutine that may call callbacks: the one that runs the loop,
	// creates a transport while nobody does, or closes it. 0 is nobody.
	owner   atomic.Int64
	running atomic.Bool // owner runs the loop; changed under mu
	shared  atomic.Bool // see share

	mu         sync.Mutex
	closed     bool
	stopping   bool
	sleeping   bool          // the poller waits, or is about to; a wake-up is owed
	changed    chan struct{} // closed, and made anew, when owner or closed changes, a transport comes, or the last one goes
	ready      []*Handle
	timers     timerHeap
	timerSeq   uint64
	handler    ExceptionHandler
	transports map[uint64]*Transport
	lastID     uint64         // of a transport
	watches    map[int]*watch // by descriptor
	changes    uint32         // of watches
	signals    map[syscall.Signal]*signalWatch
	followers  []follower // to be told when the loop is closed
	created    *trace
	over       chan struct{}   // closed at the end of Close
	lost       []string        // what transports' sockets lost after they were closed; under departing.mu
	leak       runtime.Cleanup // in debug mode

	// What follows is for the owner alone.
	spare      []*Handle // the ready queue that is not in use
	events     []poll.Event
	parks      bool          // it waits without keeping its thread
	processors int64         // GOMAXPROCS when the run began
	yielded    time.Duration // when it last let other goroutines run
	keeps      time.Duration // until when it does not again
	receiver   *sock.Receiver
	delivering *Transport // whose batch of messages is being delivered
	threads    bool       // the context has libzmq's threads
	hurried    bool       // Close gave a socket that had sent less time than its ZMQ_LINGER
}

// NewEventLoop returns a loop that does not run yet. A nil cfg is the zero value.
// The loop's context is shared by all its transports. With a libzmq before 4.2.0 the error
// is errors.ErrUnsupported.
func NewEventLoop(cfg *LoopConfig) (*EventLoop, error) {
	var c LoopConfig
	if cfg != nil {
		c = *cfg
	}
	if err := cmp.Or(c.check(), checkLibrary(runningLibrary())); err != nil {
		return nil, err
	}
	l := &EventLoop{
		context:    c.Context,
		ownContext: c.Context == nil,
		linger:     c.Linger,
		logger:     c.Logger,
		resolver:   c.Resolver,
		slots:      make(chan struct{}, cmp.Or(c.ExecutorLimit, DefaultExecutorLimit)),
		start:      time.Now(),
		changed:    make(chan struct{}),
		over:       make(chan struct{}),
		transports: make(map[uint64]*Transport),
		watches:    make(map[int]*watch),
		signals:    make(map[syscall.Signal]*signalWatch),
		events:     make([]poll.Event, 256),
		receiver:   sock.NewReceiver(),
		created:    newTrace(),
	}
	if l.linger == 0 {
		l.linger = DefaultLinger
	}
	if l.resolver == nil {
		l.resolver = net.DefaultResolver
	}
	l.alive, l.end = context.WithCancel(context.Background())
	var err error
	if l.poller, err = poll.New(); err != nil {
		return nil, err
	}
	if l.ownContext {
		if l.context, err = newContext(c); err != nil {
			l.poller.Close()
			return nil, err
		}
	}
	l.debug.slow.Store(int64(DefaultSlowCallbackDuration))
	l.SetDebug(os.Getenv("ZMQIO_DEBUG") == "1")
	l.list()
	return l, nil
}

func newContext(c LoopConfig) (*zmq4.Context, error) {
	ctx, err := sock.NewContext()
	if err != nil {
		return nil, zmq.Translate("zmq_ctx_new", err)
	}
	// The finalizer terminates a forgotten context, and with it waits, possibly for
	// ever, on the goroutine that runs all finalizers. A leak is the lesser evil.
	runtime.SetFinalizer(ctx, nil)
	if c.IOThreads != 0 {
		err = ctx.SetIoThreads(c.IOThreads)
	}
	if err == nil && c.MaxSockets != 0 {
		err = ctx.SetMaxSockets(c.MaxSockets)
	}
	if err != nil {
		return nil, errors.Join(zmq.Translate("zmq_ctx_set", err), zmq.Translate("zmq_ctx_term", ctx.Term()))
	}
	return ctx, nil
}

// Time returns the time since the loop was made, on a clock that never goes back.
// It is the clock of CallAt, and goes on when the loop is closed.
func (l *EventLoop) Time() time.Duration { return time.Since(l.start) }

// IsRunning reports whether a goroutine runs the loop.
func (l *EventLoop) IsRunning() bool { return l.running.Load() }

// IsClosed reports whether Close has been called.
func (l *EventLoop) IsClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// CallSoon arranges for fn to be called on the loop, after all that was given to
// CallSoon before, once. It wakes the loop, and returns before fn is called even
// on the loop's own goroutine. The errors are ErrInvalidArgument for a nil fn and
// ErrLoopClosed.
func (l *EventLoop) CallSoon(fn func()) (*Handle, error) {
	if fn == nil {
		return nil, invalid("nil function")
	}
	h := &Handle{fn: fn, origin: l.origin(fn)}
	if err := l.enqueue(h); err != nil {
		return nil, err
	}
	return h, nil
}

// CallSoonThreadsafe is CallSoon, which may be called from everywhere; in asyncio
// it may not.
func (l *EventLoop) CallSoonThreadsafe(fn func()) (*Handle, error) { return l.CallSoon(fn) }

// enqueue puts h at the end of the ready queue.
func (l *EventLoop) enqueue(h *Handle) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrLoopClosed
	}
	l.makeReady(h)
	l.wakeLocked()
	return nil
}

// makeReady puts h at the end of the ready queue. If it is a callback that was given to
// the loop, or comes from another goroutine, others may run because of it. mu is held.
func (l *EventLoop) makeReady(h *Handle) {
	l.ready = append(l.ready, h)
	if !h.persistent || !l.onLoop() {
		l.share()
	}
}

// wake makes the loop look again at why it waits.
func (l *EventLoop) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wakeLocked()
}

func (l *EventLoop) wakeLocked() {
	if l.sleeping {
		l.sleeping = false
		l.poller.Wake()
	}
}

// onLoop reports whether the calling goroutine is the one that callbacks run on.
func (l *EventLoop) onLoop() bool { return l.owner.Load() == goroutineID() }

// A follower has the loop, and drops it when it is closed.
type follower interface{ forget(l *EventLoop) }

// belongTo notes that f has the loop, and reports whether it is open.
func (l *EventLoop) belongTo(f follower) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	if !slices.Contains(l.followers, f) {
		l.followers = append(l.followers, f)
	}
	return true
}

// leave notes that f no longer has the loop.
func (l *EventLoop) leave(f follower) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.followers = slices.DeleteFunc(l.followers, func(g follower) bool { return g == f })
}

// String returns the loop's state, for messages.
func (l *EventLoop) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("<EventLoop running=%t closed=%t transports=%d>", l.running.Load(), l.closed, len(l.transports))
}
