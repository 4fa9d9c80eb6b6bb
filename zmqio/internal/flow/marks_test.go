package flow

import (
	"math"
	"testing"
)

func TestResolveMarks(t *testing.T) {
	for _, c := range []struct {
		high, low, wantHigh, wantLow int
		ok                           bool
	}{
		{DefaultMark, DefaultMark, 64 << 10, 16 << 10, true},
		{60, DefaultMark, 60, 15, true},
		{DefaultMark, 10, 40, 10, true},
		{DefaultMark, math.MaxInt / 2, math.MaxInt, math.MaxInt / 2, true},
		{0, 0, 0, 0, true},
		{1, 2, 1, 2, false},
		{5, -2, 5, -2, false},
		{-2, DefaultMark, -2, 0, false},
	} {
		if h, l, ok := ResolveMarks(c.high, c.low); h != c.wantHigh || l != c.wantLow || ok != c.ok {
			t.Errorf("ResolveMarks(%d, %d): %d, %d, %t", c.high, c.low, h, l, ok)
		}
	}
	if h, l := func() (int, int) { c := New(0); return c.Marks() }(); h != 64<<10 || l != 16<<10 {
		t.Errorf("a new Control has %d, %d", h, l)
	}
}
