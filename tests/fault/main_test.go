package fault

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

var (
	long = flag.Bool("long", false, "run the long form of the tests")
	seed = flag.Uint64("seed", 0, "of the tests that do things at random; 0 takes one from the clock")
)

// TestMain runs the tests. In a process that a test has started, it runs the process's role.
func TestMain(m *testing.M) {
	if j, ok := jobOfProcess(); ok {
		if err := roles[j.Role](j, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", j.Role, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	flag.Parse()
	os.Exit(m.Run())
}

// form returns short or long, by the form of the tests.
func form[T any](inShort, inLong T) T {
	if *long {
		return inLong
	}
	return inShort
}
