package header

import (
	"cmp"
	_ "embed"
	"fmt"
	"io"
	"maps"
	"math/bits"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/zmqio/zmq/gen/internal/spec"
)

// A stub is an entry for a name that the spec lacks.
type stub struct {
	Name   string // without ZMQ_
	Header string // with ZMQ_
	Go     string
	Value  Name
	Since  string // the YAML key
	At     spec.Version
	Of     string // its type, for a value of an enumeration
	Event  bool   // a monitor event
	Ask    string // why the maintainer must decide what it is
}

// A promotion is a name that was a draft and has become stable.
type promotion struct {
	Name string
	At   spec.Pos
	In   spec.Version
}

type stubs struct {
	Header                                                       *Header
	NewRelease                                                   bool
	Unreleased                                                   *spec.Release // the release that the spec expects next
	Promoted                                                     []promotion
	SocketTypes, Options, Contexts, Values, Texts, Errnos, Calls []stub
	Aliases, Capabilities, Asked                                 []stub
}

// Import writes YAML for the names that the spec lacks. The output is a valid file of the spec
// after each TODO in it is replaced. Until then no spec with it loads.
func (h *Header) Import(s *spec.Spec, w io.Writer) error {
	list := stubs{Header: h, Promoted: h.promoted(s)}
	for i, r := range s.Releases {
		if r.Unreleased && r.Version != h.Version {
			list.Unreleased = &s.Releases[i]
		}
	}
	list.NewRelease = !slices.ContainsFunc(s.Releases, func(r spec.Release) bool { return r.Version == h.Version })
	for _, name := range h.Missing(s) {
		list.add(s, h, h.stub(name))
	}
	for _, name := range h.missingCapabilities(s) {
		list.Capabilities = append(list.Capabilities, stub{Name: name, Go: strings.ToUpper(name), Since: "since", At: h.Version})
	}
	if list.empty() {
		_, err := fmt.Fprintf(w, "# Every name of %s is in the spec.\n", h.File)
		return err
	}
	byNumber := func(a, b stub) int { return cmp.Compare(a.Value.Number, b.Value.Number) }
	for _, l := range [][]stub{list.SocketTypes, list.Options, list.Contexts, list.Values} {
		slices.SortStableFunc(l, byNumber)
	}
	return stubTemplate.Execute(w, list)
}

func (l stubs) empty() bool {
	n := len(l.Promoted)
	for _, list := range [][]stub{
		l.SocketTypes, l.Options, l.Contexts, l.Values, l.Texts, l.Errnos, l.Calls, l.Aliases, l.Capabilities, l.Asked,
	} {
		n += len(list)
	}
	return n == 0
}

// promoted lists the names that are drafts in the spec and stable in the header.
func (h *Header) promoted(s *spec.Spec) []promotion {
	var list []promotion
	names := s.Names()
	for _, name := range slices.Sorted(maps.Keys(names)) {
		n, ok := h.Names[name]
		if ok && !n.Draft && names[name].Origin.Draft() {
			list = append(list, promotion{name, names[name].At, h.Version})
		}
	}
	return list
}

// missingCapabilities returns the capabilities that the spec lacks.
func (h *Header) missingCapabilities(s *spec.Spec) []string {
	var missing []string
	for _, name := range h.Capabilities {
		if !slices.ContainsFunc(s.Capabilities, func(c spec.Capability) bool { return c.Name == name }) {
			missing = append(missing, name)
		}
	}
	return missing
}

func (h *Header) stub(name string) stub {
	n := h.Names[name]
	short := strings.TrimPrefix(name, "ZMQ_")
	st := stub{Name: short, Header: name, Go: goName(short), Value: n, At: h.Version, Since: "since"}
	if n.Draft {
		st.Since = "draft_since"
	}
	return st
}

