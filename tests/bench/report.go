package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

const (
	resultsFile = "results.json"
	chartFile   = "chart.svg"
)

// A report has all results, and the machine that they are from.
type report struct {
	Machine          machine       `json:"machine"`
	Rounds           int           `json:"rounds"`
	Seconds          float64       `json:"seconds"` // how long a run is measured
	Placements       []placement   `json:"placements"`
	PinnedGOMAXPROCS int           `json:"pinned_gomaxprocs,omitempty"` // of unpinned ones: machine.gomaxprocs
	Uncounted        string        `json:"no_instructions,omitempty"`   // why instructions are not counted
	Cases            []*caseResult `json:"cases"`
}

// printPlan prints the cases, and about how long they take.
func (r *report) printPlan(w io.Writer, cases []benchCase, s settings) {
	runs, took := 0, time.Duration(0)
	for _, c := range cases {
		for _, p := range s.placements {
			for _, sub := range c.Subjects {
				if c.runs(sub, p) {
					runs++
					took += time.Duration(s.rounds) * c.estimate(sub, s)
				}
			}
		}
	}
	fmt.Fprintf(w, "%d cases, %d runs of %v in each of %d rounds: about %v\n", len(cases), runs, s.time, s.rounds, took.Round(time.Second))
	if r.PinnedGOMAXPROCS > 0 {
		fmt.Fprintf(w, "pinned: the measured process on processor 0, its peer on processor 1, Go programs with GOMAXPROCS=%d\n", r.PinnedGOMAXPROCS)
	}
	if r.Uncounted != "" {
		fmt.Fprintf(w, "no instructions are counted: %s\n", r.Uncounted)
	}
	fmt.Fprintln(w)
}

// estimate returns about how long a run of a subject takes. Processes start within 60 ms. Python
// needs longer, and so does a process with thousands of sockets.
func (c benchCase) estimate(sub subject, s settings) time.Duration {
	took := s.time + s.warm() + 60*time.Millisecond
	if c.Slow {
		took += slowWarm
	}
	for _, p := range []string{sub.Test.Program, sub.Other.Program} {
		if p != "" && p != "c" && p != "go" {
			took += 200 * time.Millisecond
		}
	}
	return took
}

// A column of a case's table has one figure of each subject. A wide column also has its spread.
type column struct {
	head string
	of   func(*subjectResult) *spread
	wide bool
}

// columns returns the columns of a table: those for which some subject has a figure.
func (res *caseResult) columns() []column {
	all := []column{
		{res.Unit, func(s *subjectResult) *spread { return s.Value }, true},
		{"to " + res.Base, func(s *subjectResult) *spread { return s.Ratio }, true},
		{"k msg/s", func(s *subjectResult) *spread { return s.Rate }, false},
		{"p50 µs", func(s *subjectResult) *spread { return s.P50 }, false},
		{"p99 µs", func(s *subjectResult) *spread { return s.P99 }, false},
		{"p99.9 µs", func(s *subjectResult) *spread { return s.P999 }, false},
		{"CPU ns", func(s *subjectResult) *spread { return s.CPU }, false},
		{"waits", func(s *subjectResult) *spread { return s.Voluntary }, false},
		{"preempted", func(s *subjectResult) *spread { return s.Involuntary }, false},
		{"instructions", func(s *subjectResult) *spread { return s.Instructions }, false},
	}
	return slices.DeleteFunc(all, func(c column) bool {
		return !slices.ContainsFunc(res.Subjects, func(s *subjectResult) bool { return c.of(s) != nil })
	})
}

// sideBySide returns the results of the measured subjects, those of one subject together.
func (res *caseResult) sideBySide() (all []*subjectResult) {
	for _, sub := range res.benchCase.Subjects {
		for _, p := range []placement{unpinned, pinned} {
			if s := res.find(p, sub.Name); s != nil {
				all = append(all, s)
			}
		}
	}
	return all
}

func (res *caseResult) print(w io.Writer) {
	fmt.Fprintf(w, "%s: %s\n", res.Name, res.Title)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	columns := res.columns()
	fmt.Fprint(t, "\t")
	for _, c := range columns {
		fmt.Fprintf(t, "\t%s", c.head)
		if c.wide {
			fmt.Fprint(t, "\tmin\tmax")
		}
	}
	fmt.Fprint(t, "\t\n")
	for _, s := range res.sideBySide() {
		fmt.Fprintf(t, "%s\t%s", s.Name, s.Placement)
		for _, c := range columns {
			if v := c.of(s); c.wide {
				fmt.Fprintf(t, "\t%s", v)
			} else {
				fmt.Fprintf(t, "\t%s", v.median())
			}
		}
		fmt.Fprint(t, "\t\n")
	}
	t.Flush()
	for _, s := range res.Subjects {
		if s.Failure != "" {
			fmt.Fprintf(w, "  %s, %s, is left out: %s\n", s.Name, s.Placement, s.Failure)
		}
	}
	for _, g := range res.Goals {
		fmt.Fprintf(w, "  goal %v\n", g)
	}
	fmt.Fprintln(w)
}

// String returns three columns: the median, the smallest and the largest.
func (s *spread) String() string {
	if s == nil {
		return "\t\t"
	}
	return fmt.Sprintf("%s\t%s\t%s", figure(s.Median), figure(s.Min), figure(s.Max))
}

func (s *spread) median() string {
	if s == nil {
		return ""
	}
	return figure(s.Median)
}

// figure writes v with three digits, or with all digits before the point if they are more.
func figure(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1 || v == 0:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%#.3g", v)
}

func (g goalResult) String() string {
	if g.Value == nil {
		return fmt.Sprintf("%v: not measured", g.goal)
	}
	verdict := "missed"
	if g.Met {
		verdict = "met"
	}
	s := fmt.Sprintf("%v: %s with %s", g.goal, verdict, g.Value.inOne())
	if g.OrValue != nil {
		s += " or " + g.OrValue.inOne()
	}
	return s
}

// inOne returns the median and the range in one column.
func (s *spread) inOne() string {
	return fmt.Sprintf("%s (%s to %s)", figure(s.Median), figure(s.Min), figure(s.Max))
}

// printGoals lists the goals that were missed.
func (r *report) printGoals(w io.Writer) {
	goals, met := 0, 0
	for _, c := range r.Cases {
		for _, g := range c.Goals {
			if goals++; g.Met {
				met++
				continue
			}
			fmt.Fprintf(w, "%s: %v\n", c.Name, g)
		}
	}
	fmt.Fprintf(w, "%d of %d goals are met\n", met, goals)
}

// save writes the report and its chart to a directory.
func (r *report) save(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, resultsFile), append(text, '\n'), 0o666); err != nil {
		return err
	}
	return drawChart(r, filepath.Join(dir, chartFile))
}

// essentialFailure returns why an essential subject could not be measured, or nil. Other subjects
// may fail.
func (r *report) essentialFailure() error {
	for _, c := range r.Cases {
		for _, s := range c.Subjects {
			if s.Failure != "" && s.subject.essential() {
				return fmt.Errorf("%s, %s, %s: %s", c.Name, s.Name, s.Placement, s.Failure)
			}
		}
	}
	return nil
}

// essential reports whether a subject runs on every machine that builds the benchmark: it is zmqio
// or C, with C or nothing at the other end.
func (s subject) essential() bool {
	return (s.Test.Program == "c" || strings.HasPrefix(s.Test.Job, "zmqio-")) && (s.Other.Program == "c" || s.Other == process{})
}
