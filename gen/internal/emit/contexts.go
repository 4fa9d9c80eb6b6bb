package emit

import (
	"fmt"

	"github.com/dave/jennifer/jen"
)

func (g *generator) contexts(f *jen.File) {
	f.Add(comment("A ContextOption is the number of an option of a context. Number 3 is one option to read and another to set."))
	f.Type().Id("ContextOption").Int()
	f.Add(comment("The context options."))
	f.Const().DefsFunc(func(defs *jen.Group) {
		for _, c := range g.Contexts {
			about := ""
			if c.Default != "" {
				about = "By default it is " + c.Default + "."
			}
			if c.Effect != "" {
				about += fmt.Sprintf(" A set counts for %s.", c.Effect)
			}
			defs.Add(comment(c.GoName()+" "+c.Doc, about+" "+since(c.Origin)))
			defs.Id(c.GoName()).Id("ContextOption").Op("=").Lit(int(c.Number))
		}
	})
}
