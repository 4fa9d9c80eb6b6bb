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
	"github.com/zmqio/zmq/zmqio/internal/reactor"
	"github.com/zmqio/zmq/zmqio/internal/sock"
)

// DefaultLinger is how long EventLoop.Close waits, in all, for libzmq to send what
// it has taken, where LoopConfig.Linger is 0.
const DefaultLinger = time.Second

// maxLinger is what libzmq can count.
const maxLinger = math.MaxInt32 * time.Millisecond

// LoopConfig says what an event loop is made of. The zero value is fine.
type LoopConfig struct {
	// Name tells the loop apart in LoopTotals, and so in the figures of package zmqprom. Loops may
	// share a name. The names of a program should be few and fixed: OtherName takes the place of
	// the 101st. It is valid UTF-8 of up to 64 bytes without control characters.
	Name string
	// IOThreads is the number of libzmq I/O threads of the loop's own context; 0
	// means 1.
	//
	// aiozmq: io_threads
	IOThreads int
	// MaxSockets is how many sockets the loop's own context may have; 0 leaves
	// libzmq's default.
	MaxSockets int
	// Context is used instead of a context of the loop's own. The loop never
	// terminates it. Two loops have two contexts, and inproc endpoints of the one are
	// unknown in the other: a connection between them delivers nothing, without an error.
	// Loops that talk over inproc need the same Context.
	Context *zmq4.Context
	// CPUs are the processors, by the system's numbers from 0 on, that the loop goroutine's
	// thread and libzmq's I/O threads run on. Empty leaves that to the system. It is for a
	// context of the loop's own, on Linux, from libzmq 4.3.0 on: see "Where threads run".
	CPUs []int
	// SchedBatch gives libzmq's I/O threads the policy SCHED_BATCH, with which they do not
	// interrupt the thread that wakes them. It is for loops that only send. What is said of
	// CPUs holds for it.
	SchedBatch bool
	// NoHeapFloor keeps the heap as it is. Without it, a loop that receives more than 25 MB
	// a second has the process hold up to 24 MiB that it never touches: see "What it costs".
	NoHeapFloor bool
	// Linger is how long Close waits in all for messages that libzmq has taken to
	// be sent and, over ipc, to be read; 0 is DefaultLinger. It takes the place of an infinite ZMQ_LINGER,
	// and of a longer one. libzmq counts milliseconds in 32 bits, so it can be 24
	// days.
	Linger time.Duration
	// ExecutorLimit is how many functions that were given to Go run at the same
	// time; 0 is DefaultExecutorLimit. An executor of SetDefaultExecutor has its own limit.
	ExecutorLimit int
	// Resolver looks up names for GetAddrInfo, GetNameInfo and ResolveEndpoint; nil
	// is net.DefaultResolver.
	Resolver *net.Resolver
	// Logger gets what no exception handler was set for, and what debug mode and the
	// watchdog have to say; nil is slog.Default().
	Logger *slog.Logger
}

func (c LoopConfig) check() error {
	if err := checkName("LoopConfig", c.Name); err != nil {
		return err
	}
	switch {
	case c.IOThreads < 0:
		return invalid("LoopConfig.IOThreads is negative: %d", c.IOThreads)
	case c.MaxSockets < 0:
		return invalid("LoopConfig.MaxSockets is negative: %d", c.MaxSockets)
	case c.Linger < 0 || c.Linger > maxLinger:
		return invalid("LoopConfig.Linger is %v, not between 0 and %v", c.Linger, maxLinger)
	case c.ExecutorLimit < 0:
		return invalid("LoopConfig.ExecutorLimit is negative: %d", c.ExecutorLimit)
	case c.Context != nil && (c.IOThreads != 0 || c.MaxSockets != 0 || len(c.CPUs) > 0 || c.SchedBatch):
		return invalid("LoopConfig.Context is given; IOThreads, MaxSockets, CPUs and SchedBatch are for a context of the loop's own")
	}
	return c.checkPlacement()
}

// An EventLoop runs callbacks, timers and transports on one goroutine, the one
// that calls RunForever, Run or RunUntilComplete. All its methods may be called from
// every goroutine.
//
// A loop must be made by NewEventLoop, and closed when it is no longer needed. The
// methods of a zero EventLoop panic.
//
// aiozmq: ZmqEventLoop
type EventLoop struct {
	reactor    reactor.Loop
	context    *zmq4.Context
	ownContext bool
	linger     time.Duration
	resolver   *net.Resolver
	alive      context.Context // ends in Close
	end        context.CancelFunc
	id         uint64 // among all loops
	label      string // LoopConfig.Name

	// The order of locks stands at Transport.sockMu.
	mu        sync.Mutex
	handler   ExceptionHandler
	executor  Executor
	signals   map[syscall.Signal]*signalWatch
	followers []follower // to be told when the loop is closed; nil then

	over chan struct{} // closed at the end of Close
	late []error       // what transports' sockets lost after they were closed; under departing.mu

	hurried atomic.Bool // a socket that had sent was given less time than its ZMQ_LINGER

	exceptions atomic.Uint64 // calls of the exception handler
	transports atomic.Int64  // that are open

	// What follows is for the loop goroutine alone.
	copier     *sock.Copier
	lender     *sock.Lender // nil until a transport borrows frames
	delivering *Transport   // whose batch of messages is being delivered
	threads    bool         // the context has libzmq's threads
}

