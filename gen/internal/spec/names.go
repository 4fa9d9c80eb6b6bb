package spec

// GoName is the name of the value's constant.
func (v Value) GoName() string {
	if v.Go != "" {
		return v.Go
	}
	return v.Name
}

// Last returns the number of the value in the last release.
func (v Value) Last() int64 {
	switch {
	case v.Value != nil:
		return *v.Value
	case len(v.History) > 0:
		return v.History[len(v.History)-1].Value
	}
	return 0
}

// valueKey returns the key that has the number.
func (v Value) valueKey() string {
	if v.Value == nil {
		return "history"
	}
	return "value"
}

// MonitorEvents returns the values of all enumerations that a monitor reports singly.
func (s *Spec) MonitorEvents() []Value {
	var events []Value
	for _, e := range s.Enums {
		for _, v := range e.Values {
			if v.Carries != "" {
				events = append(events, v)
			}
		}
	}
	return events
}

// GoName is the name of the option's constant.
func (c Context) GoName() string {
	if c.Go != "" {
		return c.Go
	}
	return c.Name
}

// Const is the name of the capability's constant.
func (c Capability) Const() string { return "Capability" + c.Go }

// A HeaderName is a name of zmq.h according to the spec.
type HeaderName struct {
	At     Pos
	Origin Origin
	Values []HeaderValue // more than one if releases differ
	Text   string        // the value, if it is a string
	Errno  bool          // the system may have its own number
	Call   bool          // a function, which has no value
}

// A HeaderValue is the number of a name from a release on.
type HeaderValue struct {
	Since Version
	Value int64
}

// Hausnumero is the base of libzmq's own error numbers.
const Hausnumero = 156384712

// Names returns the names of zmq.h that the spec has.
func (s *Spec) Names() map[string]HeaderName {
	names := make(map[string]HeaderName)
	number := func(m Mark, o Origin, name string, value int64) {
		names["ZMQ_"+name] = HeaderName{At: m.At("name"), Origin: o, Values: []HeaderValue{{o.First(), value}}}
	}
	for _, t := range s.SocketTypes {
		for _, name := range append([]string{t.Name}, t.Aliases...) {
			number(t.Mark, t.Origin, name, t.Number)
		}
	}
	for _, o := range s.Options {
		number(o.Mark, o.Origin, o.Name, o.Number)
		for _, alias := range o.Aliases {
			number(o.Mark, Origin{Since: o.AliasFirst(alias)}, alias, o.Number)
		}
	}
	for _, c := range s.Contexts {
		number(c.Mark, c.Origin, c.Name, c.Number)
	}
	for _, e := range s.Enums {
		for _, v := range e.Values {
			name := HeaderName{At: v.At("name"), Origin: v.Origin}
			for _, c := range v.History {
				name.Values = append(name.Values, HeaderValue{c.Since, c.Value})
			}
			if v.Value != nil {
				name.Values = []HeaderValue{{v.First(), *v.Value}}
			}
			names["ZMQ_"+v.Name] = name
		}
	}
	for _, t := range s.Strings {
		for _, v := range t.Values {
			names["ZMQ_"+v.Name] = HeaderName{At: v.At("name"), Origin: v.Origin, Text: v.String}
		}
	}
	for _, c := range s.Calls {
		names[c.Name] = HeaderName{At: c.At("name"), Origin: c.Origin, Call: true}
	}
	for _, e := range s.Errnos {
		offset, system := e.Native, e.Native == 0
		if system {
			offset = e.Fallback
		}
		if offset != 0 {
			names[e.Name] = HeaderName{
				At: e.At("name"), Origin: e.Origin, Errno: system,
				Values: []HeaderValue{{e.First(), Hausnumero + offset}},
			}
		}
	}
	return names
}
