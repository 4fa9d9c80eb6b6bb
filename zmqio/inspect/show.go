package inspect

import (
	"fmt"
	"strings"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

const (
	maxTexts     = 32               // for endpoints and subscriptions
	optionsAfter = 10 * time.Second // options are read again
	stuckAfter   = time.Second      // a callback counts as stuck
)

// showLocked makes the Snapshot. Caller holds s.mu.
func (s *sampler) showLocked(v *visit, q Query) *Snapshot {
	now := time.Now()
	snapshot := &Snapshot{Time: now, Process: processNow(), Loops: []Loop{}}
	first := max(s.samples-maxSamples, 0)
	if q.History {
		for i := first; i < s.samples; i++ {
			snapshot.HistorySecondsAgo = append(snapshot.HistorySecondsAgo, round(now.Sub(s.times[i%maxSamples]).Seconds()))
		}
	}
	snapshot.LoopsOmitted = max(len(v.loops)-q.Limit, 0)
	v.loops = v.loops[:len(v.loops)-snapshot.LoopsOmitted]
	callbacks := ask(s.callbacks, v.loops, func(l visitedLoop) any { return l.loop }, runningCallback)
	guests := s.askGuests(v, &q)
	for i, vl := range v.loops {
		l := vl.show()
		l.setState(vl.loop, callbacks[i])
		l.Residents, l.ResidentsOmitted = guests[i].shown, guests[i].omitted
		if q.History {
			l.History = vl.record.history(first, s.samples)
		}
		for _, one := range vl.ones {
			if !one.shown {
				l.TransportsOmitted++
				continue
			}
			t := one.show()
			if q.History {
				t.History = one.record.history(first, s.samples)
			}
			l.Transports = append(l.Transports, t)
		}
		snapshot.Loops = append(snapshot.Loops, l)
	}
	return snapshot
}

func (r *loopRecord) history(first, n int) *History {
	if r.busy == nil {
		return nil
	}
	return &History{BusyRatio: r.busy.list(max(r.first, first), n)}
}

func (r *transportRecord) history(first, n int) *History {
	if r.received == nil && r.sent == nil {
		return nil
	}
	first = max(r.first, first)
	return &History{ReceivedMessagesPerSecond: r.received.list(first, n), SentMessagesPerSecond: r.sent.list(first, n)}
}

func (vl visitedLoop) show() Loop {
	l, s := vl.loop, vl.stats
	shown := Loop{
		ID: vl.record.id, Name: text(l.Name()), Debug: l.Debug(),
		Iterations: s.Iterations, Callbacks: s.Callbacks, BusySeconds: s.Busy.Seconds(), LongestSeconds: s.Longest.Seconds(),
		Slow: s.Slow, Exceptions: s.Exceptions, CurrentSeconds: s.Current.Seconds(),
		Ready: s.Ready, Timers: s.Timers, Descriptors: s.Descriptors,
		SlowCallbacks: []Callback{}, Transports: []Transport{}, Residents: []Resident{},
		Rates: vl.record.rates,
	}
	for _, r := range l.SlowCallbacks() {
		shown.SlowCallbacks = append(shown.SlowCallbacks, callbackOf(r))
	}
	return shown
}

// runningCallback returns what a loop is doing. It may take long, because it calls String of the
// resident that owns the callback.
func runningCallback(vl visitedLoop) *Callback {
	r, running := vl.loop.RunningCallback()
	if !running {
		return nil
	}
	c := callbackOf(r)
	return &c
}

func callbackOf(r zmqio.CallbackReport) Callback {
	return Callback{Name: text(r.Name), Place: text(r.Place), Resident: text(r.Resident), Start: r.Start, Seconds: round(r.Duration.Seconds())}
}

// setState sets the state of the loop. A nil running means unknown.
func (l *Loop) setState(loop *zmqio.EventLoop, running **Callback) {
	took := l.CurrentSeconds
	if running != nil && *running != nil {
		l.RunningCallback = *running
		took = l.RunningCallback.Seconds
	}
	switch {
	case loop.IsClosed():
		l.State = LoopClosed
	case !loop.IsRunning():
		l.State = LoopStopped
	case took >= stuckAfter.Seconds():
		l.State = LoopStuck
	default:
		l.State = LoopRunning
	}
}

// guests are the residents of a loop that are not ZeroMQ transports.
type guests struct {
	shown   []Resident
	omitted int
}

// askGuests returns the guests of each loop, up to q.Limit in all.
func (s *sampler) askGuests(v *visit, q *Query) []guests {
	var all []zmqio.Resident
	for _, vl := range v.loops {
		all = append(all, vl.guests...)
	}
	answers := ask(s.guests, all, func(r zmqio.Resident) any { return r }, lookAtGuest)
	list := make([]guests, len(v.loops))
	room := q.Limit
	for i, vl := range v.loops {
		g := &list[i]
		g.shown = []Resident{}
		for j, r := range vl.guests {
			shown := Resident{Text: text(fmt.Sprintf("%T", r)), Busy: true}
			if a := answers[j]; a != nil {
				shown = *a
			}
			if room == 0 || !q.matches(shown.Text) {
				g.omitted++
				continue
			}
			room--
			g.shown = append(g.shown, shown)
		}
		answers = answers[len(vl.guests):]
	}
	return list
}

// lookAtGuest calls the methods of a resident, which the program has written.
func lookAtGuest(r zmqio.Resident) (shown Resident) {
	defer func() {
		if v := recover(); v != nil {
			shown = Resident{Text: text(fmt.Sprintf("%T, whose methods panic", r))}
		}
	}()
	items, bytes := r.Undelivered()
	return Resident{Text: text(r.String()), UndeliveredItems: items, UndeliveredBytes: bytes}
}

func (one *visited) show() Transport {
	t, s := one.t, one.stats
	high, low := t.WriteBufferLimits()
	shown := Transport{
		ID: one.record.id, Name: text(t.Name()), Type: typeOf(t).String(), State: TransportOpen,
		Reading: t.IsReading(), Protocol: text(protocolOf(t)),
		Received: traffic(s.Received), Sent: traffic(s.Sent), Unread: traffic(s.Unread),
		Buffer: Buffer{
			Traffic: traffic(s.Buffered), HighBytes: high, LowBytes: low,
			Paused: s.IsPaused, Pauses: s.Pauses, PausedSeconds: s.Paused.Seconds(),
			Waiting: s.Waiters, Waits: s.Waits, Refused: s.Refused,
		},
		Drops: Drops{
			Unroutable: traffic(s.Dropped.Unroutable), Unsent: traffic(s.Dropped.Unsent),
			Unread: traffic(s.Dropped.Unread), Events: s.Dropped.Events,
		},
		Connections: connections(s.Connections),
		SocketBusy:  one.busy,
		Rates:       one.record.rates,
	}
	if t.IsClosing() {
		shown.State = TransportClosing
	}
	if !s.LastReceived.IsZero() {
		shown.LastReceived = &s.LastReceived
	}
	shown.Bound, shown.BoundOmitted = texts(t.Listeners(), maxTexts)
	shown.Connected, shown.ConnectedOmitted = texts(t.Connections(), maxTexts)
	if d := one.record.details; d != nil {
		shown.Mechanism, shown.Options = d.mechanism, d.options
		shown.Subscriptions, shown.SubscriptionsOmitted = d.subscriptions, d.more
		shown.Monitored, shown.Events = d.monitored, d.events
	}
	return shown
}

func traffic(t zmqio.Traffic) Traffic { return Traffic(t) }

func connections(c *zmqio.ConnectionStats) *Connections {
	if c == nil {
		return nil
	}
	shown := &Connections{
		Connects: c.Connects, Accepts: c.Accepts, Disconnects: c.Disconnects, Retries: c.Retries,
		AcceptFailures: c.AcceptFailures, Handshakes: c.Handshakes,
	}
	if c.Open >= 0 {
		shown.Open = &c.Open
	}
	for reason, n := range c.Failures.All() {
		if n == 0 {
			continue
		}
		if shown.HandshakeFailures == nil {
			shown.HandshakeFailures = make(map[string]uint64)
		}
		shown.HandshakeFailures[reason] = n
	}
	return shown
}

// A socket is a transport that is to be asked for its details.
type socket struct {
	t     *zmqio.Transport
	known *details // from an earlier visit, or nil
}

// details are the facts that need a call of the socket. They do not change after lookAt.
type details struct {
	at            time.Time // time of all details but the events
	mechanism     string
	options       []Option
	subscriptions []string
	more          int // number of omitted subscriptions
	monitored     bool
	events        []Event
}

// askSocketsLocked gets the details of the shown transports. Caller holds s.mu.
func (s *sampler) askSocketsLocked(v *visit) {
	var shown []*visited
	var sockets []socket
	for _, one := range v.transports {
		if one.shown {
			shown = append(shown, one)
			sockets = append(sockets, socket{one.t, one.record.details})
		}
	}
	for i, answer := range ask(s.sockets, sockets, func(k socket) any { return k.t }, s.look) {
		if answer != nil {
			shown[i].record.details = answer
		} else {
			shown[i].busy = true
		}
	}
}

// lookAt asks a socket. It waits while another goroutine is in a libzmq call with the socket.
func lookAt(k socket) details {
	var d details
	if now := time.Now(); k.known != nil && now.Sub(k.known.at) < optionsAfter {
		d = *k.known
	} else {
		o := k.t.Sockopts()
		d.at = now
		d.options = differing(o, typeOf(k.t))
		if m, err := o.Mechanism(); err == nil {
			d.mechanism = m.String()
		}
		d.subscriptions, d.more = texts(k.t.Subscriptions(), maxTexts)
	}
	var events []zmqio.RecentEvent
	events, d.monitored = k.t.RecentEvents()
	d.events = nil
	for _, ev := range events {
		d.events = append(d.events, eventOf(ev))
	}
	return d
}

func eventOf(ev zmqio.RecentEvent) Event {
	shown := Event{Time: ev.Time, Event: strings.TrimPrefix(ev.Event.String(), "EVENT_"), Endpoint: text(ev.Endpoint)}
	switch {
	case ev.Event == zmq.EVENT_CONNECT_DELAYED: // its error EINPROGRESS is no error
	case ev.Err() != nil:
		shown.Detail = text(ev.Err().Error())
	case ev.Event == zmq.EVENT_CONNECT_RETRIED:
		shown.Detail = "in " + ev.Interval().String()
	}
	return shown
}
