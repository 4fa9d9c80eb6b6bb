package spec

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// decoder turns YAML nodes into the types of schema.go. yaml.v3's own decoding gives no
// columns and stops at what it cannot read, so only its parser is used.
//
// A field is named by its yaml tag, with ",required" where the key must be there. The
// fields of an embedded struct are the mapping's own, as in Go.
type decoder struct {
	file string
	*problems
}

func (d decoder) pos(n *yaml.Node) Pos { return Pos{d.file, n.Line, n.Column} }

// decode reads n into v, and reports what it cannot read.
func (d decoder) decode(n *yaml.Node, v reflect.Value) {
	if n.Kind == yaml.AliasNode {
		d.add(d.pos(n), "YAML aliases are not used in a spec")
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.decode(n, v.Elem())
	case reflect.Struct:
		if version, ok := v.Addr().Interface().(*Version); ok {
			d.version(n, version)
			return
		}
		d.mapping(n, v)
	case reflect.Slice:
		d.list(n, v)
	case reflect.Map:
		d.dictionary(n, v)
	default:
		d.scalar(n, v)
	}
}

func (d decoder) mapping(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.add(d.pos(n), "want a mapping, got %s", describe(n))
		return
	}
	fields := make(map[string]reflect.Value)
	required := make(map[string]bool)
	collect(v, fields, required)
	mark := Mark{pos: d.pos(n), keys: make(map[string]Pos)}
	for key, value := range pairs(n) {
		field, known := fields[key.Value]
		switch {
		case !known:
			d.add(d.pos(key), "unknown key %q", key.Value)
		case mark.Has(key.Value):
			d.add(d.pos(key), "key %q is there twice", key.Value)
		default:
			mark.keys[key.Value] = d.pos(value)
			d.decode(value, field)
		}
	}
	for _, key := range sorted(required) {
		if !mark.Has(key) {
			d.add(mark.pos, "key %q is missing", key)
		}
	}
	if m := v.FieldByName("Mark"); m.IsValid() {
		m.Set(reflect.ValueOf(mark))
	}
}

// collect finds the fields that YAML keys stand for.
func collect(v reflect.Value, fields map[string]reflect.Value, required map[string]bool) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case key != "":
			fields[key] = v.Field(i)
			if option == "required" {
				required[key] = true
			}
		case f.Anonymous && f.Type != reflect.TypeFor[Mark]():
			collect(v.Field(i), fields, required)
		}
	}
}

func (d decoder) list(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		d.add(d.pos(n), "want a list, got %s", describe(n))
		return
	}
	for _, item := range n.Content {
		element := reflect.New(v.Type().Elem()).Elem()
		d.decode(item, element)
		v.Set(reflect.Append(v, element))
	}
}

func (d decoder) dictionary(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.add(d.pos(n), "want a mapping, got %s", describe(n))
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for key, value := range pairs(n) {
		k := reflect.ValueOf(key.Value)
		if v.MapIndex(k).IsValid() {
			d.add(d.pos(key), "key %q is there twice", key.Value)
			continue
		}
		element := reflect.New(v.Type().Elem()).Elem()
		d.decode(value, element)
		v.SetMapIndex(k, element)
	}
}

func (d decoder) scalar(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.ScalarNode {
		d.add(d.pos(n), "want %s, got %s", kindName(v), describe(n))
		return
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
		d.add(d.pos(n), "%v", err)
	}
}

func (d decoder) version(n *yaml.Node, v *Version) {
	if n.Kind != yaml.ScalarNode {
		d.add(d.pos(n), "want a version, got %s", describe(n))
		return
	}
	var err error
	if *v, err = parseVersion(n.Value); err != nil {
		d.add(d.pos(n), "%v", err)
	}
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
