package spec

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// A decoder converts YAML nodes into the types of schema.go. It uses yaml.v3's parser only, because
// yaml.v3's decoding gives no columns and stops at the first error.
//
// The yaml tag of a field is its key. ",required" means that the key must exist, and ",empty" that
// its text may be empty. Fields of an embedded struct count as the mapping's own, as in Go.
type decoder struct {
	file string
	*problems
}

// ToDo marks a value that a maintainer must fill in. No spec with it loads.
const ToDo = "TODO"

func (d decoder) pos(n *yaml.Node) Pos { return Pos{d.file, n.Line, n.Column} }

// decode reads n into v. It reports what it cannot read, and then returns false.
func (d decoder) decode(n *yaml.Node, v reflect.Value) bool {
	if n.Kind == yaml.AliasNode {
		return d.refuse(n, "YAML aliases are not used in a spec")
	}
	if n.Kind == yaml.ScalarNode && n.Value == ToDo {
		return d.refuse(n, "%s is still to be filled in", ToDo)
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return d.decode(n, v.Elem())
	case reflect.Struct:
		if version, ok := v.Addr().Interface().(*Version); ok {
			return d.version(n, version)
		}
		return d.mapping(n, v)
	case reflect.Slice:
		return d.list(n, v)
	case reflect.Map:
		return d.dictionary(n, v)
	}
	return d.scalar(n, v)
}

func (d decoder) refuse(n *yaml.Node, format string, args ...any) bool {
	d.add(d.pos(n), format, args...)
	return false
}

// mapping reads a struct. It returns false only if n is no mapping.
func (d decoder) mapping(n *yaml.Node, v reflect.Value) bool {
	if n.Kind != yaml.MappingNode {
		return d.refuse(n, "want a mapping, got %s", describe(n))
	}
	fields := make(map[string]reflect.Value)
	required, empty := make(map[string]bool), make(map[string]bool)
	collect(v, fields, required, empty)
	mark := Mark{pos: d.pos(n), keys: make(map[string]Pos), broken: make(map[string]bool)}
	for key, value := range pairs(n) {
		field, known := fields[key.Value]
		switch {
		case !known:
			d.add(d.pos(key), "unknown key %q", key.Value)
		case mark.Has(key.Value):
			d.add(d.pos(key), "key %q is there twice, first at %v", key.Value, mark.keys[key.Value])
		default:
			mark.keys[key.Value] = d.pos(value)
			mark.broken[key.Value] = !d.decode(value, field) || !empty[key.Value] && !d.text(value)
		}
	}
	for _, key := range sorted(required) {
		if required[key] && !mark.Has(key) {
			d.add(mark.pos, "key %q is missing", key)
		}
	}
	if m := v.FieldByName("Mark"); m.IsValid() {
		m.Set(reflect.ValueOf(mark))
	}
	return true
}

// text reports an error if a text is empty.
func (d decoder) text(n *yaml.Node) bool {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" && strings.TrimSpace(n.Value) == "" {
		return d.refuse(n, "the text is empty")
	}
	return true
}

// collect finds the fields by their YAML keys.
func collect(v reflect.Value, fields map[string]reflect.Value, required, empty map[string]bool) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case key != "":
			fields[key] = v.Field(i)
			required[key] = option == "required"
			empty[key] = option == "empty"
		case f.Anonymous && f.Type != reflect.TypeFor[Mark]():
			collect(v.Field(i), fields, required, empty)
		}
	}
}

// list reads a slice, and omits elements with errors. It returns true if all are right.
func (d decoder) list(n *yaml.Node, v reflect.Value) bool {
	if n.Kind != yaml.SequenceNode {
		return d.refuse(n, "want a list, got %s", describe(n))
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, len(n.Content))) // an empty list differs from none
	whole := true
	for _, item := range n.Content {
		element := reflect.New(v.Type().Elem()).Elem()
		if d.decode(item, element) && d.text(item) {
			v.Set(reflect.Append(v, element))
		} else {
			whole = false
		}
	}
	return whole
}

func (d decoder) dictionary(n *yaml.Node, v reflect.Value) bool {
	if n.Kind != yaml.MappingNode {
		return d.refuse(n, "want a mapping, got %s", describe(n))
	}
	v.Set(reflect.MakeMap(v.Type()))
	first := make(map[string]Pos)
	for key, value := range pairs(n) {
		k := reflect.ValueOf(key.Value)
		if at, ok := first[key.Value]; ok {
			d.add(d.pos(key), "key %q is there twice, first at %v", key.Value, at)
			continue
		}
		first[key.Value] = d.pos(value)
		element := reflect.New(v.Type().Elem()).Elem()
		if d.decode(value, element) {
			v.SetMapIndex(k, element)
		}
	}
	return true
}

func (d decoder) scalar(n *yaml.Node, v reflect.Value) bool {
	if n.Kind != yaml.ScalarNode {
		return d.refuse(n, "want %s, got %s", kindName(v), describe(n))
	}
	var err error
	switch tag := n.ShortTag(); {
	case v.Kind() == reflect.String && tag == "!!null":
		err = fmt.Errorf("want text, got nothing; write %q in quotes if that is the text", n.Value)
	case v.Kind() == reflect.String:
		v.SetString(strings.TrimSpace(n.Value))
	case v.Kind() == reflect.Bool && tag == "!!bool":
		v.SetBool(strings.EqualFold(n.Value, "true"))
	case v.Kind() == reflect.Int64 && tag == "!!int":
		var number int64
		number, err = strconv.ParseInt(n.Value, 0, 64)
		v.SetInt(number)
	default:
		err = fmt.Errorf("want %s, got %s", kindName(v), describe(n))
	}
	if err != nil {
		return d.refuse(n, "%v", err)
	}
	return true
}

func (d decoder) version(n *yaml.Node, v *Version) bool {
	if n.Kind != yaml.ScalarNode {
		return d.refuse(n, "want a version, got %s", describe(n))
	}
	var err error
	if *v, err = parseVersion(n.Value); err != nil {
		return d.refuse(n, "%v", err)
	}
	return true
}

func kindName(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int64:
		return "a whole number"
	}
	return "text"
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	if n.ShortTag() == "!!null" {
		return "nothing"
	}
	return strconv.Quote(n.Value)
}
