package zmqio

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/reactor"
)

// Errors that are zmqio's own, wrapped with what they are about. Use errors.Is.
//
// A text says what was tried, on what, and the cause. What to do about it stands at its end,
// behind a semicolon. Behind the words of libzmq it stands in parentheses.
var (
	// ErrInvalidArgument is a nil function, a negative size, an endpoint that cannot
	// be meant and the like.
	//
	// asyncio: ValueError, TypeError
	ErrInvalidArgument = errors.New("zmqio: invalid argument")
	// ErrDNSEndpoint refuses to connect to a TCP name that is not an address,
	// because libzmq would block to resolve it. It is also ErrInvalidArgument.
	ErrDNSEndpoint error = &sentinel{"zmqio: a TCP endpoint to connect to needs an IP address, not a name; AllowHostnames and ResolveEndpoint take names", ErrInvalidArgument}
	// ErrSocketType refuses a socket type that no transport can have, or a socket
	// that is not of the type asked for. It is also ErrInvalidArgument.
	ErrSocketType error = &sentinel{"zmqio: wrong socket type", ErrInvalidArgument}

	// ErrLoopClosed is returned by what needs a loop that has been closed.
	ErrLoopClosed = reactor.ErrClosed
	// ErrLoopRunning refuses to run or to close a loop that runs already, and to
	// run one loop inside another.
	ErrLoopRunning = reactor.ErrRunning
	// ErrLoopStopped says that Stop came before what the loop was run for was done.
	ErrLoopStopped = errors.New("zmqio: event loop was stopped before the work was done")
	// ErrExecutorShutdown is the error of what is given to Go after the loop's executor was
	// shut down.
	ErrExecutorShutdown = errors.New("zmqio: executor has been shut down")
	// ErrNoEventLoop says that the goroutine has no event loop.
	ErrNoEventLoop = errors.New("zmqio: no event loop for this goroutine; SetEventLoop gives it one")
	// ErrWouldDeadlock refuses to wait for the loop on the loop's own goroutine.
	ErrWouldDeadlock = reactor.ErrWouldDeadlock

	// ErrTransportClosed is returned by a transport after Close or Abort, or after
	// it was lost. It is also net.ErrClosed.
	ErrTransportClosed error = &sentinel{"zmqio: transport is closed", net.ErrClosed}
	// ErrBufferFull is returned by Write for a message that libzmq does not take and
	// that is too much for ConnectionConfig.MaxWriteBuffer.
	ErrBufferFull = errors.New("zmqio: write buffer is full")
	// ErrUndelivered is what EventLoop.Close and Shutdown return when messages that
	// Write had accepted were dropped, or did not arrive in time over ipc.
	ErrUndelivered = errors.New("zmqio: messages were not delivered")
	// ErrMultipart ends a transport that has CONFLATE and receives a message of several
	// frames: libzmq would end the process at the next receive. It is also the error of a
	// Write of such a message there.
	ErrMultipart = errors.New("zmqio: with CONFLATE a message has one frame")
	// ErrAlreadyPaused is returned by PauseReading on a transport that is paused.
	ErrAlreadyPaused = errors.New("zmqio: reading is already paused")
	// ErrNotPaused is returned by ResumeReading on a transport that is not paused.
	ErrNotPaused = errors.New("zmqio: reading is not paused")

	// ErrEventsDropped comes in place of events that a reader of Stream.Events or
	// Stream.Peers was too slow for. Its text has their number.
	ErrEventsDropped = errors.New("zmqio: events were dropped")

	// ErrProxyRunning refuses to run a proxy on a stream that a proxy runs on.
	ErrProxyRunning = errors.New("zmqio: a proxy runs on the stream already")
	// ErrNotDrained says that a proxy ended before it had forwarded all that had come. The
	// streams have the rest.
	ErrNotDrained = errors.New("zmqio: proxy was not drained within its DrainTimeout")

	// ErrWatcherClosed is returned by a child watcher after Close. It is also
	// os.ErrClosed.
	ErrWatcherClosed error = &sentinel{"zmqio: child watcher is closed", os.ErrClosed}

	// ErrGoexit stands for the result of a function that called runtime.Goexit.
	ErrGoexit = reactor.ErrGoexit

	// ErrInvalidState refuses the result of a future that has none yet, and a second
	// result.
	//
	// asyncio: InvalidStateError
	ErrInvalidState = errors.New("zmqio: invalid state of a future")
	// ErrCancelled is the result of a future that was cancelled.
	ErrCancelled = errors.New("zmqio: the future was cancelled")
)

// A sentinel is an error with a text of its own that is another one as well.
type sentinel struct {
	text string
	also error
}

func (e *sentinel) Error() string { return e.text }
func (e *sentinel) Unwrap() error { return e.also }

// An also is an error with a text of its own that is ErrInvalidArgument as well.
type also struct{ error }

func (e also) Unwrap() []error { return []error{ErrInvalidArgument, e.error} }

// errNilContext is the error of a call that needs a context.
func errNilContext(call string) error { return invalid("%s: nil context", call) }

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrInvalidArgument}, args...)...)
}

// isFatal reports whether a libzmq call that failed with err will never succeed.
func isFatal(err error) bool { return errors.Is(err, zmq.ETERM) || errors.Is(err, zmq.ENOTSOCK) }

// translate is zmq.Translate for an error number, 0 being none.
func translate(call string, errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return zmq.Translate(call, errno)
}

// Errors of a future that is asked, or told, at the wrong time.
var (
	errNoResult  = fmt.Errorf("%w: it has no result yet", ErrInvalidState)
	errHasResult = fmt.Errorf("%w: it has a result already", ErrInvalidState)
)

// errWatchStopped is returned by a Watch after Stop.
var errWatchStopped error = &sentinel{"zmqio: Want: the watch was stopped", os.ErrClosed}

func errClosedForWrite() error { return &OpError{Op: "write", Err: ErrTransportClosed} }

// Error numbers that a send or a receive returns.
const (
	efsm         = syscall.Errno(zmq.EFSM)
	ehostunreach = syscall.Errno(zmq.EHOSTUNREACH)
)
