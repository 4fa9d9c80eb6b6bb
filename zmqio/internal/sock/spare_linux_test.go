//go:build !asan

// Under AddressSanitizer nothing is kept.

package sock

import (
	"bytes"
	"sync"
	"syscall"
	"testing"
)

const (
	spareMost  = 8 << 20  // as in spare.h
	spareFrame = 16 << 10 // as in spare.h
)

// holdAll returns n messages of one frame.
func holdAll(t *testing.T, n int, frame []byte) []Held {
	t.Helper()
	held := make([]Held, n)
	for i := range held {
		var errno syscall.Errno
		if held[i], errno = held[i].Hold([][]byte{frame}); errno != 0 {
			t.Fatal(errno)
		}
	}
	return held
}

func dropAll(held []Held) {
	for _, h := range held {
		h.Close()
	}
}

// The memory of large frames is kept for the next ones: the system need not map and clear it again.
func TestSparesAreUsed(t *testing.T) {
	const size, messages, rounds = 64 << 10, spareMost / (2 * 64 << 10), 10
	frame := make([]byte, size)
	faults := func() int64 {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			t.Fatal(err)
		}
		return usage.Minflt
	}
	dropAll(holdAll(t, messages, frame))
	before := faults()
	for range rounds {
		dropAll(holdAll(t, messages, frame))
	}
	if n := faults() - before; n > rounds*messages {
		t.Errorf("%d pages were mapped for %d messages of %d pages", n, rounds*messages, size>>12)
	}
}

// What is kept has a bound. The oldest spares go, and those of new sizes stay.
func TestSparesHaveABound(t *testing.T) {
	for _, test := range []struct{ frame, messages, want int }{
		{64 << 10, 1000, spareMost},
		{1 << 20, 20, spareMost},
		{spareMost, 3, spareMost},
		{spareMost + 1, 3, spareMost}, // too large to be kept, so it displaces nothing
		{3 << 20, 3, 6 << 20},
		{spareFrame, 1, 6<<20 + spareFrame},
		{spareFrame - 1, 100, 6<<20 + spareFrame}, // too small
	} {
		dropAll(holdAll(t, test.messages, make([]byte, test.frame)))
		if n := spareBytes(); n != test.want {
			t.Errorf("%d bytes are kept after %d frames of %d, want %d", n, test.messages, test.frame, test.want)
		}
	}
}

// A frame has its own payload and size, whatever spare it got.
func TestSparesOfMixedSizes(t *testing.T) {
	var goroutines sync.WaitGroup
	for g := range 4 {
		goroutines.Go(func() {
			for i := range 50 {
				var held []Held
				for j := range 12 {
					size := spareFrame - 2 + (i*7919+j*104729)%(4*spareFrame)
					frame := bytes.Repeat([]byte{byte(g<<6 | j)}, size)
					held = append(held, holdAll(t, 1, frame)...)
				}
				for j, h := range held {
					size := spareFrame - 2 + (i*7919+j*104729)%(4*spareFrame)
					if !bytes.Equal(h.Frame(0), bytes.Repeat([]byte{byte(g<<6 | j)}, size)) {
						t.Errorf("frame %d of round %d is damaged", j, i)
					}
				}
				dropAll(held)
			}
		})
	}
	goroutines.Wait()
	if n := spareBytes(); n > spareMost {
		t.Errorf("%d bytes are kept", n)
	}
}
