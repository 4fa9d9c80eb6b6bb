package netio

import (
	"fmt"
	"net"
	"sync"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/internal/flow"
)

// A socket is the common part of all transports: a descriptor on a loop, flow control, and an end.
type socket struct {
	kind          kind // the transport
	loop          *zmqio.EventLoop
	local, remote net.Addr
	pipe          *pipe // nil: reads and writes

	// mu is the only lock of a transport. It is held during system calls, which do not block, and
	// comes before the loop's locks. No callback is called with mu held.
	mu        sync.Mutex
	residence *zmqio.Residence
	watch     *zmqio.Watch
	wanted    interest // what watch watches for
	fd        descriptor
	state     state
	flow      flow.Control
	lostErr   error
	dropped   flow.Size     // what the buffer had at the end
	gone      chan struct{} // the result of Closed; nil before the first call
}

// A kind is the part of a transport that differs between kinds.
type kind interface {
	zmqio.Resident
	// writer returns the protocol.
	writer() writer
	// readReady and writeReady are called when the descriptor is ready. Loop goroutine only.
	readReady()
	writeReady()
	// came runs before ConnectionMade. An error keeps ConnectionMade from being called. Loop
	// goroutine only.
	came() error
	// left runs after the close of the descriptor. Loop goroutine only.
	left()

	// pendingLocked returns the size of the buffer. Caller holds t.mu.
	pendingLocked() flow.Size
	// flushLocked sends the buffer as far as possible. Caller holds t.mu.
	flushLocked() flow.Effects
	// readAgainLocked resumes reading if a reason for not reading has gone. Caller holds t.mu.
	readAgainLocked() flow.Effects
	// dropLocked drops the buffer, and ends what is in progress. Caller holds t.mu.
	dropLocked()
}

// A writer is the part of all protocols about writing and the end.
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
	closing                      // Close was called, or the transport has ended
	closed                       // the transport has ended, and ConnectionLost comes next
	lost                         // ConnectionLost was called
	eofWanted                    // WriteEOF was called
	eofSent                      // the stream has ended in this direction
	draining                     // data is dropped until the peer ends TLS

	silent = unmade | userPaused | peerEnded | starting | filing | closing | closed
)

// is reports whether s has any fact of f.
func (s state) is(f state) bool { return s&f != 0 }

// An interest is what the loop watches for.
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

// text returns the String of a transport. name is its kind, and more goes into the text.
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

// wantLocked sets what the loop watches for. Caller holds t.mu.
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

// live makes t a resident. It calls produce, which stores the protocol, and made, which calls
// ConnectionMade, and begins to read. After an error the descriptor is closed, or about to be. Loop
// goroutine only.
func (t *socket) live(produce func() error, made func()) (err error) {
	settled := false
	err = zmqio.ErrGoexit // replaced unless a callback calls Goexit
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
	t.mu.Lock() // from here on the transport can be ended
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

// callback calls fn, which calls the method name of p. A panic goes to the exception handler.
func (t *socket) callback(name string, p any, fn func()) {
	defer func() {
		if v := recover(); v != nil {
			_ = t.panicked(name, p, v)
		}
	}()
	fn()
}

// critical is callback, and reports whether fn has returned. If it has not, the transport ends.
func (t *socket) critical(name string, p any, fn func()) (ok bool) {
	err := zmqio.ErrGoexit // fn replaces it, unless it calls Goexit
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

// panicked tells the exception handler of a panic with v, and returns the *PanicError.
func (t *socket) panicked(name string, p any, v any) error {
	err := zmqio.NewPanicError(v)
	t.residence.Report(name+" panicked", p, err)
	return err
}
