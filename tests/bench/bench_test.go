package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
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
	const cases = "^(recv/tcp/64B|recv/inproc/1KiB|send/ipc/1MiB|send/tcp/64Bx3|roundtrip/tcp/64B|rpc/1|rpc-rep/1000|pub/tcp/10|echo/tcp/1KiB/1|echo/tls/64B/100|proxy/streamer/64B|proxy/queue/100|connections/idle|connections/memory/tls|writers/.*|sockets/.*|stats/recv/tcp/64B|aiozmq/own)$"
	const peers = "^([^1]|10?$)" // of the numbers only 1 and 10
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
	if rep.Machine.Cores < 1 || rep.Machine.Libzmq == "" || len(rep.Cases) != 23 {
		t.Errorf("%d cases on %+v", len(rep.Cases), rep.Machine)
	}
	for _, c := range rep.Cases {
		for _, s := range c.Subjects {
			checkSubject(t, c, s)
		}
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
	for _, want := range []string{"<svg", ">recv/tcp/64B to c<", ">pebbe<", ">writers/write/10 to 1<"} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("no %s in the chart", want)
		}
	}
}

// samples makes a result of as many rounds as there are seconds, in each of which one
// million messages took so long.
func samples(name string, seconds ...float64) *subjectResult {
	s := &subjectResult{Name: name}
	for _, t := range seconds {
		s.Samples = append(s.Samples, result{Messages: 1e6, Seconds: t, CPU: 2 * t})
	}
	return s
}

func TestRatiosAreRoundByRound(t *testing.T) {
	res := newCaseResult(benchCase{Unit: rate, Base: "a", Goals: []goal{
		{Of: "b", To: "a", AtLeast: 0.5}, {Of: "b", To: "a", AtMost: 0.4}, {Of: "b", AtLeast: 400}, {Of: "gone", To: "a", AtLeast: 0},
	}})
	res.Subjects = []*subjectResult{
		samples("a", 1, 2, 4), samples("b", 2, 4, 4),
		{Name: "gone", Failure: "it is", Samples: []result{{}}},
	}
	res.sumUp()
	b := res.Subjects[1]
	if *b.Value != (spread{250, 250, 500}) || *b.CPU != (spread{8, 4, 8}) || *b.Ratio != (spread{0.5, 0.5, 1}) {
		t.Errorf("value %v, CPU %v, ratio %v", b.Value, b.CPU, b.Ratio)
	}
	if a := res.Subjects[0]; a.Ratio != nil {
		t.Errorf("the base has the ratio %v", a.Ratio)
	}
	var met []bool
	for _, g := range res.Goals {
		met = append(met, g.Met)
	}
	if !slices.Equal(met, []bool{true, false, false, false}) {
		t.Errorf("goals met: %v", met)
	}
	var out strings.Builder
	res.print(&out)
	for _, want := range []string{"gone is left out: it is", "goal b ≥ 0.5 of a: met with 0.500 (0.500 to 1.00)", "gone ≥ 0 of a: not measured"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

func TestMedian(t *testing.T) {
	if got := spreadOf([]float64{4, 1, 3, 2}); got != (spread{2.5, 1, 4}) {
		t.Errorf("%v", got)
	}
}

// What a sender says is not believed when its receiver does not confirm it, and neither
// is a result without messages.
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

// A peer that is missing, or that fails, is left out and the others are measured.
func TestMissingPeer(t *testing.T) {
	p := &programs{commands: map[string][]string{"c": {"false"}}, missing: map[string]string{"pyzmq": "no Python"}}
	r := runner{programs: p, rounds: 1, length: 1, warm: 1}
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
	// zmqio is left out where its other end is missing.
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

// Flags leave the cases and the peers that are asked for, the base, and the goals of both.
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
	want := []goal{{Of: fewerCycles, To: inC, AtLeast: 0.9}, {Of: ours, To: aiozmq, AtLeast: 25}}
	if !slices.Equal(chosen[0].Goals, want) {
		t.Errorf("goals %v, want %v", chosen[0].Goals, want)
	}
	for _, args := range [][]string{{"-rounds", "0"}, {"-time", "0s"}, {"-cases", "("}, {"-peers", "("}, {"all"}} {
		if _, err := parseFlags(args); err == nil {
			t.Errorf("%q are fine", args)
		}
	}
	if err := run(t.Context(), []string{"-cases", "nothing"}); err == nil {
		t.Error("no case is fine")
	}
}

// Every case has its base and its goals among its subjects, and a name of its own.
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
			if !c.has(g.Of) || g.To != "" && !c.has(g.To) {
				t.Errorf("%s: goal %v names no subject of the case", c.Name, g)
			}
		}
	}
}
