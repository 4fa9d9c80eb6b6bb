package live

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/zmqio/zmq/gen/internal/spec"
)

// A library has the measurements of testdata/probe.c: of the installed libzmq, or of a rare build.
type library struct {
	name     string
	version  spec.Version
	has      map[string]bool
	types    map[int64]bool
	options  map[use]facts // an option on a socket type
	with     map[with]facts
	contexts map[int64]facts
	traffic  map[int64]facts
	shakes   map[[2]int64]string
	mutes    map[int64]string
	errors   map[int64]string
	behaves  map[int64]facts // the observed behaviour of an option, if it was tested
}

// A use is an option's number on a type of socket.
type use struct{ typ, option int64 }

// A with is a use after a set of another option.
type with struct {
	use
	first int64
}

// facts are measurements by name.
type facts map[string][]string

func (f facts) one(key string) string { return strings.Join(f[key], ",") }

func (f facts) any(keys ...string) bool {
	return slices.ContainsFunc(keys, func(k string) bool { return f[k] != nil })
}

// readLibrary reads the output of probe.c, or a record of it.
func readLibrary(name string, r io.Reader) (*library, error) {
	l := &library{
		name: name, has: map[string]bool{}, types: map[int64]bool{}, options: map[use]facts{}, with: map[with]facts{},
		contexts: map[int64]facts{}, traffic: map[int64]facts{}, shakes: map[[2]int64]string{},
		mutes: map[int64]string{}, errors: map[int64]string{}, behaves: map[int64]facts{},
	}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		if err := l.read(lines.Text()); err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", name, n, err)
		}
	}
	return l, lines.Err()
}

func (l *library) read(line string) error {
	words := strings.Fields(line)
	if len(words) < 2 || words[0] == "#" {
		return nil
	}
	number := func(i int) int64 {
		n, err := strconv.ParseInt(words[i], 10, 64)
		if err != nil {
			panic(fmt.Sprintf("%q: %v", line, err))
		}
		return n
	}
	switch words[0] {
	case "version":
		_, err := fmt.Sscanf(words[1], "%d.%d.%d", &l.version.Major, &l.version.Minor, &l.version.Patch)
		return err
	case "has":
		l.has[words[1]] = words[2] == "1"
	case "type":
		l.types[number(1)] = true
	case "option", "with": // types, option, the option set first
		skip := 3
		if words[0] == "with" {
			skip = 4
		}
		for typ := range strings.SplitSeq(words[1], ",") {
			t, err := strconv.ParseInt(typ, 10, 64)
			if err != nil {
				return err
			}
			u := use{t, number(2)}
			if words[0] == "with" {
				l.with[with{u, number(3)}] = readFacts(words[skip:])
			} else {
				l.options[u] = readFacts(words[skip:])
			}
		}
	case "context":
		l.contexts[number(1)] = readFacts(words[2:])
	case "traffic":
		l.traffic[number(1)] = readFacts(words[2:])
	case "shake":
		l.shakes[[2]int64{number(1), number(2)}] = words[3]
	case "mute":
		l.mutes[number(1)] = strings.Join(words[2:], " ")
	case "behaves":
		l.behaves[number(1)] = readFacts(words[2:])
	case "error":
		l.errors[number(1)] = strings.Join(words[2:], " ")
	default:
		return fmt.Errorf("%q", line)
	}
	return nil
}

func readFacts(words []string) facts {
	f := make(facts)
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		f[key] = append(f[key], value)
	}
	return f
}

// A probe runs a program of testdata.
type probe struct {
	t    *testing.T
	file string
}

// buildProbe compiles a program with the libzmq that this test is linked with.
func buildProbe(t *testing.T, name string) probe {
	t.Helper()
	flags, err := exec.Command("pkg-config", "--cflags", "--libs", "libzmq").Output()
	if err != nil {
		t.Fatalf("pkg-config: %v", err)
	}
	file := filepath.Join(t.TempDir(), name)
	args := append(strings.Fields(os.Getenv("CGO_CFLAGS")), "-o", file, "testdata/"+name+".c")
	args = append(args, strings.Fields(string(flags))...)
	if out, err := exec.Command("cc", args...).CombinedOutput(); err != nil {
		t.Fatalf("cc: %v\n%s", err, out)
	}
	return probe{t, file}
}

// run returns the probe's output, and whether the probe came to its end.
func (p probe) run(args ...any) (out string, whole bool) {
	var words []string
	for _, a := range args {
		words = append(words, fmt.Sprint(a))
	}
	text, err := exec.Command(p.file, words...).Output()
	return string(text), err == nil
}

func (p probe) must(args ...any) string {
	out, whole := p.run(args...)
	if !whole {
		p.t.Errorf("probe %v did not come to its end:\n%s", args, out)
	}
	return out
}

// options measures every option on a type of socket, from number first on. After an option at which
// the library ends the process, it starts again with the next.
func (p probe) options(w io.Writer, typ int64, first string) {
	head, set := fmt.Sprintf("option %d ", typ), []any{}
	tail := " "
	if first != "" {
		head, set, tail = fmt.Sprintf("with %d ", typ), []any{first}, " "+first+" "
	}
	for from := 0; from < 160; {
		out, whole := p.run(append([]any{"options", typ, from}, set...)...)
		for line := range strings.Lines(out) {
			number, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
			n, err := strconv.Atoi(number)
			if err != nil {
				p.t.Fatalf("%q: %v", line, err)
			}
			from = n + 1
			if !strings.HasSuffix(line, "\n") {
				rest += " crash=1"
			}
			if rest != "" {
				fmt.Fprintln(w, head+number+tail+rest)
			}
		}
		if whole {
			return
		}
	}
}

