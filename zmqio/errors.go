package zmqio

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/reactor"
)

// These errors are zmqio's own, wrapped with what they are about. Compare with errors.Is.
//
// A text says what was tried, on what, and the cause. Advice stands at the end, behind a
// semicolon; behind the words of libzmq it stands in parentheses.
var (
	// ErrInvalidArgument refuses an argument: a nil function or context, a negative size, an
	// endpoint that no socket can have, for example. The text names the argument.
	//
	// asyncio: ValueError, TypeError
	ErrInvalidArgument = errors.New("zmqio: invalid argument")
	// ErrDNSEndpoint refuses to connect to a TCP name instead of an address, because libzmq
	// would block to resolve it. It is also ErrInvalidArgument. See
	// [ConnectionConfig].AllowHostnames and [EventLoop.ResolveEndpoint].
	ErrDNSEndpoint error = &sentinel{"zmqio: a TCP endpoint to connect to needs an IP address, not a name; AllowHostnames and ResolveEndpoint take names", ErrInvalidArgument}
	// ErrSocketType refuses a socket type that no transport can have, a socket of another type
	// than asked for, or an operation that the type lacks. It is also ErrInvalidArgument.
	ErrSocketType error = &sentinel{"zmqio: wrong socket type", ErrInvalidArgument}

	// ErrLoopClosed refuses a call that needs an open loop.
	ErrLoopClosed = reactor.ErrClosed
	// ErrLoopRunning refuses to run or to close a loop that runs, and to run a loop on the loop
	// goroutine of another.
	ErrLoopRunning = reactor.ErrRunning
	// ErrLoopStopped is the error of Run and RunUntilComplete after a call of Stop.
	ErrLoopStopped = errors.New("zmqio: event loop was stopped before the work was done")
	// ErrExecutorShutdown is the error of a function that was given to Go after the shutdown of
	// the loop's executor.
	ErrExecutorShutdown = errors.New("zmqio: executor has been shut down")
	// ErrNoEventLoop means that the policy has no loop for the calling goroutine.
	ErrNoEventLoop = errors.New("zmqio: no event loop for this goroutine; SetEventLoop gives it one")
	// ErrWouldDeadlock refuses to wait for the loop on the loop goroutine.
	ErrWouldDeadlock = reactor.ErrWouldDeadlock

	// ErrTransportClosed is the error of a transport that was closed, aborted or lost. It is
	// also net.ErrClosed.
	ErrTransportClosed error = &sentinel{"zmqio: transport is closed", net.ErrClosed}
	// ErrBufferFull refuses a message that libzmq does not take now and that the write buffer
	// has no room for. The limit is ConnectionConfig.MaxWriteBuffer; for Stream.TrySend it is
	// also the high-water mark.
	ErrBufferFull = errors.New("zmqio: write buffer is full")
	// ErrUndelivered counts accepted messages that were dropped, or that did not arrive in time
	// over ipc. Close and Shutdown, of a loop and of a Stream, return it.
	ErrUndelivered = errors.New("zmqio: messages were not delivered")
	// ErrMultipart ends a transport that has CONFLATE and receives a message of several frames:
	// libzmq would end the process at the next receive. It also refuses to write such a message
	// there.
	ErrMultipart = errors.New("zmqio: with CONFLATE a message has one frame")
	// ErrAlreadyPaused is the error of PauseReading on a transport whose reading is paused.
	ErrAlreadyPaused = errors.New("zmqio: reading is already paused")
	// ErrNotPaused is the error of ResumeReading on a transport whose reading is not paused.
	ErrNotPaused = errors.New("zmqio: reading is not paused")

	// ErrEventsDropped takes the place of events that the reader of Stream.Events or
	// Stream.Peers was too slow for. Its text has their number.
	ErrEventsDropped = errors.New("zmqio: events were dropped")

	// ErrProxyRunning refuses to run a proxy on a stream on which a proxy runs.
	ErrProxyRunning = errors.New("zmqio: a proxy runs on the stream already")
	// ErrNotDrained means that a proxy ended before it had forwarded all messages that had
	// come. The streams have the rest.
	ErrNotDrained = errors.New("zmqio: proxy was not drained within its DrainTimeout")

	// ErrWatcherClosed is the error of a child watcher after its Close. It is also
	// os.ErrClosed.
	ErrWatcherClosed error = &sentinel{"zmqio: child watcher is closed", os.ErrClosed}

	// ErrGoexit takes the place of the result of a function that called runtime.Goexit.
	ErrGoexit = reactor.ErrGoexit

	// ErrInvalidState is the error of Future.Result without a result, and of SetResult and
	// SetError with one.
	//
	// asyncio: InvalidStateError
	ErrInvalidState = errors.New("zmqio: invalid state of a future")
	// ErrCancelled is the result of a future that was cancelled.
	//
	// asyncio: CancelledError
	ErrCancelled = errors.New("zmqio: the future was cancelled")
)

// A sentinel is an error with its own text that wraps another error.
type sentinel struct {
	text string
	also error
}

func (e *sentinel) Error() string { return e.text }
func (e *sentinel) Unwrap() error { return e.also }

// An also is an error with its own text that is ErrInvalidArgument too.
type also struct{ error }

func (e also) Unwrap() []error { return []error{ErrInvalidArgument, e.error} }

// A refusal is an Err variable with the call that it refuses.
type refusal struct {
	call   string
	err    error
	remedy string // what to do instead, or ""
}

func (e *refusal) Error() string {
	text := "zmqio: " + e.call + ": " + strings.TrimPrefix(e.err.Error(), "zmqio: ")
	if e.remedy != "" {
		text += "; " + e.remedy
	}
	return text
}

func (e *refusal) Unwrap() error { return e.err }

// refuse returns err, an Err variable, with the call that it refuses.
func refuse(call string, err error) error { return &refusal{call: call, err: err} }

// refuse returns err with the call and the name of the loop if the loop's state refused the call.
// It returns other errors as they are, and nil for nil.
func (l *EventLoop) refuse(call string, err error) error {
	switch err {
	case ErrLoopClosed, ErrLoopRunning, reactor.ErrNested, ErrLoopStopped, ErrWouldDeadlock, ErrExecutorShutdown:
	default:
		return err
	}
	if l.label != "" {
		call += ": loop " + strconv.Quote(l.label)
	}
	return refuse(call, err)
}

// errNilContext is the error of a call with a nil context.
func errNilContext(call string) error { return invalid("%s: nil context", call) }

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrInvalidArgument}, args...)...)
}

// isFatal reports whether err means that no further libzmq call on the socket can succeed.
func isFatal(err error) bool { return errors.Is(err, zmq.ETERM) || errors.Is(err, zmq.ENOTSOCK) }

// translate is zmq.Translate for an errno. 0 is no error.
func translate(call string, errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return zmq.Translate(call, errno)
}

// Errors of a future: its result was asked for too early, or set twice.
var (
	errNoResult  = fmt.Errorf("%w: it has no result yet", ErrInvalidState)
	errHasResult = fmt.Errorf("%w: it has a result already", ErrInvalidState)
)

// errWatchStopped is the error of Watch.Want after Stop.
var errWatchStopped error = &sentinel{"zmqio: Want: the watch was stopped", os.ErrClosed}

func errClosedForWrite() error { return &OpError{Op: "write", Err: ErrTransportClosed} }

// Errnos of a send or a receive.
const (
	efsm         = syscall.Errno(zmq.EFSM)
	ehostunreach = syscall.Errno(zmq.EHOSTUNREACH)
)
