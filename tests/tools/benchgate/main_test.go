package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// output is what a benchmark prints in several runs, of which each takes some ns and
// allocates.
func output(name string, allocs int, ns ...float64) string {
	var b strings.Builder
	b.WriteString("goos: linux\npkg: example.org/p\n")
	for _, t := range ns {
		fmt.Fprintf(&b, "Benchmark%s-2 \t 1000 \t %v ns/op \t 0 B/op \t %d allocs/op\n", name, t, allocs)
	}
	return b.String()
}

func TestGate(t *testing.T) {
	same := []float64{100, 101, 102, 99, 100, 101}
	for name, c := range map[string]struct {
		before, after string
		want          string // in what is printed, or the error
	}{
		"the same":                         {output("A", 1, same...), output("A", 1, same...), ""},
		"faster, and fewer allocations":    {output("A", 1, same...), output("A", 0, 50, 51, 52, 53, 54, 55), ""},
		"9 % slower":                       {output("A", 1, same...), output("A", 1, 109, 109, 109, 110, 110, 109), ""},
		"12 % slower":                      {output("A", 1, same...), output("A", 1, 112, 113, 112, 113, 112, 113), "A-2: 1.125e-07 sec/op, 1.005e-07 before (p=0.002 n=6)"},
		"12 % slower, not significantly":   {output("A", 1, same...), output("A", 1, 60, 62, 113, 113, 114, 115), ""},
		"one allocation more":              {output("A", 1, same...), output("A", 2, same...), "A-2: 2 allocs/op, 1 before (p=0.002 n=6)"},
		"an allocation where none was":     {output("A", 0, same...), output("A", 1, same...), "A-2: 1 allocs/op, 0 before (p=0.002 n=6)"},
		"one of two":                       {output("A", 0, same...) + output("B", 0, same...), output("A", 0, same...) + output("B", 3, same...), "B-2: 3 allocs/op"},
		"too few to tell":                  {output("A", 0, 100, 100, 100), output("A", 5, 900, 900, 900), "3 and 3 runs, need 4 each"},
		"a benchmark that is gone":         {output("A", 0, same...), output("B", 0, same...), "6 and 0 runs, need 4 each"},
		"nothing":                          {"PASS\n", "PASS\n", "there are no benchmarks"},
		"a line that is not a benchmark's": {"BenchmarkA-2 many\n", "", "parsing"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			before, after := filepath.Join(dir, "before"), filepath.Join(dir, "after")
			for file, text := range map[string]string{before: c.before, after: c.after} {
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var out strings.Builder
			err := run([]string{"10", before, after}, &out)
			if c.want == "" {
				if err != nil || out.String() != "" {
					t.Errorf("%v: %s", err, &out)
				}
				return
			}
			if err == nil || !strings.Contains(out.String()+err.Error(), c.want) {
				t.Errorf("%v: %s, want %q", err, &out, c.want)
			}
		})
	}
}

func TestArguments(t *testing.T) {
	for _, args := range [][]string{{}, {"10", "here"}, {"ten", "here", "there"}, {"-1", "here", "there"}, {"10", "not", "there"}} {
		if run(args, new(strings.Builder)) == nil {
			t.Errorf("%q are fine", args)
		}
	}
}
