package zmqio

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zmqio/zmq/zmqio/internal/ipc"
	"github.com/zmqio/zmq/zmqio/internal/poll"
	"github.com/zmqio/zmq/zmqio/internal/sock"
)

// departing has the departures of this process. One goroutine serves all of them while there are
// any, independent of the goroutines that run the loops.
var departing departures

type departures struct {
	mu      sync.Mutex // in the order of locks at Transport.sockMu
	fresh   []*departure
	all     []*departure // does not include fresh
	running bool
	waker   *poll.Waker // nil if the process has no descriptor left for it
	kept    map[ipc.ID]*keptConn
}

// A keptConn is a connection that one departure or more keep open. Several sockets of this process
// may connect to the same path. Which socket owns a connection shows only when libzmq lets a socket
// go.
type keptConn struct {
	*ipc.Conn
	bound bool // the connection was accepted
	users int
}

// unwoken bounds the time until run sees a new departure where there is no waker.
const unwoken = 5 * time.Millisecond

// add takes over d, and starts run if it does not run.
func (ds *departures) add(d *departure) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	ds.fresh = append(ds.fresh, d)
	if ds.running {
		ds.wakeLocked()
		return
	}
	ds.running = true
	ds.waker, _ = poll.NewWaker()
	go ds.run()
}

// wakeLocked wakes run from its wait. Caller holds ds.mu.
func (ds *departures) wakeLocked() {
	if ds.waker != nil {
		ds.waker.Wake()
	}
}

// of returns the unfinished departures of l.
func (ds *departures) of(l *EventLoop) (all []*departure) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	for _, d := range slices.Concat(ds.all, ds.fresh) {
		if d.loop == l && !d.finished {
			all = append(all, d)
		}
	}
	return all
}

// giveUp ends d, whatever has not arrived.
func (ds *departures) giveUp(d *departure) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	d.givenUp = true
	ds.wakeLocked()
}

// describe returns what of d has not arrived yet, or "" if d is finished.
func (ds *departures) describe(d *departure) string {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if d.finished {
		return ""
	}
	return d.describe(d.missingLocked())
}

// takeLost returns the losses on l since the last call.
func (ds *departures) takeLost(l *EventLoop) []error {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	lost := l.late
	l.late = nil
	return lost
}

// run serves the departures, on a goroutine of its own, until greet finds none.
func (ds *departures) run() {
	events := make([]sock.Monitored, 64)
	for ds.greet() {
		for _, w := range ds.advance(time.Now()) {
			w.log()
		}
		heard, pairs, wake, timeout := ds.watched(time.Now())
		n := sock.Watch(pairs, wake, timeout, events)
		ds.hear(heard, events[:n], time.Now())
	}
}

// greet looks for the connections of new departures. If there is no departure left it returns
// false, and run ends.
func (ds *departures) greet() bool {
	ds.mu.Lock()
	fresh := ds.fresh
	ds.fresh = nil
	ds.all = append(ds.all, fresh...) // added before the search, because Close and Shutdown wait for them
	if len(ds.all) == 0 {
		ds.running = false
		if ds.waker != nil {
			ds.waker.Close()
		}
		ds.mu.Unlock()
		return false
	}
	ds.mu.Unlock()

	users := make(map[ipc.End][]*departure)
	var ends []ipc.End
	for _, d := range fresh {
		for _, e := range d.ends {
			if users[e] == nil {
				ends = append(ends, e)
			}
			users[e] = append(users[e], d)
		}
	}
	found, err := ipc.Find(ends) // one search for all, because it looks at every descriptor

	ds.mu.Lock()
	defer ds.mu.Unlock()
	for _, d := range fresh {
		if d.ends != nil {
			d.unkept = err
		}
	}
	for _, f := range found {
		end := ends[f.End]
		k, err := ds.findLocked(f, end.Bound)
		for _, d := range users[end] {
			if err != nil {
				d.unkept = err
			} else if k != nil {
				d.keepLocked(k)
				d.untold = append(d.untold, k.FD())
			}
		}
	}
	for _, d := range fresh {
		made := d.madeLocked()
		if d.strays = max(0, made-d.outgoing); made < d.outgoing && d.pair == nil && d.unkept == nil {
			d.unkept = d.unasked
		}
	}
	return true
}

