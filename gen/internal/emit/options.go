package emit

import (
	"maps"
	"slices"

	"github.com/dave/jennifer/jen"
	"github.com/zmqio/zmq/gen/internal/spec"
)

func (g *generator) options(f *jen.File) {
	f.Add(comment("The socket options. Methods of [Sockopts] document them."))
	f.Const().DefsFunc(func(defs *jen.Group) {
		for _, o := range g.ByNumber() {
			defs.Id(o.Name).Id("Option").Op("=").Lit(int(o.Number))
		}
	})
	f.Add(comment("Other names that libzmq has for some socket options."))
	f.Const().DefsFunc(func(defs *jen.Group) {
		for _, o := range g.ByNumber() {
			for _, alias := range o.Aliases {
				defs.Id(alias).Op("=").Id(o.Name)
			}
		}
	})
}

func (g *generator) optionTable(f *jen.File) {
	f.Add(comment("optionTable has a row for each option, in the order of the numbers. The linker lays it out, and leaves it out of a program that needs no row."))
	f.Var().Id("optionTable").Op("=").Index().Id("OptionInfo").ValuesFunc(func(v *jen.Group) {
		for _, o := range g.ByNumber() {
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
		unless(o.Type == "", "enum", jen.Op("&").Id(enumVar(o.Type))),
		text("Unit", o.Unit),
		number("Step", o.Step),
		flag("Get", o.Can("get")),
		flag("Set", o.Can("set")),
		unless(o.GetOn == nil, "GetTypes", socketTypeSlice(o.GetOn)),
		unless(o.SetOn == nil, "SetTypes", socketTypeSlice(o.SetOn)),
		flag("HasDefault", o.Default != nil),
		text("Default", defaultOf(o)),
		defaults(o),
		number("Min", lo),
		number("Max", hi),
		number("MinLen", o.MinLen),
		number("MaxLen", o.MaxLen),
		text("Clear", o.Clear),
		flag("Unchecked", o.Unchecked),
		flag("Secret", o.Secret),
		text("Example", o.Example),
		set("Served", version(o.FirstServed())),
		unless(o.Needs == nil, "Needs", g.capabilitySlice(o.Needs)),
		unless(len(o.NeedsIn(o.Since)) == len(o.Needs), "stable", version(o.Since)),
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
	return unless(len(o.Defaults) == 0, "defaults", jen.Index().Id("typeDefault").ValuesFunc(func(v *jen.Group) {
		for _, t := range slices.Sorted(maps.Keys(o.Defaults)) {
			v.Values(jen.Id(t), jen.Lit(o.Defaults[t]))
		}
	}))
}
