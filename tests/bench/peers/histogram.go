package peers

import "math/bits"

// fine is the number of buckets for each power of two. A time is off by 1.6 % at most.
const fine = 32

// A histogram counts times, in nanoseconds.
type histogram struct {
	counts [59 * fine]int
}

func (h *histogram) add(ns int64) { h.counts[bucket(uint64(max(ns, 0)))]++ }

// reset drops all times. On a nil histogram it does nothing.
func (h *histogram) reset() {
	if h != nil {
		*h = histogram{}
	}
}

// bucket returns the index of the count of v. It depends on the first six bits of v.
func bucket(v uint64) int {
	shift := max(bits.Len64(v), 6) - 6
	return shift*fine + int(v>>shift)
}

// middle returns the middle of a bucket, which stands for all its times.
func middle(bucket int) float64 {
	if bucket < 2*fine {
		return float64(bucket)
	}
	return (float64(bucket%fine+fine) + 0.5) * float64(uint64(1)<<(bucket/fine-1))
}

// percentile returns the time, in µs, that the share of all times does not exceed. Without times
// it is 0.
func (h *histogram) percentile(share float64) float64 {
	all, seen := 0, 0
	for _, n := range h.counts {
		all += n
	}
	for i, n := range h.counts {
		if seen += n; n > 0 && float64(seen) >= share*float64(all) {
			return middle(i) / 1e3
		}
	}
	return 0
}

// percentiles has percentiles of the times that a run notes, in µs.
type percentiles struct {
	P50  float64 `json:"p50,omitempty"`
	P99  float64 `json:"p99,omitempty"`
	P999 float64 `json:"p999,omitempty"`
}

// percentiles returns the percentiles of a result. They are 0 for a nil histogram.
func (h *histogram) percentiles() percentiles {
	if h == nil {
		return percentiles{}
	}
	return percentiles{h.percentile(0.5), h.percentile(0.99), h.percentile(0.999)}
}
