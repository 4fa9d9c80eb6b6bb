package spec

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Effects are the words for when a set takes effect.
var Effects = []string{"at once", "next bind or connect", "next connect, once"}

// ContextEffects are the words for when a set of a context option counts.
var ContextEffects = []string{"only before the first socket", "for new sockets"}

// Units are the units of libzmq's numbers.
var Units = []string{
	"us", "ms", "s", "bytes", "kB", "kbit/s", "messages", "connections", "probes", "hops", "packets",
}

// sockoptsMethods are methods of Sockopts whose names no option may have.
var sockoptsMethods = []string{"Get", "Set", "SetText", "GetRaw", "SetRaw", "RawSockopts"}

func (v validator) checkOptions() {
	numbers := newUnique[int64](v, "number")
	methods := newUnique[string](v, "method")
	for _, m := range sockoptsMethods {
		methods.seen[m] = holder{what: "Sockopts itself"}
	}
	for _, o := range v.Options {
		v.origin(o.Mark, o.Origin)
		v.doc(o.Mark, "doc", o.Doc)
		v.named(o.Mark, "name", o.Name)
		v.natural(o.Mark, "number", o.Number)
		v.declare(o.At("name"), o.Name, "option "+o.Name)
		for _, alias := range o.Aliases {
			v.named(o.Mark, "aliases", alias)
			v.declare(o.At("aliases"), alias, "an alias of option "+o.Name)
		}
		numbers.add(o.Mark, "number", o.Number, o.Name)
		if v.identifier(o.At("go"), o.Go) {
			for _, method := range o.methods(o.Go) {
				methods.add(o.Mark, "go", method, o.Name)
			}
		}
		if o.Was != "" && v.identifier(o.At("was"), o.Was) {
			for _, method := range o.methods(o.Was) {
				methods.add(o.Mark, "was", method, o.Name)
			}
		}
		v.checkStatus(o)
		v.checkDocumented(o)
		v.checkAccess(o)
		v.checkKind(o)
	}
}

// methods returns the names of the methods that are generated for the option. name is its Go name.
func (o Option) methods(name string) []string {
	var names []string
	if o.Can("get") {
		names = append(names, name)
	}
	if o.Can("set") {
		names = append(names, "Set"+name)
	}
	if o.Clear != "" {
		names = append(names, "Clear"+name)
	}
	return names
}

// checkDocumented checks that the keys in documented exist.
func (v validator) checkDocumented(o Option) {
	for i, key := range o.Documented {
		v.oneOf(o.Mark, "documented", key, "unit", "effect", "minus_one", "applies")
		if slices.Contains(o.Documented[:i], key) {
			v.add(o.At("documented"), "documented has %s twice", key)
		}
		if !o.Has(key) {
			v.add(o.At("documented"), "documented has %s, but %s has none", key, o.Name)
		}
	}
}

func (v validator) checkStatus(o Option) {
	for _, alias := range sorted(o.AliasSince) {
		if !slices.Contains(o.Aliases, alias) {
			v.add(o.At("alias_since"), "%s is no alias of %s", alias, o.Name)
		}
		v.release(o.Mark, "alias_since", o.AliasSince[alias])
		if o.AliasSince[alias].Compare(o.FirstServed()) <= 0 {
			v.add(o.At("alias_since"), "alias %s since %v is not after the number's %v", alias, o.AliasSince[alias], o.FirstServed())
		}
	}
	v.oneOf(o.Mark, "status", o.Status, "deprecated")
	v.release(o.Mark, "served_since", o.Served)
	if !o.Served.IsZero() && o.Served.Compare(o.First()) >= 0 {
		v.add(o.At("served_since"), "served_since %v is not before the name's %v", o.Served, o.First())
	}
	if o.ReplacedBy != "" {
		if o.Status != "deprecated" {
			v.add(o.At("replaced_by"), "replaced_by needs status: deprecated")
		}
		if v.option(o.ReplacedBy) == nil {
			v.add(o.At("replaced_by"), "there is no option %q", o.ReplacedBy)
		}
	}
	for i, need := range o.Needs {
		if slices.Contains(o.Needs[:i], need) {
			v.add(o.At("needs"), "needs has %s twice", need)
		}
		if !slices.ContainsFunc(v.Capabilities, func(c Capability) bool { return c.Name == need }) {
			v.add(o.At("needs"), "there is no capability %q", need)
		}
		if need == "draft" && !o.Since.IsZero() && o.DraftSince.IsZero() {
			v.add(o.At("needs"), "needs has draft, but every build has %s since %v, %v", o.Name, o.Since, o.At("since"))
		}
	}
}

