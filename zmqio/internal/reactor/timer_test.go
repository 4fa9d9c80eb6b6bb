package reactor

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// test_timeout_rounding: a very short wait is no busy loop.
func TestTimeoutRounding(t *testing.T) {
	l := newLoop(t)
	iterations, left := 0, 0
	for _, d := range []time.Duration{10 * time.Millisecond, time.Millisecond, 100 * time.Microsecond, time.Microsecond, 1} {
		left++
		later(t, l, d, func() { left-- })
	}
	for left > 0 {
		must(t, l.runOnce(never))
		iterations++
	}
	if iterations > 20 {
		t.Errorf("%d iterations", iterations)
	}
}

// test__run_once: a cancelled timer at the head does not shorten the wait.
func TestCancelledTimerShortensNoWait(t *testing.T) {
	l := newLoop(t)
	first := later(t, l, 5*time.Hour, func() {})
	later(t, l, 10*time.Hour, func() {})
	l.CancelTimer(first)
	if d := l.timeout(never, l.Time()); d < 9*time.Hour || d > 10*time.Hour {
		t.Errorf("%v", d)
	}
}

// TimerTests.test_timer: Cancel frees the callback.
func TestCancelDropsTheCallback(t *testing.T) {
	l := newLoop(t)
	timer := later(t, l, time.Hour, func() {})
	l.CancelTimer(timer)
	h := soon(t, l, func() {})
	h.Cancel()
	if timer.handle.fn != nil || h.fn != nil {
		t.Error("a callback is kept")
	}
}

// Timers come in the order of their times, and equal ones in the order of the calls, whichever
// others were cancelled.
func TestTimersComeInOrder(t *testing.T) {
	l := newLoop(t)
	random := rand.New(rand.NewPCG(1, 2))
	type due struct {
		when time.Duration
		call int
	}
	var want, got []due
	now := l.Time()
	for call := range 5000 {
		d := due{now - time.Duration(random.IntN(500)), call}
		var timer Timer
		must(t, l.CallAt(&timer, NewHandle(func() { got = append(got, d) }, nil), d.when))
		if random.IntN(3) == 0 {
			l.CancelTimer(&timer)
			l.CancelTimer(&timer) // once more does nothing
			continue
		}
		want = append(want, d)
	}
	for i, e := range l.timers {
		if e.timer.index != i {
			t.Fatalf("the timer at %d has the index %d", i, e.timer.index)
		}
	}
	slices.SortStableFunc(want, func(a, b due) int { return cmp.Compare(a.when, b.when) })
	must(t, l.runOnce(never))
	if !slices.Equal(got, want) {
		t.Errorf("%d timers came, %d were left, and not in their order", len(got), len(want))
	}
	if _, timers := l.Queued(); timers != 0 {
		t.Errorf("%d timers are left", timers)
	}
}

// BenchmarkTimers sets a timer again when it is due, among others that wait.
func BenchmarkTimers(b *testing.B) {
	for _, n := range []int{1, 1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			l := newLoop(b)
			h := NewHandle(func() {}, nil)
			random := rand.New(rand.NewPCG(1, 2))
			timers := make([]Timer, n)
			for i := range timers {
				must(b, l.CallAt(&timers[i], h, time.Hour+time.Duration(random.Int64N(1e10))))
			}
			for b.Loop() {
				t := l.timers.remove(0)
				must(b, l.CallAt(t, h, t.when+time.Duration(random.Int64N(1e10))))
			}
		})
	}
}
