package emit

import (
	"strings"

	"github.com/dave/jennifer/jen"
	"github.com/zmqio/zmq/gen/internal/spec"
)

func (g *generator) contexts(f *jen.File) {
	f.Add(comment("The context options. Methods of [Contextopts] document them."))
	f.Const().DefsFunc(func(defs *jen.Group) {
		for _, c := range g.Contexts {
			defs.Id(c.GoName()).Id("ContextOption").Op("=").Lit(int(c.Number))
		}
	})
	f.Line()
	f.Var().Id("contextTable").Op("=").Index().Id("contextEntry").ValuesFunc(func(v *jen.Group) {
		for _, c := range g.Contexts {
			least := jen.Qual("math", "MinInt32") // libzmq accepts every number
			if c.Min != nil {
				least = jen.Lit(int(*c.Min))
			}
			v.Line().Values(jen.Id(c.GoName()), jen.Lit(c.Name), jen.Lit(c.Can("get")), jen.Lit(c.Can("set")), least, version(c.First()))
		}
		v.Line()
	})
}

// contextAccessors makes the methods of Contextopts.
func (g *generator) contextAccessors(f *jen.File) {
	for _, c := range g.Contexts {
		typ, suffix := jen.Int(), ""
		if c.Kind == "bool" {
			typ, suffix = jen.Bool(), "Bool"
		}
		if c.Can("get") {
			doc := contextDoc(c, c.Method+" reads "+c.Name)
			if c.Can("set") {
				doc = c.Method + " reads " + c.Name + "; see [Contextopts.Set" + c.Method + "]."
			}
			f.Add(comment(doc))
			f.Add(method("Contextopts", c.Method).Params().Params(typ, jen.Error()).Add(
				returning(jen.Id("c").Dot("get" + suffix).Call(jen.Id(c.GoName())))))
		}
		if c.Can("set") {
			f.Add(comment(contextDoc(c, "Set"+c.Method+" sets "+c.Name)))
			f.Add(method("Contextopts", "Set"+c.Method).Params(jen.Id("v").Add(typ)).Error().Add(
				returning(jen.Id("c").Dot("set"+suffix).Call(jen.Id(c.GoName()), jen.Id("v")))))
		}
	}
}

// contextDoc returns the description of an option, after the words does, which say what the method
// does.
func contextDoc(c spec.Context, does string) string {
	text := []string{does + ", which " + c.Doc}
	if d := contextDefault(c); d != "" {
		text = append(text, "The default is "+d+".")
	}
	if c.Effect != "" {
		text = append(text, "A set counts "+c.Effect+".")
	}
	if c.Platform != "" {
		text = append(text, "Systems: "+c.Platform+".")
	}
	return strings.Join(append(text, since(c.Origin)), " ")
}

// contextDefault returns the default in the form of the option's methods.
func contextDefault(c spec.Context) string {
	if c.Kind == "bool" {
		return map[string]string{"0": "false", "1": "true"}[c.Default]
	}
	return c.Default
}
