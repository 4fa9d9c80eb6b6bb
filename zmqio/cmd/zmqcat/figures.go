package main

import (
	"fmt"
	"sync/atomic"
	"time"
)

// figures count the traffic of the transport. Every goroutine may use them, unless a method says
// otherwise.
type figures struct {
	sent, received traffic
	pauses         atomic.Int64
	start          time.Time
	meter          meter
}

// traffic counts messages in one direction, and the bytes of their frames.
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
	return fmt.Sprintf("%s (%s)", amount(t.messages.Load(), "message"), amount(t.bytes.Load(), "byte"))
}

// amount returns n with its unit, which is in the plural unless n is 1.
func amount[N int64 | uint64](n N, unit string) string {
	if n != 1 {
		unit += "s"
	}
	return fmt.Sprintf("%d %s", n, unit)
}

func (f *figures) String() string {
	return fmt.Sprintf("sent %v, received %v, %d pauses, %.3f seconds",
		&f.sent, &f.received, f.pauses.Load(), time.Since(f.start).Seconds())
}

// progress returns a line for a socket that sends, receives, or both. Loop goroutine only.
func (f *figures) progress(now time.Time, sends, receives bool) string {
	var parts []part
	if sends {
		parts = append(parts, part{"sent", f.sent.messages.Load(), f.sent.bytes.Load()})
	}
	if receives {
		parts = append(parts, part{"received", f.received.messages.Load(), f.received.bytes.Load()})
	}
	return f.meter.line(f.start, now, parts...)
}

// A part of a line of progress is the traffic in one direction.
type part struct {
	verb            string
	messages, bytes int64
}

// A meter makes lines of progress. Only one goroutine may use it.
type meter struct {
	at    time.Time // of the last line
	shown [2]int64  // counts of messages in that line, by part
}

// line returns a line that does not wrap, with rates since the last line, or since start.
func (m *meter) line(start, now time.Time, parts ...part) string {
	if m.at.IsZero() {
		m.at = start
	}
	seconds := max(now.Sub(m.at).Seconds(), 1e-9)
	m.at = now
	var text string
	for i, p := range parts {
		text += fmt.Sprintf("%s %d, %s, %.0f/s; ", p.verb, p.messages, inBytes(p.bytes), float64(p.messages-m.shown[i])/seconds)
		m.shown[i] = p.messages
	}
	return text + fmt.Sprintf("%.0f s", now.Sub(start).Seconds())
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
