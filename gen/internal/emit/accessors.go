package emit

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dave/jennifer/jen"
	"github.com/zmqio/zmq/gen/internal/spec"
)

// accessors makes the methods of Sockopts, by topic.
func (g *generator) accessors(f *jen.File) {
	for _, c := range g.Chapters() {
		f.Line()
		f.Comment("Socket options: " + c.Name + ".")
		for _, o := range c.Options {
			accessor(f, o)
		}
	}
	for _, o := range g.ByNumber() {
		formerAccessor(f, o)
	}
}

func accessor(f *jen.File, o spec.Option) {
	typ := goType(o)
	if o.Can("get") {
		f.Add(comment(getterDoc(o)...))
		f.Add(method("Sockopts", o.Go).Params().Params(typ, jen.Error()).Add(
			returning(jen.Id("get").Types(typ).Call(jen.Id("s"), jen.Id(o.Name)))))
	}
	if o.Can("set") {
		f.Add(comment(append([]string{"Set" + o.Go + " sets " + o.Name + ", which " + o.Doc}, facts(o, "set")...)...))
		f.Add(method("Sockopts", "Set"+o.Go).Params(jen.Id("v").Add(typ)).Error().Add(
			returning(jen.Id("s").Dot("Set").Call(jen.Id(o.Name), jen.Id("v")))))
	}
	if o.Clear != "" {
		f.Add(comment("Clear" + o.Go + " sets " + o.Name + " to libzmq's NULL. " + cleared[o.Clear]))
		f.Add(method("Sockopts", "Clear"+o.Go).Params().Error().Add(
			returning(jen.Id("s").Dot("clear").Call(jen.Id(o.Name)))))
	}
}

// formerAccessor makes the deprecated aliases of an option's methods.
func formerAccessor(f *jen.File, o spec.Option) {
	if o.Was == "" {
		return
	}
	deprecated := func(name string) jen.Code { return comment("Deprecated: use [Sockopts." + name + "].") }
	if o.Can("get") {
		f.Add(deprecated(o.Go))
		f.Add(method("Sockopts", o.Was).Params().Params(goType(o), jen.Error()).Add(
			returning(jen.Id("s").Dot(o.Go).Call())))
	}
	if o.Can("set") {
		f.Add(deprecated("Set" + o.Go))
		f.Add(method("Sockopts", "Set"+o.Was).Params(jen.Id("v").Add(goType(o))).Error().Add(
			returning(jen.Id("s").Dot("Set" + o.Go).Call(jen.Id("v")))))
	}
	if o.Clear != "" {
		f.Add(deprecated("Clear" + o.Go))
		f.Add(method("Sockopts", "Clear"+o.Was).Params().Error().Add(
			returning(jen.Id("s").Dot("Clear" + o.Go).Call())))
	}
}

// method begins a method. Its receiver is named after the type's first letter.
func method(typ, name string) *jen.Statement {
	return jen.Func().Params(jen.Id(strings.ToLower(typ[:1])).Id(typ)).Id(name)
}

// returning makes the body of a function that is one return statement, on one line.
func returning(results ...jen.Code) jen.Code { return jen.Op("{").Return(results...).Op("}") }

// getterDoc returns the comment of a getter, without the facts in the setter's comment.
func getterDoc(o spec.Option) []string {
	if !o.Can("set") {
		return append([]string{o.Go + " reads " + o.Name + ", which " + o.Doc}, facts(o, "get")...)
	}
	doc := []string{fmt.Sprintf("%s reads %s; see [Sockopts.Set%s].", o.Go, o.Name, o.Go)}
	if !slices.Equal(o.GetOn, o.SetOn) {
		doc[0] += " It can be read on sockets: " + socketsText(o.GetOn, "all") + "."
	}
	return append(doc, deprecation(o)...)
}

// cleared says what a set to NULL does.
var cleared = map[string]string{
	"value":     "It is then as if it had never been set.",
	"mechanism": "The security mechanism is then NULL, but the value stays and can be read.",
}

// goType returns the Go type of an option's value as jennifer code.
func goType(o spec.Option) jen.Code {
	if pkg, name, ok := strings.Cut(o.GoType(), "."); ok {
		return jen.Qual(pkg, name)
	}
	return jen.Id(o.GoType())
}

// facts returns the part of an accessor's comment after the option's description: a paragraph of
// facts, a list of traps, and a deprecation.
func facts(o spec.Option, access string) []string {
	text := fmt.Sprintf("libzmq: ZMQ_%s (%d), %s.", o.Name, o.Number, strings.Replace(lowerSince(o), "since libzmq ", "since ", 1))
	add := func(label, fact string) {
		if fact != "" {
			text += " " + label + ": " + fact + "."
		}
	}
	add("Unit", o.Unit)
	add("Default", defaultText(o))
	add(minusOne(o), o.MinusOne)
	if access == "set" {
		add("Range", rangeText(o))
		add("Length", lengthText(o))
		add("Takes effect", o.Effect)
		add("Sockets", socketsText(o.SetOn, ""))
	} else {
		add("Sockets", socketsText(o.GetOn, ""))
	}
	add("Matters to", o.Applies)
	add("Systems", o.Platform)
	paragraphs := []string{text}
	for _, trap := range o.Traps {
		paragraphs = append(paragraphs, "- "+trap)
	}
	return append(paragraphs, deprecation(o)...)
}

// socketsText lists socket types. A nil list is all of them, and an empty one none.
func socketsText(on []string, all string) string {
	switch {
	case on == nil:
		return all
	case len(on) == 0:
		return "none"
	}
	return strings.Join(on, ", ")
}

func deprecation(o spec.Option) []string {
	switch {
	case o.Status != "deprecated":
		return nil
	case o.ReplacedBy == "":
		return []string{"Deprecated: libzmq advises against it."}
	}
	return []string{"Deprecated: use " + o.ReplacedBy + "."}
}

func lowerSince(o spec.Option) string {
	text := strings.TrimSuffix(since(o.Origin), ".")
	text = strings.ToLower(text[:1]) + text[1:]
	if !o.Served.IsZero() {
		text += "; the number since " + o.Served.String()
	}
	if always := o.NeedsIn(o.Since); len(always) > 0 {
		text += ", in a library built with " + list(always)
	}
	if len(o.NeedsIn(o.Since)) < len(o.Needs) {
		text += "; before that, in a library built with drafts"
	}
	return text
}

func defaultText(o spec.Option) string {
	if o.Default == nil {
		return ""
	}
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

// rangeText returns the numbers that a program may set, or "" if all numbers of the type.
func rangeText(o spec.Option) string {
	lo, hi, ok := o.Range()
	if !ok || o.Kind == "bool" || o.Type != "" {
		return ""
	}
	if hi == spec.Kinds[o.Kind].Max {
		return fmt.Sprintf("%d or more", lo)
	}
	return fmt.Sprintf("%d to %d", lo, hi)
}

func lengthText(o spec.Option) string {
	switch {
	case o.MaxLen > 0:
		return fmt.Sprintf("%d to %d bytes", o.MinLen, o.MaxLen)
	case o.MinLen == 1:
		return "1 byte or more"
	case o.MinLen > 0:
		return fmt.Sprintf("%d bytes or more", o.MinLen)
	}
	return ""
}
