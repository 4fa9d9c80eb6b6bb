package zap

import (
	"context"
	"maps"
	"sync"

	"github.com/zmqio/zmq"
)

// Keys is a store in memory of the public keys of the CURVE clients that may connect. The zero
// value is empty. All methods are safe for concurrent use.
type Keys struct {
	mu    sync.RWMutex
	of    map[zmq.CurveKey]Identity
	names map[string]bool // metadata names that any key has or had
}

// Add lets in the client that has the secret key to key, as who says. Without a UserID, the
// user id is the key's text. A key that was there gets the new Identity, but not for
// connections that stand. If libzmq cannot carry who, the client is refused.
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
		if checkName(name) == nil { // else that Identity alone is refused
			k.names[name] = true
		}
	}
}

// Remove removes a key, and reports whether it was there. Connections that stand remain.
func (k *Keys) Remove(key zmq.CurveKey) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, ok := k.of[key]
	delete(k.of, key)
	return ok
}

// successor returns an empty store that knows the metadata names of k.
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

// Authenticate is a Handler that lets in CURVE clients whose keys are in the store, and denies
// all other peers. A name of metadata that only other keys have or had gets "" as its value.
// Otherwise the peer could set that name itself.
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
