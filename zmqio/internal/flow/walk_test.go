package flow

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// The walks drive a Control as a transport would. Beside it they keep what the protocol, the loop
// and the writers see. They try every possible operation in every order.

const (
	writer = 1 // the number of a writing goroutine,
	loop   = 2 // and of the loop goroutine
)

var errStop = errors.New("stopped")

// A world is a small transport. It keeps its own account of what Control keeps.
type world struct {
	c       Control
	limit   int
	buffer  []int // sizes of the pending messages
	offers  []int64
	posted  bool // ResumeDue is queued on the loop
	pausing int64
	resumes bool
	waiting []*Waiter // in the order of admission
	woken   map[*Waiter]bool
	passed  map[*Waiter]bool // woken when the room was gone
	stopped bool
	held    bool
	ended   bool
	lost    int // how often Lost was returned
	pauses  int // calls of PauseWriting minus those of ResumeWriting
	trace   []string
}

func newWorld(limit int) *world {
	w := &world{c: New(limit), limit: limit, woken: make(map[*Waiter]bool), passed: make(map[*Waiter]bool)}
	w.c.high, w.c.low = 4, 2
	return w
}

func (w *world) pending() (s Size) {
	for _, n := range w.buffer {
		s.Bytes += n
	}
	s.Items = len(w.buffer)
	return s
}

func (w *world) over() bool {
	p := w.pending()
	return p.Bytes > w.c.high || w.c.high == 0 && p.Items > 0
}

func (w *world) under() bool {
	p := w.pending()
	return p.Bytes <= w.c.low && (w.c.low > 0 || p.Items == 0)
}

func (w *world) hasRoom(n int) bool {
	p := w.pending()
	return w.pauses == 0 && !w.held && w.withinLimit(n) && (p.Items == 0 || p.Bytes+n <= w.c.high)
}

func (w *world) withinLimit(n int) bool {
	p := w.pending()
	return w.limit == 0 || p.Bytes+n <= w.limit && p.Items+1 <= w.limit
}

// carry carries out the effects of an operation of goroutine self.
func (w *world) carry(fx Effects, self int64) error {
	if fx.Has(Offer) {
		w.offers = append(w.offers, self)
	}
	if fx.Has(Pause) {
		switch {
		case w.pauses != 0 || w.pausing != 0:
			return errors.New("paused twice")
		case w.resumes && self != loop:
			return errors.New("paused while another goroutine is in ResumeWriting")
		case w.stopped || w.held || !w.over():
			return errors.New("paused without need")
		}
		w.pauses, w.pausing = 1, self
	}
	if fx.Has(Resume) {
		if w.posted || w.ended || w.held || w.pausing != 0 {
			return errors.New("Resume is asked for out of turn")
		}
		w.posted = true
	}
	if fx.Has(Lost) {
		w.lost++
		if w.lost > 1 || !w.ended || w.pausing != 0 {
			return errors.New("Lost is asked for out of turn")
		}
	}
	return nil
}

// write writes a message of n bytes on goroutine self.
func (w *world) write(n int, canWait bool, self int64) error {
	head := w.head()
	room := w.hasRoom(n)
	switch v := w.c.Admit(w.pending(), Size{n, 1}, canWait); {
	case w.stopped != (v == Stopped):
		return fmt.Errorf("stopped %t, verdict %d", w.stopped, v)
	case v == Stopped:
		return nil
	case v == Full:
		if canWait && n <= w.limit || !canWait && !w.held && w.withinLimit(n) {
			return errors.New("refused without reason")
		}
		return nil
	case v == Wait:
		if !canWait || room && head == nil {
			return errors.New("has to wait without reason")
		}
		w.waiting = append(w.waiting, w.c.Enqueue(Size{n, 1}))
		return nil
	case w.held, !canWait && !w.withinLimit(n), canWait && !room:
		return errors.New("admitted without room")
	case canWait && head != nil && (!w.woken[head] || w.passed[head]):
		return errors.New("passed a writer that was passed before, or is not being woken")
	}
	return w.buffered(n, self)
}

func (w *world) buffered(n int, self int64) error {
	w.buffer = append(w.buffer, n)
	return w.carry(w.c.Grew(w.pending(), self), self)
}

func (w *world) head() *Waiter {
	if len(w.waiting) == 0 {
		return nil
	}
	return w.waiting[0]
}

