package zmqio

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/reactor"
	"github.com/zmqio/zmq/zmqio/internal/sock"
)

// A MonitorProtocol is a Protocol that is told what happens to the connections of its
// transport, once Transport.EnableMonitor has been called.
type MonitorProtocol interface {
	Protocol

	// EventReceived is called with each event, on the loop, in the order of libzmq;
	// EVENT_BIND_FAILED alone, which Bind reports, may come before what was earlier.
	// Events and messages come on ways of their own: which of the two is first does
	// not tell which happened first. It stands for event_received.
	EventReceived(ev zmq.MonitorEvent)
}

// EnableMonitor has libzmq report events, and calls the protocol's EventReceived with
// them, from now on until DisableMonitor or the end of the transport. It stands for
// enable_monitor and zmq_socket_monitor; for aiozmq's default pass zmq.EVENT_ALL.
//
// Enabling it again with the same events does nothing. With others it is as if
// DisableMonitor came first. To miss nothing, enable it in ConnectionMade, which is
// before the first bind or connect.
//
// Events wait in libzmq's memory while the loop does not run; PauseReading does not keep
// them back. A protocol that SetProtocol has put in place without EventReceived misses
// them. A monitor takes two sockets of the context's MaxSockets.
//
// The errors are ErrInvalidArgument for a set that is empty or holds what is not in
// zmq.EVENT_ALL, and for a protocol without EventReceived, errors.ErrUnsupported for events
// that the running libzmq does not have, EVENT_ALL being all that it has,
// ErrTransportClosed, and those of libzmq.
func (t *Transport) EnableMonitor(events zmq.Event) error {
	if err := t.enableMonitor(events); err != nil {
		return &OpError{Op: "monitor", Err: err}
	}
	return nil
}

func (t *Transport) enableMonitor(events zmq.Event) error {
	if events == 0 || events&^zmq.EVENT_ALL != 0 {
		return invalid("cannot report %v", events)
	}
	if p := t.Protocol(); !isMonitorProtocol(p) {
		return invalid("%T has no method EventReceived(zmq.MonitorEvent)", p)
	}
	if events != zmq.EVENT_ALL {
		if err := events.Require(); err != nil {
			return err
		}
	}
	t.sockMu.Lock()
	defer t.sockMu.Unlock()
	switch {
	case t.sock == nil || t.IsClosing():
		return ErrTransportClosed
	case t.monitor != nil && t.monitor.events == events:
		return nil
	}
	if err := t.endMonitor(); err != nil {
		return err
	}
	var err error
	t.monitor, err = t.startMonitor(events)
	return err
}

// DisableMonitor ends what EnableMonitor began. EventReceived is not called again, not
// even with an event that libzmq has reported before, and so never with
// EVENT_MONITOR_STOPPED; off the loop, a call that is just starting there may still come.
// Close and Abort do the same.
//
// It may be repeated, and does nothing on a closed transport. An error is libzmq's, and
// the monitor has ended nevertheless. It stands for disable_monitor.
func (t *Transport) DisableMonitor() error {
	t.sockMu.Lock()
	defer t.sockMu.Unlock()
	return t.endMonitor()
}

func isMonitorProtocol(p Protocol) bool {
	_, ok := p.(MonitorProtocol)
	return ok
}

// A monitor is the protocol of a transport that the loop does not list, a PAIR to which
// libzmq sends the events of another one.
type monitor struct {
	BaseProtocol
	of     *Transport
	events zmq.Event
	pair   *Transport
	ended  atomic.Bool // nothing is reported any more
}

// monitors counts the endpoints of monitors. Several loops may share a context.
var monitors atomic.Uint64

