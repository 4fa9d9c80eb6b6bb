package zmqio

import "time"

// A transportResident is a Transport in the form that package reactor needs.
type transportResident struct{ *Transport }

func (r transportResident) public() Resident { return r.Transport }

func (r transportResident) loss() error {
	r.mu.Lock()
	failed, dropped := r.lostErr != nil, r.undelivered
	r.mu.Unlock()
	if !failed { // an aborted transport that dropped something
		return nil
	}
	return newLoss(r.Transport, dropped) // newLoss takes r.mu for the transport's name
}

// End implements reactor.Resident.
func (r transportResident) End(deadline time.Time) error { return r.closeWithLoop(deadline) }

// Rest implements reactor.Resident. Messages can be sent without a loop, and a look at ZMQ_EVENTS
// sees what has come.
func (r transportResident) Rest() (needed bool) {
	t := r.Transport
	t.flush()
	t.sockMu.Lock()
	defer t.sockMu.Unlock()
	if t.sock == nil {
		return false
	}
	t.mu.Lock()
	empty := t.out.Empty()
	t.mu.Unlock()
	readable, err := t.lookLocked()
	if readable {
		t.schedule() // the look has consumed the signal on ZMQ_FD
	}
	return readable || !empty || err != nil || t.monitor.waitsLocked()
}
