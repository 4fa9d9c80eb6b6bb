package zmqio

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// LoopStats are the figures of an EventLoop. They count from its beginning, unless they say now.
//
// An iteration waits, and then runs the callbacks that are ready: a batch. The loop reads the
// clock before and after a batch, not around each callback, which would cost more than many
// callbacks do. A callback that runs alone in its iteration is measured exactly, and any other
// together with those of its batch; debug mode logs slow callbacks one by one. Callbacks and the
// times count the iterations that are over, and not what runs while no goroutine runs the loop.
type LoopStats struct {
	Iterations uint64
	Callbacks  uint64        // that were called; the loop's work on a transport is one
	Busy       time.Duration // in callbacks
	Longest    time.Duration // that the callbacks of one iteration have taken
	Slow       uint64        // iterations whose callbacks took SlowCallbackDuration or longer
	Exceptions uint64        // calls of the exception handler: panics, and errors without a caller

	Current     time.Duration // how long the callbacks of this iteration run now; 0 while the loop waits
	Ready       int           // callbacks that are ready for the next iteration now
	Timers      int           // that are set now
	Descriptors int           // that are watched now, those of transports included
	Residents   int           // now, transports included
	Transports  int           // of ZeroMQ now
}

// Stats returns the figures of the loop. It never waits for the loop, and may be called from
// every goroutine and every callback. After Close it returns what they were.
func (l *EventLoop) Stats() LoopStats {
	s := l.reactor.Stats()
	return LoopStats{
		Iterations: s.Iterations, Callbacks: s.Callbacks, Busy: s.Busy, Longest: s.Longest, Slow: s.Slow,
		Exceptions: l.exceptions.Load(), Current: s.Current, Ready: s.Ready, Timers: s.Timers,
		Descriptors: s.Watches, Residents: s.Residents, Transports: int(l.transports.Load()),
	}
}

// Name returns LoopConfig.Name.
func (l *EventLoop) Name() string { return l.label }

// count adds what s counts; longest is the greater one.
func (n *LoopStats) count(s LoopStats) {
	n.Iterations += s.Iterations
	n.Callbacks += s.Callbacks
	n.Busy += s.Busy
	n.Longest = max(n.Longest, s.Longest)
	n.Slow += s.Slow
	n.Exceptions += s.Exceptions
}

// measure adds what s says of now; current is the greater one.
func (n *LoopStats) measure(s LoopStats) {
	n.Current = max(n.Current, s.Current)
	n.Ready += s.Ready
	n.Timers += s.Timers
	n.Descriptors += s.Descriptors
	n.Residents += s.Residents
	n.Transports += s.Transports
}

// A LoopTotal sums up the loops of the process that have the same LoopConfig.Name, those that
// are closed included. So what counts never falls. Longest and Current are of the loop where they
// are greatest. What says now is of the loops that are open.
type LoopTotal struct {
	Name string
	Open int // loops that are open now
	LoopStats
}

// LoopTotals returns the sums for all loops of the process, by name. The callbacks that Close of
// a loop runs do not count.
func LoopTotals() []LoopTotal {
	loops.mu.Lock()
	defer loops.mu.Unlock()
	totals := make(map[string]*LoopTotal)
	for name, ended := range loops.ended {
		totals[name] = &LoopTotal{Name: name, LoopStats: ended}
	}
	for w := range loops.open {
		l := w.Value()
		if l == nil {
			continue
		}
		name := loops.names.of(l.label)
		t := totals[name]
		if t == nil {
			t = &LoopTotal{Name: name}
			totals[name] = t
		}
		s := l.Stats()
		t.Open++
		t.count(s)
		t.measure(s)
	}
	sums := make([]LoopTotal, 0, len(totals))
	for _, t := range totals {
		sums = append(sums, *t)
	}
	slices.SortFunc(sums, func(a, b LoopTotal) int { return cmp.Compare(a.Name, b.Name) })
	return sums
}

// OtherName is the name under which totals count loops or transports beyond the first 100 names
// of the process. Loops and transports have 100 names each.
const OtherName = "other"

const (
	maxNames = 100
	maxName  = 64 // bytes
)

// names are those that totals tell apart.
type names map[string]struct{}

// of returns name, or OtherName where there are too many names.
func (n names) of(name string) string {
	if _, ok := n[name]; ok {
		return name
	}
	if len(n) == maxNames {
		return OtherName
	}
	n[name] = struct{}{}
	return name
}

// checkName returns an error for a name that cannot be the value of a label.
func checkName(config, name string) error {
	switch {
	case len(name) > maxName:
		return invalid("%s.Name has %d bytes, and %d are allowed", config, len(name), maxName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return invalid("%s.Name is %q, which is not printable UTF-8", config, name)
	}
	return nil
}
