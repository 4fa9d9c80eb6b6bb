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

// departing are the departures of this process. One goroutine deals with all of them for
// as long as there are any, so that it does not matter which goroutines run the loops.
var departing departures

type departures struct {
	mu      sync.Mutex // its place among the locks: Transport.sockMu
	fresh   []*departure
	all     []*departure // without fresh
	running bool
	waker   *poll.Waker // nil if there are too many descriptors
	kept    map[ipc.ID]*keptConn
}

// A keptConn is a connection that is kept open for one departure or more. Several sockets
// of this process may be connected to the same path; whose a connection is shows only
// when libzmq has let a socket go.
type keptConn struct {
	*ipc.Conn
	bound bool // the connection was accepted
	users int
}

// unwoken is how long a departure may wait to be noticed where there is no waker.
const unwoken = 5 * time.Millisecond

// add takes over d.
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

// wakeLocked makes run look again. Caller holds ds.mu.
func (ds *departures) wakeLocked() {
	if ds.waker != nil {
		ds.waker.Wake()
	}
}

// of returns the departures of l that are not finished.
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

// giveUp ends the waiting for d.
func (ds *departures) giveUp(d *departure) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	d.givenUp = true
	ds.wakeLocked()
}

// describe returns what of d has not arrived so far, or "" if d is finished.
func (ds *departures) describe(d *departure) string {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if d.finished {
		return ""
	}
	return d.describe(d.missingLocked())
}

// takeLost returns what has been lost on l since the last call.
func (ds *departures) takeLost(l *EventLoop) []error {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	lost := l.late
	l.late = nil
	return lost
}

// run is the goroutine.
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

// greet looks for the connections of what is new. It returns false if nothing is left to
// do, and the goroutine ends.
func (ds *departures) greet() bool {
	ds.mu.Lock()
	fresh := ds.fresh
	ds.fresh = nil
	ds.all = append(ds.all, fresh...) // at once, for Close and Shutdown, which wait
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
	found, err := ipc.Find(ends) // once for all, because it looks at every descriptor

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

// findLocked returns the connection that f is, kept open, or nil if that is closed by
// now. The caller makes it a departure's. Caller holds ds.mu.
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

// shareLocked takes over c, which may be kept open already. The caller makes it a
// departure's. Caller holds ds.mu.
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

// releaseLocked ends a use of k. Caller holds ds.mu.
func (ds *departures) releaseLocked(k *keptConn) {
	if k.users--; k.users == 0 {
		delete(ds.kept, k.ID())
		k.Close()
	}
}

// watched returns the departures that libzmq reports about and their PAIRs, what else to
// wait for, and how long.
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

// hear deals with what libzmq reports.
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

// advance takes all departures a step further, and returns what is to be logged.
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

// A departureWarning is for the loop's logger.
type departureWarning struct {
	logger    *slog.Logger
	transport string
	lost      []string
	unkept    error
}

func (w departureWarning) log() {
	defer func() { _ = recover() }() // a logger that panics ends neither the goroutine nor the program
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
