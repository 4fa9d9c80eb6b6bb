package main

import (
	"fmt"
	"math"
	"slices"
)

// A benchCase is one task that several subjects do, or that one subject does under several
// conditions.
type benchCase struct {
	Name     string // kind/transport/size, for -cases
	Title    string
	Unit     unit
	Base     string   // the subject that the others are compared with; "" for none
	Params   []string // of all processes, name=value
	Where    string   // the endpoint, or its transport
	Slow     bool     // the warm-up is longer by slowWarm
	Load     float64  // the rate, as a share of what all subjects reach; 0: no limit
	Unpinned bool     // pinning would change what is measured, so the case runs unpinned alone
	Subjects []subject
	Goals    []goal
}

// has reports whether there is a subject of that name.
func (c benchCase) has(name string) bool {
	return slices.ContainsFunc(c.Subjects, func(s subject) bool { return s.Name == name })
}

// runs reports whether a subject of the case is run in that placement. The slowest
// libraries run unpinned alone.
func (c benchCase) runs(s subject, p placement) bool {
	return p == unpinned || !c.Unpinned && !slices.Contains([]string{goZeromq, aiozmq, pyzmq, asyncio}, s.Name)
}

// A placement says on which processors the processes of a run are.
type placement string

const (
	unpinned placement = "unpinned" // where the system puts them
	pinned   placement = "pinned"   // the measured process on processor 0, its peer on processor 1
)

// A subject is a process that is measured, and the process at its other end.
type subject struct {
	Name   string
	Test   process
	Other  process // the zero process for none
	Binds  bool    // Test binds, and Other connects
	Params []string
	Env    []string // of Test
}

// A process does one job with one library.
type process struct {
	Program string // c, go, aiozmq, pyzmq or asyncio
	Job     string
}

// A unit is what a case measures, and how.
type unit struct {
	Name string
	of   func(result) float64
	less bool // a smaller value is better
}

// check returns an error if r has no positive value. The CPU time of an idle process may be 0.
func (u unit) check(r result) error {
	v := u.of(r)
	if v > 0 && !math.IsInf(v, 0) || v == 0 && u.Name == load.Name {
		return nil
	}
	return fmt.Errorf("nothing was measured: %+v", r)
}

var (
	rate      = unit{"k msg/s", result.thousands, false}
	calls     = unit{"k calls/s", result.thousands, false}
	trips     = unit{"k trips/s", result.thousands, false}
	roundTrip = unit{"µs", func(r result) float64 { return r.Seconds / float64(r.Messages) * 1e6 }, true}
	load      = unit{"CPU s/s", func(r result) float64 { return r.CPU / r.Seconds }, true}
	memory    = unit{"KiB", func(r result) float64 { return float64(r.Bytes) / 1024 }, true}
)

// A goal bounds the ratio of the subjects Of and To, or the value of Of if To is "". Either AtLeast
// or AtMost is set. A ratio of Of and OrTo of OrAtLeast or more also meets the goal.
type goal struct {
	Of        string    `json:"of"`
	Placement placement `json:"placement"`
	To        string    `json:"to,omitempty"`
	AtLeast   float64   `json:"at_least,omitempty"`
	AtMost    float64   `json:"at_most,omitempty"`
	OrTo      string    `json:"or_to,omitempty"`
	OrAtLeast float64   `json:"or_at_least,omitempty"`
}

// in returns the goals for figures of one placement.
func in(p placement, goals ...goal) []goal {
	for i := range goals {
		goals[i].Placement = p
	}
	return goals
}

// inBoth returns the goals for the figures of each placement.
func inBoth(goals ...goal) []goal {
	return append(in(unpinned, slices.Clone(goals)...), in(pinned, goals...)...)
}

func (g goal) met(v float64) bool {
	return (g.AtLeast == 0 || v >= g.AtLeast) && (g.AtMost == 0 || v <= g.AtMost)
}

// names returns the names of the goal's subjects.
func (g goal) names() []string {
	return slices.DeleteFunc([]string{g.Of, g.To, g.OrTo}, func(name string) bool { return name == "" })
}

func (g goal) String() string {
	sign, bound := "≥", g.AtLeast
	if g.AtMost > 0 {
		sign, bound = "≤", g.AtMost
	}
	s := fmt.Sprintf("%s %s %s %v", g.Placement, g.Of, sign, bound)
	if g.To != "" {
		s += " of " + g.To
	}
	if g.OrTo != "" {
		s += fmt.Sprintf(" or ≥ %v of %s", g.OrAtLeast, g.OrTo)
	}
	return s
}

const (
	kib = 1 << 10
	mib = 1 << 20
)

func sizeName(n int) string {
	switch {
	case n >= mib:
		return fmt.Sprintf("%dMiB", n/mib)
	case n >= kib:
		return fmt.Sprintf("%dKiB", n/kib)
	}
	return fmt.Sprintf("%dB", n)
}

// sized returns the parameters for messages of n bytes. A queue holds some 16 MiB at most, and a
// receiver keeps as much.
func sized(n int) []string {
	return []string{
		fmt.Sprint("size=", n),
		fmt.Sprint("hwm=", highWater(n)),
		fmt.Sprint("keep=", min(256, max(16, 16*mib/n))),
		fmt.Sprint("stride=", min(64, max(1, 64*kib/n))),
	}
}

// leading returns the parameters of a sender of messages of n bytes. A sender without a receiver
// fills its queues and then stops. So its warm-up begins after more messages than they hold.
func leading(n int) []string { return append(sized(n), fmt.Sprint("lead=", 2*highWater(n))) }

// highWater returns the high-water mark of all sockets, in messages of n bytes.
func highWater(n int) int { return min(1000, max(16, 16*mib/n)) }
