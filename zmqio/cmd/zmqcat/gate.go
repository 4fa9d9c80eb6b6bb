package main

import "sync"

// A reason is why the reader must wait. Reasons are bits.
type reason uint

const (
	// full means that PauseWriting was called.
	full reason = 1 << iota
	// turn means that the peer must send first: a reply to a REQ, or a request to a REP.
	turn
	// window means that enough lines are missing.
	window
	// interval means that the last message was sent less than the interval ago.
	interval
)

// A gate lets the reader of input through while there is no reason not to. Its methods are
// safe for concurrent use.
type gate struct {
	mu      sync.Mutex
	changed *sync.Cond
	held    reason
	stopped bool
}

// newGate returns an open gate.
func newGate() *gate {
	g := &gate{}
	g.changed = sync.NewCond(&g.mu)
	return g
}

// hold closes the gate for r, until release.
func (g *gate) hold(r reason) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held |= r
}

func (g *gate) release(r reason) { g.change(func() { g.held &^= r }) }

// stop ends every wait, now and later.
func (g *gate) stop() { g.change(func() { g.stopped = true }) }

func (g *gate) change(fn func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	fn()
	g.changed.Broadcast()
}

// holds reports whether the gate is closed for r.
func (g *gate) holds(r reason) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held&r != 0
}

// wait waits until the gate is open. It returns false after stop.
func (g *gate) wait() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.held != 0 && !g.stopped {
		g.changed.Wait()
	}
	return !g.stopped
}
