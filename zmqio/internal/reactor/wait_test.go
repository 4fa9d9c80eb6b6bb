package reactor

import (
	"testing"
	"time"
)

// A loop yields before it blocks if another goroutine may be ready. After a yield as long as a
// computation it does not yield again soon.
func TestYield(t *testing.T) {
	l := newLoop(t)
	l.yielded, l.processors = l.Time()+time.Hour, 1<<62
	if l.shouldYield(l.Time()) {
		t.Error("a loop that is left alone yields")
	}
	l.Share()
	if !l.shouldYield(l.Time()) {
		t.Error("the loop does not yield although others use it")
	}
	if l.shouldYield(l.Time()) {
		t.Error("the loop yields twice for one Share")
	}
	l.processors = 0
	if !l.shouldYield(l.Time()) {
		t.Error("the loop does not yield the only processor")
	}
	l.keepFor(time.Microsecond)
	if !l.shouldYield(l.Time()) {
		t.Error("the loop does not yield again after a short yield")
	}
	l.keepFor(time.Hour)
	if l.shouldYield(l.Time()) {
		t.Error("the loop yields again after a long yield")
	}
}
