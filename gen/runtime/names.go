package zmq

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrUnknownName reports a name, or a number, that the spec does not have.
var ErrUnknownName = errors.New("unknown name")

// A name is a value of an enumeration and what libzmq's header calls it, without ZMQ_.
// An alias is a second entry with the same value, after the first.
type name[T number] struct {
	text  string
	value T
}

type number interface{ ~int | ~uint64 }

// nameOf returns the name of v, or "kind(v)" when it has none.
func nameOf[T number](names []name[T], kind string, v T) string {
	for _, n := range names {
		if n.value == v {
			return n.text
		}
	}
	return fmt.Sprintf("%s(%d)", kind, v)
}

// flagNames returns the name of v, or those of its bits joined by |, and 0 for none.
// Bits without a name are added as one hexadecimal number.
func flagNames[T number](names []name[T], v T) string {
	if i := slices.IndexFunc(names, func(n name[T]) bool { return n.value == v }); i >= 0 {
		return names[i].text
	}
	var parts []string
	for _, n := range names {
		if n.value != 0 && v&n.value == n.value {
			parts = append(parts, n.text)
			v &^= n.value
		}
	}
	if v != 0 {
		parts = append(parts, fmt.Sprintf("%#x", uint64(v)))
	}
	if parts == nil {
		return "0"
	}
	return strings.Join(parts, "|")
}

// parseName finds a value by its name, in any case, with or without ZMQ_.
func parseName[T number](names []name[T], kind, text string) (T, error) {
	short := strings.TrimPrefix(strings.ToUpper(text), "ZMQ_")
	for _, n := range names {
		if n.text == short {
			return n.value, nil
		}
	}
	return 0, fmt.Errorf("no %s is named %q: %w", kind, text, ErrUnknownName)
}

// parseFlags is parseName for names joined by |; "0" stands for none.
func parseFlags[T number](names []name[T], kind, text string) (T, error) {
	if text == "0" {
		return 0, nil
	}
	var v T
	for part := range strings.SplitSeq(text, "|") {
		bit, err := parseName(names, kind, strings.TrimSpace(part))
		if err != nil {
			return 0, err
		}
		v |= bit
	}
	return v, nil
}

// An enumType lets an option's value be moved without knowing its Go type.
type enumType struct {
	wrap   func(int64) any
	unwrap func(any) (int64, bool)
	parse  func(string) (any, error)
}

func enumOf[T number](kind string, names []name[T]) enumType {
	return enumType{
		wrap:   func(n int64) any { return T(n) },
		unwrap: unwrapAs[T],
		parse:  func(text string) (any, error) { return parseName(names, kind, text) },
	}
}

func flagsOf[T number](kind string, names []name[T]) enumType {
	t := enumOf(kind, names)
	t.parse = func(text string) (any, error) { return parseFlags(names, kind, text) }
	return t
}

func unwrapAs[T number](v any) (int64, bool) {
	n, ok := v.(T)
	return int64(n), ok
}
