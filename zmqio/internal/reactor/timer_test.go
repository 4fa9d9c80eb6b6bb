package reactor

import (
	"testing"
	"time"
)

// test_timeout_rounding: waiting for times however short is not a busy loop.
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

// TimerTests.test_timer: Cancel lets go of the callback.
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
