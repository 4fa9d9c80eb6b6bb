package zmqio

import (
	"fmt"
	"log/slog"
	"reflect"

	"github.com/zmqio/zmq/zmqio/internal/reactor"
)

// A method is a method of a transport's protocol, by name. It is a reactor.Source.
type method struct {
	transport *Transport
	name      string
}

// origin returns the origin of the protocol's method name. It is nil outside debug mode.
func (t *Transport) origin(name string) *reactor.Origin {
	if !t.loop.Debug() {
		return nil
	}
	return t.methodOrigin(name)
}

func (t *Transport) methodOrigin(name string) *reactor.Origin {
	return reactor.NewOrigin(method{t, name}, t.created)
}

// Attrs implements reactor.Source.
func (m method) Attrs() []any {
	return []any{slog.String("transport", m.transport.String()), slog.String("protocol", fmt.Sprintf("%T", m.transport.Protocol()))}
}

// Func implements reactor.Source. Each MethodByName has a constant name: with a variable name
// the linker would keep all methods of the program.
func (m method) Func() uintptr {
	var found reflect.Method
	c := m.transport.protocol.Load()
	switch typ := reflect.TypeOf(c.protocol); m.name {
	case "MsgReceived":
		switch {
		case c.message != nil:
			found, _ = typ.MethodByName("MessageReceived")
		case c.batch != nil:
			found, _ = typ.MethodByName("MsgsReceived")
		default:
			found, _ = typ.MethodByName("MsgReceived")
		}
	case "ConnectionLost":
		found, _ = typ.MethodByName("ConnectionLost")
	case "ResumeWriting":
		found, _ = typ.MethodByName("ResumeWriting")
	case "EventReceived":
		found, _ = typ.MethodByName("EventReceived")
	}
	if !found.Func.IsValid() { // SetProtocol has replaced the protocol by one without the method
		return 0
	}
	return found.Func.Pointer()
}

// exception returns the ExceptionContext of an event on t, whose protocol was p.
func (t *Transport) exception(message string, p Protocol) ExceptionContext {
	return ExceptionContext{Message: message, Transport: t, Protocol: p, Source: t, SourceProtocol: p, Created: t.created.Text()}
}

// recovered is deferred around a call of a method of p, the protocol of t.
func (t *Transport) recovered(message string, p Protocol) {
	if v := recover(); v != nil {
		_ = t.loop.panicked(t.exception(message, p), v)
	}
}

// complain calls the loop's exception handler with err.
func (t *Transport) complain(message string, err error) {
	ctx := t.exception(message, t.Protocol())
	ctx.Err = err
	t.residence.Post(reactor.NewHandle(func() { t.loop.CallExceptionHandler(ctx) }, nil))
}