// talkers are types that send, each with a type to send to.
var talkers = [][2]int64{
	{0, 0}, {1, 2}, {3, 4}, {4, 5}, {5, 5}, {6, 5}, {8, 7}, {9, 2}, {10, 9}, {11, 0}, {12, 13}, {13, 12}, {14, 15}, {17, 16}, {20, 20},
}

// measure measures the installed library. It takes only questions from the spec: names of
// capabilities, and options that must be set first.
func measure(t *testing.T, s *spec.Spec) *library {
	t.Helper()
	var out lockedBuffer
	p, behaves := buildProbe(t, "probe"), buildProbe(t, "behaves")
	capabilities := []any{"has"}
	for _, c := range s.Capabilities {
		capabilities = append(capabilities, c.Name)
	}
	for _, args := range [][]any{{"version"}, {"errors"}, {"types"}, {"contexts"}, capabilities} {
		fmt.Fprint(&out, p.must(args...))
	}
	l, err := readLibrary("the installed library", strings.NewReader(out.String()))
	if err != nil {
		t.Fatal(err)
	}
	types := slices.Sorted(maps.Keys(l.types))
	safe := func(typ int64) bool { return typ <= 11 || l.has["draft"] && typ != 18 }
	jobs := []func(){func() { fmt.Fprint(&out, behaves.must()) }}
	for _, typ := range types {
		jobs = append(jobs, func() {
			p.options(&out, typ, "")
			if typ != 18 { // a DGRAM needs an address before anything else
				fmt.Fprint(&out, p.must("traffic", typ))
			}
		}, func() {
			args := []any{"shake", typ}
			for _, other := range types {
				if safe(other) {
					args = append(args, other)
				}
			}
			if safe(typ) {
				fmt.Fprint(&out, p.must(args...))
			}
		})
	}
	for _, pair := range talkers {
		if l.types[pair[0]] && safe(pair[0]) {
			jobs = append(jobs, func() { fmt.Fprint(&out, p.must("mute", pair[0], pair[1])) })
		}
	}
	for first, on := range firsts(s) {
		for _, typ := range on {
			jobs = append(jobs, func() { p.options(&out, typ, fmt.Sprint(first)) })
		}
	}
	inParallel(jobs)
	if l, err = readLibrary("the installed library", strings.NewReader(out.String())); err != nil {
		t.Fatal(err)
	}
	if *record != "" {
		l.write(t, *record, out.String())
	}
	return l
}

// firsts returns, by number, the options that must be set before others, and the socket types for
// which this holds.
func firsts(s *spec.Spec) map[int64][]int64 {
	numbers, types := map[string]int64{}, map[string]int64{}
	for _, o := range s.Options {
		numbers[o.Name] = o.Number
	}
	for _, t := range s.SocketTypes {
		types[t.Name] = t.Number
	}
	list := map[int64][]int64{}
	for _, o := range s.Options {
		for t, first := range o.SetWith {
			if n := numbers[first]; !slices.Contains(list[n], types[t]) {
				list[n] = append(list[n], types[t])
			}
		}
	}
	return list
}

func inParallel(jobs []func()) {
	var wg sync.WaitGroup
	work := make(chan func())
	for range 3 { // most of the time they wait
		wg.Go(func() {
			for job := range work {
				job()
			}
		})
	}
	for _, job := range jobs {
		work <- job
	}
	close(work)
	wg.Wait()
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

// Write takes whole lines. Several goroutines may call it.
func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

var record = flag.String("record", "", "write what is measured of the library to this file of testdata")

// write writes a record of the library, with one line for all types of sockets that are alike. It
// omits error texts, which are the system's, and facts that depend on time.
func (l *library) write(t *testing.T, file, text string) {
	t.Helper()
	var lines []string
	types := make(map[string][]int)
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		words := strings.SplitN(line, " ", 3)
		switch {
		case words[0] == "option" || words[0] == "with":
			typ, err := strconv.Atoi(words[1])
			if err != nil {
				t.Fatal(err)
			}
			types[words[0]+" %s "+words[2]] = append(types[words[0]+" %s "+words[2]], typ)
		case words[0] == "error" || words[0] == "behaves" || words[0] == "context" && len(words) < 3:
		default:
			lines = append(lines, line)
		}
	}
	for line, list := range types {
		slices.Sort(list)
		var words []string
		for _, typ := range list {
			words = append(words, strconv.Itoa(typ))
		}
		lines = append(lines, fmt.Sprintf(line, strings.Join(words, ",")))
	}
	slices.SortFunc(lines, byNumbers)
	text = "# What probe.c has measured of a libzmq, by go test ./gen/live -run TestLibrary -record FILE.\n" +
		strings.Join(lines, "\n") + "\n"
	if err := os.WriteFile(filepath.Join("testdata", file), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// byNumbers compares lines word by word, and numbers in them by value.
func byNumbers(a, b string) int {
	x, y := strings.Fields(a), strings.Fields(b)
	return slices.CompareFunc(x, y, func(a, b string) int {
		m, err := strconv.Atoi(a)
		n, err2 := strconv.Atoi(b)
		if err == nil && err2 == nil {
			return m - n
		}
		return strings.Compare(a, b)
	})
}
