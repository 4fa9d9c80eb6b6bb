//go:build !asan

// AddressSanitizer has a malloc of its own.

package sock

import (
	"runtime"
	"syscall"
	"testing"
)

// malloc keeps the memory of large messages for the next ones: the system need not map and clear it
// again.
func TestHeldMemoryIsKept(t *testing.T) {
	runtime.LockOSThread() // malloc has an arena for each thread
	defer runtime.UnlockOSThread()
	const size, messages, rounds = 64 << 10, keptMemory / (2 * 64 << 10), 10
	msg := [][]byte{make([]byte, size)}
	held := make([]Held, messages)
	round := func() {
		for i := range held {
			var errno syscall.Errno
			if held[i], errno = held[i].Hold(msg); errno != 0 {
				t.Fatal(errno)
			}
		}
		for _, h := range held {
			h.Close()
		}
	}
	faults := func() int64 {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			t.Fatal(err)
		}
		return usage.Minflt
	}
	round()
	before := faults()
	for range rounds {
		round()
	}
	if n := faults() - before; n > rounds*messages {
		t.Errorf("%d pages were mapped for %d messages of %d pages", n, rounds*messages, size>>12)
	}
}
