package sock

import (
	"bytes"
	"runtime/debug"
	"slices"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/pebbe/zmq4"
)

// A clock shows the time that a test sets.
type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }

func TestPace(t *testing.T) {
	c := &clock{time.Now()}
	p := pace{now: c.now}
	step := func(n int, d time.Duration) {
		c.Time = c.Add(d)
		p.brought(n)
	}
	check := func(what string, busy, lasts bool) {
		t.Helper()
		if p.busy != busy || p.lasts() != lasts {
			t.Errorf("%s: busy %t, lasts %t", what, p.busy, p.lasts())
		}
	}
	step(blockSize, 0)
	check("the first", false, false)
	step(blockSize-1, 0)
	check("not a whole block", false, false)
	step(1, busyTime-1)
	check("a block, quickly", true, false)
	for range floorAfter/blockSize - 2 {
		step(blockSize, busyTime-1)
	}
	check("not for long", true, false)
	step(blockSize, busyTime-1)
	check("for long", true, true)
	step(4*blockSize, 4*busyTime-1)
	check("a large one, quickly", true, true)
	step(blockSize, busyTime)
	check("slowly", false, false)
	step(blockSize, 0)
	check("quickly again", true, false)
}

func TestFloorFor(t *testing.T) {
	const noLimit, off = 1<<63 - 1, 1<<64 - 1
	for _, c := range []struct {
		gogc, limit uint64
		want        int
	}{
		{100, noLimit, 24 << 20},
		{400, noLimit, 6 << 20},
		{50, noLimit, 24 << 20},
		{0, noLimit, 24 << 20},
		{off, noLimit, 0},
		{100, 24 << 20, 24 << 20 / 16},
		{100, 0, 0},
	} {
		if got := floorFor(c.gogc, c.limit); got != c.want {
			t.Errorf("GOGC=%d, GOMEMLIMIT=%d: %d, want %d", c.gogc, c.limit, got, c.want)
		}
	}
}

// The floor exists while a receiver wants it, and a little longer. It follows the collector's
// settings.
func TestFloorComesAndGoes(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	var f heapFloor
	size := func(what string, want int) {
		t.Helper()
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.memory) != want {
			t.Errorf("%s: %d bytes, want %d", what, len(f.memory), want)
		}
	}
	begin := time.Now().Add(time.Hour) // later than what timers see
	f.want(begin)
	size("wanted", floorSize)
	f.mu.Lock()
	memory := unsafe.SliceData(f.memory)
	f.mu.Unlock()
	f.want(begin.Add(time.Millisecond))
	f.look(begin.Add(floorIdle))
	size("looked at in time", floorSize)
	if unsafe.SliceData(f.memory) != memory {
		t.Error("the floor was made again")
	}
	debug.SetGCPercent(200)
	f.look(begin.Add(floorIdle))
	size("with GOGC=200", floorSize/2)
	f.look(begin.Add(floorIdle + time.Millisecond))
	size("too late", 0)
	f.want(begin.Add(2 * floorIdle))
	size("wanted again", floorSize/2)
	f.look(begin.Add(4 * floorIdle))
	size("at the end", 0)
}

// A receiver that was busy for long wants the floor, unless noFloor is set.
func TestReceiverWantsFloor(t *testing.T) {
	wanted := func() time.Time {
		floor.mu.Lock()
		defer floor.mu.Unlock()
		return floor.wanted
	}
	for _, c := range []struct {
		noFloor bool
		run     int
		want    bool
	}{{false, floorAfter/blockSize - 1, true}, {false, floorAfter/blockSize - 2, false}, {true, floorAfter / blockSize, false}} {
		at := time.Now().Add(time.Minute)
		rec := NewCopier(c.noFloor)
		rec.pace = pace{now: (&clock{at}).now, since: at, run: c.run, busy: true}
		rec.brought(blockSize)
		if got := wanted().Equal(at); got != c.want {
			t.Errorf("noFloor %t, busy for %d blocks: wants it %t", c.noFloor, c.run+1, got)
		}
		floor.look(at.Add(floorIdle))
	}
}

// A busy receiver gives its memory away piece by piece, and never writes there again. One that is
// not busy gives copies of each batch.
func TestBlocks(t *testing.T) {
	const n, size = 3 * blockSize / 1000, 1000
	payload := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, size) }
	s, r := pair(t, zmq4.PUSH, zmq4.PULL)
	var msgs [][][]byte
	for i := range n + 20 {
		msgs = append(msgs, [][]byte{payload(i)})
	}
	rec := NewCopier(true)
	c := &clock{time.Now()}
	rec.pace.now = c.now // the clock stands still
	receive := func() [][][]byte {
		t.Helper()
		got, errno := rec.Recv(r)
		if errno != 0 && errno != syscall.EAGAIN {
			t.Fatal(errno)
		}
		got = slices.Clone(got)
		rec.Return(nil, false)
		return got
	}

	sendAll(t, s, msgs[:10])
	all := receive()
	if unsafe.SliceData(all[0][0]) == unsafe.SliceData(rec.scratch) || len(rec.scratch) != scratchSize {
		t.Errorf("a receiver that is not busy has given its scratch away, or has %d bytes of it", len(rec.scratch))
	}

	rec.pace.busy, rec.pace.since = true, c.Time
	sendAll(t, s, msgs[10:n+10])
	blocks := 0
	for len(all) < n+10 {
		before := rec.scratch
		batch := receive()
		if unsafe.SliceData(batch[0][0]) != unsafe.SliceData(before) {
			if blocks++; len(before) >= maxCopy {
				t.Errorf("%d bytes of a block are left", len(before))
			}
			before = unsafe.Slice(unsafe.SliceData(batch[0][0]), blockSize)
		}
		if left := before[len(batch)*size:]; unsafe.SliceData(left) != unsafe.SliceData(rec.scratch) {
			t.Error("the next batch is not behind this one")
		}
		all = append(all, batch...)
	}
	if blocks != 3 {
		t.Errorf("%d blocks of %d bytes for %d", blocks, blockSize, n*size)
	}

	rec.pace.busy = false
	sendAll(t, s, msgs[n+10:])
	batch := receive()
	if len(rec.scratch) < scratchSize || unsafe.SliceData(rec.scratch) == unsafe.SliceData(batch[0][0]) {
		t.Errorf("a receiver that is no longer busy gives its scratch away, or has %d bytes of it", len(rec.scratch))
	}
	for i, m := range append(all, batch...) {
		if !bytes.Equal(m[0], payload(i)) || cap(m[0]) != size {
			t.Fatalf("message %d of %d bytes, %d with its capacity, begins with %x", i, len(m[0]), cap(m[0]), m[0][:4])
		}
	}
}
