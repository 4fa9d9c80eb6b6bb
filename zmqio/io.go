package zmqio

// schedule has the loop serve the transport, in its next iteration. It follows
// every libzmq call that may have consumed the signal on ZMQ_FD.
func (t *Transport) schedule() { t.task.Schedule() }

// serve is the loop's work on a transport whose socket may have something: it
// receives a batch, delivers it, and sends what waits, in particular what was
// written meanwhile. What is left over is for the next iteration, after others have
// had their turn.
//
// The signal on ZMQ_FD tells of changes, not of states. So the socket must be seen
// to be empty, or its ZMQ_EVENTS read, after the last libzmq call and before the
// loop waits: else that call may have consumed the one signal of a message.
func (t *Transport) serve() {
	again := true // if a callback calls runtime.Goexit
	defer func() {
		if again {
			t.schedule()
		}
	}()
	found, errno := t.receive()
	if errno != 0 {
		again = false
		t.fatal(receiveError(errno))
		return
	}
	again = t.sendWaiting(found)
}

// sendWaiting is the second half of serve. found says what the first left.
func (t *Transport) sendWaiting(found finding) (again bool) {
	t.sockMu.Lock()
	if t.sock == nil {
		t.sockMu.Unlock()
		return false
	}
	var f flushed
	t.mu.Lock()
	empty := t.out.Empty()
	t.mu.Unlock()
	switch {
	case !empty:
		f = t.flushLocked()
	case found == foundMore:
		again = t.wantsMessages()
	case found == foundNothing:
		again, f.err = t.lookLocked()
	}
	t.sockMu.Unlock()
	t.conclude(f)
	return again && f.err == nil
}

// lookLocked reads ZMQ_EVENTS and reports whether there are messages to receive. It also
// reads them where none is wanted: libzmq lets a peer that has gone go when it looks for the
// peer's messages. Caller holds t.sockMu.
func (t *Transport) lookLocked() (again bool, err error) {
	events, errno := t.sock.Events()
	if errno != 0 {
		return false, translate("zmq_getsockopt", errno)
	}
	return events.Readable() && t.wantsMessages(), nil
}
