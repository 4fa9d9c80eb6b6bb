package emit

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dave/jennifer/jen"
	"github.com/zmqio/zmq/gen/internal/spec"
)

func (g *generator) accessors(f *jen.File) {
	for _, o := range g.byNumber() {
		typ := goType(o)
		if o.Can("get") {
			f.Add(comment(getterDoc(o)...))
			f.Func().Params(jen.Id("s").Id("Sockopts")).Id(o.Go).Params().Params(typ, jen.Error()).Block(
				jen.Return(jen.Id("get").Types(typ).Call(jen.Id("s"), jen.Id(o.Name))))
		}
		if o.Can("set") {
			f.Add(comment(append([]string{"Set" + o.Go + " sets " + o.Name + ", which " + o.Doc}, facts(o, "set")...)...))
			f.Func().Params(jen.Id("s").Id("Sockopts")).Id("Set" + o.Go).Params(jen.Id("v").Add(typ)).Error().Block(
				jen.Return(jen.Id("s").Dot("Set").Call(jen.Id(o.Name), jen.Id("v"))))
		}
		if o.Clear != "" {
			f.Add(comment("Clear" + o.Go + " sets " + o.Name + " to libzmq's NULL. " + cleared[o.Clear]))
			f.Func().Params(jen.Id("s").Id("Sockopts")).Id("Clear" + o.Go).Params().Error().Block(
				jen.Return(jen.Id("s").Dot("clear").Call(jen.Id(o.Name))))
		}
	}
}

// getterDoc is the comment of a getter. What the setter says is not said again.
func getterDoc(o spec.Option) []string {
	if !o.Can("set") {
		return append([]string{o.Go + " reads " + o.Name + ", which " + o.Doc}, facts(o, "get")...)
	}
	doc := []string{fmt.Sprintf("%s reads %s; [Sockopts.Set%s] says what it is.", o.Go, o.Name, o.Go)}
	if !slices.Equal(o.GetOn, o.SetOn) {
		doc[0] += " It can be read on sockets: " + socketsText(o.GetOn) + "."
	}
	if o.Status == "deprecated" {
		doc = append(doc, "Deprecated: "+replacement(o))
	}
	return doc
}

// cleared says what comes of setting NULL.
var cleared = map[string]string{
	"value":     "It is then as if it had never been set.",
	"mechanism": "The security mechanism is then NULL, but the value stays and can be read.",
}

// goType is the Go type of an option's value as jennifer has it.
func goType(o spec.Option) jen.Code {
	if pkg, name, ok := strings.Cut(o.GoType(), "."); ok {
		return jen.Qual(pkg, name)
	}
	return jen.Id(o.GoType())
}

// facts is what the comment of an accessor lists.
func facts(o spec.Option, access string) []string {
	var list []string
	add := func(format string, args ...any) { list = append(list, fmt.Sprintf("- "+format, args...)) }
	add("libzmq: ZMQ_%s, number %d%s", o.Name, o.Number, optional(", counted in %s", o.Unit))
	if o.Default != nil {
		add("default: %s", defaultText(o))
	}
	if o.MinusOne != "" {
		add("%s: %s", minusOne(o), o.MinusOne)
	}
	if lo, hi, ok := o.Range(); ok && access == "set" && o.Kind != "bool" && o.Type == "" {
		add("range: %d to %d%s", lo, hi, optional(" %s", o.Unit))
	}
	if lengths := lengthText(o); lengths != "" && access == "set" {
		add("length: %s", lengths)
	}
	on := o.GetOn
	if access == "set" {
		on = o.SetOn
		add("takes effect: %s", o.Effect)
	}
	add("sockets: %s", socketsText(on))
	if o.Applies != "" {
		add("matters to: %s", o.Applies)
	}
	add("%s", lowerSince(o))
	if o.Platform != "" {
		add("systems: %s", o.Platform)
	}
	list = append(list, o.Traps...)
	if o.Status == "deprecated" {
		list = append(list, "Deprecated: "+replacement(o))
	}
	return list
}

// socketsText lists socket types. No list is all of them, an empty one none.
func socketsText(on []string) string {
	switch {
	case on == nil:
		return "all"
	case len(on) == 0:
		return "none"
	}
	return strings.Join(on, ", ")
}

func replacement(o spec.Option) string {
	if o.ReplacedBy == "" {
		return "libzmq advises against it."
	}
	return "use " + o.ReplacedBy + "."
}

func lowerSince(o spec.Option) string {
	text := strings.TrimSuffix(since(o.Origin), ".")
	text = strings.ToLower(text[:1]) + text[1:]
	if !o.Served.IsZero() {
		text += "; the number since " + o.Served.String()
	}
	if len(o.Needs) > 0 {
		text += ", in a library built with " + list(o.Needs)
	}
	return text
}

func defaultText(o spec.Option) string {
	text := *o.Default
	if text == "" {
		text = "empty"
	}
	byValue := make(map[string][]string)
	for t, v := range o.Defaults {
		byValue[v] = append(byValue[v], t)
	}
	for _, v := range slices.Sorted(maps.Keys(byValue)) {
		slices.Sort(byValue[v])
		text += "; " + v + " on " + strings.Join(byValue[v], ", ")
	}
	return text
}

func minusOne(o spec.Option) string {
	if o.Kind == "duration" {
		return "-1, here Forever"
	}
	return "-1"
}

func lengthText(o spec.Option) string {
	switch {
	case o.MaxLen > 0:
		return fmt.Sprintf("%d to %d bytes", o.MinLen, o.MaxLen)
	case o.MinLen > 0:
		return fmt.Sprintf("at least %d bytes", o.MinLen)
	}
	return ""
}

func optional(format, v string) string {
	if v == "" {
		return ""
	}
	return fmt.Sprintf(format, v)
}