// NewEventLoop returns a loop that does not run yet. A nil cfg is the zero value.
// The loop's context is shared by all its transports. With a libzmq before 4.2.0 the error
// is errors.ErrUnsupported.
func NewEventLoop(cfg *LoopConfig) (*EventLoop, error) {
	var c LoopConfig
	if cfg != nil {
		c = *cfg
		c.CPUs = slices.Clone(c.CPUs)
	}
	if err := cmp.Or(c.check(), checkLibrary(runningLibrary())); err != nil {
		return nil, err
	}
	l := &EventLoop{
		label:      c.Name,
		context:    c.Context,
		ownContext: c.Context == nil,
		linger:     cmp.Or(c.Linger, DefaultLinger),
		resolver:   cmp.Or(c.Resolver, net.DefaultResolver),
		executor:   &pool{limit: cmp.Or(c.ExecutorLimit, DefaultExecutorLimit)},
		over:       make(chan struct{}),
		signals:    make(map[syscall.Signal]*signalWatch),
		copier:     sock.NewCopier(c.NoHeapFloor),
	}
	if err := l.reactor.Init(reactor.Config{Owner: l, Logger: c.Logger, Panicked: l.callbackPanicked, Enter: c.enterRun}); err != nil {
		return nil, err
	}
	if l.ownContext {
		var err error
		if l.context, err = newContext(c); err != nil {
			_, _ = l.reactor.Close(0, func() {})
			return nil, err
		}
	}
	l.alive, l.end = context.WithCancel(context.Background())
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
	if err := c.configure(zmq.Contextopts{RawContextopts: rawContext{ctx}}); err != nil {
		return nil, errors.Join(err, zmq.Translate("zmq_ctx_term", ctx.Term()))
	}
	return ctx, nil
}

// configure sets the options of the loop's own context.
func (c LoopConfig) configure(opts zmq.Contextopts) error {
	if c.IOThreads != 0 {
		if err := opts.SetIOThreads(c.IOThreads); err != nil {
			return err
		}
	}
	if c.MaxSockets != 0 {
		if err := opts.SetMaxSockets(c.MaxSockets); err != nil {
			return err
		}
	}
	return c.place(opts)
}

// Time returns the time since the loop was made, on a clock that never goes back.
// It is the clock of CallAt, and goes on when the loop is closed.
func (l *EventLoop) Time() time.Duration { return l.reactor.Time() }

// IsRunning reports whether a goroutine runs the loop.
func (l *EventLoop) IsRunning() bool { return l.reactor.IsRunning() }

// IsClosed reports whether Close has been called.
func (l *EventLoop) IsClosed() bool { return l.reactor.IsClosed() }

// InLoop reports whether the calling goroutine is the one that callbacks run on: it runs
// the loop, creates a transport while no goroutine does, or closes the loop.
func (l *EventLoop) InLoop() bool { return l.reactor.InLoop() }

// Share lets other goroutines run before the loop waits again. A callback of a resident
// calls it when it has made one ready to run, by sending to a channel for example. Without it
// such a goroutine may wait some 60 µs, because a loop that serves residents alone keeps
// its processor. Other callbacks need not call it.
func (l *EventLoop) Share() { l.reactor.Share() }

// Context returns the context of the loop's sockets: LoopConfig.Context, or the loop's own,
// which Close terminates. ContextOptions sets its options, those of libzmq's threads before
// the loop's first socket.
func (l *EventLoop) Context() *zmq4.Context { return l.context }

// CallSoon arranges for fn to be called on the loop, after all that was given to
// CallSoon before, once. It wakes the loop, and returns before fn is called even
// on the loop's own goroutine. The errors are ErrInvalidArgument for a nil fn and
// ErrLoopClosed.
func (l *EventLoop) CallSoon(fn func()) (*Handle, error) {
	if fn == nil {
		return nil, invalid("CallSoon: nil function")
	}
	h := new(Handle)
	h.handle.Init(fn, l.reactor.Origin(fn))
	if err := l.reactor.CallSoon(&h.handle); err != nil {
		return nil, err
	}
	return h, nil
}

// CallSoonThreadsafe is CallSoon, which may be called from everywhere.
//
// asyncio: call_soon_threadsafe
func (l *EventLoop) CallSoonThreadsafe(fn func()) (*Handle, error) { return l.CallSoon(fn) }

// Do calls fn as the loop does, never at the same time as a callback, and returns what fn
// returned. On the loop's own goroutine, and while no goroutine runs the loop, fn runs at
// once on the calling goroutine. Elsewhere it runs on the loop, and ctx bounds the wait for
// fn to start.
//
// The other errors are ErrInvalidArgument for a nil ctx or fn, ErrLoopClosed, and ErrGoexit if
// fn called runtime.Goexit. A panic in fn goes to the exception handler, with ErrGoexit as the
// result, where fn runs on the loop, and to the caller elsewhere.
func (l *EventLoop) Do(ctx context.Context, fn func() error) error {
	switch {
	case ctx == nil:
		return errNilContext("Do")
	case fn == nil:
		return invalid("Do: nil function")
	}
	return l.reactor.Do(ctx, fn)
}

// A follower has the loop, and drops it when it is closed.
type follower interface{ forget(l *EventLoop) }

// belongTo notes that f has the loop, and reports whether it is open.
func (l *EventLoop) belongTo(f follower) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.IsClosed() {
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
	return fmt.Sprintf("<EventLoop running=%t closed=%t residents=%d>", l.IsRunning(), l.IsClosed(), len(l.reactor.Residents()))
}
