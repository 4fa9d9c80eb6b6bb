package zmq

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// An Option is the number of a socket option.
type Option int

// A Kind is the type of an option's value.
type Kind int

// The kinds, each with the Go type of its values. Those of an enumeration or a flag set
// have a type of their own, which OptionInfo.Type names.
const (
	KindBool     Kind = iota + 1 // bool
	KindInt                      // int
	KindUint32                   // uint32
	KindInt64                    // int64
	KindUint64                   // uint64
	KindDuration                 // time.Duration
	KindString                   // string
	KindBytes                    // []byte
	KindCurveKey                 // CurveKey
	KindFD                       // int, a file descriptor
	KindEnum                     // OptionInfo.Type
	KindFlags                    // OptionInfo.Type
)

// A Status says whether libzmq promises to keep an option.
type Status int

// Stable options stay, draft ones exist only in some builds and may change, deprecated
// ones have a better replacement.
const (
	Stable Status = iota
	Draft
	Deprecated
)

// OptionInfo holds the facts about a socket option on which a program can act. The option's
// method of Sockopts documents the rest. Do not change an OptionInfo.
type OptionInfo struct {
	Option Option
	Name   string // libzmq's, without ZMQ_
	Method string // the name of its methods of Sockopts: Method, SetMethod, ClearMethod
	// Aliases are other names that libzmq has for it, without ZMQ_.
	Aliases []string
	Status  Status
	Kind    Kind
	Type    string // the Go type of the value, without the package
	enum    anyEnum
	Unit    string // libzmq's, "ms" or "bytes" for example; empty if the value has no unit
	// Step is the number of units that libzmq rounds down to; 0 means 1.
	Step int

	// Get and Set say whether libzmq lets a program read and set the option. GetTypes and
	// SetTypes are the types of sockets that have it; nil means all types.
	Get, Set           bool
	GetTypes, SetTypes []SocketType

	// Default is the value of a new socket in text, as SetText reads it. Some socket types
	// have another one, which DefaultFor knows. HasDefault is false for an option that only
	// shows a state.
	HasDefault bool
	Default    string
	defaults   []typeDefault

	// Min and Max are the numbers that libzmq takes, in its unit. They are equal where
	// it takes every number of the kind.
	Min, Max int64
	// MinLen and MaxLen are the lengths in bytes that libzmq takes; MaxLen 0 is no limit.
	MinLen, MaxLen int
	// Clear says what setting NULL does. "value" means that it removes the value, and
	// "mechanism" that only the security mechanism becomes NULL. It is empty if libzmq
	// refuses NULL.
	Clear string
	// Unchecked says that libzmq does not check the length of a value.
	Unchecked bool
	// Secret says that the value is a key or a password, which no log and no page may show.
	Secret  bool
	Example string // a legal value in text; empty where Min, Max or Kind show one

	Served Version      // the first release that knows the number
	Needs  []Capability // what a build needs to know the option; see NeedsIn
	stable Version      // the first release that knows it without drafts
}

// NeedsIn returns the capabilities of Needs that a build of a release needs to know the option.
// An option that has become stable needs no drafts.
func (info OptionInfo) NeedsIn(release Version) []Capability {
	stable := info.stable != Version{} && info.stable.Compare(release) <= 0
	return slices.DeleteFunc(slices.Clone(info.Needs), func(c Capability) bool { return c == "draft" && stable })
}

// A typeDefault is the default of an option on one type of socket.
type typeDefault struct {
	typ  SocketType
	text string
}

// Options returns every socket option of the spec, in the order of their numbers.
func Options() []Option {
	list := make([]Option, len(optionTable))
	for i, info := range optionTable {
		list[i] = info.Option
	}
	return list
}

func (o Option) info() *OptionInfo {
	i, ok := slices.BinarySearchFunc(optionTable, o, func(info OptionInfo, o Option) int {
		return cmp.Compare(info.Option, o)
	})
	if !ok {
		return nil
	}
	return &optionTable[i]
}

