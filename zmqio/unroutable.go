package zmqio

import (
	"fmt"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/reactor"
	"github.com/zmqio/zmq/zmqio/internal/sock"
)

// unroutableInterval is the least time between two reports to the exception handler, because a lost
// peer may leave thousands of messages.
const unroutableInterval = time.Second

// An unroutable has the messages that libzmq refused with EHOSTUNREACH after Write had returned.
// Transport.mu guards it.
type unroutable struct {
	call    func(msg [][]byte, err error) // ConnectionConfig.Unroutable
	waiting [][][]byte                    // messages for call
	count   int                           // if call is nil: how many messages were dropped since the last report
	lastID  []byte                        // if call is nil: the first frame of the last of them
	next    time.Duration                 // the earliest time of the next report
	timer   *TimerHandle                  // for that report
	posted  bool                          // tellUnroutable is in the ready queue or has a timer
}

// dropUnroutableLocked removes the first message of the outbox, and makes the loop report it.
// Caller holds t.mu.
func (t *Transport) dropUnroutableLocked() {
	u := &t.unroutable
	msg := t.out.First()
	t.counts.unroutable.add(1, sock.Size(msg))
	if u.call != nil {
		for i, f := range msg {
			msg[i] = append([]byte{}, f...)
		}
		u.waiting = append(u.waiting, msg)
	} else {
		u.count++
		u.lastID = append(u.lastID[:0], msg[0]...)
	}
	t.out.DropFirst()
	t.postUnroutableLocked()
}

// postUnroutableLocked makes the loop call tellUnroutable. On a closed loop lost calls it. Caller
// holds t.mu.
func (t *Transport) postUnroutableLocked() {
	u := &t.unroutable
	if u.posted {
		return
	}
	u.posted = true
	if u.call == nil && t.loop.Time() < u.next {
		u.timer, _ = t.loop.CallAt(u.next, t.tellUnroutable)
		return
	}
	_ = t.loop.reactor.CallSoon(reactor.NewHandle(t.tellUnroutable, t.origin("Unroutable")))
}

// tellUnroutable reports all messages dropped so far. Loop goroutine only.
func (t *Transport) tellUnroutable() {
	u := &t.unroutable
	t.mu.Lock()
	u.posted = false
	left := len(u.waiting)
	count, id := u.count, string(u.lastID)
	u.count = 0
	if count > 0 {
		u.next = t.loop.Time() + unroutableInterval
	}
	t.mu.Unlock()
	var err error = &OpError{Op: "write", Err: zmq.Translate("zmq_send", zmq.EHOSTUNREACH)}
	if count > 0 {
		ctx := t.exception("messages dropped: no peer to send them to; ConnectionConfig.Unroutable would get them", t.Protocol())
		ctx.Err = fmt.Errorf("%s, the last one for routing id %q: %w", amount(count, "message"), id, err)
		t.loop.CallExceptionHandler(ctx)
	}
	defer func() {
		if left > 0 { // the user's function called runtime.Goexit
			t.mu.Lock()
			defer t.mu.Unlock()
			t.postUnroutableLocked()
		}
	}()
	for ; left > 0; left-- {
		t.callUnroutable(err)
	}
}

// callUnroutable calls the user's function with one message.
func (t *Transport) callUnroutable(err error) {
	u := &t.unroutable
	t.mu.Lock()
	msg := u.waiting[0]
	u.waiting[0] = nil
	if u.waiting = u.waiting[1:]; len(u.waiting) == 0 {
		u.waiting = nil
	}
	t.mu.Unlock()
	defer t.recovered("Unroutable panicked", t.Protocol())
	u.call(msg, err)
}

// tellLastUnroutable reports everything left, even if a call ends in runtime.Goexit. The socket is
// closed, so no message is added. Loop goroutine only.
func (t *Transport) tellLastUnroutable() {
	u := &t.unroutable
	t.mu.Lock()
	left, timer := len(u.waiting)+u.count, u.timer
	t.mu.Unlock()
	if timer != nil {
		timer.Cancel()
	}
	if left == 0 {
		return
	}
	defer t.tellLastUnroutable()
	t.tellUnroutable()
}
