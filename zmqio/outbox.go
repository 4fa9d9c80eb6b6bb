package zmqio

import (
	"sync"

	"github.com/zmqio/zmq/zmqio/internal/sock"
)

// An outbox holds the messages that Write has accepted and libzmq has not taken,
// in chunks that go to libzmq in one call each. A message lies in one chunk.
type outbox struct {
	first, last *chunk
	bytes       int // payload
	frames      int
}

const (
	chunkBytes  = 32 << 10 // payload of a chunk that is reused; a larger message gets its own
	chunkFrames = 512
)

// A chunk is a run of whole messages: the payloads one behind the other, and the
// frame table that package sock wants beside them.
type chunk struct {
	next       *chunk
	buf        []byte
	table      []uint64
	sentBytes  int
	sentFrames int
}

var chunks = sync.Pool{New: func() any {
	return &chunk{buf: make([]byte, 0, chunkBytes), table: make([]uint64, 0, chunkFrames)}
}}

func (o *outbox) empty() bool { return o.frames == 0 }

// add copies msg, of at least one frame and size bytes in all, to the end.
func (o *outbox) add(msg [][]byte, size int) {
	c := o.room(size, len(msg))
	for i, f := range msg {
		c.buf = append(c.buf, f...)
		c.table = append(c.table, sock.Frame(len(f), i < len(msg)-1))
	}
	o.bytes += size
	o.frames += len(msg)
}

// room returns the chunk that a message goes to.
func (o *outbox) room(size, frames int) *chunk {
	if c := o.last; c != nil && len(c.buf)+size <= cap(c.buf) && len(c.table)+frames <= cap(c.table) {
		return c
	}
	var c *chunk
	if size <= chunkBytes && frames <= chunkFrames {
		c = chunks.Get().(*chunk)
	} else {
		c = &chunk{buf: make([]byte, 0, size), table: make([]uint64, 0, frames)}
	}
	if o.last == nil {
		o.first = c
	} else {
		o.last.next = c
	}
	o.last = c
	return c
}

// front returns the payload and the frame table of what goes out next, or nothing.
// They stay as they are until advance: what is added meanwhile goes behind them, and
// never moves them.
func (o *outbox) front() ([]byte, []uint64) {
	c := o.first
	if c == nil {
		return nil, nil
	}
	return c.buf[c.sentBytes:], c.table[c.sentFrames:]
}

// advance drops what libzmq has taken from the front.
func (o *outbox) advance(frames, bytes int) {
	if frames == 0 {
		return
	}
	o.frames -= frames
	o.bytes -= bytes
	c := o.first
	c.sentFrames += frames
	c.sentBytes += bytes
	if c.sentFrames < len(c.table) {
		return
	}
	if o.first = c.next; o.first == nil {
		o.last = nil
	}
	if cap(c.buf) == chunkBytes && cap(c.table) == chunkFrames {
		*c = chunk{buf: c.buf[:0], table: c.table[:0]}
		chunks.Put(c)
	}
}

// dropFirst drops the first message.
func (o *outbox) dropFirst() {
	_, table := o.front()
	for bytes, i := 0, 0; i < len(table); i++ {
		bytes += int(table[i] >> 1)
		if table[i]&1 == 0 {
			o.advance(i+1, bytes)
			return
		}
	}
}

// messages counts the messages.
func (o *outbox) messages() int {
	n := 0
	for c := o.first; c != nil; c = c.next {
		for _, entry := range c.table[c.sentFrames:] {
			if entry&1 == 0 {
				n++
			}
		}
	}
	return n
}

// clear drops everything. What is in a C call stays valid there.
func (o *outbox) clear() { *o = outbox{} }