// claim lets the writer claim whose turn has come.
func (w *world) claim() error {
	h := w.head()
	if err := <-h.Turn(); err != nil {
		return fmt.Errorf("a turn with %w", err)
	}
	room, second := w.hasRoom(h.size.Bytes), w.passed[h] && !w.held
	w.woken[h] = false
	switch v := w.c.Claim(h, w.pending()); {
	case w.stopped != (v == Stopped):
		return fmt.Errorf("stopped %t, verdict %d", w.stopped, v)
	case v == Wait:
		if room || second && w.withinLimit(h.size.Bytes) {
			return errors.New("its turn came and was not taken")
		}
		w.passed[h] = w.passed[h] || !w.held
		return nil
	case v == Admitted && !room && !(second && w.withinLimit(h.size.Bytes)):
		return errors.New("its turn was taken without room")
	}
	n := h.size.Bytes
	w.waiting = w.waiting[1:]
	w.release(h)
	if w.stopped {
		return nil
	}
	return w.buffered(n, writer)
}

// release gives h, which no longer waits, back to the pool.
func (w *world) release(h *Waiter) {
	delete(w.woken, h)
	delete(w.passed, h)
	h.Release()
}

// giveUp ends the wait of waiter i.
func (w *world) giveUp(i int) error {
	h := w.waiting[i]
	err := w.c.GiveUp(h, w.pending())
	if err != nil {
		return fmt.Errorf("gave up with %w", err)
	}
	w.waiting = append(w.waiting[:i:i], w.waiting[i+1:]...)
	w.release(h)
	return nil
}

func (w *world) stop() error {
	w.stopped = true
	w.c.Stop(errStop)
	left := w.waiting[:0]
	for _, h := range w.waiting {
		if w.woken[h] {
			left = append(left, h)
		} else if err := <-h.Turn(); err != errStop {
			return fmt.Errorf("a writer that waits got %v", err)
		} else {
			w.release(h)
		}
	}
	w.waiting = left
	return nil
}

func (w *world) lose() error {
	if err := w.stop(); err != nil {
		return err
	}
	w.ended = true
	w.buffer = nil
	return w.carry(w.c.Lose(), loop)
}

// resumesSoon checks what must hold after a send, or after a PauseWriting.
func (w *world) resumesSoon() error {
	if w.pauses != 0 && w.pausing == 0 && !w.ended && !w.held && w.under() && !w.posted {
		return errors.New("paused for ever")
	}
	return nil
}

// An operation is possible if can returns true.
type operation struct {
	name string
	can  func(*world) bool
	do   func(*world) error
}

func always(*world) bool { return true }

func outside(w *world) bool { return w.pausing != writer } // the writer is in no callback

