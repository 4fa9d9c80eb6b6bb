package sock

/*
#include "sock.h"

#cgo noescape zmqio_recv
#cgo nocallback zmqio_recv
*/
import "C"

import (
	"runtime"
	"slices"
	"syscall"
	"time"
	"unsafe"
)

const (
	scratchSize = 64 << 10 // bytes that a C call can bring
	maxCopy     = 8 << 10  // a larger frame goes straight to memory of its own
	maxFrames   = 1024     // frames that a C call can bring
	maxMessages = 256      // messages in a batch
	maxBatch    = 512 << 10
)

// A Receiver takes batches of messages from sockets: a [Copier] or a [Lender]. Many sockets can
// share a Receiver. Only one goroutine may use it at a time. It needs no close.
type Receiver interface {
	// Recv takes messages from s without waiting, up to the size of a batch: from the inbox, or
	// else from libzmq. The outer slice is valid until Return, which should come before the next
	// Recv. The errno is EAGAIN if the socket is empty, and 0 if there may be more. Recv may return
	// messages and an errno.
	//
	// A message that has begun is received to its end, whatever its size: libzmq would end the
	// process if the socket disconnected amid the message.
	Recv(s *Socket) ([][][]byte, syscall.Errno)
	// Return takes back the batch of the last Recv. left is the part that was not delivered. kept
	// is left in the caller's own memory, for [Socket.PutBack]. large is the size of a large lent
	// frame that ended the batch, or 0. If spoil is set, Return overwrites small lent frames, to
	// expose retained ones.
	Return(left [][][]byte, spoil bool) (kept [][][]byte, large int)
}

// A Copier is the Receiver that gives frames away. The frames of a batch share memory, except large
// ones. Batches of a busy Copier share blocks of 256 KiB.
type Copier struct {
	intake
	pace    pace
	noFloor bool
}

// NewCopier returns a Copier. A Copier that is busy for long wants the floor of the heap, unless
// noFloor is set.
func NewCopier(noFloor bool) *Copier {
	c := &Copier{pace: pace{now: time.Now}, noFloor: noFloor}
	c.init()
	return c
}

// Recv implements Receiver.
func (c *Copier) Recv(s *Socket) ([][][]byte, syscall.Errno) {
	if c.msgs = s.inbox.take(c.msgs[:0]); len(c.msgs) > 0 {
		return c.msgs, 0
	}
	return c.recv(s, maxMessages)
}

// Return implements Receiver.
func (c *Copier) Return(left [][][]byte, _ bool) (kept [][][]byte, large int) {
	kept = slices.Clone(left)
	clear(c.msgs)
	return kept, 0
}

// recv receives about most messages from libzmq.
func (c *Copier) recv(s *Socket, most int) ([][][]byte, syscall.Errno) {
	c.msgs = c.msgs[:0]
	if s.torn {
		return nil, ErrnoTorn
	}
	for bytes, full := 0, false; ; {
		next := most - len(c.msgs)
		if full {
			next = 1
		}
		c.makeRoom(s)
		if n := c.call(s, next); n > 0 {
			payload, large := c.payload()
			bytes += len(payload) + len(large)
			c.brought(len(payload) + len(large))
			c.split(s, make([][]byte, n), c.keep(payload), clone(large))
		}
		if errno := s.received(syscall.Errno(c.res.err)); errno != 0 {
			return c.msgs, errno
		}
		held := c.res.is_held != 0
		full = full || !held || bytes >= maxBatch || len(c.msgs) >= most
		if full && s.inbox.partial == nil {
			if held {
				c.drop()
			}
			return c.msgs, 0
		}
	}
}

// makeRoom makes sure that C has memory to write to.
func (c *Copier) makeRoom(s *Socket) {
	switch room := len(c.scratch); {
	case !c.pace.busy && room < scratchSize:
		c.scratch = untouched(scratchSize)
	case room < maxCopy || s.names != nil && room < scratchSize:
		c.scratch = untouched(blockSize)
	}
}

