package emit

import (
	"strings"

	"github.com/dave/jennifer/jen"
	"github.com/zmqio/zmq/gen/internal/spec"
)

func (g *generator) socketTypes(f *jen.File) {
	f.Add(comment("A SocketType is the type of a ZeroMQ socket, by libzmq's name and number."))
	f.Type().Id("SocketType").Int()
	f.Add(comment("The socket types."))
	f.Const().DefsFunc(func(defs *jen.Group) {
		for _, t := range g.SocketTypes {
			defs.Add(comment(t.Name+" "+t.Doc, about(t)))
			defs.Id(t.Name).Id("SocketType").Op("=").Lit(int(t.Number))
		}
	})
	f.Line()
	f.Var().Id("socketTypeNames").Op("=").Index().Id("name").Types(jen.Id("SocketType")).ValuesFunc(func(v *jen.Group) {
		for _, t := range g.SocketTypes {
			for _, name := range append([]string{t.Name}, t.Aliases...) {
				v.Line().Values(jen.Lit(name), jen.Id(t.Name))
			}
		}
		v.Line()
	})
	f.Line()
	f.Var().Id("socketTypeTable").Op("=").Index().Id("socketTypeEntry").ValuesFunc(func(v *jen.Group) {
		for _, t := range g.SocketTypes {
			v.Line().Values(fields(
				set("typ", jen.Id(t.Name)),
				flag("draft", t.Draft()),
				flag("threadSafe", t.ThreadSafe),
				flag("canSend", t.Send),
				flag("canReceive", t.Receive),
				unless(len(t.Peers) == 0, "peers", socketTypeSlice(t.Peers)),
				set("since", version(t.First())),
			)...)
		}
		v.Line()
	})
}

func about(t spec.SocketType) string {
	var text []string
	if len(t.Peers) > 0 {
		text = append(text, "Its peers are "+list(t.Peers)+".")
	}
	if t.Mute != "" {
		text = append(text, "Over the high-water mark a send will "+t.Mute+".")
	}
	return strings.Join(append(text, since(t.Origin)), " ")
}

// since tells from which release on a name can be used.
func since(o spec.Origin) string {
	switch {
	case o.Draft():
		return "A draft since libzmq " + o.DraftSince.String() + "."
	case o.DraftSince.IsZero():
		return "Since libzmq " + o.Since.String() + "."
	}
	return "Since libzmq " + o.Since.String() + ", a draft since " + o.DraftSince.String() + "."
}

func socketTypeSlice(names []string) jen.Code {
	return jen.Index().Id("SocketType").ValuesFunc(func(v *jen.Group) {
		for _, name := range names {
			v.Id(name)
		}
	})
}