// startMonitor makes a monitor for t, whose sockMu is held.
func (t *Transport) startMonitor(events zmq.Event) (*monitor, error) {
	ctx, err := t.zsock.Context()
	if err != nil {
		return nil, zmq.Translate("zmq_socket_monitor", err)
	}
	z, err := ctx.NewSocket(zmq4.PAIR)
	if err != nil {
		return nil, zmq.Translate("zmq_socket", err)
	}
	m := &monitor{of: t, events: events}
	sock.Claim(z)
	if err := m.start(z); err != nil {
		_ = t.zsock.Monitor("", 0)
		_ = z.Close()
		sock.Disclaim(z)
		return nil, err
	}
	return m, nil
}

// connectMonitor connects pair, a PAIR, to what libzmq reports about z.
//
// libzmq sends events from wherever they happen, and waits if it cannot: in its I/O
// thread, in zmq_bind. So there is no high-water mark, which has to be set before pair is
// connected, and events are received for as long as libzmq can send them.
func connectMonitor(pair, z *zmq4.Socket, events zmq.Event) (*sock.Socket, error) {
	s, err := sock.New(pair)
	if err != nil {
		return nil, err
	}
	if err := rawSockopts(s).SetRcvHWM(0); err != nil {
		return nil, err
	}
	endpoint := fmt.Sprintf("inproc://zmqio.monitor.%d", monitors.Add(1))
	if err := z.Monitor(endpoint, zmq4.Event(events)); err != nil {
		return nil, zmq.Translate("zmq_socket_monitor", err)
	}
	if err := pair.Connect(endpoint); err != nil {
		return nil, zmq.Translate("zmq_connect", err)
	}
	return s, nil
}

// start puts z, a PAIR, on the loop, connected to what libzmq reports.
func (m *monitor) start(z *zmq4.Socket) error {
	t := m.of
	s, err := connectMonitor(z, t.zsock, m.events&^zmq.EVENT_BIND_FAILED) // which bindFailed reports
	if err != nil {
		return err
	}
	m.pair = &Transport{loop: t.loop, typ: zmq.PAIR, zsock: z, sock: s, monitorOf: t}
	return m.pair.start(m)
}

// endMonitor ends the monitor, if there is one. sockMu is held.
//
// libzmq must have stopped to send events before the PAIR is closed, or it would wait for
// somebody to receive them for ever. When it cannot be told to, because the socket was
// closed behind our back, the PAIR goes on receiving until the loop is closed.
func (t *Transport) endMonitor() error {
	m := t.monitor
	if m == nil {
		return nil
	}
	t.monitor = nil
	m.ended.Store(true)
	err := zmq.Translate("zmq_socket_monitor", t.zsock.Monitor("", 0))
	if errors.Is(err, zmq.ENOTSOCK) && t.loop.belongTo(m) {
		return err
	}
	m.pair.close(nil)
	return err
}

// forget is called when the loop is closed.
func (m *monitor) forget(*EventLoop) { m.pair.close(nil) }

// bindFailed reports a bind that failed with err. sockMu is held.
//
// libzmq would report it too, but spoil the error: zmq_bind then ends with the errno that
// was left by sending the event, EAGAIN as a rule.
func (t *Transport) bindFailed(endpoint string, err error) {
	m := t.monitor
	var errno zmq.Errno
	if m == nil || m.events&zmq.EVENT_BIND_FAILED == 0 || !errors.As(err, &errno) {
		return
	}
	ev := zmq.MonitorEvent{Event: zmq.EVENT_BIND_FAILED, Value: int32(errno), Endpoint: endpoint}
	_ = t.loop.reactor.CallSoon(reactor.NewHandle(func() { m.report(ev) }, t.origin("EventReceived")))
}

// MsgReceived is called with what libzmq reports.
func (m *monitor) MsgReceived(msg [][]byte) {
	ev, err := zmq.ParseMonitorEvent(msg)
	if err != nil {
		m.of.complain("monitor event not understood", err)
		return
	}
	m.report(ev)
}

// report calls EventReceived, on the loop.
func (m *monitor) report(ev zmq.MonitorEvent) {
	p, ok := m.of.Protocol().(MonitorProtocol)
	if !ok || m.ended.Load() {
		return
	}
	defer m.of.recovered("EventReceived panicked", p)
	p.EventReceived(ev)
}
