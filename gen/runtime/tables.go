package zmq

import (
	"errors"
	"math"
)

// The declarations below are what the generator makes from the spec. These small ones
// let the package compile and its tests run without it.

const (
	EAGAIN   Errno = 11
	EFAULT   Errno = 14
	EINVAL   Errno = 22
	ETERM    Errno = 156384765
	ENOTSOCK Errno = 88
)

var errClass = errors.New("a class")

var errnoTable = []errnoEntry{
	{EAGAIN, "EAGAIN", "Resource temporarily unavailable", []*error{&errClass}},
	{EINVAL, "EINVAL", "Invalid argument", nil},
}

type SocketType int

const (
	REQ SocketType = 3
	REP SocketType = 4
)

var enumSocketType = enum[SocketType]{typ: "SocketType", what: "socket type", names: []name[SocketType]{{"REQ", REQ}, {"REP", REP}}}

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

var enumTrait = enum[Trait]{typ: "Trait", what: "trait", flags: true, names: []name[Trait]{{"TALL", TALL}, {"WIDE", WIDE}}}

func (v Trait) String() string { return enumTrait.text(v) }

type Event uint64

const (
	OPENED  Event = 1
	FAILED  Event = 2
	WAITS   Event = 4
	BROKEN  Event = 8
	REFUSED Event = 16
	OVER    Event = 32
)

var enumEvent = enum[Event]{flags: true, names: []name[Event]{{"OPENED", OPENED}, {"FAILED", FAILED}, {"OVER", OVER}}}

func (v Event) String() string { return enumEvent.text(v) }

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

var enumProtocolError = enum[ProtocolError]{typ: "ProtocolError", names: []name[ProtocolError]{{"RUDE", RUDE}}}

func (v ProtocolError) String() string { return enumProtocolError.text(v) }

const (
	TRAITS Option = 1
	TYPE   Option = 16
)

var optionTable = []OptionInfo{
	{Option: TRAITS, Name: "TRAITS", Kind: KindFlags, Type: "Trait", enum: &enumTrait, Set: true, Clear: "value"},
	{Option: TYPE, Name: "TYPE", Kind: KindEnum, Type: "SocketType", enum: &enumSocketType, Get: true},
}

func (s Sockopts) Type() (SocketType, error) { return get[SocketType](s, TYPE) }

func (s Sockopts) SetTraits(v Trait) error { return s.Set(TRAITS, v) }

func (s Sockopts) ClearTraits() error { return s.clear(TRAITS) }

const (
	THREADS ContextOption = 1
	LIMIT   ContextOption = 3
	WEIGHT  ContextOption = 3
	STRICT  ContextOption = 9
)

var contextTable = []contextEntry{
	{THREADS, "THREADS", true, true, 0, Version{3, 2, 1}},
	{LIMIT, "LIMIT", true, false, math.MinInt32, Version{4, 1, 0}},
	{WEIGHT, "WEIGHT", false, true, math.MinInt32, Version{4, 1, 0}},
	{STRICT, "STRICT", true, true, 0, Version{99, 1, 0}},
}

func (c Contextopts) Threads() (int, error) { return c.get(THREADS) }

func (c Contextopts) SetThreads(v int) error { return c.set(THREADS, v) }

func (c Contextopts) Limit() (int, error) { return c.get(LIMIT) }

func (c Contextopts) SetWeight(v int) error { return c.set(WEIGHT, v) }

func (c Contextopts) Strict() (bool, error) { return c.getBool(STRICT) }

func (c Contextopts) SetStrict(v bool) error { return c.setBool(STRICT, v) }

var pebbeHas []pebbeCapability
