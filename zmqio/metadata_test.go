package zmqio

import (
	"fmt"
	"strings"
	"testing"
)

// The memory of a metadata is bounded, whatever properties peers choose. Properties that it knows
// cost no allocation.
func TestMetadataIsBounded(t *testing.T) {
	m := newMetadata([]string{"X-Own"})
	long := strings.Repeat("x", 1000)
	for i := range 3 * maxKnown / 1000 {
		value := fmt.Sprint(i, long)
		if got := m.properties([]byte("\x01" + value + "\x00")); got["X-Own"] != value {
			t.Fatalf("peer %d is %.20q", i, got)
		}
		size := 0
		for frame := range m.known {
			size += len(frame)
		}
		if i%100 == 0 && (size != m.size || size > maxKnown) {
			t.Fatalf("the metadata remembers %d bytes, and counts %d", size, m.size)
		}
	}
	known := []byte("\x01ann\x00")
	m.properties(known)
	if n := testing.AllocsPerRun(100, func() { m.properties(known) }); n > 0 {
		t.Errorf("%v allocations for what is known", n)
	}
	if got := m.message(nil); got.Frames != nil || got.Metadata != nil {
		t.Errorf("no message is %v", got)
	}
}
