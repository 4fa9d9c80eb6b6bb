package reactor

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"time"
)

// A Resident lives on a loop: a transport, for example. Its methods are called without a
// lock, and on the loop goroutine unless they say otherwise.
type Resident interface {
	// Close begins the end in good order. When it has come, the resident leaves.
	Close() error
	// End ends the resident now, because Close of the loop was called or a shutdown took too
	// long. It may wait for little until deadline. When it returns, all that has to be
	// posted is posted, or will be before deadline. The error says what was lost. End may be
	// called on any goroutine, after Close, and again.
	End(deadline time.Time) error
	// Rest is called when one of the resident's tasks is queued and no goroutine runs the
	// loop, which may never run again. It does what can be done without the loop, and reports
	// whether the loop is needed nevertheless. It may be called on any goroutine.
	Rest() (needed bool)
	// String names the resident, for messages.
	String() string
}

// A Residence is a Resident's place on its loop.
type Residence struct {
	loop     *Loop
	id       uint64 // on the loop, counting from 1
	resident Resident
	last     bool // loop.mu protects it
}

// NewResidence returns a place for r, which can be used before Enter. Until then the loop
// does not call r.
func (l *Loop) NewResidence(r Resident) *Residence { return &Residence{loop: l, resident: r} }

// Enter makes the resident one of those that the loop ends, until it leaves. The error is
// ErrClosed.
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

// Residents returns the residences of those that have not left, oldest first.
func (l *Loop) Residents() []*Residence {
	l.mu.Lock()
	residents := slices.Collect(maps.Values(l.residents))
	l.mu.Unlock()
	return Sorted(slices.Values(residents)) // the loop need not wait for that
}

// Departing returns the residences in the order in which they end: oldest first, and those
// of SetLast behind the others. The first due of them may end now.
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

// SetLast says whether the resident ends when the others have left, because they need it.
func (p *Residence) SetLast(last bool) {
	l := p.loop
	l.mu.Lock()
	defer l.mu.Unlock()
	p.last = last
	l.notifyLocked()
}

// Resident returns the resident.
func (p *Residence) Resident() Resident { return p.resident }

// Post is CallSoon for what must not be lost, ConnectionLost for example: Close of the loop
// runs h before it returns. It reports whether h will run; on a loop that is closed for good
// it does not.
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

// NewTask returns a task of the resident for fn, which comes from o. Nil is fn itself.
func (p *Residence) NewTask(fn func(), o *Origin) *Task { return newTask(p.loop, fn, p.origin(fn, o)) }

// NewHandle returns a Handle of the resident for fn, which comes from o. Nil is fn itself.
func (p *Residence) NewHandle(fn func(), o *Origin) *Handle { return NewHandle(fn, p.origin(fn, o)) }

func (p *Residence) origin(fn func(), o *Origin) *Origin {
	if o == nil {
		o = &Origin{fn: entry(fn)}
	}
	o.residence = p
	return o
}

// Leave ends the residence. It may be repeated, and does nothing before Enter.
func (p *Residence) Leave() {
	l := p.loop
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.residents, p.id)
	if l.onlyLastLocked() {
		l.notifyLocked()
	}
}

// onlyLastLocked reports whether there is no resident but those of SetLast. Caller holds l.mu.
func (l *Loop) onlyLastLocked() bool {
	for _, p := range l.residents {
		if !p.last {
			return false
		}
	}
	return true
}

// Sorted returns residences, oldest first.
func Sorted(residences iter.Seq[*Residence]) []*Residence {
	return slices.SortedFunc(residences, func(a, b *Residence) int { return cmp.Compare(a.id, b.id) })
}
