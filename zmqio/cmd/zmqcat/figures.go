package main

import (
	"fmt"
	"sync/atomic"
	"time"
)

// figures count what went through the transport. They may be used from every
// goroutine.
type figures struct {
	sent, received traffic
	pauses         atomic.Int64
	start          time.Time
}

// traffic is messages in one direction, and the bytes of their frames.
type traffic struct{ messages, bytes atomic.Int64 }

func (t *traffic) add(msg [][]byte) {
	size := 0
	for _, frame := range msg {
		size += len(frame)
	}
	t.messages.Add(1)
	t.bytes.Add(int64(size))
}

func (t *traffic) String() string {
	return fmt.Sprintf("%d messages (%d bytes)", t.messages.Load(), t.bytes.Load())
}

func (f *figures) String() string {
	return fmt.Sprintf("sent %v, received %v, %d pauses, %.3f seconds",
		&f.sent, &f.received, f.pauses.Load(), time.Since(f.start).Seconds())
}

// brief is String for a line that must not wrap.
func (f *figures) brief() string {
	return fmt.Sprintf("sent %d (%d B), received %d (%d B), %d pauses, %.1f s",
		f.sent.messages.Load(), f.sent.bytes.Load(), f.received.messages.Load(), f.received.bytes.Load(),
		f.pauses.Load(), time.Since(f.start).Seconds())
}
