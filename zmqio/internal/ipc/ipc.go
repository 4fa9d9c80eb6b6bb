// Package ipc keeps connections over Unix domain sockets open for longer than libzmq does. If a
// peer hangs up while a receiver's queue is full, libzmq takes the hang-up for an error. It then
// drops the bytes that the kernel still holds. A duplicate of the descriptor delays the hang-up
// until the receiver has read everything.
//
// The package works on Linux. Elsewhere it finds no connections.
package ipc

import (
	"path/filepath"
	"strings"
)

// An End is one side of connections: those that were accepted at a path, or those that were made to
// it.
type End struct {
	Path  string // an abstract name begins with "@"
	Bound bool
}

// Parse returns the path in an endpoint of libzmq's ipc transport.
func Parse(endpoint string) (path string, ok bool) { return strings.CutPrefix(endpoint, "ipc://") }

// An ID identifies an open file of this process.
type ID struct{ dev, ino uint64 }

// Found is a connection of this process.
type Found struct {
	FD  int // the process may close and reuse it at any time
	ID  ID
	End int // index of its End
}

// A pattern is compared with socket addresses.
type pattern struct {
	exact string
	names [2]string // last elements of the path, as given and resolved
}

func (e End) pattern() pattern {
	p := pattern{exact: e.Path}
	if e.Bound || strings.HasPrefix(e.Path, "@") {
		return p
	}
	// The kernel returns the address of a peer as the peer has bound it. The address may be
	// relative to the peer's directory, which is unknown here.
	p.names[0] = filepath.Base(e.Path)
	if resolved, err := filepath.EvalSymlinks(e.Path); err == nil {
		p.names[1] = filepath.Base(resolved)
	}
	return p
}

func (p pattern) matches(address string) bool {
	if address == p.exact {
		return true
	}
	if p.names[0] == "" || strings.HasPrefix(address, "@") {
		return false
	}
	name := filepath.Base(address)
	return name == p.names[0] || name == p.names[1]
}
