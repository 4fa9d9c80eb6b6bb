package zmqio

import (
	"fmt"
	"log/slog"
	"reflect"

	"github.com/zmqio/zmq/zmqio/internal/reactor"
)

// A method of the protocol that a transport has, by name, is a reactor.Source.
type method struct {
	transport *Transport
	name      string
}

// origin returns the origin of a method of the protocol; nil outside debug mode.
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

// Func implements reactor.Source. The names of methods are constants: a method that is looked
// up by any other name makes the linker keep all methods of the program.
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
	if !found.Func.IsValid() { // a protocol without it has taken the place of one with
		return 0
	}
	return found.Func.Pointer()
}

// exception describes what has happened to t, whose protocol was p.
func (t *Transport) exception(message string, p Protocol) ExceptionContext {
	return ExceptionContext{Message: message, Transport: t, Protocol: p, Source: t, SourceProtocol: p, Created: t.created.Text()}
}

// recovered is for a defer statement around a method of p, the protocol of t.
func (t *Transport) recovered(message string, p Protocol) {
	if v := recover(); v != nil {
		_ = t.loop.panicked(t.exception(message, p), v)
	}
}

// complain has the loop's exception handler called with err.
func (t *Transport) complain(message string, err error) {
	ctx := t.exception(message, t.Protocol())
	ctx.Err = err
	t.residence.Post(reactor.NewHandle(func() { t.loop.CallExceptionHandler(ctx) }, nil))
}
