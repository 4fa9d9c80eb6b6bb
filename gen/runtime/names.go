package zmq

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrUnknownName reports a name or a number that the spec does not have.
var ErrUnknownName = errors.New("unknown name")

// An enum holds the names of the values of an enumeration or, with flags, of a set. The
// linker lays it out, and leaves out the enums of types that a program does not print or parse.
type enum[T number] struct {
	typ, what string // the Go type, and what errors call a value
	flags     bool
	names     []name[T]
	changing  []changing[T]
}

type number interface{ ~int | ~uint64 }

// A name is a value of an enumeration and what libzmq's header calls it, without ZMQ_.
// An alias is a second entry with the same value, after the first.
type name[T number] struct {
	text  string
	value T
}

// A changing name has another value in another release of libzmq.
type changing[T number] struct {
	text  string
	value func() T
}

// all returns the names as they hold for the running libzmq.
func (e *enum[T]) all() []name[T] {
	names := slices.Clip(e.names)
	for _, c := range e.changing {
		names = append(names, name[T]{c.text, c.value()})
	}
	return names
}

// text returns the name of v. A value without a name is "Type(v)". A set without a name is
// the names of its bits joined by |; bits without a name are one hexadecimal number.
func (e *enum[T]) text(v T) string {
	names := e.all()
	if i := slices.IndexFunc(names, func(n name[T]) bool { return n.value == v }); i >= 0 {
		return names[i].text
	}
	if !e.flags {
		return fmt.Sprintf("%s(%d)", e.typ, v)
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

// parse finds a value by its name, in any case, with or without ZMQ_. For a set it takes
// names joined by |; "0" is the empty set.
func (e *enum[T]) parse(text string) (T, error) {
	if !e.flags {
		return parseName(e.all(), e.what, text)
	}
	if text == "0" {
		return 0, nil
	}
	var v T
	for part := range strings.SplitSeq(text, "|") {
		bit, err := parseName(e.all(), e.what, strings.TrimSpace(part))
		if err != nil {
			return 0, err
		}
		v |= bit
	}
	return v, nil
}

func parseName[T number](names []name[T], what, text string) (T, error) {
	short := strings.TrimPrefix(strings.ToUpper(text), "ZMQ_")
	for _, n := range names {
		if n.text == short {
			return n.value, nil
		}
	}
	return 0, fmt.Errorf("no %s is named %q: %w", what, text, ErrUnknownName)
}

// An anyEnum is an enum for code that moves an option's value without knowing its Go type.
type anyEnum interface {
	wrap(n int64) any
	unwrap(v any) (n int64, ok bool)
	parseAny(text string) (any, error)
}

func (e *enum[T]) wrap(n int64) any { return T(n) }

func (e *enum[T]) unwrap(v any) (int64, bool) {
	n, ok := v.(T)
	return int64(n), ok
}

func (e *enum[T]) parseAny(text string) (any, error) { return e.parse(text) }
