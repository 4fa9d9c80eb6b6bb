package outbox

import (
	"math/rand/v2"
	"testing"
)

// frame returns a frame of random size, sometimes a large one.
func frame(r *rand.Rand) []byte {
	size := r.IntN(200)
	switch r.IntN(20) {
	case 0:
		size = r.IntN(3 * BatchBytes)
	case 1:
		size = 0
	}
	return make([]byte, size)
}

// A queue is the model of an Outbox: messages, each a list of frame sizes.
type queue [][]int

func (q queue) bytes() (n int) {
	for _, msg := range q {
		for _, size := range msg {
			n += size
		}
	}
	return n
}

func (q queue) frames() (n int) {
	for _, msg := range q {
		n += len(msg)
	}
	return n
}

// The front and the counts of an Outbox are those of a queue, whatever is added, taken and dropped.
func TestOutboxIsAQueue(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		var o, other Outbox
		var want, wantOther queue
		for range 300 {
			switch r.IntN(6) {
			case 0, 1:
				want = add(r, &o, want)
			case 5:
				if !other.Empty() {
					want, wantOther = move(&o, &other, want, wantOther)
				} else {
					for range r.IntN(10) {
						wantOther = add(r, &other, wantOther)
					}
					wantOther = take(t, &other, wantOther, r.IntN(3))
				}
				checkFront(t, &other, wantOther)
			case 2:
				o.DropFirst()
				if len(want) > 0 {
					want = want[1:]
				}
			case 3: // libzmq takes some messages of the first chunk
				want = take(t, &o, want, r.IntN(5))
			case 4:
				if r.IntN(20) == 0 {
					o.Clear()
					want = nil
				}
			}
			if o.Empty() != (len(want) == 0) || o.Tally() != (Tally{len(want), want.bytes()}) || o.Frames() != want.frames() || o.Bytes() != want.bytes() {
				t.Fatalf("seed %d: %d messages, %d frames, %d bytes; want %d, %d, %d", seed,
					o.Tally().Messages, o.Frames(), o.Bytes(), len(want), want.frames(), want.bytes())
			}
			checkFront(t, &o, want)
		}
		o.Clear()
		other.Clear()
	}
}

// add adds a message to o, whose model is want.
func add(r *rand.Rand, o *Outbox, want queue) queue {
	var msg [][]byte
	var sizes []int
	size := 0
	for range 1 + r.IntN(1<<r.IntN(10)) {
		f := frame(r)
		msg, sizes, size = append(msg, f), append(sizes, len(f)), size+len(f)
	}
	o.Add(msg, size)
	return append(want, sizes)
}

// move moves the first chunk of other to o.
func move(o, other *Outbox, want, wantOther queue) (queue, queue) {
	before := other.Tally().Messages
	o.Take(other)
	moved := before - other.Tally().Messages
	return append(want, wantOther[:moved]...), wantOther[moved:]
}

// take advances o by up to n messages of the front, which are the first of want.
func take(t *testing.T, o *Outbox, want queue, n int) queue {
	t.Helper()
	table := o.Front().Table
	frames, bytes, messages := 0, 0, 0
	for _, entry := range table {
		if messages == n {
			break
		}
		frames++
		bytes += int(entry >> 1)
		messages += 1 - int(entry&1)
	}
	o.Advance(messages, frames, bytes)
	return want[messages:]
}

// checkFront fails the test unless the front has the first messages, whole.
func checkFront(t *testing.T, o *Outbox, want queue) {
	t.Helper()
	first := o.First()
	if len(want) == 0 && first != nil || len(want) > 0 && len(first) != len(want[0]) {
		t.Fatalf("the first message has %d frames, want those of %v", len(first), want)
	}
	for i, f := range first {
		if len(f) != want[0][i] {
			t.Fatalf("frame %d of the first message has %d bytes, want %d", i, len(f), want[0][i])
		}
	}
	front := o.Front()
	if len(front.Held) > 0 && len(front.Held) != len(front.Table) {
		t.Fatalf("%d frames are held, of %d", len(front.Held), len(front.Table))
	}
	bytes := 0
	for _, msg := range want {
		if len(front.Table) == 0 {
			break
		}
		for i, size := range msg {
			entry := front.Table[0]
			front.Table = front.Table[1:]
			if int(entry>>1) != size || (entry&1 == 1) != (i < len(msg)-1) {
				t.Fatalf("a frame of %d bytes, more %t; want %d of %v", entry>>1, entry&1 == 1, size, msg)
			}
			bytes += size
		}
	}
	if len(front.Table) > 0 || len(front.Held) == 0 && bytes != len(front.Buf) {
		t.Fatalf("%d frames too many, %d bytes for %d", len(front.Table), len(front.Buf), bytes)
	}
}

// Front does not change while messages are added, because libzmq reads it without the lock.
func TestFrontStays(t *testing.T) {
	var o Outbox
	o.Add([][]byte{[]byte("first")}, 5)
	front := o.Front()
	for range 10_000 {
		o.Add([][]byte{[]byte("other")}, 5)
	}
	if string(front.Buf) != "first" || len(front.Table) != 1 || &o.Front().Buf[0] != &front.Buf[0] {
		t.Errorf("the front is %q", front.Buf)
	}
	o.Clear()
}

// A batch has at most chunkFrames frames of messages that could go in several.
func TestBatchIsBounded(t *testing.T) {
	var o Outbox
	for range 3*chunkFrames + 1 {
		o.Add([][]byte{nil}, 0)
	}
	for batches := 0; !o.Empty(); batches++ {
		front := o.Front()
		if n := len(front.Table); n > chunkFrames || batches > 3 {
			t.Fatalf("batch %d has %d frames", batches, n)
		}
		o.Advance(len(front.Table), len(front.Table), 0)
	}
}
