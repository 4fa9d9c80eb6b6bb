package sock

import (
	"math"
	"runtime/metrics"
	"strings"
	"sync"
	"time"
	"unsafe"
)

// Go collects a heap with little on it each time that 4 MiB have been allocated, for a busy
// receiver hundreds of times a second. The floor of the heap is memory that counts as live,
// so that there are fewer collections. The program never touches it, so that none of it
// becomes resident. What does is the garbage between two collections, about as much.
const (
	floorSize  = 24 << 20    // at GOGC=100
	limitShare = 16          // of GOMEMLIMIT, of which the floor is at most one part in so many
	floorIdle  = time.Second // after the last receiver was busy the floor goes
)

// A heapFloor is the floor of the process while a receiver is busy.
type heapFloor struct {
	mu     sync.Mutex
	memory []byte
	wanted time.Time // when a receiver wanted it last
}

var floor heapFloor

// want makes the floor, or keeps it for another floorIdle.
func (f *heapFloor) want(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	watched := !f.wanted.IsZero()
	f.wanted = now
	if !watched {
		f.watchLocked()
	}
}

// look lets the floor go when no receiver has wanted it for floorIdle. Otherwise it has the
// size that goes with the collector's settings now.
func (f *heapFloor) look(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Sub(f.wanted) >= floorIdle {
		f.memory, f.wanted = nil, time.Time{}
		return
	}
	f.watchLocked()
}

// watchLocked gives the floor its size, and looks at it again after floorIdle. Caller holds f.mu.
func (f *heapFloor) watchLocked() {
	settings := []metrics.Sample{{Name: "/gc/gogc:percent"}, {Name: "/gc/gomemlimit:bytes"}}
	metrics.Read(settings)
	if size := floorFor(settings[0].Value.Uint64(), settings[1].Value.Uint64()); size != len(f.memory) {
		f.memory = untouched(size)
	}
	time.AfterFunc(floorIdle, func() { f.look(time.Now()) })
}

// floorFor returns the size of the floor for a GOGC in percent and a GOMEMLIMIT in bytes.
func floorFor(gogc, limit uint64) int {
	if gogc > math.MaxInt32 { // off
		return 0
	}
	return int(min(floorSize*100/max(gogc, 100), limit/limitShare))
}

// untouched returns n bytes that are not cleared. Of the standard library, strings.Builder
// alone gives such memory.
func untouched(n int) []byte {
	if n == 0 {
		return nil
	}
	var b strings.Builder
	b.Grow(n)
	b.WriteByte(0)
	return unsafe.Slice(unsafe.StringData(b.String()), n)
}
