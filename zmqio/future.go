package zmqio

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"

	"github.com/zmqio/zmq/zmqio/internal/reactor"
)

// A Future is a result that will be there later. Its callbacks run on its loop; its
// methods may be called from every goroutine.
//
// A future must be made by NewFuture or Go. The methods of a zero one panic.
//
// If a future that failed is garbage collected before its result has been asked for,
// the loop's exception handler is told of the error; not so if it was cancelled, by
// Cancel or by a context.
//
// asyncio: Future
type Future[T any] struct {
	loop    *EventLoop
	done    chan struct{}           // closed when the future is done
	created *reactor.Trace          // in debug mode
	end     context.CancelCauseFunc // of the context of Go's function

	mu        sync.Mutex
	value     T
	err       error
	unread    runtime.Cleanup // set while err has not been read
	lastID    CallbackID
	callbacks []doneCallback[T]
}

// A CallbackID names a callback that was added to a future.
type CallbackID uint64

type doneCallback[T any] struct {
	id CallbackID
	fn func(*Future[T])
}

// NewFuture returns a future of loop l, which must not be nil, without a result.
func NewFuture[T any](l *EventLoop) *Future[T] {
	f := &Future[T]{loop: l, done: make(chan struct{})}
	if l.Debug() {
		f.created = reactor.NewTrace()
	}
	return f
}

// Loop returns the loop that the future is of.
//
// asyncio: get_loop
func (f *Future[T]) Loop() *EventLoop { return f.loop }

// SetResult gives the future its result. It returns ErrInvalidState if the future
// is done already. If the loop is closed and there are callbacks, which it drops,
// it returns ErrLoopClosed; the result stands.
func (f *Future[T]) SetResult(v T) error { return f.finish(v, nil) }

// SetError gives the future an error for its result, which must not be nil. It
// returns what SetResult returns.
func (f *Future[T]) SetError(err error) error {
	if err == nil {
		return invalid("SetError: nil error")
	}
	var zero T
	return f.finish(zero, err)
}

// Cancel makes ErrCancelled the result and reports whether it did: not if the
// future was done.
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

// call has the loop call fn.
func (f *Future[T]) call(fn func(*Future[T])) error {
	return f.loop.reactor.CallSoon(reactor.NewHandle(func() { fn(f) }, f.loop.reactor.Origin(fn)))
}

// unread is the error of a future whose result was never asked for.
type unread struct {
	err     error
	created *reactor.Trace
}

// reportUnread tells the exception handler, except on a closed loop.
func (l *EventLoop) reportUnread(u unread) {
	ctx := ExceptionContext{Message: "the error of a future was never retrieved", Err: u.err, Created: u.created.Text()}
	var p *PanicError
	if errors.As(u.err, &p) {
		ctx.Stack = p.Stack
	}
	_ = l.reactor.CallSoon(reactor.NewHandle(func() { l.CallExceptionHandler(ctx) }, nil))
}

// Done reports whether the future has a result, an error or was cancelled.
func (f *Future[T]) Done() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// Cancelled reports whether the future's result is ErrCancelled.
func (f *Future[T]) Cancelled() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return errors.Is(f.err, ErrCancelled)
}

// Result returns the result or the error, ErrCancelled if the future was
// cancelled, and ErrInvalidState if it is not done.
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

// Wait waits until the future is done and returns what Result returns, or ctx's
// cause if that ends first. On the loop's own goroutine, where it would wait for
// ever, it returns ErrWouldDeadlock unless the future is done. A nil ctx is
// ErrInvalidArgument.
func (f *Future[T]) Wait(ctx context.Context) (T, error) {
	var zero T
	if ctx == nil {
		return zero, errNilContext("Wait")
	}
	if !f.Done() && f.loop.InLoop() {
		return zero, ErrWouldDeadlock
	}
	select {
	case <-f.done:
		return f.Result()
	case <-ctx.Done():
		return zero, context.Cause(ctx)
	}
}

// AddDoneCallback arranges for fn to be called on the loop, once, when the future
// is done; if it is already, soon. Callbacks run in the order in which they were
// added. A nil fn is not added, and its id, 0, names nothing.
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

// RemoveDoneCallback takes a callback off the future and reports whether it was
// there. One that has been handed to the loop is not.
func (f *Future[T]) RemoveDoneCallback(id CallbackID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.callbacks)
	f.callbacks = slices.DeleteFunc(f.callbacks, func(c doneCallback[T]) bool { return c.id == id })
	return len(f.callbacks) < n
}
