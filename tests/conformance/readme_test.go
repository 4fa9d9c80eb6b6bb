package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	countLine = regexp.MustCompile(`Counted: (\d+) tests of CPython, (\d+) with a reason instead\.`)
	ofCPy     = regexp.MustCompile(`^_?[a-z][a-z0-9_]+( \((\d+|[a-z]+)\))?$`)
	ofGo      = regexp.MustCompile(`\b(?:(\w+)\.)?(Test[A-Z]\w+)`)
	label     = regexp.MustCompile(` \(([a-z]+)\)$`)
)

// Where a section of README.md says how many of CPython's tests it answers, its rows have as
// many. Each test that these rows name exists. In the sections about other packages than zmqio
// at most one in ten has a reason instead.
func TestReadmeCounts(t *testing.T) {
	text, err := os.ReadFile("README.md")
	must(t, err)
	exists := declaredTests(t)
	all, allReasons, others, otherReasons := 0, 0, 0, 0
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		said := countLine.FindStringSubmatch(section)
		if said == nil {
			continue
		}
		title, _, _ := strings.Cut(section, "\n")
		tests, reasons := 0, 0
		for line := range strings.Lines(section) {
			cells := strings.Split(strings.TrimSpace(line), " | ")
			if !strings.HasPrefix(line, "| ") || len(cells) < 2 || cells[0] == "| line" {
				continue
			}
			n := countNames(strings.TrimPrefix(cells[0], "| "))
			answer := strings.Join(cells[1:], " | ")
			found := ofGo.FindAllStringSubmatch(answer, -1)
			tests += n
			if len(found) == 0 {
				reasons += n
			}
			for _, name := range found {
				if !exists[name[1]+"."+name[2]] {
					t.Errorf("%s: there is no %s", title, name[0])
				}
			}
		}
		if strconv.Itoa(tests) != said[1] || strconv.Itoa(reasons) != said[2] {
			t.Errorf("%s: %d tests, %d with a reason, and it says %s and %s", title, tests, reasons, said[1], said[2])
		}
		all += tests
		allReasons += reasons
		if strings.Contains(title, "package ") {
			others += tests
			otherReasons += reasons
		}
	}
	if want := fmt.Sprintf("All in all: %d tests of CPython, %d with a reason instead.", all, allReasons); !strings.Contains(string(text), want) {
		t.Errorf("README.md does not say %q", want)
	}
	if otherReasons*10 > others {
		t.Errorf("%d of %d tests have a reason instead", otherReasons, others)
	}
}

// countNames returns how many of CPython's tests a cell lists. A number in parentheses says
// how often a name stands there, a word which suite it is of.
func countNames(cell string) (n int) {
	for name := range strings.SplitSeq(label.ReplaceAllString(cell, ""), ", ") {
		m := ofCPy.FindStringSubmatch(name)
		if m == nil {
			return 0 // a sentence
		}
		if times, err := strconv.Atoi(m[2]); err == nil {
			n += times
		} else {
			n++
		}
	}
	return n
}

// declaredTests returns the tests of this package, as ".TestX", and of those beside the code,
// as "netio.TestX".
func declaredTests(t *testing.T) map[string]bool {
	t.Helper()
	tests := make(map[string]bool)
	declaration := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	for _, dir := range []string{"", "zmqio", "zmqio/netio", "zmqio/subprocess", "tests/fault", "zmqio/internal/reactor", "zmqio/internal/poll", "zmqio/internal/sock"} {
		pkg, pattern := "", "*_test.go"
		if dir != "" {
			pkg, pattern = filepath.Base(dir), filepath.Join("../..", dir, "*_test.go")
		}
		files, err := filepath.Glob(pattern)
		must(t, err)
		for _, f := range files {
			source, err := os.ReadFile(f)
			must(t, err)
			for _, m := range declaration.FindAllSubmatch(source, -1) {
				tests[pkg+"."+string(m[1])] = true
			}
		}
	}
	return tests
}
