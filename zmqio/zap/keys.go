package zap

import (
	"context"
	"maps"
	"sync"

	"github.com/zmqio/zmq"
)

// Keys is a store of the public keys of the CURVE clients that may come in, in memory. The zero
// value is empty. Its methods may be called from every goroutine.
type Keys struct {
	mu    sync.RWMutex
	of    map[zmq.CurveKey]Identity
	names map[string]bool // of the metadata that any key has or had
}

// Add lets the client in that has the secret key to key, as who the Identity says. Without a
// UserID that is the key's text. A key that was there gets the new Identity. Connections that
// stand keep theirs. An Identity that libzmq cannot carry lets the client not in.
func (k *Keys) Add(key zmq.CurveKey, who Identity) {
	if who.UserID == "" {
		who.UserID = key.String()
	}
	who.Metadata = maps.Clone(who.Metadata)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.of == nil {
		k.of = make(map[zmq.CurveKey]Identity)
	}
	if k.names == nil {
		k.names = make(map[string]bool)
	}
	k.of[key] = who
	for name := range who.Metadata {
		if checkName(name) == nil { // else the Identity is refused, and not those of others
			k.names[name] = true
		}
	}
}

// Remove takes a key out, and reports whether it was there. Connections that stand remain.
func (k *Keys) Remove(key zmq.CurveKey) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, ok := k.of[key]
	delete(k.of, key)
	return ok
}

// successor returns an empty store that knows the names of metadata that k knows.
func (k *Keys) successor() *Keys {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return &Keys{names: maps.Clone(k.names)}
}

// Len returns the number of keys.
func (k *Keys) Len() int {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return len(k.of)
}

// Authenticate is a Handler: it lets CURVE clients in whose keys are in the store, and denies
// everything else. Metadata that only other keys have, or had, is "": a peer can set itself what
// is not there, and what a removed key had may still mean something to a service.
func (k *Keys) Authenticate(_ context.Context, r Request) (Identity, error) {
	if r.Mechanism != zmq.CURVE {
		return Identity{}, ErrDenied
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	who, ok := k.of[r.PublicKey]
	if !ok {
		return Identity{}, ErrDenied
	}
	return who.reserve(maps.Keys(k.names)), nil
}