// keep returns payload, which C wrote to scratch, as the caller's own. On a busy Copier payload
// stays in place, and C does not write there again. Else keep copies it, so that a frame that is
// kept keeps only its own batch.
func (c *Copier) keep(payload []byte) []byte {
	if !c.pace.busy {
		return clone(payload)
	}
	c.scratch = c.scratch[len(payload):]
	return payload
}

// brought adds n bytes to the pace.
func (c *Copier) brought(n int) {
	c.pace.brought(n)
	if c.pace.lasts() && c.pace.bytes == 0 && !c.noFloor {
		floor.want(c.pace.since)
	}
}

// A Lender is the Receiver that lends frames, from its buffer or libzmq's memory. The caller must
// not change them, and may use them until Return. A large frame ends the batch.
type Lender struct {
	intake
	frames [][]byte
	lent   bool // the batch is lent, and not from the inbox
}

// NewLender returns a Lender.
func NewLender() *Lender {
	l := &Lender{frames: make([][]byte, maxFrames)}
	l.init()
	return l
}

// Recv implements Receiver.
func (l *Lender) Recv(s *Socket) ([][][]byte, syscall.Errno) {
	if l.msgs = s.inbox.take(l.msgs[:0]); len(l.msgs) > 0 {
		return l.msgs, 0
	}
	if s.torn {
		return nil, ErrnoTorn
	}
	l.lent = true
	for owned := 0; ; {
		next := maxMessages
		if len(l.msgs) > 0 {
			next = 1
		}
		n := l.call(s, next)
		payload, large := l.payload()
		rest := l.split(s, l.frames[:n], payload, large)
		cloneAll(s.inbox.partial[len(s.inbox.partial)-rest:])
		if errno := s.received(syscall.Errno(l.res.err)); errno != 0 {
			return l.msgs, errno
		}
		if len(l.msgs) > 0 && s.inbox.partial == nil {
			return l.msgs, 0
		}
		own(l.msgs[owned:]) // lent frames do not survive the next call
		owned = len(l.msgs)
		if l.res.is_held != 0 { // the held frame ends the partial message, and is cloned
			l.drop()
		}
	}
}

// Return implements Receiver.
func (l *Lender) Return(left [][][]byte, spoil bool) (kept [][][]byte, large int) {
	kept = slices.Clone(left)
	if l.lent {
		own(kept)
	}
	l.lent = false
	if l.res.is_held != 0 {
		large = int(l.res.held_size)
		l.drop()
	}
	if spoil {
		for i := range l.scratch[:l.res.bytes] {
			l.scratch[i] = 0xdb
		}
	}
	l.res = C.zmqio_received{}
	clear(l.msgs)
	return kept, large
}

// drop closes the message that C left, and forgets its memory.
func (l *Lender) drop() {
	l.frames[l.res.held_at] = nil
	l.intake.drop()
}

// own replaces lent messages by copies.
func own(msgs [][][]byte) {
	for i, msg := range msgs {
		msgs[i] = slices.Clone(msg)
		cloneAll(msgs[i])
	}
}

// An intake is the memory of a receive.
type intake struct {
	scratch []byte // C writes payload here
	table   []uint64
	msgs    [][][]byte
	msg     [C.sizeof_zmq_msg_t / 8]uint64 // a zmq_msg_t, aligned for C
	res     C.zmqio_received
}

func (in *intake) init() {
	in.scratch = make([]byte, scratchSize)
	in.table = make([]uint64, maxFrames)
	C.zmq_msg_init(in.cmsg())
}

func (in *intake) cmsg() *C.zmq_msg_t { return (*C.zmq_msg_t)(unsafe.Pointer(&in.msg)) }

