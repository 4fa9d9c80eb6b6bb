package spec

import (
	"math/bits"
	"slices"
	"strings"
)

func (v validator) checkEnums() {
	for _, e := range v.Enums {
		v.declare(e.At("type"), e.Type, "enumeration "+e.Type)
		v.declare(e.At("type"), "Parse"+e.Type, "the parser of "+e.Type)
		if e.Was != "" {
			v.declare(e.At("was"), e.Was, "the former name of "+e.Type)
			v.declare(e.At("was"), "Parse"+e.Was, "the former parser of "+e.Type)
		}
		v.oneOf(e.Mark, "base", e.Base, "uint64")
		v.doc(e.Mark, "doc", e.Doc)
		names, numbers := newUnique[string](v, "name"), newUnique[int64](v, "value")
		for _, x := range e.Values {
			v.origin(x.Mark, x.Origin)
			v.doc(x.Mark, "doc", x.Doc)
			v.named(x.Mark, "name", x.Name)
			key := "name"
			if x.Go != "" {
				key = "go"
			}
			v.declare(x.At(key), x.GoName(), e.Type+" "+x.Name)
			if x.Go != "" { // else declare has reported it
				names.add(x.Mark, "name", x.Name, x.Name)
			}
			v.checkHistory(x)
			// A set of several flags may have two names, as EVENT_ALL has.
			if n := x.Last(); !e.Flags || bits.OnesCount64(uint64(n)) == 1 {
				numbers.add(x.Mark, x.valueKey(), n, x.Name)
			}
		}
		v.checkCarried(e)
	}
}

// checkCarried checks what monitor events carry. If one event says it, all must, so that none is
// forgotten.
func (v validator) checkCarried(e Enum) {
	monitored := slices.ContainsFunc(e.Values, func(x Value) bool { return x.Has("carries") })
	for _, x := range e.Values {
		v.oneOf(x.Mark, "carries", x.Carries, "fd", "errno", "interval", "protocol_error", "zap_status", "counts", "nothing")
		single := x.Value != nil && bits.OnesCount64(uint64(*x.Value)) == 1
		switch {
		case monitored && single && !x.Has("carries"):
			v.add(x.pos, "key \"carries\" is missing: %s is a monitor event", x.Name)
		case x.Has("carries") && !single:
			v.add(x.At("carries"), "%s is not a single event, so nothing comes with it", x.Name)
		}
	}
}

func (v validator) checkHistory(x Value) {
	if x.Has("value") == x.Has("history") {
		v.add(x.pos, "a value has either a value or a history")
	}
	if x.Value != nil {
		v.natural(x.Mark, "value", *x.Value)
	}
	if x.Has("history") && len(x.History) < 2 {
		v.add(x.At("history"), "a history has two entries or more")
	}
	if len(x.History) > 0 && x.History[0].Since != x.First() {
		v.add(x.History[0].At("since"), "the history of %s begins with %v, but the name with %v", x.Name, x.History[0].Since, x.First())
	}
	var last Version
	for _, c := range x.History {
		v.release(c.Mark, "since", c.Since)
		v.natural(c.Mark, "value", c.Value)
		if c.Since.Compare(last) <= 0 {
			v.add(c.At("since"), "%v does not come after %v", c.Since, last)
		}
		last = c.Since
	}
}

func (v validator) checkStrings() {
	for _, t := range v.Strings {
		v.declare(t.At("type"), t.Type, "type "+t.Type)
		v.doc(t.Mark, "doc", t.Doc)
		for _, x := range t.Values {
			v.origin(x.Mark, x.Origin)
			v.doc(x.Mark, "doc", x.Doc)
			v.named(x.Mark, "name", x.Name)
			v.declare(x.At("name"), x.Name, t.Type+" "+x.Name)
		}
	}
}

func (v validator) checkCapabilities() {
	names := newUnique[string](v, "name")
	for _, c := range v.Capabilities {
		v.origin(c.Mark, c.Origin)
		v.doc(c.Mark, "doc", c.Doc)
		names.add(c.Mark, "name", c.Name, c.Name)
		v.declare(c.At("go"), c.Const(), "capability "+c.Name)
		if c.Good("go") && !strings.EqualFold(c.Go, c.Name) {
			v.add(c.At("go"), "go is %q: write %s with other capitals", c.Go, c.Name)
		}
		if c.Pebbe != "" && !strings.EqualFold(c.Pebbe, "Has"+c.Name) {
			v.add(c.At("pebbe"), "pebbe is %q: write Has%s with other capitals", c.Pebbe, c.Name)
		}
	}
}

