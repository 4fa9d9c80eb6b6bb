package zmqio

import "github.com/zmqio/zmq"

// deliveryFailed handles a MsgReceived of c that panicked with value, or called runtime.Goexit if
// value is nil. It tells the exception handler of a panic. A REP that owes a reply ends: libzmq
// would give it no further request, and all its clients would wait.
func (t *Transport) deliveryFailed(c *callee, value any) {
	err := ErrGoexit
	defer func() { // runs even if the exception handler calls runtime.Goexit
		if t.owesReply() && !t.IsClosing() {
			t.close(err)
		}
	}()
	if value != nil {
		err = t.loop.panicked(t.exception(c.receiving()+" panicked", c.protocol), value)
	}
}

// owesReply reports whether t is a REP that has received a request and not replied. Only then does
// libzmq let a REP send.
func (t *Transport) owesReply() bool {
	if t.typ != zmq.REP {
		return false
	}
	t.sockMu.Lock()
	defer t.sockMu.Unlock()
	if t.sock == nil {
		return false
	}
	defer t.schedule() // the call may have consumed the signal on ZMQ_FD
	events, errno := t.sock.Events()
	return errno == 0 && events.Writable()
}