// secretName matches the names of options whose values no output may show.
var secretName = regexp.MustCompile(`SECRET|PASSWORD|PRIVATE|TOKEN|KEY_PEM`)

func (v validator) checkAccess(o Option) {
	v.access(o.Mark, o.Access)
	kind := Kinds[o.Kind]
	if kind.GetOnly && o.Can("set") {
		v.add(o.At("access"), "a value of kind %s cannot be set", o.Kind)
	}
	for _, key := range []string{"get_on"} {
		if o.Has(key) && !o.Can("get") {
			v.add(o.At(key), "%s, but access has no get", key)
		}
	}
	for _, key := range []string{"set_on", "set_with", "effect", "clear", "min", "min_len", "max_len", "step", "example", "unchecked"} {
		if o.Has(key) && !o.Can("set") {
			v.add(o.At(key), "%s, but access has no set", key)
		}
	}
	if secretName.MatchString(o.Name) && !o.Secret {
		v.add(o.pos, "secret: true is missing: %s is one by its name", o.Name)
	}
	if o.Can("set") && !o.Has("effect") {
		v.add(o.pos, "key \"effect\" is missing: access has set")
	}
	v.oneOf(o.Mark, "effect", o.Effect, Effects...)
	v.oneOf(o.Mark, "clear", o.Clear, "value", "mechanism")
	v.socketTypes(o.Mark, "get_on", o.GetOn)
	v.socketTypes(o.Mark, "set_on", o.SetOn)
	v.socketTypes(o.Mark, "defaults", sorted(o.Defaults))
	v.socketTypes(o.Mark, "set_with", sorted(o.SetWith))
	for _, t := range sorted(o.SetWith) {
		first := v.option(o.SetWith[t])
		switch {
		case first == nil || !first.Can("set") || first.Kind != "bool":
			v.add(o.At("set_with"), "there is no option %q that can be set to true", o.SetWith[t])
		case o.SetOn == nil || slices.Contains(o.SetOn, t):
			v.add(o.At("set_with"), "%s takes %s anyway: set_on has it", t, o.Name)
		}
	}
}

func (v validator) option(name string) *Option {
	i := slices.IndexFunc(v.Options, func(o Option) bool { return o.Name == name })
	if i < 0 {
		return nil
	}
	return &v.Options[i]
}

func (v validator) checkKind(o Option) {
	kind, ok := Kinds[o.Kind]
	if !ok {
		v.oneOf(o.Mark, "kind", o.Kind, sorted(Kinds)...)
		return
	}
	v.checkType(o)
	v.checkUnit(o, kind)
	v.checkBounds(o, kind)
	if o.Default != nil {
		v.value(o, "default", *o.Default)
	}
	for _, t := range sorted(o.Defaults) {
		v.value(o, "defaults", o.Defaults[t])
	}
	if len(o.Defaults) > 0 && o.Default == nil {
		v.add(o.At("defaults"), "defaults without a default")
	}
	if o.Example != "" {
		v.value(o, "example", o.Example)
	}
}

func (v validator) checkType(o Option) {
	if o.Kind != "enum" && o.Kind != "flags" {
		if o.Type != "" {
			v.add(o.At("type"), "kind %s has a type already: %s", o.Kind, o.GoType())
		}
		return
	}
	e := v.enum(o.Type)
	switch {
	case o.Type == "":
		v.add(o.pos, "key \"type\" is missing: kind is %s", o.Kind)
	case o.Type == "SocketType" && o.Kind == "enum":
	case e == nil:
		v.add(o.At("type"), "there is no enumeration %q", o.Type)
	case e.Flags != (o.Kind == "flags"):
		v.add(o.At("type"), "kind is %s, but for %s flags is %t", o.Kind, o.Type, e.Flags)
	}
}

