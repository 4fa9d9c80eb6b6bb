package sock

import (
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq/zmqio/internal/testkit"
)

func ownedCount() int {
	owned.RLock()
	defer owned.RUnlock()
	return len(owned.sockets)
}

func TestOneOwner(t *testing.T) {
	z, other := new(zmq4.Socket), new(zmq4.Socket)
	before := ownedCount()
	called := false
	switch {
	case !Claim(z) || Claim(z):
		t.Fatal("two owners, or none")
	case !Claim(other):
		t.Fatal("the other socket has an owner")
	case IfUnowned(z, func() { called = true }) || called:
		t.Fatal("a call without its owner")
	}
	Disclaim(z)
	if !IfUnowned(z, func() { called = true }) || !called || !Claim(z) {
		t.Fatal("a socket that was given back")
	}
	Disclaim(z)
	Disclaim(other)
	if n := ownedCount(); n != before {
		t.Errorf("%d owned, %d before", n, before)
	}
}

// No caller can claim a socket during a call of IfUnowned.
func TestNoClaimDuringACall(t *testing.T) {
	z := new(zmq4.Socket)
	claimed := make(chan bool)
	IfUnowned(z, func() {
		go func() { claimed <- Claim(z) }()
		for range 1000 {
			runtime.Gosched()
			if owned.TryLock() {
				t.Error("a claim could have gone on")
				owned.Unlock()
				return
			}
		}
	})
	if !<-claimed {
		t.Error("not claimed afterwards")
	}
	Disclaim(z)
}

// owned forgets a socket whose owner never gave it up.
func TestOwnedSocketIsCollected(t *testing.T) {
	before := ownedCount()
	z := new(zmq4.Socket)
	if !Claim(z) {
		t.Fatal("not claimed")
	}
	collected := weak.Make(z)
	runtime.KeepAlive(z)
	z = nil
	for ctx := testkit.Bounded(t, time.Minute); ctx.Err() == nil; { // the cleanup runs after a collection, on its own goroutine
		if runtime.GC(); collected.Value() == nil && ownedCount() == before {
			return
		}
	}
	t.Errorf("collected: %t, %d owned, %d before", collected.Value() == nil, ownedCount(), before)
}