var operations = []operation{
	{"write 0", outside, func(w *world) error { return w.write(0, false, writer) }},
	{"write 1", outside, func(w *world) error { return w.write(1, false, writer) }},
	{"write 5", outside, func(w *world) error { return w.write(5, false, writer) }},
	{"wait 2", outside, func(w *world) error { return w.write(2, true, writer) }},
	{"wait 3", outside, func(w *world) error { return w.write(3, true, writer) }},
	{"write 5 on the loop", func(w *world) bool { return w.pausing != loop }, func(w *world) error { return w.write(5, false, loop) }},
	{"offered", func(w *world) bool { return len(w.offers) > 0 }, func(w *world) error {
		self := w.offers[0]
		w.offers = w.offers[1:]
		err := w.carry(w.c.Offered(w.pending(), self), self)
		if err == nil && !w.stopped && !w.held && w.over() && w.pauses == 0 && (!w.resumes || self == loop) {
			return errors.New("over the mark, offered, and not paused")
		}
		return err
	}},
	{"sent", func(w *world) bool { return len(w.buffer) > 0 }, func(w *world) error {
		w.buffer = w.buffer[1:]
		return errors.Join(w.carry(w.c.Shrank(w.pending()), loop), w.resumesSoon())
	}},
	{"pause returned", func(w *world) bool { return w.pausing != 0 }, func(w *world) error {
		self := w.pausing
		w.pausing = 0
		return errors.Join(w.carry(w.c.PauseReturned(w.pending()), self), w.resumesSoon())
	}},
	{"resume due", func(w *world) bool { return w.posted && !w.resumes && w.pausing != loop }, func(w *world) error {
		w.posted = false
		if !w.c.ResumeDue(w.pending(), loop) {
			if !w.ended && !w.held && w.under() {
				return errors.New("not resumed")
			}
			return nil
		}
		if w.pauses != 1 || w.pausing != 0 || w.ended || w.held || !w.under() {
			return errors.New("resumed out of turn")
		}
		w.pauses, w.resumes = 0, true
		return nil
	}},
	{"resume returned", func(w *world) bool { return w.resumes && w.pausing != loop }, func(w *world) error {
		w.resumes = false
		return w.carry(w.c.ResumeReturned(w.pending(), loop), loop)
	}},
	{"claim", func(w *world) bool { return w.head() != nil && w.woken[w.head()] }, (*world).claim},
	{"give up first", func(w *world) bool { return len(w.waiting) > 0 }, func(w *world) error { return w.giveUp(0) }},
	{"give up last", func(w *world) bool { return len(w.waiting) > 1 }, func(w *world) error { return w.giveUp(len(w.waiting) - 1) }},
	{"marks 0 0", always, func(w *world) error { return w.carry(w.c.SetMarks(0, 0, w.pending(), writer), writer) }},
	{"marks 9 1", always, func(w *world) error { return w.carry(w.c.SetMarks(9, 1, w.pending(), writer), writer) }},
	{"hold", func(w *world) bool { return !w.held }, func(w *world) error {
		w.held = true
		w.c.Hold()
		return nil
	}},
	{"grown while held", func(w *world) bool { return w.held && !w.stopped && w.withinLimit(3) }, func(w *world) error {
		return w.buffered(3, writer)
	}},
	{"release", func(w *world) bool { return w.held }, func(w *world) error {
		w.held = false
		return errors.Join(w.carry(w.c.Release(w.pending(), writer), writer), w.resumesSoon())
	}},
	{"stop", func(w *world) bool { return !w.stopped }, (*world).stop},
	{"lose", func(w *world) bool { return !w.ended }, (*world).lose},
}

// step does one operation, and checks the invariants.
func (w *world) step(op operation) error {
	w.trace = append(w.trace, op.name)
	if err := op.do(w); err != nil {
		return err
	}
	for _, h := range w.waiting {
		if len(h.turn) > 0 && !w.woken[h] {
			w.woken[h] = true
			if h != w.head() {
				return errors.New("woken out of turn")
			}
		}
	}
	return w.check()
}

func (w *world) check() error {
	switch h := w.head(); {
	case h != nil && !w.woken[h] && !w.stopped && w.hasRoom(h.size.Bytes):
		return errors.New("a writer waits where there is room")
	case w.limit > 0 && w.pending().Bytes > w.limit:
		return errors.New("over the limit")
	}
	quiet := len(w.offers) == 0 && !w.posted && !w.resumes && w.pausing == 0
	switch {
	case quiet && !w.stopped && !w.held && w.over() && w.pauses == 0:
		return errors.New("over the mark and not paused")
	case quiet && w.ended && w.lost != 1:
		return errors.New("never lost")
	}
	return nil
}

func fail(t *testing.T, w *world, err error) {
	t.Helper()
	t.Fatalf("%v, after: %s", err, strings.Join(w.trace, ", "))
}

// play does the operations with these numbers. It returns nil if one is impossible.
func play(t *testing.T, limit int, numbers []int) *world {
	t.Helper()
	w := newWorld(limit)
	for _, i := range numbers {
		if !operations[i].can(w) {
			return nil
		}
		if err := w.step(operations[i]); err != nil {
			fail(t, w, err)
		}
	}
	return w
}

// TestEveryShortWalk tries every sequence of up to five operations.
func TestEveryShortWalk(t *testing.T) {
	for _, limit := range []int{0, 6} {
		walks := 0
		var walk func(numbers []int)
		walk = func(numbers []int) {
			walks++
			if len(numbers) == 5 {
				return
			}
			for i := range operations {
				next := append(numbers, i)
				if play(t, limit, next) != nil {
					walk(next)
				}
			}
		}
		walk(make([]int, 0, 8))
		t.Logf("limit %d: %d walks", limit, walks)
	}
}

// TestLongWalks walks at random.
func TestLongWalks(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(int(seed%2) * 6)
		for range 300 {
			op := operations[r.IntN(len(operations))]
			ends := op.name == "stop" || op.name == "lose"
			if !op.can(w) || ends && r.IntN(50) > 0 {
				continue
			}
			if err := w.step(op); err != nil {
				fail(t, w, err)
			}
		}
	}
}
