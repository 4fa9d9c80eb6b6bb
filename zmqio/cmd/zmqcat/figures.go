package main

import (
	"fmt"
	"sync/atomic"
	"time"
)

// figures count what went through the transport. They may be used from every
// goroutine, unless a method says otherwise.
type figures struct {
	sent, received traffic
	pauses         atomic.Int64
	start          time.Time
	shown          struct { // in the last progress
		at             time.Time
		sent, received int64
	}
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

// progress returns a line that does not wrap, with the rates since the last call, for a
// socket that sends, receives, or both. Loop goroutine only.
func (f *figures) progress(now time.Time, sends, receives bool) string {
	if f.shown.at.IsZero() {
		f.shown.at = f.start
	}
	seconds := max(now.Sub(f.shown.at).Seconds(), 1e-9)
	var text string
	add := func(verb string, t *traffic, shown *int64) {
		messages := t.messages.Load()
		text += fmt.Sprintf("%s %d, %s, %.0f/s; ", verb, messages, inBytes(t.bytes.Load()), float64(messages-*shown)/seconds)
		*shown = messages
	}
	if sends {
		add("sent", &f.sent, &f.shown.sent)
	}
	if receives {
		add("received", &f.received, &f.shown.received)
	}
	f.shown.at = now
	return text + fmt.Sprintf("%.0f s", now.Sub(f.start).Seconds())
}

// inBytes returns n with a unit.
func inBytes(n int64) string {
	v, units := float64(n), []string{"kB", "MB", "GB", "TB"}
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	i := 0
	for v /= 1000; v >= 999.95 && i < len(units)-1; v /= 1000 {
		i++
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}