// Info returns what the spec says about the option. For a number that the spec does not have,
// only Option and Name are set.
func (o Option) Info() OptionInfo {
	if info := o.info(); info != nil {
		return *info
	}
	return OptionInfo{Option: o, Name: o.String()}
}

// String returns libzmq's name without ZMQ_, as in "SNDHWM".
func (o Option) String() string {
	if info := o.info(); info != nil {
		return info.Name
	}
	return fmt.Sprintf("Option(%d)", int(o))
}

// ParseOption finds an option by libzmq's name, in any case, with or without ZMQ_.
// Aliases are known too.
func ParseOption(name string) (Option, error) {
	return parseName(optionNames(), "socket option", name)
}

func optionNames() []name[Option] {
	var names []name[Option]
	for _, info := range optionTable {
		names = append(names, name[Option]{info.Name, info.Option})
		for _, alias := range info.Aliases {
			names = append(names, name[Option]{alias, info.Option})
		}
	}
	return names
}

// DefaultFor returns the value of the option on a new socket of a type, with the Go type
// that Sockopts.Get has. It is false where there is none to tell.
func (info OptionInfo) DefaultFor(t SocketType) (value any, ok bool) {
	if !info.HasDefault {
		return nil, false
	}
	text := info.Default
	for _, d := range info.defaults {
		if d.typ == t {
			text = d.text
		}
	}
	if info.Kind == KindCurveKey && text == "" {
		return CurveKey{}, true
	}
	value, err := info.parse(text)
	return value, err == nil
}

// Range returns what libzmq takes, as in "0 to 2147483647 ms" or "1 to 255 bytes", and
// "" where it takes every value of the kind.
func (info OptionInfo) Range() string {
	switch {
	case info.MaxLen > 0:
		return fmt.Sprintf("%d to %d bytes", info.MinLen, info.MaxLen)
	case info.MinLen == 1:
		return "1 byte or more"
	case info.MinLen > 0:
		return fmt.Sprintf("%d bytes or more", info.MinLen)
	case info.Min == info.Max:
		return ""
	}
	return strings.TrimSpace(fmt.Sprintf("%d to %d %s", info.Min, info.Max, info.Unit))
}

// unit is libzmq's unit of time for the option.
func (info *OptionInfo) unit() time.Duration {
	d, err := time.ParseDuration("1" + info.Unit)
	if err != nil {
		panic(err) // the generator lets no other unit through
	}
	return d
}

// explain adds to libzmq's refusal of the option what is known about the cause. What the
// running library is too old for, was built without, or never serves is
// errors.ErrUnsupported too.
func (s Sockopts) explain(verb string, info *OptionInfo, err error) error {
	failed := fmt.Errorf("%s %s: %w", verb, info.Name, err)
	if !errors.Is(err, EINVAL) {
		return failed
	}
	served, types := info.Get, info.GetTypes
	if verb == "set" {
		served, types = info.Set, info.SetTypes
	}
	need := requirement{since: info.Served, capabilities: info.NeedsIn(runningVersion())}
	if why := need.unmet(); why != "" {
		return fmt.Errorf("%w (%w: %s)", failed, errors.ErrUnsupported, why)
	}
	if !served {
		return fmt.Errorf("%w (%w: no libzmq lets a program %s it)", failed, errors.ErrUnsupported, verb)
	}
	if t, ok := s.socketType(); ok && types != nil && !slices.Contains(types, t) {
		return fmt.Errorf("%w (this socket is %v; allowed: %v)", failed, t, types)
	}
	if allowed := info.Range(); allowed != "" && verb == "set" {
		return fmt.Errorf("%w (allowed: %s)", failed, allowed)
	}
	return failed
}

// socketType asks the socket for its type.
func (s Sockopts) socketType() (SocketType, bool) {
	var buf [4]byte
	n, err := s.GetRaw(TYPE, buf[:])
	if err != nil {
		return 0, false
	}
	v, err := TYPE.info().decode(buf[:n])
	t, ok := v.(SocketType)
	return t, ok && err == nil
}
