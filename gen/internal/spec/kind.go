package spec

import (
	"math"
	"slices"
)

// A Kind describes a kind of option value for the generator.
type Kind struct {
	Const   string // the constant of the generated package
	Go      string // the Go type; "" if the option's type key has it
	Min     int64  // of the C type, for numbers
	Max     int64
	Unit    bool // may have a unit
	Lengths bool // may have min_len and max_len
	GetOnly bool // cannot be set
}

// Kinds are the kinds of option values by their names in YAML.
var Kinds = map[string]Kind{
	"bool":      {Const: "KindBool", Go: "bool", Min: math.MinInt32, Max: math.MaxInt32},
	"int":       {Const: "KindInt", Go: "int", Min: math.MinInt32, Max: math.MaxInt32, Unit: true},
	"fd":        {Const: "KindFD", Go: "int", GetOnly: true},
	"uint32":    {Const: "KindUint32", Go: "uint32", Max: math.MaxUint32, Unit: true},
	"int64":     {Const: "KindInt64", Go: "int64", Min: math.MinInt64, Max: math.MaxInt64, Unit: true},
	"uint64":    {Const: "KindUint64", Go: "uint64", Max: math.MaxInt64, Unit: true},
	"duration":  {Const: "KindDuration", Go: "time.Duration", Min: math.MinInt32, Max: math.MaxInt32, Unit: true},
	"enum":      {Const: "KindEnum", Min: math.MinInt32, Max: math.MaxInt32},
	"flags":     {Const: "KindFlags", Min: math.MinInt32, Max: math.MaxInt32},
	"string":    {Const: "KindString", Go: "string", Lengths: true},
	"bytes":     {Const: "KindBytes", Go: "[]byte", Lengths: true},
	"curve_key": {Const: "KindCurveKey", Go: "CurveKey"},
}

// GoType is the type of the option's value in the generated package.
func (o Option) GoType() string {
	if t := Kinds[o.Kind].Go; t != "" {
		return t
	}
	return o.Type
}

// Range returns the numbers that libzmq accepts. ok is false if it accepts all of the C type.
func (o Option) Range() (lo, hi int64, ok bool) {
	if o.Min == nil {
		return 0, 0, false
	}
	hi = Kinds[o.Kind].Max
	if o.Max != nil {
		hi = *o.Max
	}
	return *o.Min, hi, true
}

// Can reports whether libzmq serves the access, "get" or "set".
func (o Option) Can(access string) bool { return slices.Contains(o.Access, access) }

// Can reports whether libzmq serves the access to a context option, "get" or "set".
func (c Context) Can(access string) bool { return slices.Contains(c.Access, access) }

// AliasFirst returns the first release with an alias. Most aliases were the name before.
func (o Option) AliasFirst(alias string) Version {
	if v, ok := o.AliasSince[alias]; ok {
		return v
	}
	return o.FirstServed()
}

// NeedsIn returns the capabilities that a build of a release needs to know the option. An option
// that has become stable needs no drafts.
func (o Option) NeedsIn(release Version) []string {
	stable := !o.Since.IsZero() && o.Since.Compare(release) <= 0
	return slices.DeleteFunc(slices.Clone(o.Needs), func(c string) bool { return c == "draft" && stable })
}

// FirstServed returns the first release that knows the option's number.
func (o Option) FirstServed() Version {
	if o.Served.IsZero() {
		return o.First()
	}
	return o.Served
}
