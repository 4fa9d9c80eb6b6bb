package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/zmqio/zmq/tests/bench/peers"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == peers.Role { // the benchmark starts its own binary
		os.Exit(peers.Main(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// One case of every kind runs, and gives figures, a table and a chart.
func TestSmoke(t *testing.T) {
	out := filepath.Join(t.TempDir(), "new", "out")
	const cases = "^(recv/tcp/64B|recv/inproc/1KiB|send/ipc/1MiB|send/tcp/64Bx3|roundtrip/tcp/64B|rpc/1|rpc-rep/1000|pub/tcp/10|echo/tcp/1KiB/1|echo/tls/64B/100|proxy/streamer/64B|proxy/queue/100|connections/idle|connections/memory/tls|writers/.*|sockets/.*|loops/zmqio|loops/hash/c|timers/.*|active/100|latency/tcp/50|stats/recv/tcp/64B|aiozmq/own)$"
	const peers = "^([^1]|10?$)" // names, and of the numbers 1 and 10 alone
	err := run(t.Context(), []string{"-cases", cases, "-peers", peers, "-rounds", "1", "-time", "60ms", "-out", out})
	if err != nil {
		t.Fatal(err)
	}
	checkResults(t, filepath.Join(out, resultsFile))
	checkChart(t, filepath.Join(out, chartFile))
}

func checkResults(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var rep report
	if err := json.Unmarshal(text, &rep); err != nil {
		t.Fatal(err)
	}
	if rep.Machine.Cores < 1 || rep.Machine.Libzmq == "" || len(rep.Cases) != 29 {
		t.Errorf("%d cases on %+v", len(rep.Cases), rep.Machine)
	}
	if want := pinnedGOMAXPROCS(); rep.PinnedGOMAXPROCS != want || len(rep.Placements) != 2 {
		t.Errorf("placements %v, pinned with GOMAXPROCS=%d, want %d", rep.Placements, rep.PinnedGOMAXPROCS, want)
	}
	both := 0
	for _, c := range rep.Cases {
		for _, s := range c.Subjects {
			checkSubject(t, c, s)
			if s.Placement == pinned {
				both++
			}
		}
		for _, g := range c.Goals {
			if g.Placement == "" {
				t.Errorf("%s: goal %v names no placement", c.Name, g)
			}
		}
	}
	if both == 0 {
		t.Error("nothing was pinned")
	}
}

func checkSubject(t *testing.T, c *caseResult, s *subjectResult) {
	switch {
	case s.Failure != "" && os.Getenv("CI") == "":
		t.Logf("%s: %s is left out: %s", c.Name, s.Name, s.Failure)
	case s.Failure != "":
		t.Errorf("%s: %s is left out: %s", c.Name, s.Name, s.Failure)
	case len(s.Samples) != 1 || s.Value == nil || (s.Value.Median <= 0 && c.Unit != load.Name):
		t.Errorf("%s: %s has no figures: %+v", c.Name, s.Name, s)
	case c.Base != "" && s.Name != c.Base && s.Ratio == nil:
		t.Errorf("%s: %s has no ratio", c.Name, s.Name)
	case s.Samples[0].Messages > 0 && (s.CPU == nil || s.Voluntary == nil || s.Involuntary == nil):
		t.Errorf("%s: %s lacks what a message takes: %+v", c.Name, s.Name, s)
	}
}

func checkChart(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(bytes.NewReader(text)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"<svg", ">recv/tcp/64B to c<", ">pebbe<", ">writers/write/10 to 1<", ">writers/write/10 to 1, pinned<"} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("no %s in the chart", want)
		}
	}
}

// samples makes a result of one round for each element of seconds, which is how long a million
// messages took.
func samples(p placement, name string, seconds ...float64) *subjectResult {
	s := &subjectResult{Name: name, Placement: p}
	for _, t := range seconds {
		s.Samples = append(s.Samples, result{
			Messages: 1e6, Seconds: t, CPU: 2 * t, Voluntary: int(1e6 * t), Involuntary: int(1e5 * t), Instructions: int(1e9 * t),
		})
	}
	return s
}

