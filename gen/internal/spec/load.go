package spec

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strconv"

	"gopkg.in/yaml.v3"
)

// Load reads every .yaml file of a directory and checks the whole. The error joins an
// Error for each thing wrong; label stands before the files' names in their places. Names
// in taken are not free for what the spec makes in Go.
func Load(dir fs.FS, label string, taken ...string) (*Spec, error) {
	names, err := fs.Glob(dir, "*.yaml")
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s: no .yaml file", label)
	}
	var p problems
	s := new(Spec)
	for _, name := range names {
		text, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil, err
		}
		s.read(path.Join(label, name), text, &p)
	}
	s.validate(&p, taken)
	if err := p.err(); err != nil {
		return nil, err
	}
	s.sort()
	return s, nil
}

// sort brings socket types, and lists of them, into the order of their numbers.
func (s *Spec) sort() {
	slices.SortFunc(s.SocketTypes, func(a, b SocketType) int { return cmp.Compare(a.Number, b.Number) })
	place := make(map[string]int)
	for i, t := range s.SocketTypes {
		place[t.Name] = i
	}
	byNumber := func(a, b string) int { return cmp.Compare(place[a], place[b]) }
	for _, t := range s.SocketTypes {
		slices.SortFunc(t.Peers, byNumber)
	}
	for _, o := range s.Options {
		slices.SortFunc(o.GetOn, byNumber)
		slices.SortFunc(o.SetOn, byNumber)
	}
}

// read adds what a file says to the spec.
func (s *Spec) read(file string, text []byte, p *problems) {
	documents := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var doc yaml.Node
		err := documents.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			p.list = append(p.list, syntaxError(file, err))
			return
		}
		var part Spec
		if len(doc.Content) > 0 && doc.Content[0].ShortTag() != "!!null" {
			decoder{file, p}.decode(doc.Content[0], reflect.ValueOf(&part).Elem())
		}
		s.join(&part)
	}
}

// join appends every list of a part.
func (s *Spec) join(part *Spec) {
	to, from := reflect.ValueOf(s).Elem(), reflect.ValueOf(part).Elem()
	for i := range to.NumField() {
		to.Field(i).Set(reflect.AppendSlice(to.Field(i), from.Field(i)))
	}
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): (.*)`)

// syntaxError gives a place to what yaml.v3 says of a file that is no YAML. It knows the
// line at best.
func syntaxError(file string, err error) Error {
	at, message := Pos{file, 1, 1}, err.Error()
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		at.Line, _ = strconv.Atoi(m[1])
		message = m[2]
	}
	return Error{at, "not YAML: " + message}
}

// pairs goes over the keys and values of a mapping.
func pairs(n *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(key, value *yaml.Node) bool) {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i], n.Content[i+1]) {
				return
			}
		}
	}
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
