package netio

import (
	"fmt"
	"net"
	"sync"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/internal/flow"
)

// A socket is what transports of every kind have in common: a descriptor on a loop, flow
// control, and an end.
type socket struct {
	kind          kind // the transport
	loop          *zmqio.EventLoop
	local, remote net.Addr
	pipe          *pipe // nil of what goes in both directions

	// mu is the only lock of a transport. It is held during system calls, which do not
	// block, and taken before those of the loop. No callback is called with it held.
	mu        sync.Mutex
	residence *zmqio.Residence
	watch     *zmqio.Watch
	wanted    interest // what watch looks for
	fd        descriptor
	state     state
	flow      flow.Control
	lostErr   error
	dropped   flow.Size     // what was in the buffer at the end
	gone      chan struct{} // what Closed returns; nil before
}

// A kind is what a transport of one kind does its own way.
type kind interface {
	zmqio.Resident
	// writer returns the protocol.
	writer() writer
	// readReady and writeReady are called when the descriptor is ready. Loop goroutine only.
	readReady()
	writeReady()
	// came is called before ConnectionMade, which does not come if it fails. Loop goroutine
	// only.
	came() error
	// left is called when the descriptor is closed. Loop goroutine only.
	left()

	// pendingLocked returns the size of what waits to be sent. Caller holds t.mu.
	pendingLocked() flow.Size
	// flushLocked sends what waits, as far as it goes. Caller holds t.mu.
	flushLocked() flow.Effects
	// readAgainLocked goes on with reading if a reason for not reading has gone. Caller holds
	// t.mu.
	readAgainLocked() flow.Effects
	// dropLocked drops what waits to be sent, and ends what is in progress. Caller holds t.mu.
	dropLocked()
}

// A writer is what protocols of every kind are told of writing and of the end.
type writer interface {
	PauseWriting()
	ResumeWriting()
	ConnectionLost(err error)
}

// A state is a set of facts about a transport.
type state uint16

// The transport reads while none of the first seven holds.
const (
	unmade     state = 1 << iota // ConnectionMade has not returned
	userPaused                   // PauseReading was called, and ResumeReading was not
	peerEnded                    // the peer has ended its side
	starting                     // StartTLS is in progress
	filing                       // SendFile is in progress
	closing                      // Close was called, or the end has come
	closed                       // the end has come, and ConnectionLost comes next
	lost                         // ConnectionLost was called, and all is over
	eofWanted                    // WriteEOF was called
	eofSent                      // and the stream has ended in this direction
	draining                     // what is read is dropped, until the peer ends TLS

	silent = unmade | userPaused | peerEnded | starting | filing | closing | closed
)

// is reports whether any fact of f holds.
func (s state) is(f state) bool { return s&f != 0 }

// An interest is what the loop is to look for.
type interest uint8

const (
	toRead interest = 1 << iota
	toWrite
)

// Loop returns the loop of the transport.
func (t *socket) Loop() *zmqio.EventLoop { return t.loop }

// LocalAddr returns the address of this end, also after the end of the transport.
func (t *socket) LocalAddr() net.Addr { return t.local }

// RemoteAddr returns the address of the peer, also after the end of the transport. It returns
// nil if there is not exactly one peer.
func (t *socket) RemoteAddr() net.Addr { return t.remote }

// ExtraInfo returns what name stands for, or def for an unknown name.
//
//   - "sockname" stands for LocalAddr.
//   - "peername" stands for RemoteAddr, if there is one.
//   - "pipe" stands for the name of a pipe's file. A pipe has no other of these.
//
// asyncio: get_extra_info
func (t *socket) ExtraInfo(name string, def any) any {
	switch {
	case t.pipe != nil && name == "pipe":
		return t.pipe.name
	case t.pipe != nil:
	case name == "sockname":
		return t.local
	case name == "peername" && t.remote != nil:
		return t.remote
	}
	return def
}

// text returns what String does, for a kind with the name given, and with more in it.
func (t *socket) text(name, more string) string {
	t.mu.Lock()
	s := t.state
	t.mu.Unlock()
	text := fmt.Sprintf("<%s %s %v", name, t.local.Network(), t.local)
	switch {
	case t.pipe.is(toRead):
		text = fmt.Sprintf("<%s pipe from %s", name, t.pipe.name)
	case t.pipe != nil:
		text = fmt.Sprintf("<%s pipe to %s", name, t.pipe.name)
	case t.remote != nil:
		text += fmt.Sprintf("->%v", t.remote)
	}
	text += more
	switch {
	case s.is(closed):
		text += " closed"
	case s.is(closing):
		text += " closing"
	}
	return text + ">"
}

// wantLocked tells the loop what to look for. Caller holds t.mu.
func (t *socket) wantLocked(want interest) error {
	if want == t.wanted {
		return nil
	}
	err := t.watch.Want(want&toRead != 0, want&toWrite != 0)
	if err == nil {
		t.wanted = want
	}
	return err
}

// live makes a resident of t. It calls produce, which stores the protocol, and made, which
// calls ConnectionMade, and begins to read. If it fails, the descriptor is closed, or about
// to be. Loop goroutine only.
func (t *socket) live(produce func() error, made func()) (err error) {
	settled := false
	err = zmqio.ErrGoexit // unless this returns
	defer func() {
		switch {
		case err == nil:
		case settled:
			t.end(err)
		default:
			t.pipe.giveBack(t.fd)
			t.fd.close()
		}
	}()
	if err := produce(); err != nil {
		return err
	}
	if err := t.settleIn(); err != nil {
		return err
	}
	if err := t.kind.came(); err != nil {
		t.watch.Stop()
		t.residence.Leave()
		return err
	}
	settled = true
	made()
	return t.begin()
}

// settleIn makes t a resident of its loop, with a watch for the descriptor.
func (t *socket) settleIn() (err error) {
	t.mu.Lock() // it can be ended from here on
	defer t.mu.Unlock()
	if t.residence, err = t.loop.Adopt(t.kind); err != nil {
		return err
	}
	if t.watch, err = t.residence.Watch(int(t.fd), t.kind.readReady, t.kind.writeReady); err != nil {
		t.residence.Leave()
	}
	return err
}

// begin begins to read, after ConnectionMade.
func (t *socket) begin() (err error) {
	t.mu.Lock()
	t.state &^= unmade
	before := t.state
	fx := t.kind.readAgainLocked()
	if t.state.is(closed) && !before.is(closed) {
		err = t.lostErr
	}
	t.mu.Unlock()
	t.carry(fx)
	return err
}

// callback calls fn, which calls the method of p with the name given. A panic goes to the
// exception handler.
func (t *socket) callback(name string, p any, fn func()) {
	defer func() {
		if v := recover(); v != nil {
			_ = t.panicked(name, p, v)
		}
	}()
	fn()
}

// critical is callback, and reports whether fn has returned. If not, the transport ends.
func (t *socket) critical(name string, p any, fn func()) (ok bool) {
	err := zmqio.ErrGoexit // unless fn returns
	defer func() {
		if v := recover(); v != nil {
			err = t.panicked(name, p, v)
		}
		if err != nil {
			t.end(err)
		}
	}()
	fn()
	err = nil
	return true
}

// panicked tells the exception handler of a panic with v, which has just been recovered. It
// returns the panic.
func (t *socket) panicked(name string, p any, v any) error {
	err := zmqio.NewPanicError(v)
	t.residence.Report(name+" panicked", p, err)
	return err
}
