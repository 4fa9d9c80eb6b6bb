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

// Load reads and checks every .yaml file of a directory. The error joins an Error for each fault.
// label comes before the files' names in places. The spec must not make Go names that are in taken.
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

// A File is the content of a YAML file before the checks.
type File struct {
	part     Spec
	problems problems
	whole    bool // the text is valid YAML
}

// ReadFile reads the text of a file. Join reports its faults.
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

// Join makes a spec of files and checks it, as Load does. It does not change the files.
func Join(files []*File, taken ...string) (*Spec, error) {
	var p problems
	s, whole := new(Spec), true
	for _, f := range files {
		s.join(&f.part)
		p.list = append(p.list, f.problems.list...)
		whole = whole && f.whole
	}
	s.gather(&p)
	if whole { // else missing parts of an invalid file would be reported
		s.validate(&p, taken)
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	s.sort()
	return s, nil
}

// gather moves values of enum_values and string_values into their types, and sorts releases. So a
// new release may be in any file.
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

// sort sorts socket types, and lists of them, by number.
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

// sortCopy sorts a copy of a list, so that the file keeps its own.
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

// syntaxError adds a place to yaml.v3's error about invalid YAML. yaml.v3 names a line near the
// fault, and no column. The place here is the end of the longest valid part from the start.
func syntaxError(file string, text []byte, err error) Error {
	// The fault is not in the part that the parser had not read.
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

// pairs iterates over the keys and values of a mapping.
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
