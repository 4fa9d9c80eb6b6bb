package live

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/zmqio/zmq/gen/internal/spec"
	"gopkg.in/yaml.v3"
)

var (
	every = flag.Int("mutations", 2, "how many mutations of each field to try")
	seed  = flag.Uint64("seed", 1, "what the mutations are chosen by")
)

// raceDetector says that the test runs under the race detector.
var raceDetector bool

// TestMutations changes one fact of the spec at a time, and checks that the change is noticed: by
// the validation, by a release's header, or by a library. exempt lists the changes that no test can
// notice, with reasons. make test-spec tries 40 mutations of each field.
func TestMutations(t *testing.T) {
	if raceDetector {
		t.Skip("it takes minutes under the race detector, and the other tests try all that it calls")
	}
	s := loadSpec(t)
	l := measure(t, s)
	if l.version.Compare(oldest) < 0 {
		t.Skipf("this is libzmq %v", l.version)
	}
	c := court{history(t), append(recorded(t), l), systems(t), pebbeHas(t)}
	sources := readSources(t)
	if why := c.notices(sources.files()); why != "" {
		t.Fatalf("the spec as it is: %s", why)
	}
	var mu sync.Mutex
	survivors, excused, tried := map[string][]string{}, map[string]int{}, map[string]int{}
	var jobs []func()
	for i, field := range sources.fields() {
		jobs = append(jobs, func() {
			rng := rand.New(rand.NewPCG(*seed, uint64(i)))
			mine := readSources(t) // mutations change it in place
			n := *every
			if alwaysExempt(field) {
				n = min(n, 8) // enough to see that a field is checked at all
			}
			for m := range mine.mutations(field, n, rng) {
				why := c.notices(m.files)
				e := excuse(m)
				mu.Lock()
				tried[field]++
				switch {
				case why == "" && e != "":
					excused[e]++
				case why == "":
					survivors[field] = append(survivors[field], m.String())
				}
				mu.Unlock()
			}
		})
	}
	inParallel(jobs)
	t.Logf("%d mutations of %d fields, of which %d were not noticed and are exempt", sum(tried), len(tried), sum(excused))
	for _, field := range slices.Sorted(maps.Keys(survivors)) {
		t.Errorf("%s: %d of %d mutations survive:\n\t%s", field, len(survivors[field]), tried[field], strings.Join(survivors[field], "\n\t"))
	}
	for _, e := range exempt {
		there := func(field string) bool { return tried[field] > 0 }
		if *every >= 40 && excused[e.reason] == 0 && slices.ContainsFunc(e.fields, there) {
			t.Errorf("%v are exempt, but every mutation of them is noticed", e.fields)
		}
	}
}

func sum(counts map[string]int) int {
	total := 0
	for _, n := range counts {
		total += n
	}
	return total
}

// A court has everything that can notice a wrong fact.
type court struct {
	headers   headers
	libraries []*library
	systems   systemTables
	pebbe     []string
}

// notices returns why a spec is wrong, or "".
func (c court) notices(files []*spec.File) string {
	s, err := spec.Join(files)
	if err != nil {
		return err.Error()
	}
	for _, lines := range []func() []string{
		func() []string { return c.headers.contradictions(s) },
		func() []string { return c.systems.contradictions(s) },
		func() []string { return contradictClasses(s) },
		func() []string { return contradictTopics(s) },
		func() []string { return contradictPebbe(s, c.pebbe) },
	} {
		if l := lines(); len(l) > 0 {
			return l[0]
		}
	}
	for _, l := range c.libraries {
		if lines := l.contradictions(s); len(lines) > 0 {
			return lines[0]
		}
	}
	return ""
}

// sources are the files of the spec as YAML.
type sources struct {
	names  []string
	texts  [][]byte
	nodes  []*yaml.Node
	parsed []*spec.File
	byPath map[string][]site // the places of each field's values
}

func readSources(t *testing.T) *sources {
	names, err := filepath.Glob("../../spec/*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no spec: %v", err)
	}
	s := &sources{names: names}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var doc yaml.Node
		if err := yaml.Unmarshal(text, &doc); err != nil {
			t.Fatal(err)
		}
		s.texts = append(s.texts, text)
		s.nodes = append(s.nodes, &doc)
		s.parsed = append(s.parsed, spec.ReadFile(filepath.Base(name), text))
	}
	s.byPath = make(map[string][]site)
	for i, doc := range s.nodes {
		for key, value := range yamlPairs(doc.Content[0]) {
			for _, entry := range value.Content {
				s.collect(apart.Replace(key.Value), "", i, entry)
			}
		}
	}
	return s
}

func (s *sources) files() []*spec.File { return slices.Clone(s.parsed) }

// A site is a value in a file that a mutation may change.
type site struct {
	field string // such as options.min; a list's elements belong to the list's site
	entry string // the name of the entry
	file  int
	node  *yaml.Node
	owner *yaml.Node // the mapping that has the value, with the key before it
	index int        // of the value in the owner
}

// apart maps lists to the lists that their entries belong to.
var apart = strings.NewReplacer("enum_values", "enums.values", "string_values", "strings.values")

var dictionary = regexp.MustCompile(`\.(defaults|numbers|alias_since|set_with)$`)

