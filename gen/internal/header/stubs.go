package header

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/template"

	"github.com/zmqio/zmq/gen/internal/spec"
)

// A stub is an entry for a name that the spec does not have.
type stub struct {
	Name   string // without ZMQ_
	Header string // with it
	Go     string
	Value  Name
	Since  string // the key
	At     spec.Version
	Draft  bool
	Offset int64 // from ZMQ_HAUSNUMERO
	Type   string
}

type stubs struct {
	Release                         *spec.Version
	Options, Errnos, Strings, Other []stub
	Enums                           []stub
}

// Import writes YAML for the names that the spec does not have. It can stand as a file of
// the spec as it is; what it cannot know is said in comments.
func (h *Header) Import(s *spec.Spec, w io.Writer) error {
	var list stubs
	missing := h.Missing(s)
	if len(missing) == 0 {
		_, err := fmt.Fprintf(w, "# Every name of %s is in the spec.\n", h.File)
		return err
	}
	if !slices.ContainsFunc(s.Releases, func(r spec.Release) bool { return r.Version == h.Version }) {
		list.Release = &h.Version
	}
	for _, name := range missing {
		list.add(s, h.stub(name))
	}
	return stubTemplate.Execute(w, list)
}

func (h *Header) stub(name string) stub {
	n := h.Names[name]
	short := strings.TrimPrefix(name, "ZMQ_")
	st := stub{Name: short, Header: name, Go: goName(short), Value: n, At: h.Version, Draft: n.Draft, Since: "since"}
	if n.Draft {
		st.Since = "draft_since"
	}
	if n.Own {
		st.Offset = n.Number - spec.Hausnumero
	}
	return st
}

// add guesses which list a name belongs to.
func (list *stubs) add(s *spec.Spec, st stub) {
	switch {
	case st.Offset != 0:
		list.Errnos = append(list.Errnos, st)
	case st.Value.Text != "":
		list.Strings = append(list.Strings, st)
	case st.Value.Mark:
		list.Other = append(list.Other, st)
	case enumOf(s, st.Name) != "":
		st.Type = enumOf(s, st.Name)
		list.Enums = append(list.Enums, st)
	case st.Value.Number > lastOption(s):
		list.Options = append(list.Options, st)
	default:
		list.Other = append(list.Other, st)
	}
}

// lastOption is the highest number of an option. A new option has a higher one.
func lastOption(s *spec.Spec) int64 {
	var last int64
	for _, o := range s.Options {
		last = max(last, o.Number)
	}
	return last
}

// enumOf is the enumeration whose values all begin as a name does, unless options do too.
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

// commonPrefix is what all names begin with, up to an underscore.
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

var stubTemplate = template.Must(template.New("stubs").Parse(`{{with .Release -}}
releases:
  - version: {{.}}

{{end}}{{if .Options -}}
options:
{{- range .Options}}
  - name: {{.Name}}
    number: {{.Value.Number}}
    go: {{.Go}} # check the capitals
    {{.Since}}: {{.At}}
    kind: int # or whatever it is
    access: [get, set] # what libzmq serves
    effect: next bind or connect # or at once
{{- if .Draft}}
    needs: [draft] # unless every build has it
{{- end}}
    doc: is not described yet.
{{end}}
{{end}}{{if .Errnos -}}
errnos:
{{- range .Errnos}}
  - name: {{.Name}}
    {{.Since}}: {{.At}}
    native: {{.Offset}}
    text: {{.Name}} # what zmq_strerror says
    calls: [zmq_errno] # the calls that return it
    doc: It is not described yet.
{{end}}
{{end}}{{range .Enums -}}
# A value for the list of {{.Type}} in enums.yaml:
#
#      - name: {{.Name}}
#        value: {{.Value}}
#        {{.Since}}: {{.At}}
#        doc: is not described yet.

{{end}}{{range .Strings -}}
# A value for a list in strings.yaml:
#
#      - name: {{.Name}}
#        string: {{.Value.Text}}
#        {{.Since}}: {{.At}}
#        doc: is not described yet.

{{end}}{{if .Other -}}
ignore: # or the list that they belong to
{{- range .Other}}
  - name: {{.Header}}
    reason: Nobody has looked at it yet. It is {{.Value}}.
{{- end}}
{{end}}`))
