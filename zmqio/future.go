package zmqio

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"

	"github.com/zmqio/zmq/zmqio/internal/reactor"
)

// A Future is a result that comes later. Its callbacks run on its loop. All methods are safe
// for concurrent use. NewFuture and Go make futures; the methods of a zero Future panic.
//
// If a future fails and is garbage collected before its result was read, the loop's exception
// handler gets the error. It does not after Cancel or the end of a context, nor after the
// loop's Close.
//
// asyncio: Future
type Future[T any] struct {
	loop    *EventLoop
	done    chan struct{}           // closed when the future is done
	created *reactor.Trace          // nil outside debug mode
	end     context.CancelCauseFunc // ends the context of Go's function

	mu        sync.Mutex
	value     T
	err       error
	unread    runtime.Cleanup // set until a caller reads err
	lastID    CallbackID
	callbacks []doneCallback[T]
}

// A CallbackID identifies a callback of a future, for RemoveDoneCallback.
type CallbackID uint64

type doneCallback[T any] struct {
	id CallbackID
	fn func(*Future[T])
}

// NewFuture returns a future of l without a result. l must not be nil.
//
// asyncio: create_future
func NewFuture[T any](l *EventLoop) *Future[T] {
	f := &Future[T]{loop: l, done: make(chan struct{})}
	if l.Debug() {
		f.created = reactor.NewTrace()
	}
	return f
}

// Loop returns the loop of the future.
//
// asyncio: get_loop
func (f *Future[T]) Loop() *EventLoop { return f.loop }

// SetResult gives the future the result v.
//
// Errors:
//   - [ErrInvalidState]: the future is done.
//   - [ErrLoopClosed]: the loop is closed and drops the future's callbacks. The result stands.
//
// asyncio: set_result
func (f *Future[T]) SetResult(v T) error { return f.finish(v, nil) }

// SetError gives the future the error err as its result. The errors are those of SetResult, and
// ErrInvalidArgument for a nil err.
//
// asyncio: set_exception
func (f *Future[T]) SetError(err error) error {
	if err == nil {
		return invalid("SetError: nil error")
	}
	var zero T
	return f.finish(zero, err)
}

// Cancel gives the future the error ErrCancelled as its result, unless the future is done. It
// reports whether it did.
//
// asyncio: cancel
func (f *Future[T]) Cancel() bool {
	var zero T
	return f.finish(zero, ErrCancelled) != errHasResult
}

func (f *Future[T]) finish(v T, err error) error {
	if f.end != nil {
		defer f.end(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.Done() {
		return errHasResult
	}
	f.value, f.err = v, err
	callbacks := f.callbacks
	f.callbacks = nil
	close(f.done)
	if err != nil && !errors.Is(err, ErrCancelled) && !errors.Is(err, context.Canceled) {
		f.unread = runtime.AddCleanup(f, f.loop.reportUnread, unread{err, f.created})
	}
	for _, c := range callbacks {
		if err := f.call(c.fn); err != nil {
			return err
		}
	}
	return nil
}

// call makes the loop call fn.
func (f *Future[T]) call(fn func(*Future[T])) error {
	return f.loop.reactor.CallSoon(reactor.NewHandle(func() { fn(f) }, f.loop.reactor.Origin(fn)))
}

// An unread is the error of a future whose result no caller asked for.
type unread struct {
	err     error
	created *reactor.Trace
}

// reportUnread tells the exception handler, unless the loop is closed.
func (l *EventLoop) reportUnread(u unread) {
	ctx := ExceptionContext{Message: "the error of a future was never retrieved", Err: u.err, Created: u.created.Text()}
	var p *PanicError
	if errors.As(u.err, &p) {
		ctx.Stack = p.Stack
	}
	_ = l.reactor.CallSoon(reactor.NewHandle(func() { l.CallExceptionHandler(ctx) }, nil))
}

// Done reports whether the future has a result or an error, or was cancelled.
//
// asyncio: done
func (f *Future[T]) Done() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// Cancelled reports whether the future's result is ErrCancelled.
//
// asyncio: cancelled
func (f *Future[T]) Cancelled() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return errors.Is(f.err, ErrCancelled)
}

// Result returns the result or the error of the future. The error is ErrInvalidState if the
// future is not done, and ErrCancelled if it was cancelled.
//
// asyncio: result, exception
func (f *Future[T]) Result() (T, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.Done() {
		return f.value, errNoResult
	}
	f.unread.Stop()
	f.unread = runtime.Cleanup{}
	return f.value, f.err
}

// Wait waits until the future is done and returns what Result returns.
//
// Errors beside those of Result:
//   - The cause of ctx: ctx ended first.
//   - [ErrWouldDeadlock]: the caller is the loop goroutine, and the future is not done.
//   - [ErrInvalidArgument]: ctx is nil.
//
// asyncio: await
func (f *Future[T]) Wait(ctx context.Context) (T, error) {
	var zero T
	if ctx == nil {
		return zero, errNilContext("Wait")
	}
	if !f.Done() && f.loop.InLoop() {
		return zero, f.loop.refuse("Wait", ErrWouldDeadlock)
	}
	select {
	case <-f.done:
		return f.Result()
	case <-ctx.Done():
		return zero, context.Cause(ctx)
	}
}

// AddDoneCallback makes the loop call fn once, when the future is done. If the future is done
// already, the loop calls fn soon. Callbacks run in the order of the calls. A nil fn is not
// added and has the id 0.
//
// asyncio: add_done_callback
func (f *Future[T]) AddDoneCallback(fn func(*Future[T])) CallbackID {
	if fn == nil {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lastID++
	if f.Done() {
		_ = f.call(fn) // a closed loop does not call fn
	} else {
		f.callbacks = append(f.callbacks, doneCallback[T]{f.lastID, fn})
	}
	return f.lastID
}

// RemoveDoneCallback removes a callback and reports whether the future had it. When the future
// is done, it has no callbacks: the loop has them.
//
// asyncio: remove_done_callback
func (f *Future[T]) RemoveDoneCallback(id CallbackID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.callbacks)
	f.callbacks = slices.DeleteFunc(f.callbacks, func(c doneCallback[T]) bool { return c.id == id })
	return len(f.callbacks) < n
}
