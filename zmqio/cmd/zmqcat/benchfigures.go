package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// A flow is the result of sending or receiving.
type flow struct {
	Test     string  `json:"test"`
	Size     int     `json:"size"`
	Messages int     `json:"messages"`
	Lost     int     `json:"lost"`
	Seconds  float64 `json:"seconds"`
	// Rate and Bytes are per second.
	Rate  float64 `json:"messages_per_second"`
	Bytes float64 `json:"bytes_per_second"`
}

// over returns f with the rates for a duration d.
func (f flow) over(d time.Duration) flow {
	f.Seconds = d.Seconds()
	if d > 0 {
		f.Rate = float64(f.Messages) / f.Seconds
		f.Bytes = f.Rate * float64(f.Size)
	}
	return f
}

// String returns a line.
func (f flow) String() string {
	text := fmt.Sprintf("%s: %d messages of %d B in %.3f s: %.0f messages/s, %.1f MB/s",
		f.Test, f.Messages, f.Size, f.Seconds, f.Rate, f.Bytes/1e6)
	if f.Lost > 0 {
		text += fmt.Sprintf(", %d lost", f.Lost)
	}
	return text
}

// trips are the result of a ping.
type trips struct {
	Test     string    `json:"test"`
	Size     int       `json:"size"`
	Messages int       `json:"messages"`
	Seconds  float64   `json:"seconds"`
	Rate     float64   `json:"messages_per_second"`
	Latency  latencies `json:"microseconds"`
}

// latencies are percentiles of round trips, in microseconds.
type latencies struct {
	Min  float64 `json:"min"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99.9"`
	Max  float64 `json:"max"`
}

// over returns t with the figures of round trips. took has their times, which over sorts, and d is
// the sum.
func (t trips) over(d time.Duration, took []time.Duration) trips {
	slices.Sort(took)
	at := func(percent float64) float64 { return float64(percentile(took, percent)) / float64(time.Microsecond) }
	t.Messages = len(took)
	t.Seconds = d.Seconds()
	if d > 0 {
		t.Rate = float64(t.Messages) / t.Seconds
	}
	t.Latency = latencies{at(0), at(50), at(90), at(99), at(99.9), at(100)}
	return t
}

// String returns a line.
func (t trips) String() string {
	l := t.Latency
	return fmt.Sprintf("%s: %d round trips of %d B in %.3f s: %.0f/s; µs: min %.1f, p50 %.1f, p90 %.1f, p99 %.1f, p99.9 %.1f, max %.1f",
		t.Test, t.Messages, t.Size, t.Seconds, t.Rate, l.Min, l.P50, l.P90, l.P99, l.P999, l.Max)
}

// percentile returns the least value that at least percent of the sorted values do not exceed.
func percentile(sorted []time.Duration, percent float64) time.Duration {
	rank := int(math.Ceil(percent / 100 * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}
