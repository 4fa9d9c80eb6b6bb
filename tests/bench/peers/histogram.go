package peers

import "math/bits"

// fine is how many buckets there are for each power of two: a time is off by 1.6 % at most.
const fine = 32

// A histogram counts times, in nanoseconds.
type histogram struct {
	counts [59 * fine]int
}

func (h *histogram) add(ns int64) { h.counts[bucket(uint64(max(ns, 0)))]++ }

// reset forgets all times. With a nil histogram it does nothing.
func (h *histogram) reset() {
	if h != nil {
		*h = histogram{}
	}
}

// bucket returns where v is counted. It keeps the first six bits.
func bucket(v uint64) int {
	shift := max(bits.Len64(v), 6) - 6
	return shift*fine + int(v>>shift)
}

// middle is the time that stands for those of a bucket.
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

// percentiles are of the times that a run took note of, in µs.
type percentiles struct {
	P50  float64 `json:"p50,omitempty"`
	P99  float64 `json:"p99,omitempty"`
	P999 float64 `json:"p999,omitempty"`
}

// percentiles are those that results have. A nil histogram has none.
func (h *histogram) percentiles() percentiles {
	if h == nil {
		return percentiles{}
	}
	return percentiles{h.percentile(0.5), h.percentile(0.99), h.percentile(0.999)}
}
