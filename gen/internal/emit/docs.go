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

//go:embed OPTIONS.md.tmpl
var options string

var pages = template.Must(template.Must(template.New("spec/README.md").Funcs(template.FuncMap{
	"since":    docSince,
	"join":     func(words []string) string { return strings.Join(words, ", ") },
	"number":   docNumber,
	"rules":    docRules,
	"release":  docRelease,
	"hex":      func(v *int64) string { return fmt.Sprintf("%#x", *v) },
	"default":  contextDefault,
	"rows":     optionRows,
	"anchor":   anchor,
	"replaced": func(o spec.Option) string { return strings.TrimPrefix(deprecation(o)[0], "Deprecated: ") },
}).Parse(readme)).New("spec/OPTIONS.md").Parse(options))

// Docs makes the pages for readers: how to extend the spec, with tables of its content, and the
// reference of options.
func Docs(s *spec.Spec) ([]File, error) {
	var files []File
	for _, name := range []string{"spec/README.md", "spec/OPTIONS.md"} {
		var buf bytes.Buffer
		if err := pages.ExecuteTemplate(&buf, name, s); err != nil {
			return nil, err
		}
		files = append(files, File{name, buf.Bytes()})
	}
	return files, nil
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

// docRules returns the rules as text, each with its first release.
func docRules(rules []spec.Rule) string {
	var parts []string
	for _, r := range rules {
		parts = append(parts, r.Rule+" from "+r.Since.String())
	}
	return strings.Join(parts, ", ")
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

// anchor returns GitHub's link name of a heading.
func anchor(heading string) string {
	return strings.ReplaceAll(strings.ToLower(strings.ReplaceAll(heading, ",", "")), " ", "-")
}

// A row is a line of an option's table in the reference.
type row struct{ Label, Text string }

// optionRows returns the facts of the reference about an option, without its prose.
func optionRows(s *spec.Spec, o spec.Option) []row {
	var rows []row
	add := func(label, text string) {
		if text != "" {
			rows = append(rows, row{label, strings.ReplaceAll(text, "|", `\|`)})
		}
	}
	if o.Can("set") {
		v := sample(s, o)
		add("Set", fmt.Sprintf("`o.Set%s(%s)` or `t.Setsockopt(zmq.%s, %s)`", o.Go, v, o.Name, v))
	}
	if o.Can("get") {
		add("Get", fmt.Sprintf("`o.%s()` or `t.Getsockopt(zmq.%s)`", o.Go, o.Name))
	}
	if o.Clear != "" {
		add("Clear", fmt.Sprintf("`o.Clear%s()`. %s", o.Go, cleared[o.Clear]))
	}
	add("Type", docType(s, o))
	add("Range", docRange(o))
	add("Length", lengthText(o))
	add("Default", defaultText(o))
	if o.MinusOne != "" {
		add(strings.Replace(minusOne(o), "Forever", "`zmq.Forever`", 1), o.MinusOne)
	}
	add("Takes effect", o.Effect)
	add("Sockets", docSockets(o))
	add("Matters to", o.Applies)
	add("Systems", o.Platform)
	add("libzmq", fmt.Sprintf("number %d, %s", o.Number, lowerSince(o)))
	return rows
}

// docType returns the Go type of a value, and libzmq's unit.
func docType(s *spec.Spec, o spec.Option) string {
	typ := o.GoType()
	if o.Type != "" || typ == "CurveKey" {
		typ = "zmq." + typ
	}
	text := "`" + typ + "`"
	switch {
	case o.Kind == "duration":
		text += ", which libzmq counts in " + o.Unit
	case o.Unit != "":
		text += ", in " + o.Unit
	}
	if names := valueNames(s, o); names != nil {
		text += ": " + strings.Join(names, ", ")
	}
	return text
}

// valueNames returns the Go names of the values of an option's enumeration.
func valueNames(s *spec.Spec, o spec.Option) []string {
	var names []string
	for _, e := range s.Enums {
		if e.Type != o.Type {
			continue
		}
		for _, v := range e.Values {
			name := v.GoName()
			if v.Value == nil {
				name += "()"
			}
			names = append(names, name)
		}
	}
	return names
}

func docRange(o spec.Option) string {
	lo, hi, ok := o.Range()
	if !ok || o.Kind == "bool" || o.Type != "" {
		return ""
	}
	return strings.TrimSpace(fmt.Sprintf("%d to %d %s", lo, hi, o.Unit))
}

// docSockets returns the sockets that have an option, separately for get and set if they differ.
func docSockets(o spec.Option) string {
	get, set := socketsText(o.GetOn, "all"), socketsText(o.SetOn, "all")
	switch {
	case !o.Can("get") || get == set:
		return set
	case !o.Can("set"):
		return get
	}
	return "get: " + get + "; set: " + set
}

// sample returns a legal value of an option as Go source.
func sample(s *spec.Spec, o spec.Option) string {
	switch o.Kind {
	case "bool":
		return "true"
	case "string":
		return fmt.Sprintf("%q", o.Example)
	case "bytes":
		return fmt.Sprintf("[]byte(%q)", o.Example)
	case "curve_key":
		return "key"
	case "enum", "flags":
		return "zmq." + valueNames(s, o)[0]
	}
	n := int64(1)
	lo, hi, bounded := o.Range()
	switch {
	case o.Example != "":
		return o.Example
	case o.Default != nil && o.Kind != "duration" && *o.Default != "0" && *o.Default != "-1":
		return *o.Default
	case bounded:
		n = min(max(lo, 1), hi)
	}
	if o.Kind == "duration" {
		return "time.Second"
	}
	return fmt.Sprint(n)
}
