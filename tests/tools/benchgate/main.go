// Benchgate fails if benchmarks are slower than before, or allocate more.
//
// Usage: benchgate PERCENT BEFORE AFTER
//
// BEFORE and AFTER are what go test -bench -benchmem printed, with each benchmark four times
// or more. A benchmark is slower if its median time is more than PERCENT above that before.
// It allocates more if its median number of allocations is larger at all. Either counts only
// if it is significant, as benchstat says it: by a U-test with p of 0.05 or less.
package main

import (
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"
)

// enough is how often a benchmark must run. With less no difference is significant.
const enough = 4

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "benchgate:", err)
		os.Exit(1)
	}
}

func run(args []string, w io.Writer) error {
	if len(args) != 3 {
		return fmt.Errorf("usage: benchgate PERCENT BEFORE AFTER")
	}
	percent, err := strconv.ParseFloat(args[0], 64)
	if err != nil || percent < 0 {
		return fmt.Errorf("%q is no percentage", args[0])
	}
	before, err := read(args[1])
	if err != nil {
		return err
	}
	after, err := read(args[2])
	if err != nil {
		return err
	}
	worse, err := gate(percent, before, after)
	for _, line := range worse {
		fmt.Fprintln(w, line)
	}
	if err == nil && len(worse) > 0 {
		err = fmt.Errorf("%d figures are worse than allowed", len(worse))
	}
	return err
}

// A figure is what a benchmark measures in a unit.
type figure struct{ benchmark, unit string }

const (
	seconds     = "sec/op"
	allocations = "allocs/op"
)

// figures are the values of each figure, in the order in which they first came.
type figures struct {
	order  []figure
	values map[figure][]float64
}

// read returns the times and allocations in a file.
func read(name string) (all figures, err error) {
	f, err := os.Open(name)
	if err != nil {
		return all, err
	}
	defer f.Close()
	all.values = make(map[figure][]float64)
	r := benchfmt.NewReader(f, name)
	for r.Scan() {
		switch rec := r.Result().(type) {
		case *benchfmt.SyntaxError:
			return all, rec
		case *benchfmt.Result:
			for _, v := range rec.Values {
				if v.Unit == seconds || v.Unit == allocations {
					all.add(figure{rec.Name.String(), v.Unit}, v.Value)
				}
			}
		}
	}
	return all, r.Err()
}

func (all *figures) add(f figure, v float64) {
	if all.values[f] == nil {
		all.order = append(all.order, f)
	}
	all.values[f] = append(all.values[f], v)
}

// gate returns a line for each figure that is worse than allowed. It is an error if there is
// nothing to compare, or not enough.
func gate(percent float64, before, after figures) (worse []string, err error) {
	if len(before.order) == 0 {
		return nil, fmt.Errorf("there are no benchmarks")
	}
	for _, f := range before.order {
		old, now := before.values[f], after.values[f]
		if min(len(old), len(now)) < enough {
			return nil, fmt.Errorf("%s: %d and %d runs, need %d each", f.benchmark, len(old), len(now), enough)
		}
		if line := judge(f, percent, old, now); line != "" {
			worse = append(worse, line)
		}
	}
	return worse, nil
}

// judge returns "" if a figure is as allowed.
func judge(f figure, percent float64, old, now []float64) string {
	if f.unit == allocations {
		percent = 0
	}
	test := benchmath.AssumeNothing
	a, b := benchmath.NewSample(old, &benchmath.DefaultThresholds), benchmath.NewSample(now, &benchmath.DefaultThresholds)
	was, is, comparison := test.Summary(a, 0.95).Center, test.Summary(b, 0.95).Center, test.Compare(a, b)
	if comparison.P > comparison.Alpha || is <= was*(1+percent/100) {
		return ""
	}
	return fmt.Sprintf("%s: %.4g %s, %.4g before (%s)", f.benchmark, is, f.unit, was, comparison)
}
