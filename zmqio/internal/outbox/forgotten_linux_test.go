package outbox

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/zmqio/zmq/zmqio/internal/testkit"
)

// resident returns the memory of the process, in bytes.
func resident(t *testing.T) (bytes int) {
	t.Helper()
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var total, pages int
	if _, err := fmt.Sscan(string(statm), &total, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// The garbage collector frees the large messages of an Outbox that Gather filled and the program
// forgot.
func TestForgottenOutboxIsFreed(t *testing.T) {
	const size, rounds = 8 << 20, 64
	msg := [][]byte{make([]byte, size)}
	before := resident(t)
	for range rounds {
		new(Outbox).Gather(msg, size)
		runtime.GC()
	}
	// The runtime frees them on a goroutine of its own, after a collection.
	ctx := testkit.Bounded(t, time.Minute)
	for grown := resident(t) - before; grown > rounds*size/4; grown = resident(t) - before {
		if ctx.Err() != nil {
			t.Fatalf("%d MiB are resident, of %d MiB in forgotten messages", grown>>20, rounds*size>>20)
		}
		runtime.GC()
	}
}

// Messages that were sent or dropped are freed once.
func TestGatheredMessagesAreFreedOnce(t *testing.T) {
	msg := [][]byte{make([]byte, BatchBytes), make([]byte, BatchBytes)}
	for range 100 {
		var o, other Outbox
		for range 3 {
			o.Gather(msg, 2*BatchBytes)
		}
		other.Take(&o)
		other.DropFirst()
		o.DropFirst()
		o.Clear()
	}
	runtime.GC() // a cleanup that was not stopped would close a message of a reused chunk
	var o Outbox
	for range 100 {
		o.Gather(msg, 2*BatchBytes)
		runtime.GC()
		if first := o.First(); len(first) != 2 || len(first[1]) != BatchBytes {
			t.Fatalf("the first message has %d frames", len(first))
		}
		o.DropFirst()
	}
}

// A large message leaves libzmq's memory when it has been sent or dropped.
func TestSentMessageIsFreed(t *testing.T) {
	const size, rounds = 8 << 20, 64
	msg := [][]byte{make([]byte, size)}
	for name, end := range map[string]func(*Outbox){"sent": (*Outbox).DropFirst, "cleared": (*Outbox).Clear} {
		before := resident(t)
		var o Outbox
		for range rounds {
			o.Add(msg, size)
			end(&o)
		}
		if grown := resident(t) - before; grown > rounds*size/4 {
			t.Errorf("%s: %d MiB are resident, of %d MiB", name, grown>>20, rounds*size>>20)
		}
	}
}
