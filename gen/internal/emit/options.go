package emit

import (
	"cmp"
	"maps"
	"slices"

	"github.com/dave/jennifer/jen"
	"github.com/zmqio/zmq/gen/internal/spec"
)

// byNumber returns the options in the order of their numbers, as the generated table is
// searched.
func (g *generator) byNumber() []spec.Option {
	return slices.SortedFunc(slices.Values(g.Options), func(a, b spec.Option) int {
		return cmp.Compare(a.Number, b.Number)
	})
}

func (g *generator) options(f *jen.File) {
	f.Add(comment("The socket options. What each is stands at its method of Sockopts."))
	f.Const().DefsFunc(func(defs *jen.Group) {
		for _, o := range g.byNumber() {
			defs.Id(o.Name).Id("Option").Op("=").Lit(int(o.Number))
		}
	})
	f.Add(comment("Other names that libzmq has for some of them."))
	f.Const().DefsFunc(func(defs *jen.Group) {
		for _, o := range g.byNumber() {
			for _, alias := range o.Aliases {
				defs.Id(alias).Op("=").Id(o.Name)
			}
		}
	})
}

func (g *generator) optionTable(f *jen.File) {
	f.Add(comment("optionTable has a line for each option, in the order of the numbers."))
	f.Var().Id("optionTable").Op("=").Index().Id("OptionInfo").ValuesFunc(func(v *jen.Group) {
		for _, o := range g.byNumber() {
			v.Line().Values(g.optionInfo(o)...)
		}
		v.Line()
	})
}

func (g *generator) optionInfo(o spec.Option) []jen.Code {
	lo, hi, bounded := o.Range()
	if !bounded {
		lo, hi = 0, 0
	}
	return fields(
		set("Option", jen.Id(o.Name)),
		text("Name", o.Name),
		text("Method", o.Go),
		texts("Aliases", o.Aliases),
		unless(status(o) == "Stable", "Status", jen.Id(status(o))),
		set("Kind", jen.Id(spec.Kinds[o.Kind].Const)),
		text("Type", o.GoType()),
		text("Unit", o.Unit),
		number("Step", o.Step),
		flag("Get", o.Can("get")),
		flag("Set", o.Can("set")),
		unless(o.GetOn == nil, "GetTypes", socketTypeSlice(o.GetOn)),
		unless(o.SetOn == nil, "SetTypes", socketTypeSlice(o.SetOn)),
		flag("HasDefault", o.Default != nil),
		text("Default", defaultOf(o)),
		defaults(o),
		text("MinusOne", o.MinusOne),
		number("Min", lo),
		number("Max", hi),
		number("MinLen", o.MinLen),
		number("MaxLen", o.MaxLen),
		text("Clear", o.Clear),
		flag("Unchecked", o.Unchecked),
		text("Example", o.Example),
		text("Effect", o.Effect),
		text("Applies", o.Applies),
		release("Since", o.Since),
		release("DraftSince", o.DraftSince),
		set("Served", version(o.FirstServed())),
		unless(o.Needs == nil, "Needs", g.capabilitySlice(o.Needs)),
		text("Platform", o.Platform),
		unless(o.ReplacedBy == "", "ReplacedBy", jen.Id(o.ReplacedBy)),
		text("Doc", o.Doc),
		texts("Traps", o.Traps),
	)
}

func status(o spec.Option) string {
	switch {
	case o.Status == "deprecated":
		return "Deprecated"
	case o.Draft():
		return "Draft"
	}
	return "Stable"
}

func defaultOf(o spec.Option) string {
	if o.Default == nil {
		return ""
	}
	return *o.Default
}

func defaults(o spec.Option) jen.Code {
	return unless(len(o.Defaults) == 0, "Defaults", jen.Map(jen.Id("SocketType")).String().ValuesFunc(func(v *jen.Group) {
		for _, t := range slices.Sorted(maps.Keys(o.Defaults)) {
			v.Id(t).Op(":").Lit(o.Defaults[t])
		}
	}))
}
