package flow

import "testing"

// A writer that was woken may be passed once.
func TestPassedOnce(t *testing.T) {
	c := New(0)
	pending := Size{Bytes: 1, Items: 1}
	c.SetMarks(1, 0, pending, 1)
	w := c.Enqueue(Size{Bytes: 1, Items: 1})
	if !c.MustQueue() {
		t.Error("a new writer passes one that waits")
	}
	for turn, passed := range []bool{false, true} {
		c.SetMarks(2, 0, pending, 1) // the turn
		if err := <-w.Turn(); err != nil {
			t.Fatal(err)
		}
		if got := c.MustQueue(); got != passed {
			t.Errorf("turn %d: a new writer must queue: %t", turn, got)
		}
		c.SetMarks(1, 0, pending, 1)
		if got := c.Claim(w, pending); (got == Admitted) != passed {
			t.Errorf("turn %d: the verdict is %d", turn, got)
		}
	}
	w.Release()
}
