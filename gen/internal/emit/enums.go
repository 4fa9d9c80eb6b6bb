package emit

import (
	"github.com/dave/jennifer/jen"
	"github.com/zmqio/zmq/gen/internal/spec"
)

func (g *generator) enums(f *jen.File) {
	for _, e := range g.Enums {
		enumType(f, e)
		enumValues(f, e)
		enumMethods(f, e)
	}
	g.formerTypes(f)
}

// formerTypes makes aliases for the former names of types.
func (g *generator) formerTypes(f *jen.File) {
	var former []spec.Enum
	for _, e := range g.Enums {
		if e.Was != "" {
			former = append(former, e)
		}
	}
	if former == nil {
		return
	}
	f.Add(comment("Former names of types."))
	f.Type().DefsFunc(func(defs *jen.Group) {
		for _, e := range former {
			defs.Add(note("Deprecated: use [" + e.Type + "]."))
			defs.Id(e.Was).Op("=").Id(e.Type)
		}
	})
	for _, e := range former {
		f.Add(comment("Deprecated: use [Parse" + e.Type + "]."))
		f.Func().Id("Parse"+e.Was).Params(jen.Id("text").String()).Params(jen.Id(e.Type), jen.Error()).Add(
			returning(jen.Id("Parse" + e.Type).Call(jen.Id("text"))))
	}
}

// monitorEvents makes the table of monitor events.
func (g *generator) monitorEvents(f *jen.File) {
	f.Line()
	f.Var().Id("monitorTable").Op("=").Index().Id("monitorEntry").ValuesFunc(func(v *jen.Group) {
		for _, e := range g.MonitorEvents() {
			since := e.Since
			if e.Draft() {
				since = e.DraftSince
			}
			v.Line().Values(jen.Id(e.GoName()), jen.Lit(e.Carries), version(since))
		}
		v.Line()
	})
}

func enumType(f *jen.File, e spec.Enum) {
	base := e.Base
	if base == "" {
		base = "int"
	}
	f.Add(comment(article(e.Type) + " " + e.Type + " " + e.Doc))
	f.Type().Id(e.Type).Id(base)
}

// enumValues makes the constants. A constant whose value has changed becomes a function.
func enumValues(f *jen.File, e spec.Enum) {
	var constants []jen.Code
	for _, v := range e.Values {
		if v.Value == nil {
			continue
		}
		constants = append(constants,
			note(v.GoName()+" "+v.Doc+" "+since(v.Origin)),
			jen.Id(v.GoName()).Id(e.Type).Op("=").Lit(int(*v.Value)))
	}
	if constants != nil {
		f.Add(comment("The values of " + e.Type + "."))
		f.Const().Defs(constants...)
	}
	for _, v := range e.Values {
		if v.Value == nil {
			changing(f, e, v)
		}
	}
}

func changing(f *jen.File, e spec.Enum, v spec.Value) {
	f.Add(comment(v.GoName()+" "+v.Doc+" "+since(v.Origin),
		"Its number depends on the release that is running, which is why it is a function."))
	f.Func().Id(v.GoName()).Params().Id(e.Type).BlockFunc(func(b *jen.Group) {
		b.Id("running").Op(":=").Id("runningVersion").Call()
		for i := len(v.History) - 1; i > 0; i-- {
			c := v.History[i]
			b.If(jen.Id("running").Dot("Compare").Call(version(c.Since)).Op(">=").Lit(0)).Block(jen.Return(jen.Lit(int(c.Value))))
		}
		b.Return(jen.Lit(int(v.History[0].Value)))
	})
}

// enumMethods makes the table of an enumeration's names, and the methods that read it.
func enumMethods(f *jen.File, e spec.Enum) {
	var names, changing []pair
	for _, v := range e.Values {
		if v.Value == nil {
			changing = append(changing, pair{v.Name, v.GoName()})
		} else {
			names = append(names, pair{v.Name, v.GoName()})
		}
	}
	of := jen.Id(e.Type)
	f.Var().Id(enumVar(e.Type)).Op("=").Id("enum").Types(of).Values(fields(
		text("typ", e.Type),
		text("what", e.What),
		flag("flags", e.Flags),
		unless(names == nil, "names", jen.Index().Id("name").Types(of).Add(pairs(names))),
		unless(changing == nil, "changing", jen.Index().Id("changing").Types(of).Add(pairs(changing))),
	)...)
	stringDoc, parseDoc := "String returns libzmq's name without ZMQ_.", "finds a value by libzmq's name, in any case, with or without ZMQ_."
	if e.Flags {
		stringDoc = "String returns libzmq's names without ZMQ_, joined by |."
		parseDoc = "finds flags by libzmq's names joined by |, in any case, with or without ZMQ_. No flags are 0."
	}
	f.Add(comment(stringDoc))
	f.Func().Params(jen.Id("v").Add(of)).Id("String").Params().String().Add(
		returning(jen.Id(enumVar(e.Type)).Dot("text").Call(jen.Id("v"))))
	f.Add(comment("Parse" + e.Type + " " + parseDoc))
	f.Func().Id("Parse"+e.Type).Params(jen.Id("text").String()).Params(of, jen.Error()).Add(
		returning(jen.Id(enumVar(e.Type)).Dot("parse").Call(jen.Id("text"))))
}

func enumVar(typ string) string { return "enum" + typ }

func article(word string) string {
	switch word[0] {
	case 'A', 'E', 'I', 'O':
		return "An"
	}
	return "A"
}

func (g *generator) strings(f *jen.File) {
	for _, t := range g.Strings {
		f.Add(comment(article(t.Type) + " " + t.Type + " " + t.Doc))
		f.Type().Id(t.Type).String()
		f.Add(comment("The values of " + t.Type + "."))
		f.Const().DefsFunc(func(defs *jen.Group) {
			for _, v := range t.Values {
				defs.Add(note(v.Name + " " + v.Doc + " " + since(v.Origin)))
				defs.Id(v.Name).Id(t.Type).Op("=").Lit(v.String)
			}
		})
	}
}

func (g *generator) capabilities(f *jen.File) {
	f.Add(comment("The capabilities of libzmq."))
	f.Const().DefsFunc(func(defs *jen.Group) {
		for _, c := range g.Capabilities {
			defs.Add(note(c.Const() + " " + c.Doc + " " + since(c.Origin)))
			defs.Id(c.Const()).Id("Capability").Op("=").Lit(c.Name)
		}
	})
	f.Var().Id("pebbeHas").Op("=").Index().Id("pebbeCapability").ValuesFunc(func(v *jen.Group) {
		for _, c := range g.Capabilities {
			if c.Pebbe != "" {
				v.Line().Values(jen.Id(c.Const()), jen.Qual("github.com/pebbe/zmq4", c.Pebbe))
			}
		}
		v.Line()
	})
}

// capabilitySlice makes a []Capability of names in the spec.
func (g *generator) capabilitySlice(names []string) jen.Code {
	return jen.Index().Id("Capability").ValuesFunc(func(v *jen.Group) {
		for _, name := range names {
			for _, c := range g.Capabilities {
				if c.Name == name {
					v.Id(c.Const())
				}
			}
		}
	})
}
