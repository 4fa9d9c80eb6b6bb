package zmqio

import "time"

// A transportResident is a Transport.
type transportResident struct{ *Transport }

func (r transportResident) public() Resident { return r.Transport }

func (r transportResident) loss() error {
	r.mu.Lock()
	failed, dropped := r.lostErr != nil, r.undelivered
	r.mu.Unlock()
	if !failed { // it was aborted, if anything was dropped
		return nil
	}
	return newLoss(r.Transport, dropped) // which takes r.mu to name the transport
}

// End implements reactor.Resident.
func (r transportResident) End(deadline time.Time) error { return r.closeWithLoop(deadline) }

// Rest implements reactor.Resident. Without the loop messages can be sent, and be seen to
// have come.
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
