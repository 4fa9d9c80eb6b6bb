package zmqio

import (
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/zmqio/zmq/zmqio/internal/reactor"
)

// An ExceptionContext describes an error that has no caller to go to. Fields that do not apply
// are zero.
//
// asyncio: the context of call_exception_handler
type ExceptionContext struct {
	// Message says what happened.
	Message string
	// Err is the error. For a panic it is a *PanicError.
	Err error
	// Stack is the stack of a panic.
	Stack []byte
	// Handle is the callback that failed.
	Handle *Handle
	// Transport is the transport that it happened to, and Protocol its protocol.
	Transport *Transport
	Protocol  Protocol // and its protocol
	// Source is the resident that it happened to, and SourceProtocol its protocol. For a
	// Transport they repeat Transport and Protocol; otherwise they belong to a resident of
	// another kind.
	Source         Resident
	SourceProtocol any
	// Created is, in debug mode, the stack of the call that gave the callback to the loop.
	// Without a callback it is that of the call that made the transport or the future.
	Created []byte
}

// An ExceptionHandler gets errors that have no caller to go to. A panic in the handler itself
// goes to the logger.
//
// It runs on the loop goroutine, with three exceptions. The error of a PauseWriting that panics
// comes on the writer's goroutine. The panic of a body that goes on after Run has returned
// comes on body's goroutine. CallExceptionHandler and Residence.Report run the handler on their
// caller's goroutine.
//
// asyncio: the handler of set_exception_handler
type ExceptionHandler func(*EventLoop, ExceptionContext)

// A PanicError is a panic in a callback, in the body of Run, or in a function that was given to
// Go.
type PanicError struct {
	// Value is the argument of panic.
	Value any
	// Stack is the stack of the goroutine that panicked.
	Stack []byte
}

// NewPanicError returns the error of a panic with the value v. Call it in the deferred function
// that recovered the panic, so that Stack is right.
func NewPanicError(v any) *PanicError { return &PanicError{Value: v, Stack: debug.Stack()} }

// Error returns "panic: " and the value.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns Value if that is an error, and nil otherwise.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// SetExceptionHandler makes h the loop's exception handler; nil means DefaultExceptionHandler.
//
// asyncio: set_exception_handler
func (l *EventLoop) SetExceptionHandler(h ExceptionHandler) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handler = h
}

// ExceptionHandler returns the handler of the last SetExceptionHandler: nil means
// DefaultExceptionHandler.
//
// asyncio: get_exception_handler
func (l *EventLoop) ExceptionHandler() ExceptionHandler {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.handler
}

// CallExceptionHandler calls the loop's exception handler on the calling goroutine. If the
// handler panics, the panic goes to the logger.
//
// asyncio: call_exception_handler
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

// handlerPanicked logs a panic in an exception handler. Neither the handler nor the logger can end
// the loop.
func (l *EventLoop) handlerPanicked(v any, during ExceptionContext, custom bool) {
	defer func() { recover() }() //nolint:errcheck // no handler is left to tell
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

// DefaultExceptionHandler logs ctx at level ERROR.
//
// asyncio: default_exception_handler
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

// protect calls fn. A panic goes to the exception handler with ctx.
func (l *EventLoop) protect(ctx ExceptionContext, fn func()) {
	defer l.recovered(ctx)
	fn()
}

// recovered is deferred around a callback. It hands a panic to the exception handler.
func (l *EventLoop) recovered(ctx ExceptionContext) {
	if v := recover(); v != nil {
		_ = l.panicked(ctx, v)
	}
}

// panicked tells the exception handler of a panic with v, and returns the *PanicError.
func (l *EventLoop) panicked(ctx ExceptionContext, v any) error {
	p := NewPanicError(v)
	ctx.Err, ctx.Stack = p, p.Stack
	l.CallExceptionHandler(ctx)
	return p
}

// callbackPanicked reports a panic in a callback of the loop. Package reactor calls it.
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
