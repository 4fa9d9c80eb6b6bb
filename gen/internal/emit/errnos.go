package emit

import (
	"strings"

	"github.com/dave/jennifer/jen"
	"github.com/zmqio/zmq/gen/internal/spec"
)

func (g *generator) errnos(f *jen.File) {
	f.Add(comment("The error numbers that libzmq's calls return."))
	f.Const().DefsFunc(func(defs *jen.Group) {
		for _, e := range g.Errnos {
			defs.Add(note(e.Name + " is \"" + e.Text + "\". " + e.Doc + " From " + list(e.Calls) + "."))
			value := jen.Lit(int(spec.Hausnumero + e.Native))
			if e.Native == 0 {
				value = jen.Id("Errno").Call(jen.Qual("syscall", e.Name))
			}
			defs.Id(e.Name).Id("Errno").Op("=").Add(value)
		}
	})
	f.Var().Id("errnoTable").Op("=").Index().Id("errnoEntry").ValuesFunc(func(v *jen.Group) {
		for _, e := range g.Errnos {
			v.Line().Values(jen.Id(e.Name), jen.Lit(e.Name), jen.Lit(e.Text), g.sentinels(e))
		}
		v.Line()
	})
}

// sentinels makes the errors for which errors.Is holds: those of the errno's classes, and of the
// classes that include these.
func (g *generator) sentinels(e spec.Errno) jen.Code {
	if len(e.Is) == 0 {
		return jen.Nil()
	}
	return jen.Index().Op("*").Error().ValuesFunc(func(v *jen.Group) {
		for _, name := range e.Is {
			for name != "" {
				class := g.class(name)
				v.Op("&").Add(sentinel(class))
				name = class.Parent
			}
		}
	})
}

func (g *generator) class(name string) spec.Class {
	for _, c := range g.Classes {
		if c.Name == name {
			return c
		}
	}
	return spec.Class{}
}

func sentinel(c spec.Class) jen.Code {
	if c.Sentinel == "" {
		return jen.Id("Err" + c.Name)
	}
	dot := strings.LastIndexByte(c.Sentinel, '.')
	return jen.Qual(c.Sentinel[:dot], c.Sentinel[dot+1:])
}

func (g *generator) classes(f *jen.File) {
	f.Add(comment("These are classes of error numbers, those of PEP 3151 in Python for which the standard library has no error. errors.Is finds them in an Errno."))
	f.Var().DefsFunc(func(defs *jen.Group) {
		for _, c := range g.Classes {
			if c.Sentinel == "" {
				defs.Add(note("Err"+c.Name+" "+c.Doc, "Python: "+c.Python))
				defs.Id("Err"+c.Name).Op("=").Qual("errors", "New").Call(jen.Lit(c.Text))
			}
		}
	})
}
