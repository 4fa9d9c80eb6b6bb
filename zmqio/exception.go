package zmqio

import (
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/zmqio/zmq/zmqio/internal/reactor"
)

// An ExceptionContext describes an error that has no caller to go to. Fields that
// do not apply are zero.
type ExceptionContext struct {
	Message   string     // what happened
	Err       error      // the error, or the panic as a *PanicError
	Stack     []byte     // of a panic
	Handle    *Handle    // the callback
	Transport *Transport // the transport
	Protocol  Protocol   // and its protocol
	// Source is the resident of the loop that it happened to, and SourceProtocol its
	// protocol: Transport and Protocol again, or those of a transport that is not zmqio's.
	Source         Resident
	SourceProtocol any
	// Created is where the callback was given to the loop, or else the transport or
	// the future was made, in debug mode.
	Created []byte
}

// An ExceptionHandler is told of errors that have no caller to go to. It runs on the loop. The
// exceptions are a panic in a PauseWriting that does not, and one in a body of Run that goes
// on after Run has returned. A panic in it goes to the default handler.
type ExceptionHandler func(*EventLoop, ExceptionContext)

// A PanicError is a panic in a callback, in the body of Run, or in a function that was
// given to Go. It unwraps to the panic's value where that is an error.
type PanicError struct {
	Value any
	Stack []byte // of the goroutine that panicked
}

// NewPanicError returns the error of a panic with v, for a deferred function that has just
// recovered it.
func NewPanicError(v any) *PanicError { return &PanicError{Value: v, Stack: debug.Stack()} }

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// SetExceptionHandler makes h the handler of what goes wrong in callbacks; nil is
// DefaultExceptionHandler.
func (l *EventLoop) SetExceptionHandler(h ExceptionHandler) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handler = h
}

// ExceptionHandler returns what SetExceptionHandler has set: nil where
// DefaultExceptionHandler is the handler.
//
// asyncio: get_exception_handler
func (l *EventLoop) ExceptionHandler() ExceptionHandler {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.handler
}

// CallExceptionHandler calls the loop's exception handler, on the calling
// goroutine. A handler that panics is reported to the default one.
func (l *EventLoop) CallExceptionHandler(ctx ExceptionContext) {
	l.exceptions.Add(1)
	h := l.ExceptionHandler()
	defer func() {
		if v := recover(); v != nil {
			l.handlerPanicked(v, ctx, h != nil)
		}
	}()
	if h == nil {
		l.DefaultExceptionHandler(ctx)
		return
	}
	h(l, ctx)
}

// handlerPanicked deals with a panic in an exception handler. Nothing can stop the
// loop, not even a logger that panics.
func (l *EventLoop) handlerPanicked(v any, during ExceptionContext, custom bool) {
	defer func() { recover() }() //nolint:errcheck // there is no handler left to tell
	if !custom {
		slog.Default().Error("panic in default exception handler", "panic", v, "during", during.Message)
		return
	}
	p := NewPanicError(v)
	l.log(ExceptionContext{
		Message: "unhandled error in exception handler",
		Err:     p,
		Stack:   p.Stack,
	}, slog.Group("during", attrs(during)...))
}

// DefaultExceptionHandler logs ctx with level ERROR.
func (l *EventLoop) DefaultExceptionHandler(ctx ExceptionContext) { l.log(ctx) }

func (l *EventLoop) log(ctx ExceptionContext, more ...any) {
	l.reactor.Logger().Error("zmqio: "+ctx.Message, append(attrs(ctx), more...)...)
}

func attrs(ctx ExceptionContext) []any {
	var a []any
	if ctx.Err != nil {
		a = append(a, slog.Any("error", ctx.Err))
	}
	if h := ctx.Handle; h != nil && h.handle.Origin() != nil {
		a = append(a, slog.String("handle", h.String()))
	}
	switch {
	case ctx.Transport != nil:
		a = append(a, slog.String("transport", ctx.Transport.String()))
	case ctx.Source != nil:
		a = append(a, slog.String("transport", ctx.Source.String()))
	}
	switch {
	case ctx.Protocol != nil:
		a = append(a, slog.String("protocol", fmt.Sprintf("%T", ctx.Protocol)))
	case ctx.SourceProtocol != nil:
		a = append(a, slog.String("protocol", fmt.Sprintf("%T", ctx.SourceProtocol)))
	}
	if ctx.Created != nil {
		a = append(a, slog.String("created", string(ctx.Created)))
	}
	if ctx.Stack != nil {
		a = append(a, slog.String("stack", string(ctx.Stack)))
	}
	return a
}

// protect calls fn. A panic goes to the exception handler as ctx.
func (l *EventLoop) protect(ctx ExceptionContext, fn func()) {
	defer l.recovered(ctx)
	fn()
}

// recovered is for a defer statement around a callback.
func (l *EventLoop) recovered(ctx ExceptionContext) {
	if v := recover(); v != nil {
		_ = l.panicked(ctx, v)
	}
}

// panicked tells the exception handler of a panic with v, which has just been recovered. It
// returns the panic.
func (l *EventLoop) panicked(ctx ExceptionContext, v any) error {
	p := NewPanicError(v)
	ctx.Err, ctx.Stack = p, p.Stack
	l.CallExceptionHandler(ctx)
	return p
}

// callbackPanicked is told of a panic in a callback of the loop.
func (l *EventLoop) callbackPanicked(message string, h *reactor.Handle, v any) {
	ctx := ExceptionContext{Message: message}
	if h != nil {
		ctx.Handle, ctx.Created = asHandle(h), h.Origin().Created()
		if r, ok := h.Resident().(inhabitant); ok {
			ctx.Source = r.public()
		}
	}
	_ = l.panicked(ctx, v)
}