// collect adds the sites of a mapping.
func (s *sources) collect(field, name string, file int, n *yaml.Node) {
	entry := name
	for key, value := range yamlPairs(n) {
		if key.Value == "name" || key.Value == "type" && entry == "" {
			entry = strings.TrimPrefix(name+" "+value.Value, " ")
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i].Value, n.Content[i+1]
		at := site{field + "." + key, entry, file, value, n, i + 1}
		if dictionary.MatchString(field) {
			at.field, at.entry = field+".*", entry+" "+key
		}
		switch {
		case value.Kind == yaml.SequenceNode && len(value.Content) > 0 && value.Content[0].Kind == yaml.MappingNode:
			for _, element := range value.Content {
				s.collect(at.field, entry, file, element)
			}
			continue
		case value.Kind == yaml.MappingNode:
			s.collect(at.field, entry, file, value)
		}
		s.byPath[at.field] = append(s.byPath[at.field], at)
	}
}

func yamlPairs(n *yaml.Node) func(func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i], n.Content[i+1]) {
				return
			}
		}
	}
}

func (s *sources) fields() []string { return slices.Sorted(maps.Keys(s.byPath)) }

// A mutation is a spec with one fact changed.
type mutation struct {
	site
	from, to string
	files    []*spec.File
}

func (m mutation) String() string { return fmt.Sprintf("%s: %q for %q", m.entry, m.to, m.from) }

// mutations makes n mutations of a field, or all if there are fewer.
func (s *sources) mutations(field string, n int, rng *rand.Rand) func(func(mutation) bool) {
	return func(yield func(mutation) bool) {
		sites := s.byPath[field]
		seen := map[string]bool{}
		for try := 0; try < 20*n && len(seen) < n; try++ {
			at := sites[rng.IntN(len(sites))]
			from := text(at.node)
			before := at.owner.Content
			changed := s.change(at, sites, rng)
			if changed == nil {
				at.owner.Content = slices.Concat(before[:at.index-1], before[at.index+1:])
			} else {
				at.owner.Content = slices.Concat(before[:at.index], []*yaml.Node{changed}, before[at.index+1:])
			}
			m := mutation{site: at, from: from, to: text(changed)}
			if m.to == from || seen[m.String()] {
				at.owner.Content = before
				continue
			}
			seen[m.String()] = true
			out, err := yaml.Marshal(s.nodes[at.file])
			at.owner.Content = before
			if err != nil {
				panic(err)
			}
			m.files = s.files()
			m.files[at.file] = spec.ReadFile(filepath.Base(s.names[at.file]), out)
			if !yield(m) {
				return
			}
		}
	}
}

// text returns a value in one line, or "nothing" for a key that was removed.
func text(n *yaml.Node) string {
	switch {
	case n == nil:
		return "nothing"
	case n.Kind == yaml.ScalarNode:
		return n.Value
	}
	var parts []string
	for _, c := range n.Content {
		parts = append(parts, text(c))
	}
	return "[" + strings.Join(parts, " ") + "]"
}

var releaseText = regexp.MustCompile(`^\d+\.\d+\.\d+$`)

// change returns another value, or nil to remove the key.
func (s *sources) change(at site, sites []site, rng *rand.Rand) *yaml.Node {
	if rng.IntN(8) == 0 {
		return nil
	}
	other := sites[rng.IntN(len(sites))].node
	n := *at.node
	n.Content = slices.Clone(n.Content)
	switch {
	case n.Kind == yaml.SequenceNode:
		if len(n.Content) > 0 && rng.IntN(2) == 0 {
			i := rng.IntN(len(n.Content))
			n.Content = slices.Delete(n.Content, i, i+1)
		} else if other.Kind == yaml.SequenceNode && len(other.Content) > 0 {
			n.Content = append(n.Content, other.Content[rng.IntN(len(other.Content))])
		}
	case n.Kind == yaml.MappingNode:
		if len(n.Content) >= 2 {
			i := rng.IntN(len(n.Content)/2) * 2
			n.Content = slices.Delete(n.Content, i, i+2)
		}
	case n.ShortTag() == "!!bool":
		n.Value = map[string]string{"true": "false", "false": "true"}[n.Value]
	case n.ShortTag() == "!!int":
		v, _ := strconv.ParseInt(n.Value, 0, 64)
		v = []int64{v + 1, v - 1, 2*v + 1, -v, 0, 1, v + 1000}[rng.IntN(7)]
		n.Value = strconv.FormatInt(v, 10)
	case releaseText.MatchString(n.Value):
		n.Value = s.release(rng)
	case other.Kind == yaml.ScalarNode && rng.IntN(4) > 0:
		n.Value = other.Value
	case n.Value == "":
		n.Value = "x"
	default:
		n.Value = garble(n.Value, rng)
	}
	return &n
}

// release returns a random release.
func (s *sources) release(rng *rand.Rand) string {
	list := s.byPath["releases.version"]
	return list[rng.IntN(len(list))].node.Value
}

// garble changes a letter.
func garble(text string, rng *rand.Rand) string {
	letters := []byte(text)
	i := rng.IntN(len(letters))
	letters[i] = "ABCXYZabcxyz"[rng.IntN(12)]
	return string(letters)
}

// An exemption is a kind of change that no test can notice, with the reason.
type exemption struct {
	fields []string
	when   func(m mutation) bool // whether a mutation is exempt; nil: all are
	reason string
}

// excuse returns the reason why a mutation may go unnoticed.
func excuse(m mutation) string {
	for _, e := range exempt {
		if slices.Contains(e.fields, m.field) && (e.when == nil || e.when(m)) {
			return e.reason
		}
	}
	return ""
}

func alwaysExempt(field string) bool {
	return slices.ContainsFunc(exempt, func(e exemption) bool { return e.when == nil && slices.Contains(e.fields, field) })
}

// has returns the text of another key of the entry.
func (m mutation) has(key string) string {
	for k, v := range yamlPairs(m.owner) {
		if k.Value == key {
			return text(v)
		}
	}
	return ""
}