func (v validator) checkClasses() {
	names := newUnique[string](v, "name")
	for _, c := range v.Classes {
		names.add(c.Mark, "name", c.Name, c.Name)
		v.doc(c.Mark, "doc", c.Doc)
		switch {
		case c.Sentinel == "":
			v.declare(c.At("name"), "Err"+c.Name, "error class "+c.Name)
			if c.Text == "" || c.Doc == "" {
				v.add(c.pos, "a class without a sentinel needs text and doc")
			}
		case strings.LastIndexByte(c.Sentinel, '.') < 1:
			v.add(c.At("sentinel"), "%q is not a package and a name", c.Sentinel)
		case c.Text != "":
			v.add(c.At("text"), "text, but the sentinel has its own")
		}
		v.checkParents(c)
	}
}

func (v validator) checkParents(c Class) {
	seen := []string{c.Name}
	for name := c.Parent; name != ""; {
		i := slices.IndexFunc(v.Classes, func(other Class) bool { return other.Name == name })
		if i < 0 {
			v.add(c.At("parent"), "there is no class %q", name)
			return
		}
		if slices.Contains(seen, name) {
			v.add(c.At("parent"), "class %s is its own parent", name)
			return
		}
		seen = append(seen, name)
		name = v.Classes[i].Parent
	}
}

func (v validator) checkErrnos() {
	if len(v.Errnos) > 0 {
		v.taken["Errno"] = holder{what: "the error numbers"}
	}
	offsets := newUnique[int64](v, "offset")
	for _, e := range v.Errnos {
		v.origin(e.Mark, e.Origin)
		v.doc(e.Mark, "doc", e.Doc)
		v.declare(e.At("name"), e.Name, "errno "+e.Name)
		for _, key := range []string{"native", "fallback"} {
			offset := map[string]int64{"native": e.Native, "fallback": e.Fallback}[key]
			if e.Has(key) {
				offsets.add(e.Mark, key, offset, e.Name)
			}
			if e.Has(key) && offset < 1 {
				v.add(e.At(key), "an offset is 1 or more")
			}
		}
		if e.Has("native") == e.Has("numbers") {
			v.add(e.pos, "an errno has either a native offset or the systems' numbers")
		}
		for _, system := range sorted(e.Numbers) {
			v.oneOf(e.Mark, "numbers", system, "linux", "darwin", "freebsd", "windows")
			v.natural(e.Mark, "numbers", e.Numbers[system])
			if e.Good("numbers") && e.Numbers[system] == 0 {
				v.add(e.At("numbers"), "%s is 0 on %s, which is no error", e.Name, system)
			}
		}
		for i, name := range e.Is {
			if slices.Contains(e.Is[:i], name) {
				v.add(e.At("is"), "is has %s twice", name)
			}
			if !slices.ContainsFunc(v.Classes, func(c Class) bool { return c.Name == name }) {
				v.add(e.At("is"), "there is no class %q", name)
			}
		}
		for i, call := range e.Calls {
			if !slices.ContainsFunc(v.Calls, func(c Call) bool { return c.Name == call }) {
				v.add(e.At("calls"), "%q is no call of libzmq", call)
			}
			if slices.Contains(e.Calls[:i], call) {
				v.add(e.At("calls"), "calls has %s twice", call)
			}
		}
		if e.Good("calls") && len(e.Calls) == 0 {
			v.add(e.At("calls"), "calls is empty: what returns %s?", e.Name)
		}
	}
}

func (v validator) checkCalls() {
	names := newUnique[string](v, "name")
	for _, c := range v.Calls {
		v.origin(c.Mark, c.Origin)
		names.add(c.Mark, "name", c.Name, c.Name)
		if c.Good("name") && !strings.HasPrefix(c.Name, "zmq_") {
			v.add(c.At("name"), "%q is no call of libzmq: it does not begin with zmq_", c.Name)
		}
	}
}

func (v validator) checkIgnored() {
	names := newUnique[string](v, "name")
	defined := v.Names()
	for _, i := range v.Ignore {
		names.add(i.Mark, "name", i.Name, i.Name)
		if upper := strings.ToUpper(i.Name); i.Good("name") && !strings.HasPrefix(upper, "ZMQ_") && !strings.HasPrefix(i.Name, "E") {
			v.add(i.At("name"), "%q is no name of the header: it begins with ZMQ_, zmq_ or E", i.Name)
		}
		if _, ok := defined[i.Name]; ok {
			v.add(i.At("name"), "%s is in the spec, so it cannot be left out", i.Name)
		}
	}
}
