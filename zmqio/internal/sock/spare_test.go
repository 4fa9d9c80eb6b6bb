package sock

import (
	"bytes"
	"sync"
	"syscall"
	"testing"
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
