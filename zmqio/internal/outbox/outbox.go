// Package outbox keeps the messages that a transport has accepted and libzmq has not taken.
package outbox

import (
	"runtime"
	"sync"

	"github.com/zmqio/zmq/zmqio/internal/sock"
)

const (
	// BatchFrames and BatchBytes are the size of a batch. A writer that has gathered so much sends
	// it.
	BatchFrames = 256
	BatchBytes  = 32 << 10

	chunkBytes  = 32 << 10 // payload of a reusable chunk; a larger message gets a chunk of its own
	chunkFrames = 512
	// A large message whose frames are smaller on average is copied to Go's memory: in libzmq's
	// memory each frame would cost an allocation and a call.
	heldFrame = 1 << 10
)

// An Outbox is a queue of messages, in chunks that go to libzmq in one call each. A message is in
// exactly one chunk. The zero Outbox is empty. The transport's lock guards it.
type Outbox struct {
	first, last *chunk
	bytes       int // payload
	frames      int
	messages    int
}

// A chunk has whole messages: their payloads one behind the other, and their frame table in the
// form of package sock. Or it has one large message in libzmq's memory.
type chunk struct {
	next       *chunk
	buf        []byte
	held       sock.Held
	table      []uint64
	sentBytes  int
	sentFrames int
	forgotten  runtime.Cleanup // closes held, if Gather made the chunk
}

// Reusable chunks: those for any messages, and those for one large message.
var (
	chunks = sync.Pool{New: func() any {
		return &chunk{buf: make([]byte, 0, chunkBytes), table: make([]uint64, 0, chunkFrames)}
	}}
	holders = sync.Pool{New: func() any { return new(chunk) }}
)

// IsLarge reports whether a message fills a batch, so that it is copied to libzmq's memory at once.
func IsLarge(size, frames int) bool { return size >= BatchBytes && size/frames >= heldFrame }

// Empty reports whether the outbox has no messages.
func (o *Outbox) Empty() bool { return o.frames == 0 }

// Bytes returns the payload in bytes.
func (o *Outbox) Bytes() int { return o.bytes }

// Frames returns the number of frames.
func (o *Outbox) Frames() int { return o.frames }

// Add copies msg, which has a frame at least and size bytes in all, to the end. A large message
// goes to libzmq's memory, which a send or Clear frees.
func (o *Outbox) Add(msg [][]byte, size int) {
	hold := IsLarge(size, len(msg))
	c := o.last
	if c == nil || hold || !c.hasRoom(msg, size) {
		c = newChunk(msg, size, hold)
		o.append(c)
	}
	c.add(msg)
	o.grow(1, len(msg), size)
}

// Gather is Add to an Outbox that may be forgotten. The garbage collector then frees it, with
// libzmq's memory too.
func (o *Outbox) Gather(msg [][]byte, size int) {
	o.Add(msg, size)
	if c := o.last; len(c.held) > 0 {
		c.forgotten = runtime.AddCleanup(c, sock.Held.Close, c.held)
	}
}

// AddRefused adds the message that an outlet of f refused. The outbox shares its memory.
func (o *Outbox) AddRefused(f *sock.Forwarder) {
	c := holders.Get().(*chunk)
	var table []uint64
	c.held, table = f.Share(c.held)
	c.table = append(c.table, table...)
	o.append(c)
	messages, frames, bytes := c.left()
	o.grow(messages, frames, bytes)
}

// append adds c as the last chunk.
func (o *Outbox) append(c *chunk) {
	if o.last == nil {
		o.first = c
	} else {
		o.last.next = c
	}
	o.last = c
}

// Take moves the first chunk of other, or the rest of it, to the end. It copies nothing.
func (o *Outbox) Take(other *Outbox) {
	c := other.removeFirst()
	messages, frames, bytes := c.left()
	other.grow(-messages, -frames, -bytes)
	o.append(c)
	o.grow(messages, frames, bytes)
}

// removeFirst removes the first chunk from the queue. It does not change the counts.
func (o *Outbox) removeFirst() *chunk {
	c := o.first
	if o.first = c.next; o.first == nil {
		o.last = nil
	}
	c.next = nil
	return c
}

