package conformance

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zmqio/zmq/zmqio"
)

func TestCallLater(t *testing.T) {
	l := newLoop(t, nil)
	const delay = 10 * time.Millisecond
	start, calls := l.Time(), 0
	later(t, l, delay, func() {
		if took := l.Time() - start; took < delay {
			t.Errorf("%v early", delay-took)
		}
		calls++
		soon(t, l, l.Stop)
	})
	run(t, l)
	if calls != 1 {
		t.Errorf("%d calls", calls)
	}
	_, err := l.CallLater(0, nil)
	wants(t, err, zmqio.ErrInvalidArgument)
}

// A delay beyond the largest time is not overdue.
func TestCallLaterForever(t *testing.T) {
	l := newLoop(t, nil)
	later(t, l, math.MaxInt64, func() { t.Error("called") })
	pass(t, l)
}

func TestCallLaterNegativeDelays(t *testing.T) {
	l := newLoop(t, nil)
	var got []string
	later(t, l, -time.Second, func() { got = append(got, "a") })
	later(t, l, -2*time.Second, func() { got = append(got, "b") })
	pass(t, l)
	if !slices.Equal(got, []string{"b", "a"}) {
		t.Errorf("%v", got)
	}
}

// A delay before the beginning of time is due at once.
func TestCallLaterLongAgo(t *testing.T) {
	l := newLoop(t, nil)
	later(t, l, math.MinInt64, l.Stop)
	run(t, l)
}

func TestTimeAndCallAt(t *testing.T) {
	l := newLoop(t, nil)
	when := l.Time() + 10*time.Millisecond
	_, err := l.CallAt(when, func() {
		if now := l.Time(); now < when {
			t.Errorf("%v early", when-now)
		}
		l.Stop()
	})
	must(t, err)
	run(t, l)
}

// Unlike asyncio's, timers of equal times come in the order in which they were given.
func TestEqualTimesFirstComeFirstServed(t *testing.T) {
	l := newLoop(t, nil)
	var got []int
	for i := range 100 {
		_, err := l.CallAt(0, func() { got = append(got, i) })
		must(t, err)
	}
	pass(t, l)
	if len(got) != 100 || !slices.IsSorted(got) {
		t.Errorf("%v", got)
	}
}

func TestTimerWhen(t *testing.T) {
	l := newLoop(t, nil)
	h, err := l.CallAt(time.Hour, func() {})
	must(t, err)
	if h.When() != time.Hour {
		t.Errorf("%v", h.When())
	}
	before := l.Time()
	if when := later(t, l, time.Hour, func() {}).When(); when < before+time.Hour || when > l.Time()+time.Hour {
		t.Errorf("%v", when)
	}
}

func TestTimerCancel(t *testing.T) {
	l := newLoop(t, nil)
	h := later(t, l, 0, func() { t.Error("called") })
	for range 2 {
		h.Cancel()
		if !h.Cancelled() {
			t.Error("not cancelled")
		}
	}
	pass(t, l)
	h = later(t, l, 0, func() {})
	pass(t, l)
	if h.Cancelled() {
		t.Error("cancelled by running")
	}
	if h.Cancel(); !h.Cancelled() {
		t.Error("Cancel after it ran")
	}
}

// Due timers that are cancelled in the same batch do not run.
func TestTimerCancelledWhenDue(t *testing.T) {
	l := newLoop(t, nil)
	var second *zmqio.TimerHandle
	later(t, l, -2, func() { second.Cancel() })
	second = later(t, l, -1, func() { t.Error("called") })
	pass(t, l)
}

func TestTimerRepr(t *testing.T) {
	l := newLoop(t, nil)
	h, err := l.CallAt(90*time.Minute, func() {})
	must(t, err)
	if got := h.String(); got != "<TimerHandle when=1h30m0s>" {
		t.Error(got)
	}
	if h.Cancel(); h.String() != "<TimerHandle when=1h30m0s cancelled>" {
		t.Error(h)
	}
}

func TestTimerReprDebug(t *testing.T) {
	l := newLoop(t, nil)
	l.SetDebug(true)
	h := later(t, l, time.Hour, func() {})
	got := h.String()
	for _, want := range []string{"conformance.TestTimerReprDebug.func1 at ", ", created at ", "timers_test.go:"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s lacks %q", got, want)
		}
	}
}
