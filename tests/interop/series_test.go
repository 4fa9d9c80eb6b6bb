package interop

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// A series is a run of messages that both sides can compute: count messages, each derived from its
// number, and one that ends it. Lost, doubled, cut or reordered messages show as a difference.
// testdata/series.py has the same rules.
type series struct {
	Name  string
	Count int
}

// The lengths are around the bounds of libzmq and its wire format: 33 bytes fit into a zmq_msg_t,
// 255 into a short frame, 8192 into an encoder's buffer.
var lengths = []int{0, 1, 2, 29, 30, 33, 34, 127, 255, 256, 257, 8191, 8192, 8193, 65536}

const mib = 1 << 20

// base has all byte values, with a period that is no power of two.
var base = bytes.Repeat(append(allBytes(), 0xff), 2*mib/257)

func allBytes() []byte {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func chunk(seed, length int) []byte {
	start := seed % 257
	return base[start : start+length]
}

// message returns the frames of message i, and of the one that ends the series.
func (s series) message(i int) [][]byte {
	if i == s.Count {
		return [][]byte{[]byte("end of " + s.Name)}
	}
	switch s.Name {
	case "numbered":
		return [][]byte{strconv.AppendInt(nil, int64(i), 10)}
	case "shapes":
		var frames [][]byte
		for j := range 1 + i%5 {
			frames = append(frames, chunk(i+j, lengths[(7*i+3*j)%len(lengths)]))
		}
		return frames
	case "large":
		if i%2 == 0 {
			return [][]byte{chunk(i, mib)}
		}
		return [][]byte{{}, chunk(i, mib), chunk(i, 1), {}, chunk(i+1, mib)}
	}
	panic("no series " + s.Name)
}

// messages yields the whole series, each message after the frames of prefix.
func (s series) messages(prefix ...[]byte) iter.Seq[[][]byte] {
	return func(yield func([][]byte) bool) {
		for i := range s.Count + 1 {
			if !yield(append(prefix[:len(prefix):len(prefix)], s.message(i)...)) {
				return
			}
		}
	}
}

// args returns the arguments of a command about the series. If prefix is not nil, it is a frame in
// front of each message.
func (s series) args(prefix []byte) args {
	a := args{"series": s.Name, "count": s.Count}
	if prefix != nil {
		a["prefix"] = hex.EncodeToString(prefix)
	}
	return a
}

// A check compares received messages with a series.
type check struct {
	series
	prefix   [][]byte
	received int
}

// add takes the next message, and reports whether it was the last.
func (c *check) add(msg [][]byte) (done bool, err error) {
	want := append(c.prefix[:len(c.prefix):len(c.prefix)], c.message(c.received)...)
	if !equal(msg, want) {
		return true, fmt.Errorf("%s: message %d: got %s, want %s", c.Name, c.received, brief(msg), brief(want))
	}
	c.received++
	return c.received > c.Count, nil
}

func equal(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

// brief shows the length and the start of each frame.
func brief(msg [][]byte) string {
	var frames []string
	for _, f := range msg {
		frames = append(frames, fmt.Sprintf("%d:%q", len(f), f[:min(len(f), 20)]))
	}
	return "[" + strings.Join(frames, " ") + "]"
}
