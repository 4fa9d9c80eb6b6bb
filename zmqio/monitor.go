package zmqio

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/reactor"
	"github.com/zmqio/zmq/zmqio/internal/sock"
)

// A MonitorProtocol is a Protocol that gets events of the transport's connections, after
// Transport.EnableMonitor.
type MonitorProtocol interface {
	Protocol

	// EventReceived is called with each event, in the order of libzmq. Events and messages
	// travel separately; their relative order is unspecified.
	//
	// aiozmq: event_received
	EventReceived(ev zmq.MonitorEvent)
}

// EnableMonitor makes the loop call the protocol's EventReceived with events, until
// DisableMonitor or the end of the transport. zmq.EVENT_ALL means all events of the running
// libzmq, as is aiozmq's default.
//
// A second call with the same events does nothing. A second call with others first ends the
// monitor, as DisableMonitor does. To miss nothing, call EnableMonitor in ConnectionMade, which
// is before the first bind or connect. Over inproc libzmq reports nothing.
//
// Events wait in memory while the loop does not run. PauseReading does not hold them back. A
// protocol set by SetProtocol that has no EventReceived misses them. A monitor takes two
// sockets of MaxSockets.
//
// Errors, in an [*OpError]:
//   - [ErrInvalidArgument]: events is empty or not within zmq.EVENT_ALL, or the protocol has no
//     EventReceived.
//   - errors.ErrUnsupported: the running libzmq lacks some of events.
//   - [ErrTransportClosed]: the transport has ended, or Close was called.
//   - Others of libzmq.
//
// aiozmq: enable_monitor
func (t *Transport) EnableMonitor(events zmq.Event) error {
	if err := t.enableMonitor(events); err != nil {
		return &OpError{Op: "monitor", Err: err}
	}
	return nil
}

func (t *Transport) enableMonitor(events zmq.Event) error {
	if err := checkEvents(events); err != nil {
		return err
	}
	if p := t.Protocol(); !isMonitorProtocol(p) {
		return invalid("the protocol %T has no method EventReceived(zmq.MonitorEvent)", p)
	}
	if events != zmq.EVENT_ALL {
		if err := events.Require(); err != nil {
			return err
		}
	}
	t.sockMu.Lock()
	defer t.sockMu.Unlock()
	if m := t.monitor; m != nil && m.enabled != nil && m.enabled.mask == events {
		return nil
	}
	s, err := t.subscribeLocked(events, t.eventReceived)
	if err != nil {
		return err
	}
	m := t.monitor
	before := m.enabled
	m.enabled = s
	return m.unsubscribeLocked(before)
}

// DisableMonitor ends what EnableMonitor began. EventReceived is not called again, even for an
// event that libzmq has reported; so it never gets EVENT_MONITOR_STOPPED. Off the loop
// goroutine, a call that is just starting may still come. Close and Abort end the monitor in
// the same way.
//
// DisableMonitor may be repeated, and does nothing on a closed transport. An error is libzmq's;
// the monitor has ended nevertheless.
//
// aiozmq: disable_monitor
func (t *Transport) DisableMonitor() error {
	t.sockMu.Lock()
	defer t.sockMu.Unlock()
	m := t.monitor
	if m == nil {
		return nil
	}
	before := m.enabled
	m.enabled = nil
	return m.unsubscribeLocked(before)
}

func isMonitorProtocol(p Protocol) bool {
	_, ok := p.(MonitorProtocol)
	return ok
}

// eventReceived hands an event to the protocol. EnableMonitor subscribes it.
func (t *Transport) eventReceived(ev zmq.MonitorEvent) {
	p, ok := t.Protocol().(MonitorProtocol)
	if !ok {
		return
	}
	defer t.recovered("EventReceived panicked", p)
	p.EventReceived(ev)
}

