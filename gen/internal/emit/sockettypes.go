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
			paragraphs := []string{t.Name + " " + t.Doc + " " + about(t)}
			for _, trap := range t.Traps {
				paragraphs = append(paragraphs, "- "+trap)
			}
			defs.Add(note(paragraphs...))
			defs.Id(t.Name).Id("SocketType").Op("=").Lit(int(t.Number))
		}
	})
	var names []pair
	for _, t := range g.SocketTypes {
		for _, name := range append([]string{t.Name}, t.Aliases...) {
			names = append(names, pair{name, t.Name})
		}
	}
	f.Line()
	f.Var().Id(enumVar("SocketType")).Op("=").Id("enum").Types(jen.Id("SocketType")).Values(
		text("typ", "SocketType"),
		text("what", "socket type"),
		set("names", jen.Index().Id("name").Types(jen.Id("SocketType")).Add(pairs(names))),
	)
	f.Line()
	f.Var().Id("socketTypeTable").Op("=").Index().Id("socketTypeEntry").ValuesFunc(func(v *jen.Group) {
		for _, t := range g.SocketTypes {
			info := append([]jen.Code{jen.Id("Type").Op(":").Id(t.Name)}, fields(
				texts("Aliases", t.Aliases),
				flag("Draft", t.Draft()),
				release("Since", t.Since),
				release("DraftSince", t.DraftSince),
				unless(len(t.Peers) == 0, "Peers", socketTypeSlice(t.Peers)),
				flag("CanSend", t.Send),
				flag("CanReceive", t.Receive),
				flag("ThreadSafe", t.ThreadSafe),
				text("Mute", t.Mute),
				text("Doc", t.Doc),
			)...)
			v.Line().Values(fields(
				set("info", jen.Id("SocketTypeInfo").Values(info...)),
				rules("refusal", "Refusal", t.Refusal),
				rules("subscribes", "Subscription", t.Subscribes),
				release("eager", t.EagerSince()),
				release("connectsOnce", t.ConnectsOnce),
			)...)
		}
		v.Line()
	})
}

// rules makes a field of facts that each hold from one release to the next.
func rules(name, typ string, list []spec.Rule) jen.Code {
	return unless(len(list) == 0, name, jen.Index().Id("rule").Types(jen.Id(typ)).ValuesFunc(func(v *jen.Group) {
		for _, r := range list {
			v.Values(version(r.Since), jen.Lit(r.Rule))
		}
	}))
}

// mutes says what a send does at the high-water mark.
var mutes = map[string]string{
	"block":            "blocks",
	"drop":             "drops the message",
	"fail with EAGAIN": "fails with EAGAIN",
}

func about(t spec.SocketType) string {
	var text []string
	if len(t.Peers) > 0 {
		text = append(text, "It talks to "+list(t.Peers)+" sockets.")
	}
	if t.Mute != "" {
		text = append(text, "At the high-water mark a send "+mutes[t.Mute]+".")
	}
	return strings.Join(append(text, since(t.Origin)), " ")
}

// since says from which release on a name can be used.
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
