package zmqio

import (
	"context"
	"errors"

	"github.com/zmqio/zmq/zmqio/internal/flow"
	"github.com/zmqio/zmq/zmqio/internal/outbox"
	"github.com/zmqio/zmq/zmqio/internal/sock"
)

// A Batch gathers messages for WriteBatch, in the form in which they cross into libzmq. A
// message in a Batch therefore costs less than one that Write sends. The zero Batch is empty. A
// Batch is not safe for concurrent use.
type Batch struct{ out outbox.Outbox }

// Append adds a copy of a message of frames. Without frames it does nothing.
func (b *Batch) Append(frames ...[]byte) {
	if len(frames) == 0 {
		return
	}
	b.out.Gather(frames, sock.Size(frames))
}

// Len returns the number of messages.
func (b *Batch) Len() int { return b.out.Tally().Messages }

// Size returns the payload of all messages, in bytes.
func (b *Batch) Size() int { return b.out.Bytes() }

// Reset drops all messages.
func (b *Batch) Reset() { b.out.Clear() }

// WriteBatch writes the messages of b in order, as a Write of each does, and returns how many
// it has written. Those leave b. After success b is empty and can be used again. Messages of
// other writers may come between them.
//
// The writer hands b to libzmq in parts of up to 512 frames or 32 KiB, without copying. What
// libzmq does not take goes into the write buffer. On a ROUTER with ROUTER_MANDATORY, messages
// for unknown peers go to ConnectionConfig.Unroutable.
//
// On REQ, on REP, on types that cannot send, and with CONFLATE, WriteBatch calls Write for each
// message.
//
// The errors are those of Write, and ErrInvalidArgument for a nil b. The first error ends
// WriteBatch. The message that caused it, and those behind it, stay in b.
func (t *Transport) WriteBatch(b *Batch) (n int, err error) { return t.writeBatch(b, atOnce, nil) }

// WriteBatchContext is WriteBatch that waits for room, as WriteContext does, for each part of b
// in turn. So the write buffer never holds more than the high-water mark and one part.
//
// The errors are those of WriteContext, and ErrInvalidArgument for a nil b. The messages that
// are not written stay in b.
func (t *Transport) WriteBatchContext(ctx context.Context, b *Batch) (n int, err error) {
	switch {
	case ctx == nil:
		return 0, errNilContext("WriteBatchContext")
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	}
	return t.writeBatch(b, inTurn, ctx)
}

// writeBatch writes b in the given manner. For inTurn ctx bounds the wait.
func (t *Transport) writeBatch(b *Batch, how manner, ctx context.Context) (n int, err error) {
	if b == nil {
		return 0, invalid("WriteBatch: nil batch")
	}
	before := b.Len()
	for err == nil && !b.out.Empty() {
		err = t.writeFront(&b.out, how, ctx)
	}
	return before - b.Len(), err
}

// writeFront writes the first chunk of out. It writes message by message if each can fail by
// itself, or if the buffer has no room for the whole chunk. A single message may have more frames
// than MaxWriteBuffer, but a chunk may not.
func (t *Transport) writeFront(out *outbox.Outbox, how manner, ctx context.Context) error {
	front := out.Front()
	size := flow.Size{Bytes: front.Size(), Items: len(front.Table)}
	if !t.traits.eager && !t.conflates() && !t.flow.Exceeds(size) {
		err := t.writeLoad(load{batch: out, size: size}, how, ctx)
		if !errors.Is(err, ErrBufferFull) {
			return err
		}
	}
	err := t.write(out.First(), how, ctx)
	if err == nil {
		out.DropFirst()
	}
	return err
}
