// Bench compares zmqio with libzmq in C, and with the libraries that a user would take instead.
//
// Every figure comes from a process of its own. The other end is a C program in another
// process, the same for all. A round runs all subjects of a case one after the other, and
// the next round runs them in the opposite order. Ratios are formed within a round, so that
// other programs of the machine disturb them little. CPU time is that of the measured
// process while it is measured.
//
// Receivers keep the last messages that they got, as a program that uses them does. The C
// program copies them, except as c-no-copy. Senders only count once they are connected, and
// their receiver must confirm the number. Go collects garbage with GOGC=100, except in
// zmqio-gogc400. For cases of thousands of sockets the hard limit of descriptors must be
// above 20,000.
//
// Each case is run in two placements. Unpinned, processes run where the system puts them.
// Pinned, the measured process keeps to processor 0 and its peer to processor 1, and Go
// programs have GOMAXPROCS=2 unless the environment says otherwise. Goals, figures and
// results name the placement. Cases without a peer are run unpinned alone, and so are the
// libraries that are slower than C by an order of magnitude.
//
// The table also shows what a process uses for a message: CPU time, and context switches of
// all its threads. Waits are voluntary switches, and the others preempt a thread. If the
// machine counts instructions, the table has those of user and system mode.
//
// Run it with make bench; go run . -help lists the flags. All cases in both placements take
// about 40 minutes with the default flags, and the first lines say how long those that were
// chosen take.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/zmqio/zmq/tests/bench/peers"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == peers.Role {
		os.Exit(peers.Main(os.Args[2:]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// settings has the values of the flags.
type settings struct {
	cases, peers *regexp.Regexp
	rounds       int
	time         time.Duration
	out          string
	placements   []placement
	list         bool
}

// warm is how long a run goes before it is measured.
func (s settings) warm() time.Duration { return max(s.time/3, 50*time.Millisecond) }

var placementsOf = map[string][]placement{"off": {unpinned}, "on": {pinned}, "both": {unpinned, pinned}}

func parseFlags(args []string) (s settings, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	cases := flags.String("cases", "", "run the cases whose name matches this `regexp`")
	peers := flags.String("peers", "", "and in them the peers whose name matches this `regexp`")
	flags.IntVar(&s.rounds, "rounds", 5, "rounds")
	flags.DurationVar(&s.time, "time", 400*time.Millisecond, "what a run measures; it warms up for a third of that before")
	flags.StringVar(&s.out, "out", "bench.out", "`directory` for results.json and chart.svg")
	pin := flags.String("pin", "both", "run the measured process on processor 0 and its peer on processor 1: `on, off or both`")
	flags.BoolVar(&s.list, "list", false, "list the cases and do nothing else")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if s.placements = placementsOf[*pin]; s.placements == nil {
		return s, fmt.Errorf("-pin is %q; need on, off or both", *pin)
	}
	if flags.NArg() > 0 || s.rounds < 1 || s.time <= 0 {
		return s, fmt.Errorf("need no arguments, one round or more and a positive time; see -help")
	}
	if s.cases, err = regexp.Compile(*cases); err != nil {
		return s, fmt.Errorf("-cases: %w", err)
	}
	if s.peers, err = regexp.Compile(*peers); err != nil {
		return s, fmt.Errorf("-peers: %w", err)
	}
	return s, nil
}

func run(ctx context.Context, args []string) error {
	s, err := parseFlags(args)
	if err != nil {
		return err
	}
	chosen := choose(allCases(), s)
	switch {
	case len(chosen) == 0:
		return fmt.Errorf("no case matches; see -list")
	case s.list:
		for _, c := range chosen {
			fmt.Printf("%-22s %s\n", c.Name, c.Title)
		}
		return nil
	}
	programs, err := preparePrograms()
	if err != nil {
		return err
	}
	defer programs.remove()
	rep := report{Machine: thisMachine(), Rounds: s.rounds, Seconds: s.time.Seconds(), Placements: s.placements}
	r := runner{programs: programs, rounds: s.rounds, placements: s.placements, length: s.time, warm: s.warm()}
	if slices.Contains(s.placements, pinned) {
		rep.PinnedGOMAXPROCS = pinnedGOMAXPROCS()
	}
	if counter, err := openCounter(instructions); err != nil {
		rep.Uncounted = err.Error()
	} else {
		counter.Close()
		r.counter = &instructions
	}
	rep.Machine.print(os.Stdout)
	rep.printPlan(os.Stdout, chosen, s)
	for _, c := range chosen {
		var results *caseResult
		if results, err = r.measure(ctx, c); err != nil {
			break // interrupted: the report keeps the cases that are finished
		}
		rep.Cases = append(rep.Cases, results)
		results.print(os.Stdout)
	}
	rep.printGoals(os.Stdout)
	if err := rep.save(s.out); err != nil {
		return err
	}
	fmt.Printf("\nwrote %s and %s\n", filepath.Join(s.out, resultsFile), filepath.Join(s.out, chartFile))
	return errors.Join(err, rep.essentialFailure())
}

// choose returns the cases and the peers that the flags name. The base of a case stays.
func choose(cases []benchCase, s settings) (chosen []benchCase) {
	for _, c := range cases {
		if !s.cases.MatchString(c.Name) {
			continue
		}
		var subjects []subject
		for _, sub := range c.Subjects {
			run := slices.ContainsFunc(s.placements, func(p placement) bool { return c.runs(sub, p) })
			if run && (s.peers.MatchString(sub.Name) || sub.Name == c.Base) {
				subjects = append(subjects, sub)
			}
		}
		if len(subjects) == 0 {
			continue
		}
		c.Subjects = subjects
		c.Goals = slices.DeleteFunc(c.Goals, func(g goal) bool {
			return slices.ContainsFunc(g.names(), func(name string) bool { return !c.has(name) })
		})
		chosen = append(chosen, c)
	}
	return chosen
}
