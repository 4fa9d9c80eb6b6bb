// Package ipc keeps connections over Unix domain sockets open for longer than libzmq
// does. A receiver whose queue is full takes the hang-up of its peer for an error, and
// libzmq there drops what the kernel still holds. A duplicate of the descriptor delays
// the hang-up until the receiver has read everything.
//
// The package works on Linux. Elsewhere it finds no connections.
package ipc

import (
	"path/filepath"
	"strings"
)

// An End is an end of connections: those that were accepted at a path, or those that
// were made to it.
type End struct {
	Path  string // "@" is the first byte of an abstract name
	Bound bool
}

// Parse returns the path in an endpoint of libzmq's ipc transport.
func Parse(endpoint string) (path string, ok bool) { return strings.CutPrefix(endpoint, "ipc://") }

// An ID tells open files of this process apart.
type ID struct{ dev, ino uint64 }

// Found is a connection of this process.
type Found struct {
	FD  int // of the process: it may be closed, and used again, at any time
	ID  ID
	End int // which of the ends it is of
}

// A pattern is what an address is compared with.
type pattern struct {
	exact string
	names [2]string // last elements of paths
}

func (e End) pattern() pattern {
	p := pattern{exact: e.Path}
	if e.Bound || strings.HasPrefix(e.Path, "@") {
		return p
	}
	// The kernel tells the address of a peer as the peer has bound it. The address may be
	// relative to a directory that is not known here.
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
