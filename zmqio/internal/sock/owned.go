package sock

import (
	"runtime"
	"sync"
	"weak"

	"github.com/pebbe/zmq4"
)

// owned has the sockets of the process that have an owner. It holds them weakly, so that an owner
// that is forgotten without a close does not keep its socket.
var owned struct {
	sync.RWMutex
	sockets map[weak.Pointer[zmq4.Socket]]runtime.Cleanup // the Cleanup removes the entry of a collected socket
}

// Claim makes the caller the owner of z, and reports whether z had none. It waits for a call of
// IfUnowned in progress.
func Claim(z *zmq4.Socket) bool {
	key := weak.Make(z)
	owned.Lock()
	defer owned.Unlock()
	if _, taken := owned.sockets[key]; taken {
		return false
	}
	if owned.sockets == nil {
		owned.sockets = make(map[weak.Pointer[zmq4.Socket]]runtime.Cleanup)
	}
	owned.sockets[key] = runtime.AddCleanup(z, dropOwned, key)
	return true
}

// Disclaim gives z up. The owner calls it once, after its last call on z.
func Disclaim(z *zmq4.Socket) {
	key := weak.Make(z)
	owned.Lock()
	defer owned.Unlock()
	owned.sockets[key].Stop()
	delete(owned.sockets, key)
}

func dropOwned(key weak.Pointer[zmq4.Socket]) {
	owned.Lock()
	defer owned.Unlock()
	delete(owned.sockets, key)
}

// IfUnowned calls fn and returns true if z has no owner. No caller can claim z before fn has
// returned. fn must not call Claim, Disclaim or IfUnowned.
func IfUnowned(z *zmq4.Socket, fn func()) bool {
	owned.RLock()
	defer owned.RUnlock()
	if _, taken := owned.sockets[weak.Make(z)]; taken {
		return false
	}
	fn()
	return true
}
