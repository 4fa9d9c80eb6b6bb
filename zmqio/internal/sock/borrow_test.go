package sock

import (
	"bytes"
	"syscall"
	"testing"

	"github.com/pebbe/zmq4"
)

// borrowAll is recvAll with a Lender. It copies the frames.
func borrowAll(t testing.TB, s *Socket) [][][]byte {
	t.Helper()
	r := NewLender()
	return untilEmpty(t, func() ([][][]byte, syscall.Errno) {
		batch, errno := r.Recv(s)
		kept, _ := r.Return(batch, true)
		return kept, errno
	})
}

// A Lender allocates nothing for lent frames, and leaves a large frame in libzmq's memory.
func TestLendingDoesNotAllocate(t *testing.T) {
	s, r := pair(t, zmq4.PUSH, zmq4.PULL)
	var msgs [][][]byte
	for range 100 {
		msgs = append(msgs, [][]byte{make([]byte, 64), {}})
	}
	const large = 1 << 20
	buf, table := encode(append(msgs, [][]byte{[]byte("head"), make([]byte, large)})...)
	rec := NewLender()
	n := 0
	allocs := testing.AllocsPerRun(20, func() {
		s.Send(Batch{Buf: buf, Table: table}, Forgets, false)
		batch, errno := rec.Recv(r)
		n += len(batch)
		if _, size := rec.Return(nil, false); size != large || errno != 0 {
			t.Fatalf("a large frame of %d bytes ended the batch, error %v", size, errno)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations a batch", allocs)
	}
	if n != 21*101 {
		t.Errorf("received %d messages", n)
	}
}

// Return overwrites lent frames, so that a receiver that kept one sees the difference.
func TestReturnSpoils(t *testing.T) {
	s, r := pair(t, zmq4.PUSH, zmq4.PULL)
	buf, table := encode([][]byte{[]byte("ab")})
	s.Send(Batch{Buf: buf, Table: table}, Forgets, false)
	rec := NewLender()
	batch, _ := rec.Recv(r)
	frame := batch[0][0]
	if string(frame) != "ab" {
		t.Errorf("got %q", frame)
	}
	rec.Return(nil, true)
	if !bytes.Equal(frame, []byte{0xdb, 0xdb}) {
		t.Errorf("returned, it is %q", frame)
	}
}

// A Lender too returns messages that were received before a disconnect.
func TestLenderReturnsSettledMessages(t *testing.T) {
	s, r := pair(t, zmq4.PUSH, zmq4.PULL)
	buf, table := encode([][]byte{[]byte("first")}, [][]byte{[]byte("second")})
	s.Send(Batch{Buf: buf, Table: table}, Forgets, false)
	if err := r.Detach(func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	wantMessages(t, borrowAll(t, r), [][][]byte{{[]byte("first")}, {[]byte("second")}})
}
