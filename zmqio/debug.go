package zmqio

import (
	"fmt"
	"log/slog"
	"reflect"
	"time"

	"github.com/zmqio/zmq/zmqio/internal/reactor"
)

// DefaultSlowCallbackDuration is how long a callback may take before debug mode logs
// it, until SetSlowCallbackDuration says otherwise.
const DefaultSlowCallbackDuration = reactor.DefaultSlowCallback

// SetDebug turns debug mode on or off; a loop starts with it on if the environment
// variable ZMQIO_DEBUG is 1.
//
// In debug mode the loop's logger gets a warning of callbacks that take long, and of a
// loop, and the transports made in debug mode, that are garbage collected without
// having been closed; and of a connection to an inproc endpoint that is not bound in its own
// context and is in that of another loop, once, as soon as both are there. What is given to the exception handler says where it was created.
// All of this takes time: some microseconds a callback.
//
// With debug mode off as well, the logger gets a warning of a loop that has had something
// to do for a second while no goroutine ran it, and of a callback that has run for ten
// seconds: once for each.
//
// asyncio: set_debug
func (l *EventLoop) SetDebug(on bool) { l.reactor.SetDebug(on) }

// Debug reports whether debug mode is on.
//
// asyncio: get_debug
func (l *EventLoop) Debug() bool { return l.reactor.Debug() }

// SetSlowCallbackDuration sets how long a callback may take before debug mode logs it
// with level WARN; what is not positive logs all of them.
//
// asyncio: slow_callback_duration
func (l *EventLoop) SetSlowCallbackDuration(d time.Duration) { l.reactor.SetSlowCallback(d) }

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

// Func implements reactor.Source. The names of methods are constants because a method that
// is looked up by any other name makes the linker keep all methods of the program.
func (m method) Func() uintptr {
	var found reflect.Method
	c := m.transport.protocol.Load()
	switch typ := reflect.TypeOf(c.protocol); m.name {
	case "MsgReceived":
		if found, _ = typ.MethodByName("MsgReceived"); c.batch != nil {
			found, _ = typ.MethodByName("MsgsReceived")
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
