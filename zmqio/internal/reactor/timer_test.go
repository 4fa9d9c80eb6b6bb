package reactor

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
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

// A model of the heap is a sorted list. Timers of few and of extreme times come and go in all
// orders, also by cancels amid the heap.
func TestTimersAgainstList(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	times := []time.Duration{math.MinInt64, math.MinInt64 + 1, -1, 0, 1, math.MaxInt64 - 1, math.MaxInt64}
	for range 200 {
		times = append(times, time.Duration(random.Int64N(1e6)))
	}
	l := newLoop(t)
	var model []*Timer // sorted
	compare := func(a, b *Timer) int { return cmp.Or(cmp.Compare(a.when, b.when), cmp.Compare(a.seq, b.seq)) }
	var got, want []*Timer
	for step := range 50_000 {
		switch n := random.IntN(100); {
		case n < 52 || len(model) == 0:
			timer := new(Timer)
			must(t, l.CallAt(timer, NewHandle(func() { got = append(got, timer) }, nil), times[random.IntN(len(times))]))
			at, _ := slices.BinarySearchFunc(model, timer, compare)
			model = slices.Insert(model, at, timer)
		case n < 99:
			at := random.IntN(len(model))
			l.CancelTimer(model[at])
			model = slices.Delete(model, at, at+1)
		default:
			now := times[random.IntN(len(times))]
			l.mu.Lock()
			l.dueTimersLocked(now)
			for _, h := range l.ready {
				h.fn()
			}
			l.ready = l.ready[:0]
			l.mu.Unlock()
			due := 0
			for due < len(model) && model[due].when <= now {
				due++
			}
			want = append(want, model[:due]...)
			model = slices.Delete(model, 0, due)
		}
		if len(l.timers) != len(model) || len(model) > 0 && l.timers[0].timer != model[0] {
			t.Fatalf("step %d: %d timers with another at the root, want %d", step, len(l.timers), len(model))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d timers came, %d were due, or not in their order", len(got), len(want))
	}
	if len(want) < 1000 {
		t.Errorf("only %d timers were due", len(want))
	}
}

// A hundred thousand timers come in order after half of them were cancelled at random.
func TestManyTimers(t *testing.T) {
	l := newLoop(t)
	random := rand.New(rand.NewPCG(5, 6))
	timers := make([]Timer, 100_000)
	var got []*Timer
	for i := range timers {
		timer := &timers[i]
		must(t, l.CallAt(timer, NewHandle(func() { got = append(got, timer) }, nil), l.Time()-time.Duration(random.Int64N(1e9))))
	}
	order := random.Perm(len(timers))
	for _, i := range order[:len(timers)/2] {
		l.CancelTimer(&timers[i])
	}
	must(t, l.runOnce(never))
	if !slices.IsSortedFunc(got, func(a, b *Timer) int { return cmp.Or(cmp.Compare(a.when, b.when), cmp.Compare(a.seq, b.seq)) }) {
		t.Error("not in order")
	}
	if _, left := l.Queued(); len(got) != len(timers)/2 || left != 0 {
		t.Errorf("%d timers came and %d are left", len(got), left)
	}
}

// A timer that is due since before all time does not let the loop sleep.
func TestLongOverdueTimer(t *testing.T) {
	for _, when := range []time.Duration{math.MinInt64, math.MinInt64 + 1, -1} {
		l := newLoop(t)
		must(t, l.CallAt(new(Timer), NewHandle(func() {}, nil), when))
		if d := l.timeout(never, l.Time()); d != 0 {
			t.Errorf("due at %d: the loop sleeps for %v", when, d)
		}
	}
}

// A timer that is set off the loop goroutine wakes the loop if it is due before all others.
func TestTimerWakesTheLoop(t *testing.T) {
	l := newLoop(t)
	later(t, l, time.Hour, func() {})
	go func() {
		for asleep := false; !asleep; runtime.Gosched() {
			l.mu.Lock()
			asleep = l.sleeping
			l.mu.Unlock()
		}
		if err := l.CallAt(new(Timer), NewHandle(l.Stop, nil), 0); err != nil {
			t.Error(err)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.sleeping {
			t.Error("the loop sleeps on")
			l.wakeLocked()
		}
	}()
	run(t, l)
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
