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

// DefaultLinger is the LoopConfig.Linger that 0 stands for.
const DefaultLinger = time.Second

// maxLinger is the longest LINGER that libzmq can hold.
const maxLinger = math.MaxInt32 * time.Millisecond

// LoopConfig configures an event loop. The zero value is a good configuration.
type LoopConfig struct {
	// Name is the loop's name in LoopTotals, and so in the figures of package zmqprom. It is
	// valid UTF-8 of up to 64 bytes without control characters. Loops may share a name. A
	// program should have few names, all fixed: OtherName takes the place of the 101st.
	Name string
	// IOThreads is the number of I/O threads in the loop's own libzmq context; 0 means 1.
	//
	// aiozmq: io_threads
	IOThreads int
	// MaxSockets is how many sockets the loop's own libzmq context may have; 0 means libzmq's
	// default. A monitor takes two of them.
	//
	// libzmq: ZMQ_MAX_SOCKETS
	MaxSockets int
	// Context is a libzmq context to use instead of one of the loop's own. The loop never
	// terminates it.
	//
	// Two loops have two libzmq contexts, and each knows its own inproc endpoints alone. A
	// connection over inproc from one loop to the other delivers nothing, without an error.
	// Loops that talk over inproc need the same Context.
	Context *zmq4.Context
	// CPUs are the processors on which the loop goroutine's thread and libzmq's I/O threads
	// run, by the system's numbers from 0 on. Empty leaves the choice to the system. The process
	// must be allowed to use each. CPUs needs Linux, libzmq 4.3.0 or later, and a libzmq context
	// of the loop's own. See "Where threads run".
	CPUs []int
	// SchedBatch gives libzmq's I/O threads the policy SCHED_BATCH. A thread that wakes them
	// then keeps its processor. It is for loops that only send, and needs what CPUs needs.
	SchedBatch bool
	// NoHeapFloor turns the floor of the heap off. Otherwise a loop that receives more than 25
	// MB a second has the process hold up to 24 MiB that it never touches. See "What it costs".
	NoHeapFloor bool
	// Linger is how long Close waits in all: for libzmq to send what it has taken and, over
	// ipc, for peers to read that. 0 means DefaultLinger, and the maximum is 2^31-1 ms, some 24
	// days. Close also lowers a ZMQ_LINGER that is infinite or longer to Linger.
	Linger time.Duration
	// ExecutorLimit is how many functions given to Go run at the same time; 0 means
	// DefaultExecutorLimit. An executor set by SetDefaultExecutor has a limit of its own.
	ExecutorLimit int
	// Resolver looks up names for GetAddrInfo, GetNameInfo and ResolveEndpoint; nil means
	// net.DefaultResolver.
	Resolver *net.Resolver
	// Logger gets errors while no exception handler is set, and the warnings of debug mode and
	// the watchdog; nil means slog.Default().
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

// An EventLoop runs callbacks, timers and transports on one goroutine: the one that calls
// RunForever, Run or RunUntilComplete, or a goroutine that Start begins.
//
// NewEventLoop makes a loop, and Close must end it; the methods of a zero EventLoop panic. All
// methods are safe for concurrent use and may be called from callbacks.
//
// Two loops have two libzmq contexts: see [LoopConfig].Context before you connect them over
// inproc.
//
// asyncio: AbstractEventLoop
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
	id         uint64 // of this loop, unique in the process
	label      string // LoopConfig.Name

	// Transport.sockMu has the order of locks.
	mu        sync.Mutex
	handler   ExceptionHandler
	executor  Executor
	signals   map[syscall.Signal]*signalWatch
	followers []follower // Close notifies them; nil after Close

	over chan struct{} // closed at the end of Close
	late []error       // messages lost after their transports had closed their sockets; under departing.mu

	hurried atomic.Bool // Close gave a socket that had sent less time than its ZMQ_LINGER

	exceptions atomic.Uint64 // calls of the exception handler
	transports atomic.Int64  // open transports

	// The fields below are for the loop goroutine alone.
	copier     *sock.Copier
	lender     *sock.Lender // nil until a transport borrows frames
	delivering *Transport   // whose batch is being delivered
	threads    bool         // the context has started libzmq's threads
}

// NewEventLoop returns a loop that does not run yet. A nil cfg means the zero LoopConfig. All
// transports of the loop share its libzmq context.
//
// Errors:
//   - [ErrInvalidArgument]: a field of cfg has a value that it cannot have.
//   - errors.ErrUnsupported: libzmq is older than 4.2.0, or lacks what CPUs or SchedBatch need.
//   - An *os.SyscallError: the system or libzmq refused, EMFILE without descriptors for
//     example.
//
// asyncio: new_event_loop
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
	// pebbe's finalizer would terminate a forgotten context on the goroutine of all finalizers, and
	// might block it for ever. A leak does less harm.
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

