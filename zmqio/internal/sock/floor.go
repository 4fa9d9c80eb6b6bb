package sock

import (
	"math"
	"runtime/metrics"
	"strings"
	"sync"
	"time"
	"unsafe"
)

// Go collects a nearly empty heap each time that 4 MiB have been allocated: for a busy receiver
// hundreds of times a second. The floor of the heap is memory that counts as live, and so makes
// collections rarer. The program never touches the floor, so none of it becomes resident. The
// garbage between two collections does, which is about as much.
const (
	floorSize  = 24 << 20    // at GOGC=100
	limitShare = 16          // the floor is at most this fraction of GOMEMLIMIT
	floorIdle  = time.Second // how long the floor stays after the last receiver was busy
)

// A heapFloor is the process's floor of the heap.
type heapFloor struct {
	mu     sync.Mutex
	memory []byte
	wanted time.Time // when a receiver last wanted the floor
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

// look drops the floor if no receiver has wanted it for floorIdle. Else it adapts the floor's size
// to the collector's present settings.
func (f *heapFloor) look(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Sub(f.wanted) >= floorIdle {
		f.memory, f.wanted = nil, time.Time{}
		return
	}
	f.watchLocked()
}

// watchLocked sets the size of the floor, and calls look again after floorIdle. Caller holds f.mu.
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
	if gogc > math.MaxInt32 { // GOGC is off
		return 0
	}
	return int(min(floorSize*100/max(gogc, 100), limit/limitShare))
}

// untouched returns n bytes of memory that is not cleared. Only strings.Builder of the standard
// library gives such memory.
func untouched(n int) []byte {
	if n == 0 {
		return nil
	}
	var b strings.Builder
	b.Grow(n)
	b.WriteByte(0)
	return unsafe.Slice(unsafe.StringData(b.String()), n)
}
