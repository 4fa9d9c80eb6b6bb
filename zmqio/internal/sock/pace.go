package sock

import "time"

const (
	blockSize  = 256 << 10             // of the blocks that a busy Copier gives away piece by piece
	busyTime   = 10 * time.Millisecond // a Copier is busy if it brings blockSize bytes in this time
	floorAfter = 32 << 20              // a Copier that brings so many bytes while busy wants the floor
)

// A pace measures how fast a Copier brings payload.
type pace struct {
	now   func() time.Time
	bytes int // brought since the last measurement
	since time.Time
	run   int  // how often in a row the Copier was busy
	busy  bool // the Copier brings blockSize bytes in busyTime
}

// brought adds n bytes.
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

// lasts reports whether the Copier was busy for long enough to want the floor.
func (p *pace) lasts() bool { return p.run >= floorAfter/blockSize }