func (v validator) enum(name string) *Enum {
	i := slices.IndexFunc(v.Enums, func(e Enum) bool { return e.Type == name })
	if i < 0 {
		return nil
	}
	return &v.Enums[i]
}

func (v validator) checkUnit(o Option, kind Kind) {
	switch {
	case o.Unit != "" && !kind.Unit:
		v.add(o.At("unit"), "a value of kind %s has no unit", o.Kind)
	case o.Kind == "duration" && !slices.Contains([]string{"us", "ms", "s"}, o.Unit):
		v.add(o.At("unit"), "the unit of a duration is us, ms or s, not %q", o.Unit)
	case o.Kind != "duration" && (o.Unit == "ms" || o.Unit == "s"):
		v.add(o.At("unit"), "unit is %s, so the kind is duration and not %s", o.Unit, o.Kind)
	default:
		v.oneOf(o.Mark, "unit", o.Unit, Units...)
	}
	if o.Has("step") && (o.Kind != "duration" || o.Step < 2) {
		v.add(o.At("step"), "step is for durations, and 2 or more")
	}
}

func (v validator) checkBounds(o Option, kind Kind) {
	for _, key := range []string{"min_len", "max_len"} {
		if o.Has(key) && !kind.Lengths {
			v.add(o.At(key), "a value of kind %s has one length only", o.Kind)
		}
	}
	if o.MinLen < 0 || o.Has("max_len") && o.MaxLen < max(o.MinLen, 1) {
		v.add(o.At("min_len"), "lengths from %d to %d", o.MinLen, o.MaxLen)
	}
	if o.MinLen > 1 && o.Can("set") && o.Example == "" {
		v.add(o.pos, "key \"example\" is missing: no value of %d bytes suggests itself", o.MinLen)
	}
	for _, key := range []string{"min", "max", "minus_one"} {
		if o.Has(key) && kind.Min == kind.Max {
			v.add(o.At(key), "a value of kind %s is no number", o.Kind)
			return
		}
	}
	if o.Max != nil && o.Min == nil {
		v.add(o.At("max"), "max without min")
	}
	if lo, hi, ok := o.Range(); ok && (lo >= hi || lo < kind.Min || hi > kind.Max) {
		v.add(o.At("min"), "range %d to %d does not fit kind %s", lo, hi, o.Kind)
	} else if ok && o.Kind == "bool" && (lo != 0 || o.Max != nil && hi != 1) {
		v.add(o.At("min"), "range %d to %d is not that of a bool", lo, hi)
	}
	v.checkMinusOne(o)
}

// checkMinusOne checks that minus_one exists if and only if -1 can be set or read.
func (v validator) checkMinusOne(o Option) {
	lo, _, ok := o.Range()
	can := o.Default != nil && *o.Default == "-1" || ok && lo <= -1
	if !ok && o.Can("set") && Kinds[o.Kind].Min < 0 {
		can = true
	}
	switch {
	case o.MinusOne != "" && !can:
		v.add(o.At("minus_one"), "minus_one, but %s is never -1", o.Name)
	case o.MinusOne == "" && ok && lo == -1:
		v.add(o.At("min"), "key \"minus_one\" is missing: min is -1")
	}
}

// value checks that text can be read as a value of the option.
func (v validator) value(o Option, key, text string) {
	switch o.Kind {
	case "bool":
		if text != "true" && text != "false" {
			v.add(o.At(key), "%s is %q, not true or false", key, text)
		}
	case "enum", "flags":
		v.enumValue(o, key, text)
	case "int", "uint32", "int64", "uint64", "duration":
		v.integer(o, key, text)
	case "curve_key":
		if text != "" {
			v.add(o.At(key), "%s is %q: a key has none", key, text)
		}
	case "string", "bytes":
		v.length(o, key, text)
	}
}

// length checks a text. "" stands for an option that was never set.
func (v validator) length(o Option, key, text string) {
	n := int64(len(text))
	if n > 0 && (n < o.MinLen || o.Has("max_len") && n > o.MaxLen) {
		bound := "min_len"
		if n > o.MinLen {
			bound = "max_len"
		}
		v.add(o.At(key), "%s has %d bytes, which %s at %v does not allow", key, n, bound, o.At(bound))
	}
}

