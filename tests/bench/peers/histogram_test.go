package peers

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Buckets are contiguous, their order is that of the times, and each stands for its times.
func TestBuckets(t *testing.T) {
	last := -1
	for v := range uint64(1 << 16) {
		if b := bucket(v); b != last {
			if b != last+1 {
				t.Fatalf("%d is in bucket %d, after bucket %d", v, b, last)
			}
			last = b
		}
		if got := middle(last); math.Abs(got-float64(v)) > float64(v)/(2*fine) {
			t.Fatalf("%v stands for %d", got, v)
		}
	}
	if b := bucket(math.MaxInt64); b != len(histogram{}.counts)-1 {
		t.Errorf("the longest time is in bucket %d", b)
	}
}

// Percentiles are those of the sorted times.
func TestPercentiles(t *testing.T) {
	var h histogram
	if got := h.percentiles(); got != (percentiles{}) {
		t.Errorf("without times: %v", got)
	}
	random := rand.New(rand.NewPCG(1, 2))
	times := make([]int64, 100_000)
	for i := range times {
		times[i] = int64(math.Exp(random.NormFloat64()*2+10) + 1)
		h.add(times[i])
	}
	slices.Sort(times)
	for _, share := range []float64{0.001, 0.5, 0.99, 0.999, 1} {
		want := float64(times[int(share*float64(len(times)))-1]) / 1e3
		if got := h.percentile(share); math.Abs(got-want) > want/(2*fine) {
			t.Errorf("%v of the times: %v µs, want %v", share, got, want)
		}
	}
	var one histogram
	one.add(-5)
	one.add(20)
	if got := one.percentile(0.5); got != 0 {
		t.Errorf("a time below 0 counts as %v µs", got)
	}
	if got := one.percentile(1); got != 0.020 {
		t.Errorf("20 ns are %v µs", got)
	}
}

// Percentiles of few, of equal and of extreme times are among the times.
func TestPercentilesOfFewTimes(t *testing.T) {
	const low, high = 40, 50 // have buckets of their own
	times := func(lows, highs int) (all []int64) {
		return append(slices.Repeat([]int64{low}, lows), slices.Repeat([]int64{high}, highs)...)
	}
	for name, c := range map[string]struct {
		times          []int64
		p50, p99, p999 int64
	}{
		"one":                     {times(1, 0), low, low, low},
		"two":                     {times(1, 1), low, high, high},
		"three":                   {times(1, 2), high, high, high},
		"equal":                   {times(0, 5000), high, high, high},
		"one of a hundred":        {times(99, 1), low, low, high},
		"two of a hundred":        {times(98, 2), low, high, high},
		"one of a thousand":       {times(999, 1), low, low, low},
		"one of 999":              {times(998, 1), low, low, high},
		"none":                    {times(0, 1)[:0], 0, 0, 0},
		"nothing lasts":           {make([]int64, 10), 0, 0, 0},
		"the longest of all":      {[]int64{math.MaxInt64}, math.MaxInt64, math.MaxInt64, math.MaxInt64},
		"the longest and a short": {[]int64{math.MaxInt64, low}, low, math.MaxInt64, math.MaxInt64},
	} {
		var h histogram
		for _, d := range c.times {
			h.add(d)
		}
		got := h.percentiles()
		for _, v := range []struct {
			got  float64
			want int64
		}{{got.P50, c.p50}, {got.P99, c.p99}, {got.P999, c.p999}} {
			want := float64(v.want) / 1e3
			if math.Abs(v.got-want) > want/(2*fine) || v.want == high && v.got != want || v.want == low && v.got != want {
				t.Errorf("%s: %v, want %v in %+v", name, v.got, want, got)
			}
		}
	}
}
