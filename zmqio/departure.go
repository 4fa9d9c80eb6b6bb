package zmqio

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/ipc"
	"github.com/zmqio/zmq/zmqio/internal/sock"
)

const (
	// holdTime is how long a socket that Close has ended stays open for a connection
	// that is being made. One that comes about later may be over before its descriptor
	// is duplicated.
	holdTime = 100 * time.Millisecond
	// strayTime is how long a connection that its socket has left is kept open while its
	// descriptor is open. After that it is taken for another socket's.
	strayTime = 100 * time.Millisecond
	// oneRead is how much libzmq sends at once over a new connection, and receives at
	// once whatever room its queue has: 8 KiB, less what belongs to the handshake.
	oneRead = 7 << 10
	// maxFrameHeader is what libzmq sends in front of a frame.
	maxFrameHeader = 9
)

// A departure is a socket that is closed, or about to be. It lasts until libzmq has let the
// socket go and, over ipc, the peers have read what the kernel holds. libzmq's receivers drop
// that when the connection ends while their queue is full, so it is kept open meanwhile.
//
// What stands before the blank line does not change; the rest is under departing.mu.
type departure struct {
	loop     *EventLoop
	name     string        // of the transport
	ends     []ipc.End     // over which messages may be on their way
	outgoing int           // how many of them libzmq connects
	small    bool          // all that was ever sent is read at once
	linger   time.Duration // negative is for ever
	begin    time.Time
	gone     chan struct{} // closed when libzmq has let the socket go; nil if that is of no interest
	unasked  error         // why libzmq does not report it
	done     chan struct{} // closed when there is nothing to wait for

	zsock *zmq4.Socket // nil when it is closed
	pair  *eventPair   // to which libzmq reports; nil if it does not, or no longer

	conns    []*keptConn
	strays   int       // how many of them, accepted ones left aside, are another socket's
	untold   []int     // descriptors of connections that were found, and that libzmq may report yet
	deadline time.Time // when ZMQ_LINGER is over; zero is never
	stopped  time.Time // when libzmq had let the socket go; zero is not yet
	givenUp  bool
	finished bool // done is closed
	lost     []string
	unkept   error // why a connection is not kept open
}

// advanceLocked does what is to be done at the time now. Caller holds departing.mu.
func (d *departure) advanceLocked(now time.Time) {
	if d.zsock != nil && !d.holdsLocked(now) {
		d.closeLocked(now)
	}
	d.conns = slices.DeleteFunc(d.conns, func(c *keptConn) bool {
		read := d.isReadLocked(c, now)
		if read {
			departing.releaseLocked(c)
		}
		return read
	})
	if d.zsock == nil && d.pair == nil && d.stopped.IsZero() && !d.usesConnsLocked() {
		d.stopped = now
	}
	switch {
	case d.finished:
	case !d.stopped.IsZero() && len(d.conns) == 0:
		d.finishLocked()
	case d.zsock == nil && (d.givenUp || !d.deadline.IsZero() && !now.Before(d.deadline)):
		if d.ends != nil {
			d.lost = d.missingLocked()
		}
		d.finishLocked()
	}
}

// usesConnsLocked reports whether libzmq uses the socket's connections, as far as that can
// be seen. Caller holds departing.mu.
func (d *departure) usesConnsLocked() bool {
	made := 0
	for _, c := range d.conns {
		switch used := c.InUse(); {
		case used && c.bound:
			return true
		case used:
			made++
		}
	}
	return made > d.strays
}

// holdsLocked reports whether the socket stays open for connections that are being made.
// Caller holds departing.mu.
func (d *departure) holdsLocked(now time.Time) bool {
	if d.pair == nil || d.givenUp || now.Sub(d.begin) >= holdTime {
		return false
	}
	return d.madeLocked() < d.outgoing
}

// madeLocked returns how many connections there are that libzmq may have made for the
// socket. Caller holds departing.mu.
func (d *departure) madeLocked() (made int) {
	for _, c := range d.conns {
		if !c.bound {
			made++
		}
	}
	return made
}

// closeLocked closes the socket. Caller holds departing.mu, or has the departure alone.
func (d *departure) closeLocked(now time.Time) {
	_ = d.zsock.Close() // fails only if it is closed
	d.zsock = nil
	if d.ends != nil && d.linger > 0 {
		d.deadline = now.Add(d.linger)
	}
}

