package sock

import (
	"bytes"
	"syscall"
	"testing"

	"github.com/pebbe/zmq4"
)

// FuzzFraming sends arbitrary messages in batches of arbitrary sizes, and checks that they arrive
// unchanged. With low high-water marks the socket takes a part at a time.
func FuzzFraming(f *testing.F) {
	for _, hwm := range []byte{0, 1, 3} {
		f.Add([]byte{}, byte(0), hwm)
		f.Add([]byte{1, 0, 5}, byte(1), hwm)
		f.Add([]byte{0, 1, 0, 1, 0, 1, 33, 0, 255, 254}, byte(2), hwm)
		f.Add(bytes.Repeat([]byte{1}, maxFrames+1), byte(0), hwm)
		f.Add(bytes.Repeat([]byte{4}, 3*maxMessages), byte(255), hwm)
		for _, size := range []byte{250, 240} { // just copied, and just not
			f.Add(bytes.Repeat([]byte{4, 6, size}, maxMessages), byte(255), hwm)
			f.Add(bytes.Repeat([]byte{size, 3}, 3*maxMessages), byte(7), hwm)
			f.Add(bytes.Repeat([]byte{size, 3, 4}, 100), byte(255), hwm)
			f.Add(bytes.Repeat([]byte{size + 1, size + 1, 4}, 100), byte(255), hwm)
		}
	}
	f.Fuzz(func(t *testing.T, plan []byte, batch, hwm byte) {
		msgs := planned(plan)
		s, r := limitedPair(t, zmq4.PAIR, zmq4.PAIR, int(hwm))
		var got [][][]byte
		for next := 0; next < len(msgs); {
			end := min(next+1+int(batch), len(msgs))
			buf, table := encode(msgs[next:end]...)
			for len(table) > 0 {
				sent := s.Send(Batch{Buf: buf, Table: table}, Forgets, false)
				if sent.Errno != 0 && sent.Errno != syscall.EAGAIN {
					t.Fatal(sent.Errno)
				}
				buf, table = buf[sent.Bytes:], table[sent.Frames:]
				receive := recvAll
				if len(got)%2 == 1 {
					receive = borrowAll
				}
				got = append(got, receive(t, r)...)
			}
			if len(buf) != 0 {
				t.Fatalf("%d bytes are left of a batch that was taken", len(buf))
			}
			next = end
		}
		if len(got) != len(msgs) {
			t.Fatalf("got %d messages, want %d", len(got), len(msgs))
		}
		for i, msg := range msgs {
			if len(got[i]) != len(msg) {
				t.Fatalf("message %d has %d frames, want %d", i, len(got[i]), len(msg))
			}
			for j, f := range msg {
				if !bytes.Equal(got[i][j], f) {
					t.Fatalf("message %d: frame %d has %d bytes, want %d", i, j, len(got[i][j]), len(f))
				}
			}
		}
	})
}

// planned makes messages of a plan, in which each byte is a frame. The lowest bit says that the
// message goes on, and the rest is the size in bytes. The highest values stand for sizes that Recv
// does not copy through its scratch buffer.
func planned(plan []byte) (msgs [][][]byte) {
	var msg [][]byte
	for i, b := range plan {
		size := int(b >> 1)
		if size >= 120 {
			size = maxCopy + 122 - size // around the limit
		}
		msg = append(msg, bytes.Repeat([]byte{byte(i)}, size))
		if b&1 == 0 || i == len(plan)-1 {
			msgs = append(msgs, msg)
			msg = nil
		}
	}
	return msgs
}
