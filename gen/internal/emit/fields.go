package emit

import (
	"fmt"
	"strings"

	"github.com/dave/jennifer/jen"
	"github.com/zmqio/zmq/gen/internal/spec"
)

// fields makes the "name: value" pairs of a composite literal, in the given order. It omits nil
// pairs, which stand for zero values.
func fields(pairs ...jen.Code) []jen.Code {
	var list []jen.Code
	for _, p := range pairs {
		if p != nil {
			list = append(list, p)
		}
	}
	return list
}

func set(name string, value jen.Code) jen.Code { return jen.Id(name).Op(":").Add(value) }

func unless(zero bool, name string, value jen.Code) jen.Code {
	if zero {
		return nil
	}
	return set(name, value)
}

func flag(name string, v bool) jen.Code { return unless(!v, name, jen.True()) }

func text(name, v string) jen.Code { return unless(v == "", name, jen.Lit(v)) }

func number(name string, v int64) jen.Code { return unless(v == 0, name, jen.Lit(int(v))) }

func texts(name string, v []string) jen.Code {
	return unless(len(v) == 0, name, jen.Index().String().ValuesFunc(func(g *jen.Group) {
		for _, s := range v {
			g.Lit(s)
		}
	}))
}

func version(v spec.Version) jen.Code {
	return jen.Id("Version").Values(jen.Lit(v.Major), jen.Lit(v.Minor), jen.Lit(v.Patch))
}

// release makes a field for a release, or nil for the zero release.
func release(name string, v spec.Version) jen.Code { return unless(v.IsZero(), name, version(v)) }

// A pair is a name of libzmq's header and the Go expression of its value.
type pair struct{ name, value string }

// pairs makes the elements of a table of names, as many a line as fit.
func pairs(list []pair) jen.Code {
	const space = "\x00" // does not break a line
	var words []string
	for _, p := range list {
		words = append(words, fmt.Sprintf("{%q,%s%s},", p.name, space, p.value))
	}
	lines := strings.Join(wrap(strings.Join(words, " "), commentWidth), "\n")
	return jen.Op("{\n" + strings.ReplaceAll(lines, space, " ") + "\n}")
}