func (v validator) integer(o Option, key, text string) {
	n, err := strconv.ParseInt(text, 10, 64)
	if kind := Kinds[o.Kind]; err != nil || n < kind.Min || n > kind.Max {
		v.add(o.At(key), "%s is %q, not a number of kind %s", key, text, o.Kind)
		return
	}
	// -1 may be the default alone, for an option that was never set.
	lo, hi, ok := o.Range()
	if ok && (n < lo || n > hi) && (n != -1 || o.MinusOne == "" || key == "example") {
		v.add(o.At(key), "%s is %d, not in the range %d to %d at %v", key, n, lo, hi, o.At("min"))
	}
}

func (v validator) enumValue(o Option, key, text string) {
	if o.Kind == "flags" && text == "0" {
		return
	}
	var sum int64
	for name := range strings.SplitSeq(text, "|") {
		e := v.enum(o.Type)
		known := e != nil && slices.ContainsFunc(e.Values, func(x Value) bool { return x.Name == name })
		if o.Type == "SocketType" {
			known = v.socketType(name)
		}
		if !known && (e != nil || o.Type == "SocketType") {
			v.add(o.At(key), "%s: %s has no value %q", key, o.Type, name)
			return
		}
		sum |= v.enumNumber(e, name)
	}
	if lo, hi, ok := o.Range(); ok && (sum < lo || sum > hi) {
		v.add(o.At(key), "%s is %s, %d, not in the range %d to %d at %v", key, text, sum, lo, hi, o.At("min"))
	}
}

// enumNumber returns the number of a value in the last release.
func (v validator) enumNumber(e *Enum, name string) int64 {
	if e == nil {
		return 0
	}
	for _, x := range e.Values {
		if x.Name == name {
			return x.Last()
		}
	}
	return 0
}

func (v validator) checkContexts() {
	if len(v.Contexts) > 0 {
		v.taken["ContextOption"] = holder{what: "the context options"}
	}
	type use struct {
		number int64
		access string
	}
	numbers := newUnique[use](v, "number and access")
	for _, c := range v.Contexts {
		v.origin(c.Mark, c.Origin)
		v.doc(c.Mark, "doc", c.Doc)
		key := "name"
		if c.Go != "" {
			key = "go"
		}
		v.declare(c.At(key), c.GoName(), "context option "+c.Name)
		if c.Good("go") && c.Go != "CONTEXT_"+c.Name {
			v.add(c.At("go"), "go is %q, not CONTEXT_%s", c.Go, c.Name)
		}
		v.named(c.Mark, "name", c.Name)
		v.natural(c.Mark, "number", c.Number)
		v.access(c.Mark, c.Access)
		v.checkContext(c)
		for _, a := range c.Access {
			numbers.add(c.Mark, "number", use{c.Number, a}, c.Name)
		}
	}
}

// checkContext checks the facts of a context option.
func (v validator) checkContext(c Context) {
	v.oneOf(c.Mark, "effect", c.Effect, ContextEffects...)
	if o := v.option(c.Name); o != nil && (o.Number != c.Number || o.Origin != c.Origin) {
		v.add(c.At("name"), "the socket option %s at %v has another number or origin, but ZMQ_%[1]s is both", c.Name, o.pos)
	}
	set := slices.Contains(c.Access, "set")
	for _, key := range []string{"min", "effect"} {
		if c.Has(key) && !set {
			v.add(c.At(key), "%s, but access has no set", key)
		}
	}
	if !c.Good("default") {
		if !c.Has("default") && slices.Contains(c.Access, "get") {
			v.add(c.pos, "key \"default\" is missing: access has get")
		}
		return
	}
	// -1 may be the default alone, for an option that was never set.
	n, err := strconv.ParseInt(c.Default, 10, 32)
	if err != nil {
		v.add(c.At("default"), "default is %q, not a number of kind int", c.Default)
	} else if c.Min != nil && n < *c.Min && n != -1 {
		v.add(c.At("default"), "default is %d, less than the min %d at %v", n, *c.Min, c.At("min"))
	}
}
