package spec

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Effects are when a set may take effect.
var Effects = []string{"at once", "next bind or connect", "next connect, once"}

// methods of the generated Sockopts that no option may be called like.
var sockoptsMethods = []string{"Get", "Set", "SetText", "GetRaw", "SetRaw", "RawSockopts"}

func (v validator) checkOptions() {
	numbers := newUnique[int64](v, "number")
	methods := newUnique[string](v, "method")
	for _, m := range sockoptsMethods {
		methods.seen[m] = "Sockopts itself"
	}
	for _, o := range v.Options {
		v.origin(o.Mark, o.Origin)
		v.doc(o.Mark, "doc", o.Doc)
		v.declare(o.At("name"), o.Name, "option "+o.Name)
		for _, alias := range o.Aliases {
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
		v.checkAccess(o)
		v.checkKind(o)
	}
}

// methods are the names of what is generated for the option, after its name in Go.
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

func (v validator) checkStatus(o Option) {
	v.oneOf(o.Mark, "status", o.Status, "deprecated")
	v.release(o.Mark, "served_since", o.Served)
	if !o.Served.IsZero() && o.Served.Compare(o.First()) >= 0 {
		v.add(o.At("served_since"), "served_since %v is not before the name's %v", o.Served, o.First())
	}
	if o.ReplacedBy != "" {
		if o.Status != "deprecated" {
			v.add(o.At("replaced_by"), "replaced_by needs status: deprecated")
		}
		if !slices.ContainsFunc(v.Options, func(other Option) bool { return other.Name == o.ReplacedBy }) {
			v.add(o.At("replaced_by"), "there is no option %q", o.ReplacedBy)
		}
	}
	for _, need := range o.Needs {
		if !slices.ContainsFunc(v.Capabilities, func(c Capability) bool { return c.Name == need }) {
			v.add(o.At("needs"), "there is no capability %q", need)
		}
	}
}

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
	for _, key := range []string{"set_on", "effect", "clear", "min", "min_len", "max_len", "step", "example", "unchecked"} {
		if o.Has(key) && !o.Can("set") {
			v.add(o.At(key), "%s, but access has no set", key)
		}
	}
	if o.Can("set") && o.Effect == "" {
		v.add(o.pos, "key \"effect\" is missing: access has set")
	}
	v.oneOf(o.Mark, "effect", o.Effect, Effects...)
	v.oneOf(o.Mark, "clear", o.Clear, "value", "mechanism")
	v.socketTypes(o.Mark, "get_on", o.GetOn)
	v.socketTypes(o.Mark, "set_on", o.SetOn)
	v.socketTypes(o.Mark, "defaults", sorted(o.Defaults))
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
	if o.Unit != "" && !kind.Unit {
		v.add(o.At("unit"), "a value of kind %s has no unit", o.Kind)
	}
	if o.Kind == "duration" {
		if _, err := time.ParseDuration("1" + o.Unit); err != nil {
			v.add(o.At("unit"), "the unit of a duration is us, ms or s, not %q", o.Unit)
		}
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
	}
}

func (v validator) integer(o Option, key, text string) {
	n, err := strconv.ParseInt(text, 10, 64)
	if kind := Kinds[o.Kind]; err != nil || n < kind.Min || n > kind.Max {
		v.add(o.At(key), "%s is %q, not a number of kind %s", key, text, o.Kind)
	}
}

func (v validator) enumValue(o Option, key, text string) {
	if o.Kind == "flags" && text == "0" {
		return
	}
	for name := range strings.SplitSeq(text, "|") {
		e := v.enum(o.Type)
		known := e != nil && slices.ContainsFunc(e.Values, func(x Value) bool { return x.Name == name })
		if o.Type == "SocketType" {
			known = v.socketType(name)
		}
		if !known && (e != nil || o.Type == "SocketType") {
			v.add(o.At(key), "%s: %s has no value %q", key, o.Type, name)
		}
	}
}

func (v validator) checkContexts() {
	if len(v.Contexts) > 0 {
		v.taken["ContextOption"] = "the context options"
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
		v.access(c.Mark, c.Access)
		for _, a := range c.Access {
			numbers.add(c.Mark, "number", use{c.Number, a}, c.Name)
		}
	}
}
