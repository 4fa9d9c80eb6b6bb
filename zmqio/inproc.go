package zmqio

import (
	"fmt"
	"log/slog"
	"strings"
)

// inprocConnected runs after t has connected to endpoint. In debug mode it warns if a transport of
// another context has bound that inproc endpoint. libzmq would wait in silence for a bind in t's
// context.
func (t *Transport) inprocConnected(endpoint string) {
	if t.loop.Debug() && isInproc(endpoint) {
		t.warnOfContext(endpoint)
	}
}

// inprocBound runs after t has bound endpoint. It warns transports of other contexts, in debug
// mode, that are connected to an endpoint of this name.
func (t *Transport) inprocBound(endpoint string) {
	if !isInproc(endpoint) {
		return
	}
	for _, l := range Loops() {
		if !l.Debug() {
			continue
		}
		for _, other := range l.openTransports() {
			if other.context != t.context && other.has(&other.connections, endpoint) {
				other.warnOfContext(endpoint)
			}
		}
	}
}

// warnOfContext logs that a transport of another context has bound endpoint, and none of t's
// context has. It logs once for each connection.
func (t *Transport) warnOfContext(endpoint string) {
	var elsewhere *Transport
	for _, l := range Loops() {
		for _, other := range l.openTransports() {
			switch {
			case !other.has(&other.listeners, endpoint):
			case other.context == t.context:
				return
			default:
				elsewhere = other
			}
		}
	}
	if elsewhere == nil || !t.mark(endpoint) {
		return
	}
	t.loop.protect(ExceptionContext{Message: "logger panicked"}, func() {
		t.loop.reactor.Logger().Warn("zmqio: inproc endpoint is bound in another context, which this one does not reach; see LoopConfig.Context",
			slog.String("endpoint", endpoint),
			slog.String("transport", t.String()), slog.String("loop", t.loop.name()),
			slog.String("bound_by", elsewhere.String()), slog.String("bound_loop", elsewhere.loop.name()))
	})
}

// openTransports returns the transports on l whose ConnectionLost has not returned.
func (l *EventLoop) openTransports() (open []*Transport) {
	for _, p := range l.reactor.Residents() {
		if r, ok := p.Resident().(transportResident); ok {
			open = append(open, r.Transport)
		}
	}
	return open
}

// has reports whether t is open and endpoint is in set, which belongs to t.
func (t *Transport) has(set *endpoints, endpoint string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.in(phaseClosed) && set.has(endpoint)
}

// mark marks t's connections to endpoint as warned. It reports whether none was marked before.
func (t *Transport) mark(endpoint string) (first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	first = true
	for i := range t.connections {
		if c := &t.connections[i]; c.actual == endpoint {
			first = first && !c.warned
			c.warned = true
		}
	}
	return first
}

func isInproc(endpoint string) bool { return strings.HasPrefix(endpoint, "inproc://") }

// name identifies l in messages.
func (l *EventLoop) name() string { return fmt.Sprintf("%v made at %v", l, l.reactor.Created()) }