// Time returns the time since the loop was made, on a monotonic clock. CallAt uses the same
// clock. It goes on after Close.
//
// asyncio: time
func (l *EventLoop) Time() time.Duration { return l.reactor.Time() }

// IsRunning reports whether a goroutine runs the loop.
//
// asyncio: is_running
func (l *EventLoop) IsRunning() bool { return l.reactor.IsRunning() }

// IsClosed reports whether Close has been called and was not refused.
//
// asyncio: is_closed
func (l *EventLoop) IsClosed() bool { return l.reactor.IsClosed() }

// InLoop reports whether the calling goroutine is the loop goroutine.
func (l *EventLoop) InLoop() bool { return l.reactor.InLoop() }

// Share lets other goroutines run before the loop waits again. A callback of a resident calls
// Share after it made a goroutine ready to run, by a channel send for example. Without Share
// such a goroutine may wait some 60 µs, because a loop that serves only residents keeps its
// processor. Other callbacks need not call Share.
func (l *EventLoop) Share() { l.reactor.Share() }

// Context returns the libzmq context of the loop's sockets: LoopConfig.Context, or the loop's
// own, which Close terminates. [ContextOptions] sets its options; those of libzmq's threads
// count only before the loop's first socket.
func (l *EventLoop) Context() *zmq4.Context { return l.context }

// CallSoon queues fn to be called once on the loop, in the order of the calls of CallSoon.
// CallSoon wakes the loop and returns before fn is called, on the loop goroutine too. The
// Handle cancels the call.
//
// Errors:
//   - [ErrInvalidArgument]: fn is nil.
//   - [ErrLoopClosed]: the loop is closed.
//
// asyncio: call_soon
func (l *EventLoop) CallSoon(fn func()) (*Handle, error) { return l.callSoon("CallSoon", fn) }

// callSoon is CallSoon for call, which errors name.
func (l *EventLoop) callSoon(call string, fn func()) (*Handle, error) {
	if fn == nil {
		return nil, invalid("%s: nil function", call)
	}
	h := new(Handle)
	h.handle.Init(fn, l.reactor.Origin(fn))
	if err := l.reactor.CallSoon(&h.handle); err != nil {
		return nil, l.refuse(call, err)
	}
	return h, nil
}

// CallSoonThreadsafe is CallSoon, which is safe for concurrent use.
//
// asyncio: call_soon_threadsafe
func (l *EventLoop) CallSoonThreadsafe(fn func()) (*Handle, error) {
	return l.callSoon("CallSoonThreadsafe", fn)
}

// Do calls fn on the loop, never at the same time as a callback, and returns the result of fn.
// On the loop goroutine fn runs at once. While no goroutine runs the loop, fn runs at once too,
// and the calling goroutine is the loop goroutine meanwhile. Otherwise Do waits for the loop;
// ctx bounds the wait for fn to start.
//
// A panic in fn goes to the exception handler if fn runs on the running loop, and Do returns
// ErrGoexit. Otherwise the panic goes to the caller.
//
// Errors beside those of fn:
//   - [ErrInvalidArgument]: ctx or fn is nil.
//   - [ErrLoopClosed]: the loop is closed.
//   - [ErrGoexit]: fn called runtime.Goexit, or panicked on the running loop.
//   - The cause of ctx: ctx ended before fn started.
//
// asyncio: run_coroutine_threadsafe
func (l *EventLoop) Do(ctx context.Context, fn func() error) error {
	switch {
	case ctx == nil:
		return errNilContext("Do")
	case fn == nil:
		return invalid("Do: nil function")
	}
	return l.refuse("Do", l.reactor.Do(ctx, fn))
}

// A follower refers to a loop, and forgets it when the loop closes.
type follower interface{ forget(l *EventLoop) }

// belongTo registers f as a follower, and reports whether the loop is open.
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

// leave removes f from the followers.
func (l *EventLoop) leave(f follower) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.followers = slices.DeleteFunc(l.followers, func(g follower) bool { return g == f })
}

// String returns the loop's state, for messages and logs.
func (l *EventLoop) String() string {
	return fmt.Sprintf("<EventLoop running=%t closed=%t residents=%d>", l.IsRunning(), l.IsClosed(), len(l.reactor.Residents()))
}