// isReadLocked reports whether c need not be kept open any longer. It takes note of what
// the peer has not read and never will. Caller holds departing.mu.
func (d *departure) isReadLocked(c *keptConn, now time.Time) bool {
	if c.InUse() {
		// Once libzmq has let the socket go it writes no more, and closes the descriptor.
		return !d.stopped.IsZero() && (c.Unread() == 0 || now.Sub(d.stopped) > strayTime)
	}
	// From here on nothing more is written, so that 0 stays 0.
	unread := c.Unread()
	closed, reset := c.Drain()
	if reset {
		d.lost = append(d.lost, "what a receiver had not read when it hung up")
	}
	return closed || unread == 0
}

// missingLocked describes what has not arrived so far. Caller holds departing.mu.
func (d *departure) missingLocked() []string {
	missing, unread := slices.Clone(d.lost), 0
	for _, c := range d.conns {
		unread += c.Unread()
	}
	if unread > 0 {
		missing = append(missing, fmt.Sprintf("up to %d bytes that the receiver has not read", unread))
	}
	if d.stopped.IsZero() {
		missing = append(missing, notSent)
	}
	return missing
}

const notSent = "what libzmq has not sent"

// describe returns the transport and what is missing of what it sent.
func (d *departure) describe(missing []string) string {
	return d.name + ": " + strings.Join(missing, ", ")
}

// finishLocked ends the waiting, and lets go what was kept for it. Caller holds
// departing.mu.
func (d *departure) finishLocked() {
	for _, c := range d.conns {
		departing.releaseLocked(c)
	}
	d.conns = nil
	d.finished = true
	close(d.done)
}

// isOverLocked reports whether nothing is left to do. Caller holds departing.mu.
func (d *departure) isOverLocked() bool { return d.finished && d.pair == nil }

// patienceLocked returns for how long nothing needs to be done without an event. Caller
// holds departing.mu.
func (d *departure) patienceLocked(now time.Time) time.Duration {
	patience := time.Hour
	if d.finished {
		return patience
	}
	if d.zsock != nil {
		patience = d.begin.Add(holdTime).Sub(now)
	}
	if !d.deadline.IsZero() {
		patience = min(patience, d.deadline.Sub(now))
	}
	if len(d.conns) > 0 { // the kernel does not tell when the peer has read everything
		patience = min(patience, max(pollMin, min(now.Sub(d.begin)/8, pollMax)))
	}
	return patience
}

const (
	pollMin = time.Millisecond
	pollMax = 50 * time.Millisecond
)

// hearLocked deals with what libzmq reports. Caller holds departing.mu.
func (d *departure) hearLocked(m sock.Monitored, now time.Time) {
	switch zmq.Event(m.Event) {
	case zmq.EVENT_MONITOR_STOPPED:
		d.stopped = now
		if !d.finished && !d.deadline.IsZero() && now.After(d.deadline.Add(-time.Millisecond)) { // libzmq's timers are so exact
			d.lost = append(d.lost, notSent)
		}
		d.deafenLocked()
	case 0: // the context has ended
		d.deafenLocked()
	case zmq.EVENT_CONNECTED:
		d.keepConnectedLocked(m)
	}
}

// deafenLocked closes the PAIR, to which libzmq sends no more: else libzmq would wait for
// ever to do so. Caller holds departing.mu.
func (d *departure) deafenLocked() {
	d.pair.close()
	d.pair = nil
	close(d.gone)
}

// keepConnectedLocked keeps a connection open that libzmq has just made. Caller holds
// departing.mu.
func (d *departure) keepConnectedLocked(m sock.Monitored) {
	var c *ipc.Conn
	if m.Copy >= 0 {
		c = ipc.Take(int(m.Copy), int(m.Value), d.ends)
	}
	told := slices.Index(d.untold, int(m.Value))
	if told >= 0 {
		d.untold = slices.Delete(d.untold, told, told+1)
	}
	switch errno := m.Errno(); {
	case c != nil && d.finished:
		c.Close()
	case c != nil:
		d.keepLocked(departing.shareLocked(c, false))
	case told >= 0: // and it is kept open
	case !m.IPC(), !d.connects(), d.finished, d.zsock != nil: // libzmq connects again if it must
	case m.Copy < 0 && errno == 0: // not on this system
	case m.Copy >= 0, errno == syscall.EBADF:
		if d.small { // so that the peer has it all the same
			break
		}
		d.lost = append(d.lost, "what went over a connection that was over before it could be kept open")
	default:
		d.unkept = errno
	}
}

// keepLocked makes k one of d's connections, and is a use of it. Caller holds
// departing.mu.
func (d *departure) keepLocked(k *keptConn) {
	if slices.Contains(d.conns, k) {
		return
	}
	k.users++
	d.conns = append(d.conns, k)
}
