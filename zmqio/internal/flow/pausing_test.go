package flow

import (
	"testing"
	"time"
)

// Await returns when the PauseWriting in progress returns, or at its deadline. It returns at once
// without a PauseWriting, and on the goroutine that runs it.
func TestAwaitPausing(t *testing.T) {
	const writer, loop = 1, 2
	forever := time.Now().Add(time.Hour)
	c := New(0)
	full := Size{Bytes: defaultHigh + 1, Items: 1}
	c.Pausing().Await(loop, forever)
	if c.Pausing().By(writer) || c.Pausing().By(loop) {
		t.Error("a goroutine is in no PauseWriting")
	}
	if fx := c.Grew(full, writer) | c.Offered(full, writer); !fx.Has(Pause) {
		t.Fatalf("effects %b", fx)
	}
	p := c.Pausing()
	if !p.By(writer) || p.By(loop) {
		t.Error("another goroutine than the writer is in PauseWriting")
	}
	p.Await(writer, forever)
	p.Await(loop, time.Now())

	waited := make(chan struct{})
	go func() {
		defer close(waited)
		p.Await(loop, forever)
	}()
	c.PauseReturned(full)
	<-waited
	c.Pausing().Await(loop, forever)
}

// While the loop is in ResumeWriting, a writer that fills the buffer is not asked to offer it:
// the writer could not pause the protocol. The end of ResumeWriting asks instead.
func TestGrewDuringResumeWriting(t *testing.T) {
	const writer, loop = 1, 2
	c := New(0)
	full, empty := Size{Bytes: defaultHigh + 1, Items: 1}, Size{}
	c.Grew(full, writer)
	c.Offered(full, writer)
	c.PauseReturned(full)
	if !c.Shrank(empty).Has(Resume) || !c.ResumeDue(empty, loop) {
		t.Fatal("not resumed")
	}
	if fx := c.Grew(full, writer); fx != 0 {
		t.Errorf("a writer gets effects %b, want none", fx)
	}
	if fx := c.Grew(full, loop); fx != Offer {
		t.Errorf("ResumeWriting itself gets effects %b, want Offer", fx)
	}
	if fx := c.ResumeReturned(full, loop); fx != Offer {
		t.Errorf("the end of ResumeWriting has effects %b, want Offer", fx)
	}
	if fx := c.Offered(full, loop); fx != Pause {
		t.Errorf("the offer has effects %b, want Pause", fx)
	}
}