// subscribeMonitor makes the loop goroutine call fn for each event in mask, in libzmq's order. It
// does so until cancel, or until Close or Abort of the transport. A panic in fn goes to the
// exception handler. Over inproc, and for events that the running libzmq lacks, fn is never called.
//
// cancel may be called on any goroutine, in fn, and more than once. After cancel returns, fn is not
// called again. A cancel off the loop goroutine may miss one call of fn that is just starting.
//
// The first subscriber takes two sockets of the context, and the last cancel gives them back.
// Errors are ErrInvalidArgument for a mask that is empty or not in zmq.EVENT_ALL,
// ErrTransportClosed, and those of libzmq.
func (t *Transport) subscribeMonitor(mask zmq.Event, fn func(zmq.MonitorEvent)) (cancel func(), err error) {
	if err := checkEvents(mask); err != nil {
		return nil, err
	}
	t.sockMu.Lock()
	defer t.sockMu.Unlock()
	s, err := t.subscribeLocked(mask, fn)
	if err != nil {
		return nil, err
	}
	m := t.monitor
	return func() {
		t.sockMu.Lock()
		defer t.sockMu.Unlock()
		_ = m.unsubscribeLocked(s) // fails only if the socket is gone
	}, nil
}

func checkEvents(events zmq.Event) error {
	if events == 0 {
		return invalid("no event is given")
	}
	if unknown := events &^ zmq.EVENT_ALL; unknown != 0 {
		return invalid("libzmq has no event %v", unknown)
	}
	return nil
}

// A monitor receives libzmq's events of a transport's socket and has the subscribers to them. The
// first subscriber starts it, and the last ends it. On a closing transport it stays without
// subscribers, because the departure may take it over.
//
// A socket has one monitor, and libzmq cannot widen its mask: a second call ends the first monitor
// before it makes another. If the context has no socket left, the call fails, and the present
// subscribers would lose theirs. So libzmq reports all of monitored from the start, and
// reportLocked compares the masks.
//
// reports has events that were taken from libzmq for the subscribers of that moment. A new
// subscriber first takes all waiting events. So it gets no event from before, and none twice.
type monitor struct {
	of    *Transport
	pair  *eventPair
	task  *reactor.Task  // serve
	watch *reactor.Watch // of pair, for the task

	// of.sockMu guards the fields below.
	subscribers []*subscriber
	enabled     *subscriber // the subscriber of EnableMonitor, also in subscribers; nil if there is none
	reports     []report
	recent      recentEvents
	stopped     bool // the socket was closed elsewhere, and libzmq sends no more events
}

// monitored are the events that libzmq reports. bindFailedLocked makes EVENT_BIND_FAILED.
const monitored = zmq.EVENT_ALL &^ zmq.EVENT_BIND_FAILED

// maxEvents is how many events the loop takes from libzmq before others get their turn.
const maxEvents = 256

// A subscriber gets the events in its mask.
type subscriber struct {
	mask  zmq.Event
	fn    func(zmq.MonitorEvent)
	ended atomic.Bool // fn must not be called any more
}

// A report is an event for one subscriber.
type report struct {
	to *subscriber
	ev zmq.MonitorEvent
}

// subscribeLocked adds a subscriber, and starts the monitor for the first. Caller holds t.sockMu.
func (t *Transport) subscribeLocked(mask zmq.Event, fn func(zmq.MonitorEvent)) (*subscriber, error) {
	if t.sock == nil || t.IsClosing() {
		return nil, ErrTransportClosed
	}
	if t.monitor == nil {
		m, err := t.startMonitorLocked()
		if err != nil {
			return nil, err
		}
		t.monitor = m
		t.heard.CompareAndSwap(nil, new(heard))
	} else if err := t.monitor.catchUpLocked(); err != nil {
		return nil, err
	}
	s := &subscriber{mask: mask, fn: fn}
	t.monitor.subscribers = append(t.monitor.subscribers, s)
	return s, nil
}

// startMonitorLocked starts a monitor and puts it on the loop. Caller holds t.sockMu.
func (t *Transport) startMonitorLocked() (*monitor, error) {
	pair, err := openEventPair(t.zsock, monitored)
	if err != nil {
		return nil, err
	}
	m := &monitor{of: t, pair: pair}
	m.task = t.residence.NewTask(m.serve, t.methodOrigin("EventReceived"))
	fd, err := rawSockopts(pair.sock).FD()
	if err == nil {
		m.watch, err = t.watchFD(int(fd), m.task)
	}
	if err != nil {
		_ = t.zsock.Monitor("", 0)
		pair.close()
		return nil, err
	}
	// ZMQ_FD signals changes alone, and events may have come before.
	m.task.Schedule()
	return m, nil
}

// unsubscribeLocked removes s, and ends the monitor with the last subscriber. It does nothing for a
// nil s or one that was removed. Caller holds m.of.sockMu.
func (m *monitor) unsubscribeLocked(s *subscriber) error {
	i := slices.Index(m.subscribers, s)
	if i < 0 {
		return nil
	}
	s.ended.Store(true)
	m.subscribers = slices.Delete(m.subscribers, i, i+1)
	if len(m.subscribers) > 0 {
		return nil
	}
	return m.of.endMonitorLocked()
}

