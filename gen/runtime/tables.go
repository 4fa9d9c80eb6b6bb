package zmq

import "errors"

// The declarations below are what the generator makes from the spec. These small ones
// let the package compile and its tests run without it.

const (
	EAGAIN   Errno = 11
	EINVAL   Errno = 22
	ETERM    Errno = 156384765
	ENOTSOCK Errno = 88
)

var errClass = errors.New("a class")

var errnoTable = []errnoEntry{
	{EAGAIN, "EAGAIN", "Resource temporarily unavailable", []error{errClass}},
	{EINVAL, "EINVAL", "Invalid argument", nil},
}

type SocketType int

const (
	REQ SocketType = 3
	REP SocketType = 4
)

var socketTypeNames = []name[SocketType]{{"REQ", REQ}, {"REP", REP}}

var socketTypeTable = []socketTypeEntry{
	{
		info:         SocketTypeInfo{Type: REQ, Since: Version{3, 1, 0}, CanSend: true, CanReceive: true, Peers: []SocketType{REP}},
		refusal:      []rule[Refusal]{{Version{3, 1, 0}, "headless"}, {Version{4, 3, 1}, "requests"}},
		subscribes:   []rule[Subscription]{{Version{4, 2, 0}, "option"}},
		eager:        Version{3, 1, 0},
		connectsOnce: Version{4, 1, 0},
	},
	{info: SocketTypeInfo{Type: REP, Since: Version{3, 1, 0}, CanSend: true, CanReceive: true, Peers: []SocketType{REQ}}},
}

type Trait int

const (
	TALL Trait = 1
	WIDE Trait = 2
)

var namesOfTrait = []name[Trait]{{"TALL", TALL}, {"WIDE", WIDE}}

func (v Trait) String() string { return flagNames(namesOfTrait, v) }

type Event uint64

const (
	OPENED  Event = 1
	FAILED  Event = 2
	WAITS   Event = 4
	BROKEN  Event = 8
	REFUSED Event = 16
	OVER    Event = 32
)

func (v Event) String() string {
	return flagNames([]name[Event]{{"OPENED", OPENED}, {"FAILED", FAILED}, {"OVER", OVER}}, v)
}

var monitorTable = []monitorEntry{
	{OPENED, "fd", Version{4, 1, 0}},
	{FAILED, "errno", Version{4, 1, 0}},
	{WAITS, "interval", Version{4, 1, 0}},
	{BROKEN, "protocol_error", Version{4, 1, 0}},
	{REFUSED, "zap_status", Version{4, 1, 0}},
	{OVER, "nothing", Version{99, 1, 0}},
}

type ProtocolError int

const RUDE ProtocolError = 7

func (v ProtocolError) String() string {
	return nameOf([]name[ProtocolError]{{"RUDE", RUDE}}, "ProtocolError", v)
}

var enumTypes = map[string]enumType{
	"SocketType": enumOf("socket type", socketTypeNames),
	"Trait":      flagsOf("trait", namesOfTrait),
}

const (
	TRAITS Option = 1
	TYPE   Option = 16
)

var optionTable = []OptionInfo{
	{Option: TRAITS, Name: "TRAITS", Kind: KindFlags, Type: "Trait", Set: true, Clear: "value"},
	{Option: TYPE, Name: "TYPE", Kind: KindEnum, Type: "SocketType", Get: true},
}

func (s Sockopts) Type() (SocketType, error) { return get[SocketType](s, TYPE) }

func (s Sockopts) SetTraits(v Trait) error { return s.Set(TRAITS, v) }

func (s Sockopts) ClearTraits() error { return s.clear(TRAITS) }

var pebbeHas = map[Capability]func() bool{}
