package zmqio

import (
	"fmt"
	"time"

	"github.com/zmqio/zmq"
)

// Liveness detects that the other side of a Stream is no longer there, which TCP alone may
// never report. The zero value does nothing.
//
// Idle sets options of libzmq and the kernel, so that a dead connection ends within about Idle
// and is made again. HEARTBEAT_IVL is a third of Idle and HEARTBEAT_TIMEOUT two thirds.
// CONNECT_TIMEOUT, TCP_MAXRT and HEARTBEAT_TTL are Idle; the last is at most 6,553 s.
// TCP_KEEPALIVE is on, with Idle in three steps. An option that Configure has set stays as it
// is.
//
// libzmq does not read heartbeats while a stream has no room for messages. A stream that is not
// read for longer than Idle therefore loses its connections.
// libzmq may then also end the process; see "What libzmq gets wrong" in the package
// documentation. For a stream that its readers may leave full, let Configure set
// HEARTBEAT_IVL to 0. The kernel still detects a dead TCP connection, and libzmq ends it when
// the queue is read. Heartbeats of the peer can still end a connection; IMMEDIATE makes that
// safe.
type Liveness struct {
	// Idle is how long nothing may come: a millisecond or more, or 0 for no limit.
	Idle time.Duration
	// Notify, if not nil, is called on the loop when the state changes. It needs Idle.
	Notify func(LivenessEvent)
}

// LivenessState is what a LivenessEvent reports.
type LivenessState uint8

const (
	// LivenessStale means that no message has come for Liveness.Idle, on a stream that receives
	// and is read. The connections may be open all the same.
	LivenessStale LivenessState = iota + 1
	// LivenessGone means that the last connection of an endpoint has ended. If the stream
	// connects to the endpoint, libzmq connects again.
	LivenessGone
	// LivenessBack means that a message has come after LivenessStale, or that an endpoint has a
	// connection after LivenessGone. Messages sent meanwhile may be lost.
	LivenessBack
)

// String returns the name of the state: stale, gone or back.
func (s LivenessState) String() string {
	switch s {
	case LivenessStale:
		return "stale"
	case LivenessGone:
		return "gone"
	case LivenessBack:
		return "back"
	}
	return fmt.Sprintf("LivenessState(%d)", uint8(s))
}

// A LivenessEvent is the argument of Liveness.Notify.
type LivenessEvent struct {
	// State is what has happened.
	State LivenessState
	// Endpoint is the endpoint that is gone or back, as in Transport.Listeners or
	// Transport.Connections. It is empty for LivenessStale, and for the LivenessBack that ends
	// it.
	Endpoint string
}

func (l Liveness) check() error {
	switch {
	case l.Idle < 0, l.Idle > 0 && l.Idle < time.Millisecond:
		return invalid("Liveness.Idle is %v; need 0, or a millisecond or more", l.Idle)
	case l.Idle == 0 && l.Notify != nil:
		return invalid("Liveness.Notify is set, and Idle is not")
	}
	return nil
}

// maxTTL is the longest HEARTBEAT_TTL.
const maxTTL = 6553 * time.Second

// configure sets those heartbeat options of t that the user has not set.
func (l Liveness) configure(t *Transport) error {
	third := max(l.Idle/3, time.Millisecond)
	for _, s := range []struct {
		opt   zmq.Option
		value any
	}{
		{zmq.HEARTBEAT_IVL, third},
		{zmq.HEARTBEAT_TIMEOUT, 2 * third},
		{zmq.HEARTBEAT_TTL, min(l.Idle, maxTTL)},
		{zmq.CONNECT_TIMEOUT, l.Idle},
		{zmq.TCP_MAXRT, l.Idle},
		{zmq.TCP_KEEPALIVE, 1},
		{zmq.TCP_KEEPALIVE_IDLE, third},
		{zmq.TCP_KEEPALIVE_INTVL, third},
		{zmq.TCP_KEEPALIVE_CNT, 2},
	} {
		if t.isTouched(s.opt) {
			continue
		}
		if err := t.Setsockopt(s.opt, s.value); err != nil {
			return err
		}
	}
	return nil
}

// A lifeline watches a Stream with Liveness. A nil lifeline does nothing. Loop goroutine only,
// except counted.
type lifeline struct {
	Liveness
	loop  *EventLoop
	last  time.Duration // when messages came last, on the loop's clock
	stale bool
	gone  map[string]bool // endpoints without a connection; under t.sockMu
	timer *TimerHandle
}

// newLifeline returns nil for a Liveness without Idle.
func newLifeline(l Liveness, loop *EventLoop) *lifeline {
	if l.Idle == 0 {
		return nil
	}
	return &lifeline{Liveness: l, loop: loop, gone: make(map[string]bool)}
}

// start sets the options of t and the first timer.
func (v *lifeline) start(t *Transport) error {
	if v == nil {
		return nil
	}
	if err := v.configure(t); err != nil {
		return err
	}
	if t.traits.receives {
		v.last = v.loop.Time()
		v.await(t, v.Idle)
	}
	return nil
}

// await sets a timer that checks after d whether messages have come.
func (v *lifeline) await(t *Transport, d time.Duration) {
	v.timer, _ = v.loop.CallLater(d, func() { // fails only on a closed loop
		idle := v.loop.Time() - v.last
		if !t.reads() { // the stream is not read, so no message can come
			v.last, idle = v.loop.Time(), 0
		}
		if idle >= v.Idle && !v.stale {
			v.stale = true
			v.tell(LivenessEvent{State: LivenessStale})
		}
		if idle >= v.Idle {
			idle = 0
		}
		v.await(t, v.Idle-idle)
	})
}

// came records that messages have come.
func (v *lifeline) came() {
	if v == nil {
		return
	}
	v.last = v.loop.Time()
	if v.stale {
		v.stale = false
		v.tell(LivenessEvent{State: LivenessBack})
	}
}

// counted gets the connections of an endpoint after a change. Caller holds t.sockMu.
func (v *lifeline) counted(endpoint string, n turnout) {
	switch {
	case v == nil:
	case n.before > 0 && n.after == 0:
		v.gone[endpoint] = true
		v.tell(LivenessEvent{LivenessGone, endpoint})
	case n.after > 0 && v.gone[endpoint]:
		delete(v.gone, endpoint)
		v.tell(LivenessEvent{LivenessBack, endpoint})
	}
}

// tell makes the loop call Notify. Calls keep their order.
func (v *lifeline) tell(ev LivenessEvent) {
	if v.Notify != nil {
		_, _ = v.loop.CallSoon(func() { v.Notify(ev) }) // fails only on a closed loop
	}
}

// stop ends the timer.
func (v *lifeline) stop() {
	if v != nil && v.timer != nil {
		v.timer.Cancel()
	}
}
