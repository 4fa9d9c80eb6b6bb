package zmqio

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// LoopStats are the figures of an EventLoop. A field counts from the beginning of the loop,
// unless its comment says now.
//
// In an iteration the loop waits, and then runs the callbacks that are ready. It reads the
// clock before and after those, and not around each, which would cost more than many callbacks.
// So the loop measures exactly only a callback that is alone in its iteration; debug mode logs
// slow callbacks one by one. Callbacks and times count finished iterations, and not what runs
// while no goroutine runs the loop.
type LoopStats struct {
	// Iterations counts iterations.
	Iterations uint64
	// Callbacks counts callbacks that were called. The loop's work on a transport is one.
	Callbacks uint64
	// Busy is the time spent in callbacks.
	Busy time.Duration
	// Longest is the longest time that the callbacks of one iteration took.
	Longest time.Duration
	// Slow counts iterations whose callbacks took SlowCallbackDuration or longer.
	Slow uint64
	// Exceptions counts calls of the exception handler: panics, and errors without a caller.
	Exceptions uint64

	// Current is how long the callbacks of this iteration have run now. It is 0 while the loop
	// waits.
	Current time.Duration
	// Ready is how many callbacks are ready for the next iteration now.
	Ready int
	// Timers is how many timers are set now.
	Timers int
	// Descriptors is how many descriptors the loop watches now, those of transports included.
	Descriptors int
	// Residents is how many residents the loop has now, transports included.
	Residents int
	// Transports is how many ZeroMQ transports the loop has now.
	Transports int
}

// Stats returns the figures of the loop. It never waits for the loop. After Close it returns
// the last figures.
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

// count adds the counts of s to n. Longest becomes the greater of the two.
func (n *LoopStats) count(s LoopStats) {
	n.Iterations += s.Iterations
	n.Callbacks += s.Callbacks
	n.Busy += s.Busy
	n.Longest = max(n.Longest, s.Longest)
	n.Slow += s.Slow
	n.Exceptions += s.Exceptions
}

// measure adds the present values of s to n. Current becomes the greater of the two.
func (n *LoopStats) measure(s LoopStats) {
	n.Current = max(n.Current, s.Current)
	n.Ready += s.Ready
	n.Timers += s.Timers
	n.Descriptors += s.Descriptors
	n.Residents += s.Residents
	n.Transports += s.Transports
}

// A LoopTotal sums up the loops of the process with the same Name, those that are closed
// included. So counters never fall, unless a loop is garbage collected without Close. Longest
// and Current are the greatest of any loop. Fields that say now sum up the open loops.
type LoopTotal struct {
	Name string
	// Open is how many of the loops are open now.
	Open int
	LoopStats
}

// LoopTotals returns the sums for all loops of the process, by name. It never waits for a loop.
// Callbacks that Close of a loop runs do not count.
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

// names are the names that totals tell apart.
type names map[string]struct{}

// of returns name, or OtherName if there are too many names.
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

// checkName returns an error for a name that cannot be a Prometheus label value.
func checkName(config, name string) error {
	switch {
	case len(name) > maxName:
		return invalid("%s.Name has %d bytes, and %d are allowed", config, len(name), maxName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return invalid("%s.Name is %q, which is not printable UTF-8", config, name)
	}
	return nil
}
