package sock

import "time"

const (
	blockSize  = 256 << 10             // of the blocks that a busy Copier gives away piece by piece
	busyTime   = 10 * time.Millisecond // in which it brings at least as much
	floorAfter = 32 << 20              // bytes that it brings, busy all the time, before it wants the floor
)

// A pace is how fast a Copier brings payload.
type pace struct {
	now   func() time.Time
	bytes int // brought since
	since time.Time
	run   int  // how often it was busy, on end
	busy  bool // it brings blockSize bytes in busyTime
}

// brought takes note of n bytes.
func (p *pace) brought(n int) {
	if p.bytes += n; p.bytes < blockSize {
		return
	}
	t := p.now()
	p.busy = t.Sub(p.since) < busyTime*time.Duration(p.bytes/blockSize)
	p.since, p.bytes = t, 0
	p.run++
	if !p.busy {
		p.run = 0
	}
}

// lasts reports whether it has been busy for long enough to want the heap's floor.
func (p *pace) lasts() bool { return p.run >= floorAfter/blockSize }
