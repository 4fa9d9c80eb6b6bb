package spec

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// A Pos is a place in a YAML file. Lines and columns count from 1.
type Pos struct {
	File      string
	Line, Col int
}

func (p Pos) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col) }

// A Mark is embedded in everything that is read from a YAML mapping. It remembers the place of the
// mapping and of each key.
type Mark struct {
	pos    Pos
	keys   map[string]Pos
	broken map[string]bool
}

// At returns the place of a key's value, or of the mapping if the key is missing.
func (m Mark) At(key string) Pos {
	if p, ok := m.keys[key]; ok {
		return p
	}
	return m.pos
}

// Has reports whether the mapping has the key.
func (m Mark) Has(key string) bool {
	_, ok := m.keys[key]
	return ok
}

// Good reports whether the mapping has the key and its value could be read.
func (m Mark) Good(key string) bool { return m.Has(key) && !m.broken[key] }

// An Error is one fault of a spec.
type Error struct {
	Pos
	Text string
}

func (e Error) Error() string { return e.Pos.String() + ": " + e.Text }

// problems gathers errors, so that one run reports all.
type problems struct{ list []Error }

func (p *problems) add(at Pos, format string, args ...any) {
	p.list = append(p.list, Error{at, fmt.Sprintf(format, args...)})
}

// err joins the errors in the order of their places.
func (p *problems) err() error {
	slices.SortStableFunc(p.list, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	var errs []error
	for _, e := range p.list {
		errs = append(errs, e)
	}
	return errors.Join(errs...)
}