// grow adds to the counts.
func (o *Outbox) grow(messages, frames, bytes int) {
	o.messages += messages
	o.frames += frames
	o.bytes += bytes
}

// left returns the size of the part of c that has not been sent.
func (c *chunk) left() (messages, frames, bytes int) {
	table := c.table[c.sentFrames:]
	for _, entry := range table {
		messages += 1 - int(entry&1)
		bytes += int(entry >> 1)
	}
	return messages, len(table), bytes
}

// add copies msg behind the other messages of c. If c holds msg in libzmq's memory, add writes the
// frame table only.
func (c *chunk) add(msg [][]byte) {
	for i, f := range msg {
		if len(c.held) == 0 {
			c.buf = append(c.buf, f...)
		}
		c.table = append(c.table, sock.Frame(len(f), i < len(msg)-1))
	}
}

func (c *chunk) hasRoom(msg [][]byte, size int) bool {
	return len(c.held) == 0 && len(c.buf)+size <= cap(c.buf) && len(c.table)+len(msg) <= cap(c.table)
}

// newChunk returns a chunk for msg. With hold the chunk already holds msg in libzmq's memory.
func newChunk(msg [][]byte, size int, hold bool) *chunk {
	frames := len(msg)
	if hold {
		c := holders.Get().(*chunk)
		if held, errno := c.held.Hold(msg); errno == 0 { // without libzmq's memory, Go's may do
			c.held = held
			return c
		}
	}
	if size <= chunkBytes && frames <= chunkFrames {
		return chunks.Get().(*chunk)
	}
	return &chunk{buf: make([]byte, 0, size), table: make([]uint64, 0, frames)}
}

// Front returns the batch to send next, or an empty one. The batch stays valid until Advance: Add
// appends behind it and never moves it.
func (o *Outbox) Front() sock.Batch {
	c := o.first
	if c == nil {
		return sock.Batch{}
	}
	return sock.Batch{Buf: c.buf[c.sentBytes:], Held: c.held, Table: c.table[c.sentFrames:]}
}

// Advance drops whole messages from the front, which libzmq has taken.
func (o *Outbox) Advance(messages, frames, bytes int) {
	if frames == 0 {
		return
	}
	o.grow(-messages, -frames, -bytes)
	c := o.first
	c.sentFrames += frames
	c.sentBytes += bytes
	if c.sentFrames < len(c.table) {
		return
	}
	o.removeFirst().recycle()
}

// recycle puts c back into its pool, unless its size is rare.
func (c *chunk) recycle() {
	c.forgotten.Stop()
	c.held.Close()
	switch {
	case cap(c.buf) == chunkBytes && cap(c.table) == chunkFrames:
		*c = chunk{buf: c.buf[:0], table: c.table[:0]}
		chunks.Put(c)
	case len(c.held) > 0 && len(c.held) <= chunkFrames:
		*c = chunk{held: c.held[:0], table: c.table[:0]}
		holders.Put(c)
	}
}

// First returns the first message, or nil. The caller must not change its frames, and may use them
// until Advance or DropFirst.
func (o *Outbox) First() (msg [][]byte) {
	b := o.Front()
	for i, entry := range b.Table {
		if size := entry >> 1; len(b.Held) > 0 {
			msg = append(msg, b.Held.Frame(i))
		} else {
			msg, b.Buf = append(msg, b.Buf[:size:size]), b.Buf[size:]
		}
		if entry&1 == 0 {
			break
		}
	}
	return msg
}

// DropFirst drops the first message.
func (o *Outbox) DropFirst() {
	table := o.Front().Table
	for bytes, i := 0, 0; i < len(table); i++ {
		bytes += int(table[i] >> 1)
		if table[i]&1 == 0 {
			o.Advance(1, i+1, bytes)
			return
		}
	}
}

// A Tally counts messages and their payload in bytes.
type Tally struct{ Messages, Bytes int }

// Tally returns the size of the outbox.
func (o *Outbox) Tally() Tally { return Tally{o.messages, o.bytes} }

// Clear drops everything. No part may be in use by a C call.
func (o *Outbox) Clear() {
	for c := o.first; c != nil; {
		next := c.next
		c.recycle()
		c = next
	}
	*o = Outbox{}
}
