package spec

import (
	"cmp"
	"slices"
)

// checkTopics checks that each topic has options, and each option at most one topic.
func (v validator) checkTopics() {
	names := newUnique[string](v, "name")
	seen := make(map[string]string)
	for _, t := range v.Topics {
		names.add(t.Mark, "name", t.Name, t.Name)
		v.doc(t.Mark, "doc", t.Doc)
		for _, name := range t.Options {
			switch other, ok := seen[name]; {
			case ok:
				v.add(t.At("options"), "%s is in the topic %q too", name, other)
			case !slices.ContainsFunc(v.Options, func(o Option) bool { return o.Name == name }):
				v.add(t.At("options"), "there is no option %q", name)
			}
			seen[name] = t.Name
		}
	}
}

// A Chapter is a topic with its options.
type Chapter struct {
	Name, Doc string
	Options   []Option
}

// Chapters returns the options by topic, in the topics' order. Options without a topic come last,
// by number.
func (s *Spec) Chapters() []Chapter {
	rest := make(map[string]Option)
	for _, o := range s.Options {
		rest[o.Name] = o
	}
	var chapters []Chapter
	for _, t := range s.Topics {
		c := Chapter{Name: t.Name, Doc: t.Doc}
		for _, name := range t.Options {
			c.Options = append(c.Options, rest[name])
			delete(rest, name)
		}
		chapters = append(chapters, c)
	}
	if len(rest) == 0 {
		return chapters
	}
	other := Chapter{Name: "Other options", Doc: "They have no topic yet."}
	for _, o := range s.ByNumber() {
		if _, ok := rest[o.Name]; ok {
			other.Options = append(other.Options, o)
		}
	}
	return append(chapters, other)
}

// ByNumber returns the options sorted by number.
func (s *Spec) ByNumber() []Option {
	return slices.SortedFunc(slices.Values(s.Options), func(a, b Option) int { return cmp.Compare(a.Number, b.Number) })
}