// add puts a name into its list. If neither its form nor its section shows the list, the stub asks
// the maintainer.
func (l *stubs) add(s *spec.Spec, h *Header, st stub) {
	kind := h.vote(s, st.Value.Section, st.Value.Text != "")
	if e := enumOf(s, st.Name); e != "" {
		kind = e
	}
	to := &l.Asked
	switch {
	case st.Value.Offset != 0:
		to = &l.Errnos
	case st.Value.Call:
		to = &l.Calls
	case st.Value.Mark:
		st.Ask = "It has no number"
	case st.Value.Alias != "":
		to = &l.Aliases
	case st.Value.Text != "":
		if kind == "" {
			st.Ask = "It is a text of no known type"
			break
		}
		st.Of, to = kind, &l.Texts
	case kind == aSocketType || kind == anOption || kind == aContext:
		last, more := lastOf(s, kind), int64(len(h.Missing(s)))
		if st.Value.Number <= last {
			st.Ask = fmt.Sprintf("It looks like a %s, but its number falls among those up to %d", kind, last)
			break
		}
		// Some options are named like limits. Their numbers follow the last option.
		if limitName.MatchString(st.Name) && st.Value.Number > last+more {
			st.Ask = looksLikeLimit
			break
		}
		to = map[string]*[]stub{aSocketType: &l.SocketTypes, anOption: &l.Options, aContext: &l.Contexts}[kind]
	case limitName.MatchString(st.Name):
		st.Ask = looksLikeLimit
	case kind != "":
		st.Of, to = kind, &l.Values
		e := enum(s, kind)
		monitored := slices.ContainsFunc(e.Values, func(v spec.Value) bool { return v.Carries != "" })
		st.Event = monitored && bits.OnesCount64(uint64(st.Value.Number)) == 1
	default:
		st.Ask = "No name of its section is in the spec"
	}
	*to = append(*to, st)
}

const looksLikeLimit = "It looks like a limit, a default or a bound"

var limitName = regexp.MustCompile(`(^|_)(MAX|MIN|LIMIT|LENGTH|DFLT|DEFAULT|SIZE)(_|$)`)

// lastOf returns the highest number of a list. A new name has a higher one.
func lastOf(s *spec.Spec, kind string) int64 {
	last := int64(-1)
	switch kind {
	case aSocketType:
		for _, t := range s.SocketTypes {
			last = max(last, t.Number)
		}
	case anOption:
		for _, o := range s.Options {
			last = max(last, o.Number)
		}
	case aContext:
		// Some context options have numbers that follow the socket options'.
		for _, c := range s.Contexts {
			if next := last + 1; c.Number <= next+3 {
				last = max(last, c.Number)
			}
		}
	}
	return last
}

func enum(s *spec.Spec, name string) *spec.Enum {
	i := slices.IndexFunc(s.Enums, func(e spec.Enum) bool { return e.Type == name })
	return &s.Enums[i]
}

// enumOf returns the enumeration whose values all have the prefix of name, unless options have it
// too.
func enumOf(s *spec.Spec, name string) string {
	for _, e := range s.Enums {
		if len(e.Values) < 2 {
			continue
		}
		prefix := commonPrefix(e.Values)
		option := func(o spec.Option) bool { return strings.HasPrefix(o.Name, prefix) }
		if prefix != "" && strings.HasPrefix(name, prefix) && !slices.ContainsFunc(s.Options, option) {
			return e.Type
		}
	}
	return ""
}

// commonPrefix returns the common prefix of all names, up to an underscore.
func commonPrefix(values []spec.Value) string {
	prefix := values[0].Name
	for _, v := range values {
		for !strings.HasPrefix(v.Name, prefix) {
			prefix = prefix[:len(prefix)-1]
		}
	}
	return prefix[:strings.LastIndexByte(prefix, '_')+1]
}

// goName turns LAST_ENDPOINT into LastEndpoint.
func goName(name string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(name, "_") {
		if word != "" {
			b.WriteString(word[:1] + strings.ToLower(word[1:]))
		}
	}
	return b.String()
}

//go:embed import.yaml.tmpl
var stubText string

var stubTemplate = template.Must(template.New("stubs").Parse(stubText))