// silenceMonitor removes all subscribers of a closing transport.
func (t *Transport) silenceMonitor() {
	t.sockMu.Lock()
	defer t.sockMu.Unlock()
	if t.monitor != nil {
		t.monitor.silenceLocked()
	}
}

// silenceLocked removes all subscribers. Caller holds m.of.sockMu.
func (m *monitor) silenceLocked() {
	for _, s := range m.subscribers {
		s.ended.Store(true)
	}
	m.subscribers, m.enabled, m.reports = nil, nil, nil
}

// endMonitorLocked ends the monitor, if there is one. Caller holds t.sockMu.
//
// libzmq must stop sending events before the PAIR is closed. Else libzmq would block for ever on
// the next event. If the socket was closed elsewhere, libzmq cannot be told to stop. A departure
// then receives the events until libzmq has let the socket go.
func (t *Transport) endMonitorLocked() error {
	if t.monitor == nil {
		return nil
	}
	pair := t.monitor.leaveLocked()
	err := zmq.Translate("zmq_socket_monitor", t.zsock.Monitor("", 0))
	switch {
	case pair == nil:
	case errors.Is(err, zmq.ENOTSOCK):
		departing.add(&departure{
			loop: t.loop, name: t.String(), begin: time.Now(), pair: pair,
			gone: make(chan struct{}), done: make(chan struct{}),
		})
	default:
		pair.close()
	}
	return err
}

// leaveLocked takes the monitor off its transport and the loop. It returns the PAIR, on which
// libzmq goes on reporting, to the caller. It returns nil if libzmq has stopped. Caller holds
// m.of.sockMu.
//
// leaveLocked drops the waiting events. No subscriber needs them, and a departure would take the
// descriptors of ended connections for current ones.
func (m *monitor) leaveLocked() *eventPair {
	m.of.monitor = nil
	m.silenceLocked()
	m.watch.Stop()
	m.task.Cancel()
	if _, _ = m.takeLocked(math.MaxInt); m.stopped {
		m.pair.close()
		return nil
	}
	return m.pair
}

// serve is the monitor's task: it takes events from libzmq and calls the subscribers.
func (m *monitor) serve() {
	again := true // stays true if a subscriber calls runtime.Goexit
	defer func() {
		if again {
			m.task.Schedule()
		}
	}()
	n, more, err := m.take()
	if n > 1 && m.of.loop.Debug() { // debug mode: one run of the task for each event, so that slow callbacks are logged
		n, more = 1, true
	}
	for range n { // reports that come meanwhile schedule the task
		m.tellNext()
	}
	again = more
	if err != nil { // the context, which is the transport's too, has ended
		m.of.fatal(err)
	}
}

// take takes events from libzmq and returns the number of reports. more means that libzmq may have
// more events.
func (m *monitor) take() (n int, more bool, err error) {
	m.of.sockMu.Lock()
	defer m.of.sockMu.Unlock()
	if m.of.monitor != m { // the monitor has left
		return 0, false, nil
	}
	more, err = m.takeLocked(maxEvents)
	return len(m.reports), more, err
}

// catchUpLocked takes all waiting events from libzmq, and schedules the task for the reports.
// Caller holds m.of.sockMu.
func (m *monitor) catchUpLocked() error {
	_, err := m.takeLocked(math.MaxInt)
	if err != nil || len(m.reports) > 0 {
		m.task.Schedule()
	}
	return err
}

// takeLocked takes up to most events from libzmq. Caller holds m.of.sockMu.
func (m *monitor) takeLocked(most int) (more bool, err error) {
	for range most {
		msg, err := m.pair.zsock.RecvMessageBytes(zmq4.DONTWAIT)
		if err == zmq4.Errno(zmq.EAGAIN) {
			return false, nil
		}
		if err != nil {
			return false, zmq.Translate("zmq_msg_recv", err)
		}
		m.heardLocked(msg)
	}
	return true, nil
}

