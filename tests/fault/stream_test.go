package fault

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// A stream is a series of frames. Each has the stream's name, a number from 1, and bytes that
// follow from the number. So the tests notice frames that are lost, doubled, cut, damaged or
// reordered.
type stream struct {
	name uint64
	size int // of a frame
}

const headerSize = 16

// pattern has a period that is no power of two.
var pattern = func() []byte {
	var period [257]byte
	for i := range period {
		period[i] = byte(i)
	}
	return bytes.Repeat(period[:], 1<<20/257)
}()

func (s stream) frame(number uint64) []byte {
	f := make([]byte, 0, s.size)
	f = binary.BigEndian.AppendUint64(f, s.name)
	f = binary.BigEndian.AppendUint64(f, number)
	return append(f, pattern[number%257:][:s.size-headerSize]...)
}

// parseFrame is the inverse of frame.
func parseFrame(f []byte) (name, number uint64, err error) {
	if len(f) < headerSize {
		return 0, 0, fmt.Errorf("a frame of %d bytes", len(f))
	}
	name, number = binary.BigEndian.Uint64(f), binary.BigEndian.Uint64(f[8:])
	if !bytes.Equal(f[headerSize:], pattern[number%257:][:len(f)-headerSize]) {
		return 0, 0, fmt.Errorf("frame %d of stream %d is damaged: %d bytes, % x...", number, name, len(f), f[:min(len(f), 32)])
	}
	return name, number, nil
}

// parseMessage is parseFrame for a message that must have one frame, of the right size.
func (s stream) parseMessage(msg [][]byte) (name, number uint64, err error) {
	if len(msg) != 1 || len(msg[0]) != s.size {
		return 0, 0, fmt.Errorf("a message of %d frames, the first of %d bytes; want one of %d", len(msg), len(msg[0]), s.size)
	}
	return parseFrame(msg[0])
}

// A track records the frames of a stream that have come.
type track struct {
	last  uint64 // the last number
	count uint64
	lost  uint64 // numbers left out before last
}

// add records that number has come, and checks that it is in order and new.
func (r *track) add(number uint64) error {
	if number <= r.last {
		return fmt.Errorf("number %d came after %d", number, r.last)
	}
	r.lost += number - r.last - 1
	r.last = number
	r.count++
	return nil
}

func (r *track) first() uint64 { return r.last - r.count - r.lost + 1 }
