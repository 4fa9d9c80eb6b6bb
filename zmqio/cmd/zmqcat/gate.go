package main

import "sync"

// A reason is why no more input is wanted for now. Reasons are bits.
type reason uint

const (
	// full: the transport's buffer is, PauseWriting was called.
	full reason = 1 << iota
	// turn: it is the peer's, to send a reply on REQ or a request on REP.
	turn
	// window: enough is under way already.
	window
	// interval: the last message was sent too short a while ago.
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

// hold shuts the gate for r, until release.
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

// holds reports whether the gate is shut for r.
func (g *gate) holds(r reason) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held&r != 0
}

// wait waits until the gate is open. It returns false if it was stopped.
func (g *gate) wait() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.held != 0 && !g.stopped {
		g.changed.Wait()
	}
	return !g.stopped
}
