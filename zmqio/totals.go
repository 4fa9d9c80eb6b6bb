package zmqio

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"weak"

	"github.com/zmqio/zmq"
)

// A TransportTotal sums up the transports of the process with the same type and the same Name,
// those that have ended included. So counters never fall, unless a transport is garbage
// collected without Close. Fields that say now sum up the open transports.
//
// LastReceived is the latest. IsPaused means that at least one is paused. Connections is nil if
// no transport has had a monitor. Connections.Open is -1 if it is -1 on each.
type TransportTotal struct {
	Type zmq.SocketType
	Name string
	// Open is how many of the transports are open now.
	Open int
	// PausedNow is how many of the transports are paused now.
	PausedNow int
	Stats
}

// Name returns ConnectionConfig.Name or StreamConfig.Name.
func (t *Transport) Name() string { return t.label }

// totals has the transports of the process. It holds the open ones weakly, as loops does.
var totals = struct {
	mu     sync.Mutex // comes before every lock of a transport
	names  names
	groups map[kind]*group
}{names: make(names), groups: make(map[kind]*group)}

// A kind is the type and the name by which totals tell transports apart.
type kind struct {
	typ  zmq.SocketType
	name string
}

// A group has the transports of one kind.
type group struct {
	open   map[weak.Pointer[Transport]]struct{}
	ended  Stats                                   // the sum of those that have ended
	unread struct{ messages, bytes atomic.Uint64 } // Dropped.Unread of all
}

// totalUnread adds to Dropped.Unread of the group. A stream may drop messages long after its
// transport has ended. So the group counts them as they are dropped, and not at the end.
func (t *Transport) totalUnread(messages, bytes int) {
	if t.group != nil { // nil if the creation failed
		t.group.unread.messages.Add(uint64(messages))
		t.group.unread.bytes.Add(uint64(bytes))
	}
}

// enlist adds t to the open transports of its kind.
func (t *Transport) enlist() {
	t.loop.transports.Add(1)
	totals.mu.Lock()
	defer totals.mu.Unlock()
	k := kind{t.typ, totals.names.of(t.label)}
	t.group = totals.groups[k]
	if t.group == nil {
		t.group = &group{open: make(map[weak.Pointer[Transport]]struct{})}
		totals.groups[k] = t.group
	}
	t.group.open[weak.Make(t)] = struct{}{}
}

// delist removes t, which has ended, from the open transports, and keeps its counts.
func (t *Transport) delist() {
	t.loop.transports.Add(-1)
	totals.mu.Lock()
	defer totals.mu.Unlock()
	delete(t.group.open, weak.Make(t))
	t.group.ended.count(t.Stats())
}

// TransportTotals returns the sums for all transports of the process, by type and name. It
// never waits for a loop. The figures of a transport that is garbage collected without Close
// are missing from then on, but for Dropped.Unread.
func TransportTotals() []TransportTotal {
	sums, open := snapshot()
	for i := range sums {
		for _, t := range open[i] {
			s := t.Stats()
			s.Dropped.Unread = Traffic{} // the group has it
			sums[i].count(s)
			sums[i].measure(s)
			if s.IsPaused {
				sums[i].PausedNow++
			}
		}
	}
	slices.SortFunc(sums, func(a, b TransportTotal) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name))
	})
	return sums
}

// snapshot returns for each kind the counts of the ended transports, and the list of the open ones.
// A transport is in exactly one of the two.
func snapshot() (sums []TransportTotal, open [][]*Transport) {
	totals.mu.Lock()
	defer totals.mu.Unlock()
	for k, g := range totals.groups {
		sum := TransportTotal{Type: k.typ, Name: k.name}
		sum.count(g.ended)
		sum.Dropped.Unread = Traffic{g.unread.messages.Load(), g.unread.bytes.Load()}
		var transports []*Transport
		for w := range g.open {
			if t := w.Value(); t != nil {
				transports = append(transports, t)
			} else {
				delete(g.open, w)
			}
		}
		sum.Open = len(transports)
		sums, open = append(sums, sum), append(open, transports)
	}
	return sums, open
}

// count adds the counts of s to n.
func (n *Stats) count(s Stats) {
	n.Sent.sum(s.Sent)
	n.Received.sum(s.Received)
	n.Dropped.Unroutable.sum(s.Dropped.Unroutable)
	n.Dropped.Unsent.sum(s.Dropped.Unsent)
	n.Dropped.Unread.sum(s.Dropped.Unread)
	n.Dropped.Events += s.Dropped.Events
	n.Refused += s.Refused
	n.Pauses += s.Pauses
	n.Paused += s.Paused
	n.Waits += s.Waits
	if s.LastReceived.After(n.LastReceived) {
		n.LastReceived = s.LastReceived
	}
	if s.Connections != nil && n.Connections == nil {
		n.Connections = &ConnectionStats{Open: -1}
	}
	if s.Connections != nil {
		n.Connections.count(*s.Connections)
	}
}

// measure adds the present values of s to n.
func (n *Stats) measure(s Stats) {
	n.Buffered.sum(s.Buffered)
	n.Unread.sum(s.Unread)
	n.IsPaused = n.IsPaused || s.IsPaused
	n.Waiters += s.Waiters
	if s.Connections != nil && s.Connections.Open >= 0 {
		n.Connections.Open = max(n.Connections.Open, 0) + s.Connections.Open
	}
}

// count adds the counts of s to n.
func (n *ConnectionStats) count(s ConnectionStats) {
	if s.Open >= 0 { // only the transport of a Stream counts open connections
		n.Open = max(n.Open, 0)
	}
	n.Connects += s.Connects
	n.Accepts += s.Accepts
	n.Disconnects += s.Disconnects
	n.Retries += s.Retries
	n.AcceptFailures += s.AcceptFailures
	n.Handshakes += s.Handshakes
	n.Failures.Denied += s.Failures.Denied
	n.Failures.Temporary += s.Failures.Temporary
	n.Failures.Internal += s.Failures.Internal
	n.Failures.Reply += s.Failures.Reply
	n.Failures.Mechanism += s.Failures.Mechanism
	n.Failures.Cryptographic += s.Failures.Cryptographic
	n.Failures.Protocol += s.Failures.Protocol
	n.Failures.Other += s.Failures.Other
}