// call makes one C call, which receives up to most messages. It returns the number of frames.
func (in *intake) call(s *Socket, most int) (frames int) {
	if s.wary > 0 {
		most = 1
		if s.inbox.partial == nil {
			s.process() // the next receive returns an error again
		}
	}
	o, seen := s.origins.begin(s.inbox.partial == nil)
	C.zmqio_recv(s.handle(), in.cmsg(),
		(*C.char)(unsafe.Pointer(unsafe.SliceData(in.scratch))), C.int64_t(len(in.scratch)), maxCopy,
		(*C.uint64_t)(unsafe.SliceData(in.table)), maxFrames, C.int64_t(most), flag(s.conflates),
		(*C.char)(unsafe.Pointer(unsafe.SliceData(s.names))),
		o, (*C.uint64_t)(unsafe.SliceData(seen)), C.int64_t(len(seen)), &in.res)
	s.origins.end(in.scratch)
	s.taken.messages += uint64(in.res.messages)
	s.taken.bytes += uint64(in.res.payload)
	runtime.KeepAlive(s.z)
	return int(in.res.frames)
}

// Taken returns how many messages were received from libzmq, and their payload in bytes without
// properties. Messages in the inbox count.
func (s *Socket) Taken() (messages, bytes uint64) { return s.taken.messages, s.taken.bytes }

// payload returns the payload of the frames of the last call: small frames one behind the other,
// and a large frame or nil.
func (in *intake) payload() (small, large []byte) {
	if in.res.is_held != 0 {
		large = unsafe.Slice((*byte)(in.res.held_data), int(in.res.held_size))
	}
	return in.scratch[:in.res.bytes], large
}

// split makes frames of the payload that call has brought, or of its copy, and messages of
// the frames. The last ones, of which rest is the number, begin a message that is partial.
func (in *intake) split(s *Socket, frames [][]byte, small, large []byte) (rest int) {
	table := in.table[:len(frames)]
	held := -1
	if in.res.is_held != 0 {
		held = int(in.res.held_at)
	}
	at := 0
	for i, entry := range table {
		if i == held {
			frames[i] = large
			continue
		}
		end := at + int(entry>>1)
		frames[i] = small[at:end:end]
		at = end
	}
	if s.inbox.partial == nil && int(in.res.messages) == len(frames) {
		in.single(frames)
		return 0
	}
	first := 0 // of the message that is being put together
	for i, entry := range table {
		if entry&1 == 0 {
			in.msgs = append(in.msgs, s.inbox.complete(frames[first:i+1:i+1]))
			first = i + 1
		}
	}
	s.inbox.partial = append(s.inbox.partial, frames[first:]...)
	return len(frames) - first
}

// single makes a message of each frame.
func (in *intake) single(frames [][]byte) {
	n := len(in.msgs)
	in.msgs = slices.Grow(in.msgs, len(frames))[:n+len(frames)]
	msgs := in.msgs[n:]
	for i := range msgs {
		msgs[i] = frames[i : i+1 : i+1]
	}
}

// drop closes the message that C left, and forgets where its memory was.
func (in *intake) drop() {
	C.zmq_msg_close(in.cmsg())
	C.zmq_msg_init(in.cmsg())
	in.res.held_data = nil
	in.res.is_held = 0
}

// received records the end of a receive from libzmq, and returns its errno.
func (s *Socket) received(errno syscall.Errno) syscall.Errno {
	s.begun = false
	s.outOfTurn = errno != 0 && errno != syscall.EAGAIN
	switch {
	case errno == syscall.EAGAIN:
		s.wary = 0
	case errno == 0 && s.wary > 0:
		s.wary--
	}
	if errno != 0 {
		s.inbox.partial = nil // the rest of the message will not come
		s.torn = s.conflates && errno == ErrnoTorn
	}
	return errno
}

// cloneAll replaces each frame by a copy.
func cloneAll(frames [][]byte) {
	for i, f := range frames {
		frames[i] = clone(f)
	}
}

// clone copies b to memory of exactly its size. In this form the compiler does not clear the memory
// first. clone never returns nil, because an empty frame is a frame.
func clone(b []byte) []byte {
	c := make([]byte, len(b))
	copy(c, b)
	return c
}