// findLocked keeps the connection f open and returns it. It returns nil if the connection has
// closed meanwhile. The caller adds it to a departure. Caller holds ds.mu.
func (ds *departures) findLocked(f ipc.Found, bound bool) (*keptConn, error) {
	if k := ds.kept[f.ID]; k != nil {
		return k, nil
	}
	c, err := ipc.Keep(f)
	if c == nil {
		return nil, err
	}
	return ds.shareLocked(c, bound), nil
}

// shareLocked takes over c. If the same connection is kept already, it closes c and returns that
// one. The caller adds it to a departure. Caller holds ds.mu.
func (ds *departures) shareLocked(c *ipc.Conn, bound bool) *keptConn {
	if k := ds.kept[c.ID()]; k != nil {
		c.Close()
		return k
	}
	if ds.kept == nil {
		ds.kept = make(map[ipc.ID]*keptConn)
	}
	k := &keptConn{Conn: c, bound: bound}
	ds.kept[c.ID()] = k
	return k
}

// releaseLocked ends one use of k, and closes k after the last. Caller holds ds.mu.
func (ds *departures) releaseLocked(k *keptConn) {
	if k.users--; k.users == 0 {
		delete(ds.kept, k.ID())
		k.Close()
	}
}

// watched returns the departures with a PAIR, their PAIRs, the descriptor of the waker or -1, and
// the longest time to wait.
func (ds *departures) watched(now time.Time) (heard []*departure, pairs []*sock.Socket, wake int, timeout time.Duration) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	switch {
	case len(ds.all) == 0:
		return nil, nil, -1, 0
	case ds.waker == nil:
		wake, timeout = -1, unwoken
	default:
		wake, timeout = ds.waker.FD(), time.Hour
	}
	for _, d := range ds.all {
		if d.pair != nil {
			heard, pairs = append(heard, d), append(pairs, d.pair.sock)
		}
		timeout = min(timeout, d.patienceLocked(now))
	}
	return heard, pairs, wake, max(timeout, 0)
}

// hear handles the events that libzmq has reported.
func (ds *departures) hear(heard []*departure, events []sock.Monitored, now time.Time) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if ds.waker != nil {
		ds.waker.Drain()
	}
	for _, m := range events {
		if d := heard[m.Socket]; d.pair != nil {
			d.hearLocked(m, now)
		}
	}
}

// advance lets each departure do what is due, and returns what is to be logged.
func (ds *departures) advance(now time.Time) (warnings []departureWarning) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	ds.all = slices.DeleteFunc(ds.all, func(d *departure) bool {
		waiting := !d.finished
		d.advanceLocked(now)
		if waiting && d.finished && (d.lost != nil || d.unkept != nil) {
			warnings = append(warnings, departureWarning{d.loop.reactor.Logger(), d.name, d.lost, d.unkept})
		}
		if waiting && d.lost != nil && d.finished {
			d.loop.late = append(d.loop.late, loss(d.describe(d.lost)))
		}
		return d.isOverLocked()
	})
	return warnings
}

// A departureWarning is logged without departing.mu, because the logger is the user's.
type departureWarning struct {
	logger    *slog.Logger
	transport string
	lost      []string
	unkept    error
}

func (w departureWarning) log() {
	defer func() { _ = recover() }() // a panic of the logger ends neither the goroutine nor the program
	attrs := []any{slog.String("transport", w.transport)}
	if w.unkept != nil {
		attrs = append(attrs, slog.Any("unkept", w.unkept))
	}
	if w.lost == nil {
		w.logger.Warn("zmqio: a connection over ipc could not be kept open until its peer has read everything", attrs...)
		return
	}
	w.logger.Warn("zmqio: messages were not delivered", append(attrs, slog.String("missing", strings.Join(w.lost, ", ")))...)
}
