package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
)

const (
	resultsFile = "results.json"
	chartFile   = "chart.svg"
)

// A report is everything that was measured, and where.
type report struct {
	Machine machine       `json:"machine"`
	Rounds  int           `json:"rounds"`
	Seconds float64       `json:"seconds"` // a run
	Pinned  bool          `json:"pinned"`
	Cases   []*caseResult `json:"cases"`
}

// printPlan says what is going to be run, and about how long it takes.
func printPlan(w io.Writer, cases []benchCase, s settings) {
	runs := 0
	for _, c := range cases {
		runs += len(c.Subjects)
	}
	took := time.Duration(runs*s.rounds) * (s.time + s.time/3 + 100*time.Millisecond)
	where := "where the system places them"
	if s.pin {
		where = "pinned"
	}
	fmt.Fprintf(w, "%d cases, %d runs of %v in each of %d rounds, %s: about %v\n\n",
		len(cases), runs, s.time, s.rounds, where, took.Round(time.Second))
}

func (res *caseResult) print(w io.Writer) {
	fmt.Fprintf(w, "%s: %s\n", res.Name, res.Title)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\t%s\tmin\tmax\tCPU s/M\t%s\tmin\tmax\t\n", res.Unit, res.against())
	for _, s := range res.Subjects {
		if s.Failure == "" {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t\n", s.Name, s.Value, s.CPU.median(), s.Ratio)
		}
	}
	t.Flush()
	for _, s := range res.Subjects {
		if s.Failure != "" {
			fmt.Fprintf(w, "  %s is left out: %s\n", s.Name, s.Failure)
		}
	}
	for _, g := range res.Goals {
		fmt.Fprintf(w, "  goal %v\n", g)
	}
	fmt.Fprintln(w)
}

// against heads the column of ratios.
func (res *caseResult) against() string {
	if res.Base == "" {
		return ""
	}
	return "to " + res.Base
}

// String makes three columns.
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

// figure shows v with three digits or all those before the point.
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
	return fmt.Sprintf("%v: %s with %s (%s to %s)", g.goal, verdict, figure(g.Value.Median), figure(g.Value.Min), figure(g.Value.Max))
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

// essentialFailure returns why zmqio, or what everything is compared with, could not be
// measured. Any other peer may be missing, at either end.
func (r *report) essentialFailure() error {
	for _, c := range r.Cases {
		for _, s := range c.Subjects {
			if s.Failure != "" && s.subject.essential() {
				return fmt.Errorf("%s, %s: %s", c.Name, s.Name, s.Failure)
			}
		}
	}
	return nil
}

// essential reports whether a subject needs only what every machine has that builds the
// benchmark: zmqio or C, and C or nothing at the other end.
func (s subject) essential() bool {
	return (s.Test.Program == "c" || strings.HasPrefix(s.Test.Job, "zmqio-")) && (s.Other.Program == "c" || s.Other == process{})
}
