package zmqio

import (
	"fmt"
	"log/slog"
	"strings"
)

// inprocConnected is called when t has connected to endpoint. If that is an inproc endpoint
// of another context, debug mode warns: libzmq would wait for one of t's own in silence.
func (t *Transport) inprocConnected(endpoint string) {
	if t.loop.Debug() && isInproc(endpoint) {
		t.warnOfContext(endpoint)
	}
}

// inprocBound is called when t has bound endpoint. Transports in debug mode that wait for it
// in other contexts may have meant this one.
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

// warnOfContext logs, once for each connection, that endpoint is bound in another context
// and not in t's own, as far as transports have bound it.
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

// has reports whether endpoint is in set, one of t's, and t is open.
func (t *Transport) has(set *endpoints, endpoint string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.in(phaseClosed) && set.has(endpoint)
}

// mark marks the connections to endpoint. It reports whether none was marked.
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

// name tells l from other loops, for messages.
func (l *EventLoop) name() string { return fmt.Sprintf("%v made at %v", l, l.reactor.Created()) }
