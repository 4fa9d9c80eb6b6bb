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
	"testing/iotest"
	"unicode/utf8"

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
	var files []*File
	for _, name := range names {
		text, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil, err
		}
		files = append(files, ReadFile(path.Join(label, name), text))
	}
	return Join(files, taken...)
}

// A File is what a YAML file says, before it was checked.
type File struct {
	part     Spec
	problems problems
	whole    bool // it is YAML
}

// ReadFile reads the text of a file. What is wrong with it Join tells.
func ReadFile(name string, text []byte) *File {
	f := &File{whole: true}
	documents, err := parse(bytes.NewReader(text))
	if err != nil {
		f.problems.list, f.whole = []Error{syntaxError(name, text, err)}, false
	}
	for _, doc := range documents {
		var part Spec
		if len(doc.Content) > 0 && doc.Content[0].ShortTag() != "!!null" {
			decoder{name, &f.problems}.decode(doc.Content[0], reflect.ValueOf(&part).Elem())
		}
		f.part.join(&part)
	}
	return f
}

// Join makes a spec of files and checks it, as Load does. The files stay as they are.
func Join(files []*File, taken ...string) (*Spec, error) {
	var p problems
	s, whole := new(Spec), true
	for _, f := range files {
		s.join(&f.part)
		p.list = append(p.list, f.problems.list...)
		whole = whole && f.whole
	}
	s.gather(&p)
	if whole { // else much would be missing that stands in a file that is no YAML
		s.validate(&p, taken)
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	s.sort()
	return s, nil
}

// gather puts values that stand alone into the lists of their types, and releases into their
// order. A new release may therefore stand in any file.
func (s *Spec) gather(p *problems) {
	slices.SortStableFunc(s.Releases, func(a, b Release) int { return a.Version.Compare(b.Version) })
	for _, v := range s.EnumValues {
		i := slices.IndexFunc(s.Enums, func(e Enum) bool { return e.Type == v.Of })
		if i < 0 {
			p.add(v.At("of"), "there is no enumeration %q", v.Of)
			continue
		}
		s.Enums[i].Values = append(slices.Clip(s.Enums[i].Values), v.Value)
	}
	for _, v := range s.StringValues {
		i := slices.IndexFunc(s.Strings, func(t Strings) bool { return t.Type == v.Of })
		if i < 0 {
			p.add(v.At("of"), "there is no type of texts %q", v.Of)
			continue
		}
		s.Strings[i].Values = append(slices.Clip(s.Strings[i].Values), v.StringValue)
	}
}

// sort brings socket types, and lists of them, into the order of their numbers.
func (s *Spec) sort() {
	slices.SortFunc(s.SocketTypes, func(a, b SocketType) int { return cmp.Compare(a.Number, b.Number) })
	place := make(map[string]int)
	for i, t := range s.SocketTypes {
		place[t.Name] = i
	}
	byNumber := func(a, b string) int { return cmp.Compare(place[a], place[b]) }
	for i := range s.SocketTypes {
		sortCopy(&s.SocketTypes[i].Peers, byNumber)
	}
	for i := range s.Options {
		sortCopy(&s.Options[i].GetOn, byNumber)
		sortCopy(&s.Options[i].SetOn, byNumber)
	}
}

// parse returns the documents of a file.
func parse(text io.Reader) ([]*yaml.Node, error) {
	var list []*yaml.Node
	for decoder := yaml.NewDecoder(text); ; {
		doc := new(yaml.Node)
		err := decoder.Decode(doc)
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		list = append(list, doc)
	}
}

// sortCopy sorts a list without a change to the file that it came from.
func sortCopy(list *[]string, by func(a, b string) int) {
	*list = slices.Clone(*list)
	slices.SortFunc(*list, by)
}

// join appends every list of a part.
func (s *Spec) join(part *Spec) {
	to, from := reflect.ValueOf(s).Elem(), reflect.ValueOf(part).Elem()
	for i := range to.NumField() {
		to.Field(i).Set(reflect.AppendSlice(to.Field(i), from.Field(i)))
	}
}

var yamlLine = regexp.MustCompile(`^yaml: (line \d+: )?`)

// syntaxError gives a place to what yaml.v3 says of a file that is no YAML. yaml.v3 names
// the line where the broken part begins, or the next one, and no column. The place here is
// where the longest part ends, from the start of the file, that is YAML.
func syntaxError(file string, text []byte, err error) Error {
	// What the parser had not read when it gave up is not at fault.
	unread := bytes.NewReader(text)
	_, _ = parse(iotest.OneByteReader(unread))
	lines := bytes.SplitAfter(text[:len(text)-unread.Len()], []byte("\n"))
	good := func(n, col int) bool {
		part := bytes.Join(lines[:n], nil)
		if n < len(lines) {
			part = append(part, lines[n][:col]...)
		}
		_, err := parse(bytes.NewReader(part))
		return err == nil
	}
	line := len(lines) - 1
	for line > 0 && !good(line, 0) {
		line--
	}
	col := len(lines[line])
	for col > 0 && !good(line, col) {
		col--
	}
	before := utf8.RuneCount(lines[line][:col])
	return Error{Pos{file, line + 1, before + 1}, "not YAML: " + yamlLine.ReplaceAllString(err.Error(), "")}
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
