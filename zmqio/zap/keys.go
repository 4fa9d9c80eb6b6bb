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
	names map[string]int // of metadata, and how many keys have it
}

// Add lets the client in that has the secret key to key, as who the Identity says. Without a
// UserID that is the key's text. A key that was there gets the new Identity. Connections that
// stand keep theirs.
func (k *Keys) Add(key zmq.CurveKey, who Identity) {
	if who.UserID == "" {
		who.UserID = key.String()
	}
	who.Metadata = maps.Clone(who.Metadata)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.of == nil {
		k.of, k.names = make(map[zmq.CurveKey]Identity), make(map[string]int)
	}
	k.countLocked(k.of[key], -1)
	k.of[key] = who
	k.countLocked(who, 1)
}

// Remove takes a key out, and reports whether it was there. Connections that stand remain.
func (k *Keys) Remove(key zmq.CurveKey) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	who, ok := k.of[key]
	k.countLocked(who, -1)
	delete(k.of, key)
	return ok
}

// countLocked counts the names of metadata. Caller holds k.mu.
func (k *Keys) countLocked(who Identity, n int) {
	for name := range who.Metadata {
		if k.names[name] += n; k.names[name] == 0 {
			delete(k.names, name)
		}
	}
}

// Len returns the number of keys.
func (k *Keys) Len() int {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return len(k.of)
}

// Authenticate is a Handler: it lets CURVE clients in whose keys are in the store, and denies
// everything else. Metadata that only other keys have is "".
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
	metadata := make(map[string]string, len(k.names))
	for name := range k.names {
		metadata[name] = who.Metadata[name]
	}
	return Identity{who.UserID, metadata}, nil
}
