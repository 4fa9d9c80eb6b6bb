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
	{typ: REQ, canSend: true, canReceive: true, peers: []SocketType{REP}},
	{typ: REP, canSend: true, canReceive: true, peers: []SocketType{REQ}},
}

const TYPE Option = 16

var optionTable = []OptionInfo{
	{Option: TYPE, Name: "TYPE", Kind: KindEnum, Type: "SocketType", Get: true},
}

var enumTypes = map[string]enumType{"SocketType": enumOf("socket type", socketTypeNames)}

var pebbeHas = map[Capability]func() bool{}
