package zmqio

import (
	"context"
	"slices"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/ipc"
)

// Closed returns a channel that is closed when libzmq has let the transport's socket go. That
// is after ConnectionLost: libzmq sends in the background for as long as ZMQ_LINGER says. From
// then on the bound endpoints can be bound again. Over ipc the kernel may still hold what the
// peer has not read.
//
// Call Closed before Close or Abort, because libzmq must be asked before the socket is closed.
// A first call that comes later returns a channel that is closed at the end of EventLoop.Close.
// If the transport has sent over ipc, a later call is in time too.
//
// The end of the libzmq context also closes the channel. libzmq may then still have messages to
// send, if the context is terminated elsewhere, or if EventLoop.Close ran out of time.
//
// Until the channel is closed, it takes two sockets of MaxSockets, unless the transport has a
// monitor. If there are none, the logger gets a warning, and the channel is closed at the end
// of EventLoop.Close.
func (t *Transport) Closed() <-chan struct{} {
	if gone := t.askClosed(); gone != nil {
		return gone
	}
	return t.loop.over
}

// askClosed is Closed, but returns nil if the first call comes after the socket was closed.
func (t *Transport) askClosed() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone == nil && !t.departed {
		t.gone = make(chan struct{})
	}
	return t.gone
}

// departLocked closes the socket. A departure follows the socket if Closed was called, or if
// deliver is set and messages may be on their way over ipc. The departure takes over the monitor if
// it needs one; else the monitor ends. Caller holds t.sockMu.
func (t *Transport) departLocked(deliver bool) {
	opts := rawSockopts(t.sock)
	d := &departure{loop: t.loop, begin: time.Now(), zsock: t.zsock, done: make(chan struct{})}
	t.mu.Lock()
	t.departed = true
	d.gone = t.gone
	if deliver && t.handed {
		d.linger, d.ends, d.outgoing = onTheWay(opts, t.listeners, t.connections)
		d.small = t.onWire <= oneRead
	}
	// A socket that only binds closes its connections at its end, and needs no monitor.
	if d.gone != nil || d.connects() {
		d.askLocked(t)
	}
	asked := d.gone != nil
	if t.gone = d.gone; !asked && d.pair != nil {
		d.gone = make(chan struct{})
		t.gone = d.gone
	}
	t.mu.Unlock()
	_ = t.endMonitorLocked() // ends a monitor that d did not take; fails only if the socket is gone
	if !asked && d.ends == nil {
		_ = t.zsock.Close() // fails only if the socket is closed
		return
	}
	d.name = t.String()
	if asked && d.pair == nil {
		d.endUnasked()
	}
	if d.ends == nil { // no connection has to be found before the close
		d.closeLocked(d.begin)
	}
	departing.add(d)
}

// onTheWay returns the ends that may have messages on their way, and how many of the ends connect.
// It also returns the linger. With ZMQ_LINGER 0 there are no ends.
//
// A socket from elsewhere may have been bound or connected before zmqio had it. zmqio then knows
// the last endpoint alone, and not which side the socket is.
func onTheWay(opts zmq.Sockopts, listeners, connections endpoints) (linger time.Duration, ends []ipc.End, outgoing int) {
	add := func(endpoint string, bound bool) {
		if path, ok := ipc.Parse(endpoint); ok {
			ends = append(ends, ipc.End{Path: path, Bound: bound})
		}
	}
	for _, e := range connections {
		add(e.actual, false)
	}
	outgoing = len(ends)
	for _, e := range listeners {
		add(e.actual, true)
	}
	if len(listeners)+len(connections) == 0 {
		if last, err := opts.LastEndpoint(); err == nil {
			add(last, true)
			add(last, false)
		}
	}
	if ends == nil {
		return 0, nil, 0
	}
	linger, err := opts.Linger()
	if err != nil || linger == 0 {
		return 0, nil, 0
	}
	return linger, ends, outgoing
}

// connects reports whether libzmq may make connections for d.
func (d *departure) connects() bool {
	return slices.ContainsFunc(d.ends, func(e ipc.End) bool { return !e.Bound })
}

// askLocked makes libzmq report to d: the end of the socket of t, and connections made until then.
// If t has a monitor, d takes over its PAIR. This needs no further socket, and a second
// zmq_socket_monitor would end the first. Caller holds t.sockMu and t.mu.
func (d *departure) askLocked(t *Transport) {
	if t.monitor != nil {
		if d.pair = t.monitor.leaveLocked(); d.pair != nil {
			return
		}
	}
	events := zmq.EVENT_MONITOR_STOPPED
	if d.connects() {
		events |= zmq.EVENT_CONNECTED
	}
	d.pair, d.unasked = openEventPair(d.zsock, events)
}

// endUnasked closes gone at the end of the loop, because libzmq does not report the socket's end.
func (d *departure) endUnasked() {
	if isFatal(d.unasked) { // the socket was closed elsewhere, or the context has ended
		close(d.gone)
		return
	}
	d.loop.reactor.Logger().Warn("zmqio: the end of a socket cannot be watched", "transport", d.name, "error", d.unasked)
	go func() {
		<-d.loop.over
		close(d.gone)
	}()
}

// awaitDepartures waits until ctx ends for messages that closed transports of the loop have on
// their way over ipc. With all it also waits for the sockets that Closed was called for. It returns
// one error for each departure that lost messages or has not finished. With giveUp it ends
// unfinished departures.
func (l *EventLoop) awaitDepartures(ctx context.Context, all, giveUp bool) (lost []error) {
	for _, d := range departing.of(l) {
		if d.ends == nil && !all {
			continue
		}
		select {
		case <-d.done:
			continue
		case <-ctx.Done():
		}
		if giveUp {
			departing.giveUp(d)
			<-d.done
		} else if left := departing.describe(d); left != "" {
			lost = append(lost, loss(left))
		}
	}
	return append(departing.takeLost(l), lost...)
}
