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
	f.Var().Id("enumTypes").Op("=").Map(jen.String()).Id("enumType").ValuesFunc(func(v *jen.Group) {
		v.Line().Lit("SocketType").Op(":").Id("enumOf").Call(jen.Lit("socket type"), jen.Id("socketTypeNames"))
		for _, e := range g.Enums {
			of := "enumOf"
			if e.Flags {
				of = "flagsOf"
			}
			v.Line().Lit(e.Type).Op(":").Id(of).Call(jen.Lit(e.What), jen.Id(namesVar(e)))
		}
		v.Line()
	})
}

// monitorEvents makes the table of what a monitor reports.
func (g *generator) monitorEvents(f *jen.File) {
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

// enumValues makes the constants, and functions for those that changed their value.
func enumValues(f *jen.File, e spec.Enum) {
	var constants []jen.Code
	for _, v := range e.Values {
		if v.Value == nil {
			continue
		}
		constants = append(constants,
			comment(v.GoName()+" "+v.Doc+" "+since(v.Origin)),
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

func enumMethods(f *jen.File, e spec.Enum) {
	names := namesVar(e)
	f.Var().Id(names).Op("=").Index().Id("name").Types(jen.Id(e.Type)).ValuesFunc(func(g *jen.Group) {
		for _, v := range e.Values {
			value := jen.Id(v.GoName())
			if v.Value == nil {
				value.Call()
			}
			g.Line().Values(jen.Lit(v.Name), value)
		}
		g.Line()
	})
	if e.Flags {
		f.Add(comment("String returns libzmq's names without ZMQ_, joined by |."))
		f.Func().Params(jen.Id("v").Id(e.Type)).Id("String").Params().String().Block(
			jen.Return(jen.Id("flagNames").Call(jen.Id(names), jen.Id("v"))))
		f.Add(comment("Parse" + e.Type + " finds flags by libzmq's names joined by |, in any case, with or without ZMQ_. No flags are 0."))
		f.Func().Id("Parse"+e.Type).Params(jen.Id("text").String()).Params(jen.Id(e.Type), jen.Error()).Block(
			jen.Return(jen.Id("parseFlags").Call(jen.Id(names), jen.Lit(e.What), jen.Id("text"))))
		return
	}
	f.Add(comment("String returns libzmq's name without ZMQ_."))
	f.Func().Params(jen.Id("v").Id(e.Type)).Id("String").Params().String().Block(
		jen.Return(jen.Id("nameOf").Call(jen.Id(names), jen.Lit(e.Type), jen.Id("v"))))
	f.Add(comment("Parse" + e.Type + " finds a value by libzmq's name, in any case, with or without ZMQ_."))
	f.Func().Id("Parse"+e.Type).Params(jen.Id("name").String()).Params(jen.Id(e.Type), jen.Error()).Block(
		jen.Return(jen.Id("parseName").Call(jen.Id(names), jen.Lit(e.What), jen.Id("name"))))
}

func namesVar(e spec.Enum) string { return "namesOf" + e.Type }

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
				defs.Add(comment(v.Name + " " + v.Doc + " " + since(v.Origin)))
				defs.Id(v.Name).Id(t.Type).Op("=").Lit(v.String)
			}
		})
	}
}

func (g *generator) capabilities(f *jen.File) {
	f.Add(comment("The capabilities of libzmq."))
	f.Const().DefsFunc(func(defs *jen.Group) {
		for _, c := range g.Capabilities {
			defs.Add(comment(c.Const() + " " + c.Doc + " " + since(c.Origin)))
			defs.Id(c.Const()).Id("Capability").Op("=").Lit(c.Name)
		}
	})
	f.Var().Id("pebbeHas").Op("=").Map(jen.Id("Capability")).Func().Params().Bool().ValuesFunc(func(v *jen.Group) {
		for _, c := range g.Capabilities {
			if c.Pebbe != "" {
				v.Line().Id(c.Const()).Op(":").Qual("github.com/pebbe/zmq4", c.Pebbe)
			}
		}
		v.Line()
	})
}

// capabilitySlice makes a []Capability of names that the spec has.
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
