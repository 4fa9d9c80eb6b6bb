package zmq

import (
	"errors"
	"fmt"
	"slices"
)

type socketTypeEntry struct {
	typ                 SocketType
	draft, threadSafe   bool
	canSend, canReceive bool
	peers               []SocketType
	since               Version
}

func (t SocketType) entry() socketTypeEntry {
	i := slices.IndexFunc(socketTypeTable, func(e socketTypeEntry) bool { return e.typ == t })
	if i < 0 {
		return socketTypeEntry{typ: t}
	}
	return socketTypeTable[i]
}

// String returns libzmq's name without ZMQ_, as in "DEALER".
func (t SocketType) String() string { return nameOf(socketTypeNames, "SocketType", t) }

// ParseSocketType finds a socket type by libzmq's name, in any case, with or without
// ZMQ_. The aliases XREQ and XREP are known too.
func ParseSocketType(name string) (SocketType, error) {
	return parseName(socketTypeNames, "socket type", name)
}

// SocketTypes returns every socket type, in the order of their numbers.
func SocketTypes() []SocketType {
	types := make([]SocketType, len(socketTypeTable))
	for i, e := range socketTypeTable {
		types[i] = e.typ
	}
	return types
}

// Draft reports whether libzmq calls the type a draft. Every build makes such sockets, but
// one without CapabilityDraft aborts the process when a thread-safe one of them shakes hands
// with a peer over a network or ipc.
func (t SocketType) Draft() bool { return t.entry().draft }

// ThreadSafe reports whether libzmq lets several threads use such a socket at once.
// These types have no ZMQ_FD and no multipart messages.
func (t SocketType) ThreadSafe() bool { return t.entry().threadSafe }

// CanSend reports whether an application may send on such a socket.
func (t SocketType) CanSend() bool { return t.entry().canSend }

// CanReceive reports whether an application may receive on such a socket. What an XPUB
// or an XSUB gets from its peers counts.
func (t SocketType) CanReceive() bool { return t.entry().canReceive }

// CompatibleWith reports whether libzmq lets a socket of this type talk to a peer of the
// other. A STREAM talks to raw TCP, not to another ZeroMQ socket.
func (t SocketType) CompatibleWith(peer SocketType) bool {
	return slices.Contains(t.entry().peers, peer)
}

// Explain adds what the running libzmq lacks to an EINVAL from creating a socket of this
// type: the error is then errors.ErrUnsupported too. Any other error comes back unchanged.
func (t SocketType) Explain(err error) error {
	if !errors.Is(err, EINVAL) {
		return err
	}
	why := requirement{since: t.entry().since}.unmet()
	if why == "" {
		return err
	}
	return fmt.Errorf("%v: %w (%w: %s)", t, err, errors.ErrUnsupported, why)
}
