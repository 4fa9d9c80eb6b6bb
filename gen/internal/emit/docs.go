package emit

import (
	"bytes"
	_ "embed"
	"fmt"
	"strings"
	"text/template"

	"github.com/zmqio/zmq/gen/internal/spec"
)

//go:embed README.md.tmpl
var readme string

var readmeTemplate = template.Must(template.New("README.md").Funcs(template.FuncMap{
	"since":   docSince,
	"join":    func(words []string) string { return strings.Join(words, ", ") },
	"default": func(o spec.Option) string { return cell(docDefault(o)) },
	"bounds":  func(o spec.Option) string { return cell(docRange(o)) },
	"cell":    cell,
	"on":      docSockets,
	"access":  docAccess,
	"number":  docNumber,
	"rules":   docRules,
	"release": docRelease,
	"hex":     func(v *int64) string { return fmt.Sprintf("%#x", *v) },
}).Parse(readme))

// Docs makes spec/README.md: how to extend the spec, and tables of what it has.
func Docs(s *spec.Spec) (File, error) {
	var buf bytes.Buffer
	g := generator{Spec: s}
	err := readmeTemplate.Execute(&buf, struct {
		*spec.Spec
		ByNumber []spec.Option
	}{s, g.byNumber()})
	return File{"spec/README.md", buf.Bytes()}, err
}

func docSince(o spec.Origin) string {
	switch {
	case o.Draft():
		return o.DraftSince.String() + " (draft)"
	case o.DraftSince.IsZero():
		return o.Since.String()
	}
	return o.Since.String() + " (draft " + o.DraftSince.String() + ")"
}

func docRelease(v spec.Version) string {
	if v.IsZero() {
		return ""
	}
	return v.String()
}

// docRules says what holds, and from which release on.
func docRules(rules []spec.Rule) string {
	var parts []string
	for _, r := range rules {
		parts = append(parts, r.Rule+" from "+r.Since.String())
	}
	return strings.Join(parts, ", ")
}

// cell makes text fit into a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

func docDefault(o spec.Option) string {
	if o.Default == nil {
		return ""
	}
	return defaultText(o)
}

func docRange(o spec.Option) string {
	if lo, hi, ok := o.Range(); ok && o.Kind != "bool" && o.Type == "" {
		return fmt.Sprintf("%d to %d", lo, hi)
	}
	return lengthText(o)
}

func docAccess(o spec.Option) string {
	access := strings.Join(o.Access, ", ")
	if o.Clear != "" {
		access += ", clear"
	}
	return access
}

// docSockets says which sockets have an option, for get and for set where they differ.
func docSockets(o spec.Option) string {
	get, set := socketsText(o.GetOn), socketsText(o.SetOn)
	switch {
	case !o.Can("get") || get == set:
		return set
	case !o.Can("set"):
		return get
	}
	return "get: " + get + "; set: " + set
}

func docNumber(e spec.Errno, system string) string {
	if e.Native != 0 {
		return fmt.Sprint(spec.Hausnumero + e.Native)
	}
	if n, ok := e.Numbers[system]; ok {
		return fmt.Sprint(n)
	}
	if e.Fallback != 0 {
		return fmt.Sprint(spec.Hausnumero + e.Fallback)
	}
	return ""
}