func TestRatiosAreRoundByRound(t *testing.T) {
	goals := in(unpinned, goal{Of: "b", To: "a", AtLeast: 0.5}, goal{Of: "b", To: "a", AtMost: 0.4}, goal{Of: "b", AtLeast: 400},
		goal{Of: "gone", To: "a", AtLeast: 0})
	goals = append(goals, in(pinned, goal{Of: "b", To: "a", AtLeast: 2}, goal{Of: "b", To: "a", AtLeast: 2.1})...)
	goals = append(goals, in(unpinned, // the easier of two bounds
		goal{Of: "b", To: "a", AtLeast: 0.6, OrTo: "d", OrAtLeast: 1}, goal{Of: "b", To: "a", AtLeast: 0.4, OrTo: "d", OrAtLeast: 1.1},
		goal{Of: "b", To: "a", AtLeast: 0.6, OrTo: "d", OrAtLeast: 1.1})...)
	c := benchCase{Unit: rate, Base: "a", Goals: goals, Subjects: []subject{{Name: "a"}, {Name: "b"}, {Name: "d"}, {Name: "gone"}}}
	res := newCaseResult(c, []placement{unpinned, pinned})
	res.Subjects = []*subjectResult{
		samples(unpinned, "a", 1, 2, 4), samples(unpinned, "b", 2, 4, 4), samples(unpinned, "d", 2, 4, 4),
		{Name: "gone", Placement: unpinned, Failure: "it is", Samples: []result{{}}},
		samples(pinned, "a", 2, 2, 2), samples(pinned, "b", 1, 1, 1),
	}
	res.sumUp()
	b := res.Subjects[1]
	if *b.Value != (spread{250, 250, 500}) || *b.CPU != (spread{8000, 4000, 8000}) || *b.Ratio != (spread{0.5, 0.5, 1}) {
		t.Errorf("value %v, CPU %v, ratio %v", b.Value, b.CPU, b.Ratio)
	}
	if *b.Voluntary != (spread{4, 2, 4}) || *b.Involuntary != (spread{0.4, 0.2, 0.4}) || *b.Instructions != (spread{4000, 2000, 4000}) {
		t.Errorf("waits %v, preempted %v, instructions %v", b.Voluntary, b.Involuntary, b.Instructions)
	}
	if a := res.Subjects[0]; a.Ratio != nil {
		t.Errorf("the base has the ratio %v", a.Ratio)
	}
	if b := res.Subjects[5]; *b.Ratio != (spread{2, 2, 2}) {
		t.Errorf("pinned, the ratio is %v", b.Ratio)
	}
	var met []bool
	for _, g := range res.Goals {
		met = append(met, g.Met)
	}
	if !slices.Equal(met, []bool{true, false, false, false, true, false, true, true, false}) {
		t.Errorf("goals met: %v", met)
	}
	var out strings.Builder
	res.print(&out)
	for _, want := range []string{
		"gone, unpinned, is left out: it is", "goal unpinned b ≥ 0.5 of a: met with 0.500 (0.500 to 1.00)",
		"unpinned gone ≥ 0 of a: not measured", "unpinned b ≥ 0.6 of a or ≥ 1 of d: met with 0.500 (0.500 to 1.00) or 1.00 (1.00 to 1.00)",
		"instructions",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	if rows := regexp.MustCompile(`(?m)^ *b +unpinned .*\n *b +pinned `); !rows.MatchString(out.String()) {
		t.Errorf("b unpinned and b pinned are not side by side in\n%s", &out)
	}
}

// A case that is Unpinned, and a slow library, run in one placement.
func TestPlacements(t *testing.T) {
	c := benchCase{Subjects: []subject{{Name: ours}, {Name: aiozmq}}, Goals: inBoth(goal{Of: ours, AtLeast: 1})}
	count := func(c benchCase, placements ...placement) [2]int {
		res := newCaseResult(c, placements)
		return [2]int{len(res.Subjects), len(res.Goals)}
	}
	for _, got := range [][2][2]int{
		{count(c, unpinned, pinned), {3, 2}}, {count(c, unpinned), {2, 1}}, {count(c, pinned), {1, 1}},
	} {
		if got[0] != got[1] {
			t.Errorf("subjects and goals: %v, want %v", got[0], got[1])
		}
	}
	c.Unpinned = true
	if got := count(c, unpinned, pinned); got[0] != 2 {
		t.Errorf("%d subjects of a case that is not pinned", got[0])
	}
}

// Pinned Go programs have the GOMAXPROCS of the environment, or 2.
func TestPinnedGOMAXPROCS(t *testing.T) {
	for _, set := range []string{"", "1"} {
		t.Setenv("GOMAXPROCS", set)
		want := map[string]string{"": "GOMAXPROCS=2", "1": "GOMAXPROCS=1"}[set]
		if env := (&child{placement: pinned}).environment(); !slices.Contains(env, want) {
			t.Errorf("with GOMAXPROCS=%q there is no %s", set, want)
		}
	}
	t.Setenv("GOMAXPROCS", "")
	if env := (&child{placement: unpinned}).environment(); slices.Contains(env, "GOMAXPROCS=2") {
		t.Error("an unpinned child has GOMAXPROCS=2")
	}
}

func TestMedian(t *testing.T) {
	if got := spreadOf([]float64{4, 1, 3, 2}); got != (spread{2.5, 1, 4}) {
		t.Errorf("%v", got)
	}
}

// A run fails if the receiver does not confirm what the sender counted, or if the result has no
// messages.
func TestImplausibleResults(t *testing.T) {
	sink := child{process: process{"c", "sink"}, last: line{result: result{Messages: 1000}}}
	if sink.confirm(result{Messages: 2000 + underWay}) == nil {
		t.Error("2000 messages less than were sent, and those under way, are fine")
	}
	if err := sink.confirm(result{Messages: 500 + underWay}); err != nil {
		t.Error(err)
	}
	if (&child{process: process{"c", "subs"}}).confirm(result{}) == nil {
		t.Error("a subscriber that got nothing is fine")
	}
	for _, u := range []unit{rate, roundTrip, memory} {
		if u.check(result{Seconds: 1}) == nil {
			t.Errorf("%s: no messages are fine", u.Name)
		}
	}
	if err := load.check(result{Seconds: 1}); err != nil {
		t.Error(err)
	}
}

// The benchmark leaves out a peer that is missing or fails, and measures the others.
func TestMissingPeer(t *testing.T) {
	p := &programs{commands: map[string][]string{"c": {"false"}}, missing: map[string]string{"pyzmq": "no Python"}}
	r := runner{programs: p, rounds: 1, length: 1, warm: 1, placements: []placement{unpinned}}
	res, err := r.measure(t.Context(), benchCase{Unit: rate, Where: "inproc", Subjects: []subject{
		{Name: pyzmq, Test: process{"pyzmq", "recv"}},
		{Name: inC, Test: process{"c", "recv"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got := res.Subjects[0].Failure; got != "no Python" {
		t.Errorf("pyzmq: %q", got)
	}
	if got := res.Subjects[1].Failure; !strings.Contains(got, "exit status 1") {
		t.Errorf("c: %q", got)
	}
	rep := report{Cases: []*caseResult{res}}
	if err := rep.essentialFailure(); err == nil || !strings.Contains(err.Error(), "exit status 1") {
		t.Errorf("without C it ends well: %v", err)
	}
	// The benchmark leaves zmqio out if the program at its other end is missing.
	res, err = r.measure(t.Context(), benchCase{Unit: calls, Where: "tcp", Subjects: []subject{
		{Name: calling, Test: process{"go", "zmqio-rpc"}, Other: process{"pyzmq", "rep"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got := res.Subjects[0].Failure; got != "no Python" {
		t.Errorf("%s: %q", calling, got)
	}
	rep = report{Cases: []*caseResult{res}}
	if err := rep.essentialFailure(); err != nil {
		t.Errorf("without pyzmq: %v", err)
	}
}

// choose keeps the cases and the peers that the flags name, the base, and the goals of both.
func TestChoose(t *testing.T) {
	s, err := parseFlags([]string{"-cases", "^recv/tcp/64B$", "-peers", "^(zmqio|zmqio-gogc400|aiozmq)$"})
	if err != nil {
		t.Fatal(err)
	}
	chosen := choose(allCases(), s)
	if len(chosen) != 1 {
		t.Fatalf("%d cases", len(chosen))
	}
	var names []string
	for _, s := range chosen[0].Subjects {
		names = append(names, s.Name)
	}
	if want := []string{inC, ours, fewerCycles, aiozmq}; !slices.Equal(names, want) {
		t.Errorf("subjects %v, want %v", names, want)
	}
	want := append(in(pinned, goal{Of: ours, To: inC, AtLeast: 0.9}), in(unpinned, goal{Of: ours, To: aiozmq, AtLeast: 25})...)
	if !slices.Equal(chosen[0].Goals, want) {
		t.Errorf("goals %v, want %v", chosen[0].Goals, want)
	}
	if s, err = parseFlags([]string{"-pin", "on"}); err != nil {
		t.Fatal(err)
	}
	for _, c := range choose(allCases(), s) {
		for _, sub := range c.Subjects {
			if !c.runs(sub, pinned) {
				t.Errorf("%s: %s is chosen, and not run pinned", c.Name, sub.Name)
			}
		}
	}
	for _, args := range [][]string{{"-rounds", "0"}, {"-time", "0s"}, {"-cases", "("}, {"-peers", "("}, {"-pin", "1"}, {"all"}} {
		if _, err := parseFlags(args); err == nil {
			t.Errorf("%q are fine", args)
		}
	}
	for _, flag := range []string{"-cases", "-peers", "-pin"} {
		if _, err := parseFlags([]string{flag, "("}); err == nil || !strings.HasPrefix(err.Error(), flag) {
			t.Errorf("%s: %v", flag, err)
		}
	}
	if err := run(t.Context(), []string{"-cases", "nothing"}); err == nil {
		t.Error("no case is fine")
	}
}

// The base and the goals of a case name subjects of that case. No two cases have one name.
func TestCases(t *testing.T) {
	names := map[string]bool{"": true}
	for _, c := range allCases() {
		if names[c.Name] {
			t.Errorf("two cases %q", c.Name)
		}
		names[c.Name] = true
		for _, s := range c.Subjects {
			if !known(s.Name) && strings.ContainsFunc(s.Name, func(r rune) bool { return r < '0' || r > '9' }) {
				t.Errorf("%s: %s has no colour", c.Name, s.Name)
			}
		}
		if c.Base != "" && !c.has(c.Base) {
			t.Errorf("%s: no base %s", c.Name, c.Base)
		}
		for _, g := range c.Goals {
			for _, name := range g.names() {
				if i := slices.IndexFunc(c.Subjects, func(s subject) bool { return s.Name == name }); i < 0 || !c.runs(c.Subjects[i], g.Placement) {
					t.Errorf("%s: goal %v, and there is no such %s", c.Name, g, name)
				}
			}
		}
	}
}
