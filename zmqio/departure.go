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
	// holdTime is how long a socket stays open after Close for a connection that libzmq is making.
	// A connection made later may end before its descriptor is duplicated.
	holdTime = 100 * time.Millisecond
	// strayTime is how long a connection is kept after its socket has gone, while the original
	// descriptor is open. After strayTime the connection counts as another socket's.
	strayTime = 100 * time.Millisecond
	// oneRead is 8 KiB less the handshake: the most that libzmq sends at once over a new
	// connection. A receiver reads as much at once, whatever room its queue has.
	oneRead = 7 << 10
	// maxFrameHeader is the most bytes that libzmq sends in front of a frame.
	maxFrameHeader = 9
)

// A departure is a socket that is closed, or about to be. It lasts until libzmq has let the socket
// go. Over ipc it also waits until the peers have read what the kernel holds. A departure keeps ipc
// connections open: if a connection ends while the receiving queue is full, libzmq drops the unread
// bytes.
//
// The fields before the blank line do not change. departing.mu guards the rest.
type departure struct {
	loop     *EventLoop
	name     string        // the transport's, for messages
	ends     []ipc.End     // ends that may have messages on their way
	outgoing int           // how many of ends connect
	small    bool          // the peer reads all that was ever sent at once: see oneRead
	linger   time.Duration // negative: for ever
	begin    time.Time
	gone     chan struct{} // closed when libzmq has let the socket go; nil if no goroutine needs to know
	unasked  error         // why libzmq does not report the socket's end
	done     chan struct{} // closed when no wait for the departure is left

	zsock *zmq4.Socket // nil after the close
	pair  *eventPair   // where libzmq reports; nil if libzmq does not report, or has stopped

	conns    []*keptConn
	strays   int       // how many of conns, not counting accepted ones, belong to another socket
	untold   []int     // descriptors of connections that were found, and that libzmq may still report
	deadline time.Time // end of ZMQ_LINGER; zero: never
	stopped  time.Time // when libzmq let the socket go; zero: not yet
	givenUp  bool
	finished bool // done is closed
	lost     []string
	unkept   error // why a connection could not be kept open
}

// advanceLocked does what is due at now. Caller holds departing.mu.
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

// usesConnsLocked reports whether libzmq seems to use connections of the socket. Caller holds
// departing.mu.
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

// holdsLocked reports whether the socket must stay open for a connection that libzmq is making.
// Caller holds departing.mu.
func (d *departure) holdsLocked(now time.Time) bool {
	if d.pair == nil || d.givenUp || now.Sub(d.begin) >= holdTime {
		return false
	}
	return d.madeLocked() < d.outgoing
}

// madeLocked returns the number of kept connections that libzmq may have made for the socket.
// Caller holds departing.mu.
func (d *departure) madeLocked() (made int) {
	for _, c := range d.conns {
		if !c.bound {
			made++
		}
	}
	return made
}

// closeLocked closes the socket. Caller holds departing.mu, or alone knows the departure.
func (d *departure) closeLocked(now time.Time) {
	_ = d.zsock.Close() // fails only if the socket is closed
	d.zsock = nil
	if d.ends != nil && d.linger > 0 {
		d.deadline = now.Add(d.linger)
	}
}

// isReadLocked reports whether c can be closed. It adds to d.lost if the peer hung up before it had
// read everything. Caller holds departing.mu.
func (d *departure) isReadLocked(c *keptConn, now time.Time) bool {
	if c.InUse() {
		// libzmq writes no more after it has let the socket go, and then closes the descriptor.
		return !d.stopped.IsZero() && (c.Unread() == 0 || now.Sub(d.stopped) > strayTime)
	}
	// libzmq has closed its descriptor: nothing is written any more, so 0 stays 0.
	unread := c.Unread()
	closed, reset := c.Drain()
	if reset {
		d.lost = append(d.lost, "what a receiver had not read when it hung up")
	}
	return closed || unread == 0
}

// missingLocked describes what has not arrived yet. Caller holds departing.mu.
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

// describe returns the name of the transport and what of its messages is missing.
func (d *departure) describe(missing []string) string {
	return d.name + ": " + strings.Join(missing, ", ")
}

// finishLocked ends all waits for d and releases its connections. Caller holds departing.mu.
func (d *departure) finishLocked() {
	for _, c := range d.conns {
		departing.releaseLocked(c)
	}
	d.conns = nil
	d.finished = true
	close(d.done)
}

// isOverLocked reports whether d needs no further step. Caller holds departing.mu.
func (d *departure) isOverLocked() bool { return d.finished && d.pair == nil }

// patienceLocked returns the time until the next step of d, if no event comes first. Caller holds
// departing.mu.
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
	if len(d.conns) > 0 { // the kernel sends no event when the peer has read everything
		patience = min(patience, max(pollMin, min(now.Sub(d.begin)/8, pollMax)))
	}
	return patience
}

const (
	pollMin = time.Millisecond
	pollMax = 50 * time.Millisecond
)

// hearLocked handles an event that libzmq reports. Caller holds departing.mu.
func (d *departure) hearLocked(m sock.Monitored, now time.Time) {
	switch zmq.Event(m.Event) {
	case zmq.EVENT_MONITOR_STOPPED:
		d.stopped = now
		if !d.finished && !d.deadline.IsZero() && now.After(d.deadline.Add(-time.Millisecond)) { // libzmq's timers are exact to 1 ms
			d.lost = append(d.lost, notSent)
		}
		d.deafenLocked()
	case 0: // the context has ended
		d.deafenLocked()
	case zmq.EVENT_CONNECTED:
		d.keepConnectedLocked(m)
	}
}

// deafenLocked closes the PAIR after libzmq's last event. Before, libzmq would block for ever on
// its next event. Caller holds departing.mu.
func (d *departure) deafenLocked() {
	d.pair.close()
	d.pair = nil
	close(d.gone)
}

// keepConnectedLocked keeps a connection open that libzmq has just made. Caller holds departing.mu.
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
	case told >= 0: // the connection was found before, and is kept open
	case !m.IPC(), !d.connects(), d.finished, d.zsock != nil: // libzmq connects again if it must
	case m.Copy < 0 && errno == 0: // this system cannot duplicate the descriptor
	case m.Copy >= 0, errno == syscall.EBADF:
		if d.small { // the peer has read everything all the same
			break
		}
		d.lost = append(d.lost, "what went over a connection that was over before it could be kept open")
	default:
		d.unkept = errno
	}
}

// keepLocked adds k to d's connections and counts the use. Caller holds departing.mu.
func (d *departure) keepLocked(k *keptConn) {
	if slices.Contains(d.conns, k) {
		return
	}
	k.users++
	d.conns = append(d.conns, k)
}