// heardLocked makes reports of one event, in libzmq's form. Caller holds m.of.sockMu.
func (m *monitor) heardLocked(msg [][]byte) {
	ev, err := zmq.ParseMonitorEvent(msg)
	if err != nil {
		m.of.complain("monitor event not understood", err)
		return
	}
	m.stopped = m.stopped || ev.Event == zmq.EVENT_MONITOR_STOPPED
	m.of.heard.Load().event(ev)
	if m.of.owner != nil {
		m.of.owner.happenedLocked(ev)
	}
	m.reportLocked(ev)
}

// reportLocked keeps ev for RecentEvents, and makes a report for each subscriber that wants it.
// Caller holds m.of.sockMu.
func (m *monitor) reportLocked(ev zmq.MonitorEvent) {
	m.recent.add(ev)
	for _, s := range m.subscribers {
		if s.mask&ev.Event != 0 {
			m.reports = append(m.reports, report{s, ev})
		}
	}
}

// next removes and returns the first report.
func (m *monitor) next() (r report, ok bool) {
	m.of.sockMu.Lock()
	defer m.of.sockMu.Unlock()
	if len(m.reports) == 0 { // silenceLocked has dropped the reports
		return report{}, false
	}
	r = m.reports[0]
	m.reports[0] = report{}
	if m.reports = m.reports[1:]; len(m.reports) == 0 {
		m.reports = nil
	}
	return r, true
}

// tellNext calls the subscriber of the first report.
func (m *monitor) tellNext() {
	r, ok := m.next()
	if !ok || r.to.ended.Load() {
		return
	}
	defer m.of.recovered("subscriber of monitor events panicked", m.of.Protocol())
	r.to.fn(r.ev)
}

// waitsLocked reports whether there are reports, or an error to act on. Caller holds m.of.sockMu.
func (m *monitor) waitsLocked() bool {
	return m != nil && (m.catchUpLocked() != nil || len(m.reports) > 0)
}

// bindFailedLocked reports a bind that failed with err. Caller holds t.sockMu.
//
// libzmq does not report it, because it would spoil the error: zmq_bind then returns the errno of
// sending the event, mostly EAGAIN.
func (t *Transport) bindFailedLocked(endpoint string, err error) {
	var errno zmq.Errno
	if t.monitor == nil || !errors.As(err, &errno) {
		return
	}
	_ = t.monitor.catchUpLocked() // earlier events come first; the loop meets an error again
	t.monitor.reportLocked(zmq.MonitorEvent{Event: zmq.EVENT_BIND_FAILED, Value: int32(errno), Endpoint: endpoint})
	t.monitor.task.Schedule()
}

// An eventPair is a PAIR to which libzmq sends the events of another socket.
type eventPair struct {
	zsock *zmq4.Socket
	sock  *sock.Socket
}

// eventPairs counts the endpoints of PAIRs. Several loops may share a context.
var eventPairs atomic.Uint64

// openEventPair makes libzmq send events of z to a PAIR. It ends a monitor that z had before.
//
// libzmq sends events in its I/O threads and in zmq_bind, and blocks if the PAIR is full. So the
// PAIR has no high-water mark, and this must be set before the connect. The owner must receive for
// as long as libzmq can send.
func openEventPair(z *zmq4.Socket, events zmq.Event) (*eventPair, error) {
	ctx, err := z.Context()
	if err != nil {
		return nil, zmq.Translate("zmq_socket_monitor", err)
	}
	p := new(eventPair)
	if p.zsock, err = ctx.NewSocket(zmq4.PAIR); err != nil {
		return nil, zmq.Translate("zmq_socket", err)
	}
	sock.Claim(p.zsock)
	if err := p.connect(z, events); err != nil {
		_ = z.Monitor("", 0)
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *eventPair) connect(z *zmq4.Socket, events zmq.Event) (err error) {
	if p.sock, err = sock.New(p.zsock); err != nil {
		return err
	}
	if err := rawSockopts(p.sock).SetRcvHWM(0); err != nil {
		return err
	}
	endpoint := fmt.Sprintf("inproc://zmqio.monitor.%d", eventPairs.Add(1))
	if err := z.Monitor(endpoint, zmq4.Event(events)); err != nil {
		return zmq.Translate("zmq_socket_monitor", err)
	}
	return zmq.Translate("zmq_connect", p.zsock.Connect(endpoint))
}

// close closes the PAIR. libzmq must have stopped sending, or the context must have ended.
func (p *eventPair) close() {
	_ = p.zsock.Close() // fails only if the PAIR is closed
	sock.Disclaim(p.zsock)
}
