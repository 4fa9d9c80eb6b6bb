package reactor

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"time"
)

// A Resident lives on a loop; a transport is one. Its methods are called without a lock, on the
// loop goroutine unless their comments say otherwise.
type Resident interface {
	// Close begins an orderly end. At its end the resident leaves.
	Close() error
	// End ends the resident now: Close of the loop was called, or a shutdown took too long. It may
	// wait a little, until deadline. The resident posts everything before End returns, or at least
	// before deadline. The error says what was lost. End may be called on any goroutine, after
	// Close, and repeatedly.
	End(deadline time.Time) error
	// Rest is called when a task of the resident is queued and no goroutine runs the loop, which
	// may never run again. Rest does the work that needs no loop, and reports whether the loop is
	// still needed. It may be called on any goroutine.
	Rest() (needed bool)
	// String names the resident in messages.
	String() string
}

// A Residence is a Resident's place on its loop.
type Residence struct {
	loop     *Loop
	id       uint64 // counts the residents of the loop, from 1
	resident Resident
	last     bool // under loop.mu
}

// NewResidence returns a place for r. It can be used before Enter, but the loop does not call r
// before.
func (l *Loop) NewResidence(r Resident) *Residence { return &Residence{loop: l, resident: r} }

// Enter adds the resident to those that Close of the loop ends. The error is ErrClosed.
func (p *Residence) Enter() error {
	l := p.loop
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	l.lastID++
	p.id = l.lastID
	l.residents[p.id] = p
	l.notifyLocked()
	return nil
}

// Residents returns the residents that have entered and not left, oldest first.
func (l *Loop) Residents() []*Residence {
	l.mu.Lock()
	residents := slices.Collect(maps.Values(l.residents))
	l.mu.Unlock()
	return Sorted(slices.Values(residents)) // sorted without the lock, which the loop needs
}

// Departing returns the residences in the order of their end: oldest first, and those of SetLast at
// the end. The first due of them may end now.
func (l *Loop) Departing() (order []*Residence, due int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var last []*Residence
	for _, p := range Sorted(maps.Values(l.residents)) {
		if p.last {
			last = append(last, p)
		} else {
			order = append(order, p)
		}
	}
	if due = len(order); due == 0 {
		due = len(last)
	}
	return append(order, last...), due
}

// SetLast says whether the resident ends after all others, because they need it.
func (p *Residence) SetLast(last bool) {
	l := p.loop
	l.mu.Lock()
	defer l.mu.Unlock()
	p.last = last
	l.notifyLocked()
}

// Resident returns the resident.
func (p *Residence) Resident() Resident { return p.resident }

// Post is CallSoon for callbacks that must not be lost, such as ConnectionLost: Close of the loop
// runs h before it returns. It reports whether h will run, which is false on a loop that has ended.
func (p *Residence) Post(h *Handle) bool {
	l := p.loop
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	h.state.Or(posted)
	l.makeReadyLocked(h)
	l.wakeLocked()
	if l.closed {
		l.notifyLocked()
	}
	return true
}

// NewTask returns a task of the resident for fn with the origin o. With a nil o the origin is fn.
func (p *Residence) NewTask(fn func(), o *Origin) *Task { return newTask(p.loop, fn, p.origin(fn, o)) }

// NewHandle returns a Handle of the resident for fn with the origin o. With a nil o the origin is
// fn.
func (p *Residence) NewHandle(fn func(), o *Origin) *Handle { return NewHandle(fn, p.origin(fn, o)) }

func (p *Residence) origin(fn func(), o *Origin) *Origin {
	if o == nil {
		o = &Origin{fn: entry(fn)}
	}
	o.residence = p
	return o
}

// Leave ends the residence. It may be repeated. Before Enter it does nothing.
func (p *Residence) Leave() {
	l := p.loop
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.residents, p.id)
	if l.onlyLastLocked() {
		l.notifyLocked()
	}
}

// onlyLastLocked reports whether only residents of SetLast are left. Caller holds l.mu.
func (l *Loop) onlyLastLocked() bool {
	for _, p := range l.residents {
		if !p.last {
			return false
		}
	}
	return true
}

// Sorted returns the residences, oldest first.
func Sorted(residences iter.Seq[*Residence]) []*Residence {
	return slices.SortedFunc(residences, func(a, b *Residence) int { return cmp.Compare(a.id, b.id) })
}
