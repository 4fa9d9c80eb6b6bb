package netio

import (
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/internal/flow"
)

// A DatagramTransport is a UDP socket, or a Unix socket of datagrams, on an event loop.
// CreateDatagramEndpoint makes it, and the loop calls the methods of its DatagramProtocol. All
// methods of a DatagramTransport are safe for concurrent use, and may be called from callbacks.
// Those of a zero DatagramTransport panic.
//
// asyncio: DatagramTransport
type DatagramTransport struct {
	socket
	family    int         // AF_INET, AF_INET6 or AF_UNIX
	peer      destination // the only one; zero if there is none
	connected bool        // the kernel knows peer
	file      os.FileInfo // the file of a Unix socket that this transport has made, or nil

	protocol atomic.Pointer[DatagramProtocol]

	// mu of socket guards the fields below.
	out     letters
	scratch sockaddr // for sends; raw is for receives
	raw     unix.RawSockaddrAny
	sender  destination        // of the last received datagram
	from    net.Addr           // the same address, as a net.Addr
	resting *zmqio.TimerHandle // ends a rest of writing, or nil
	rest    time.Duration      // length of the last rest
}

// Writing rests if the socket is writable and takes nothing. This happens on an unconnected Unix
// socket whose peer has no room. The kernel does not tell when the peer has room again.
const (
	shortestRest = time.Millisecond
	longestRest  = 64 * time.Millisecond
)

// mostReceived is how many datagrams are received before others on the loop get their turn.
const mostReceived = 64

// Protocol returns the transport's protocol.
//
// asyncio: get_protocol
func (t *DatagramTransport) Protocol() DatagramProtocol { return *t.protocol.Load() }

// SetProtocol makes p the transport's protocol from the next callback on. It does not call
// ConnectionMade. SetProtocol ignores a nil p and a nil pointer in p.
//
// asyncio: set_protocol
func (t *DatagramTransport) SetProtocol(p DatagramProtocol) {
	if !isNil(p) {
		t.protocol.Store(&p)
	}
}

// String returns the addresses and the state, for messages and logs.
func (t *DatagramTransport) String() string { return t.text("DatagramTransport", "") }

// SendTo sends data, which may be empty, to addr: a *net.UDPAddr or a *net.UnixAddr. On a
// transport with Remote, addr is nil or the peer's. SendTo does not block. The caller may reuse
// data when SendTo has returned. If the write buffer is empty, SendTo tries once at once. What
// the system does not take goes into the write buffer, up to DatagramConfig.MaxWriteBuffer.
//
// Errors, after which the transport goes on:
//   - zmqio.ErrTransportClosed: the transport has ended, or Close was called.
//   - zmqio.ErrInvalidArgument: the socket cannot send to addr.
//   - zmqio.ErrBufferFull: the write buffer has no room below MaxWriteBuffer.
//   - Those of the system. ErrorReceived gets them too, later for buffered datagrams.
//
// asyncio: sendto
func (t *DatagramTransport) SendTo(data []byte, addr net.Addr) error {
	to := t.peer
	if addr != nil {
		var err error
		if to, err = toDestination(addr, t.family); err != nil {
			return err
		}
	}
	switch {
	case to == destination{}:
		return invalid("netio: SendTo: nil address, and the transport has no peer")
	case t.peer != destination{} && to != t.peer:
		return invalid("netio: SendTo: address %v is not that of the peer, %v", addr, t.remote)
	}
	if !t.loop.InLoop() {
		t.loop.Share()
	}
	t.mu.Lock()
	fx, err := t.admitLocked(data, to)
	t.mu.Unlock()
	t.carry(fx)
	return err
}

// admitLocked sends or buffers data. Caller holds t.mu.
func (t *DatagramTransport) admitLocked(data []byte, to destination) (fx flow.Effects, err error) {
	size := flow.Size{Bytes: len(data), Items: 1}
	verdict := t.flow.Admit(t.out.size(), size, false)
	if verdict == flow.Full {
		fx = t.flushLocked()
		verdict = t.flow.Admit(t.out.size(), size, false)
	}
	switch {
	case verdict == flow.Stopped:
		return fx, t.errClosed("write")
	case verdict == flow.Full:
		return fx, t.sendError(to, fmt.Errorf("%d bytes: %w", len(data), zmqio.ErrBufferFull))
	case t.out.len() == 0:
		if taken, err := t.sendLocked(data, to); taken {
			return fx, err
		}
	}
	t.out.add(data, to)
	fx |= t.offerLocked(t.flow.Grew(t.out.size(), flow.Self()))
	return fx | t.settleLocked(), nil
}

// sendLocked sends data, and reports whether the kernel has taken it, or refused it for good.
// Caller holds t.mu.
func (t *DatagramTransport) sendLocked(data []byte, to destination) (taken bool, err error) {
	for err = unix.EINTR; err == unix.EINTR; {
		if t.connected {
			err = unix.Send(int(t.fd), data, 0)
		}
		if !t.connected || err == unix.ENOTCONN { // Linux forgets the peer of a Unix socket when the peer has gone
			err = unix.Sendto(int(t.fd), data, 0, t.scratch.set(to, t.family))
		}
	}
	switch err {
	case nil:
		return true, nil
	case unix.EAGAIN:
		return false, nil
	}
	err = t.sendError(to, syscallError("sendto", err))
	t.tellLater(err)
	return true, err
}

// tellLater makes the loop call tell.
func (t *DatagramTransport) tellLater(err error) {
	_, _ = t.loop.CallSoon(func() { t.tell(err) }) // fails only on a closed loop
}

// sendError is opError for a send to a destination.
func (t *DatagramTransport) sendError(to destination, err error) error {
	return &net.OpError{Op: "write", Net: t.local.Network(), Source: t.local, Addr: to.addr(), Err: err}
}

// tell calls ErrorReceived. Loop goroutine only.
func (t *DatagramTransport) tell(err error) {
	t.mu.Lock()
	over := t.state.is(closed)
	t.mu.Unlock()
	if !over {
		p := t.Protocol()
		t.callback("ErrorReceived", p, func() { p.ErrorReceived(err) })
	}
}

// writer implements kind.
func (t *DatagramTransport) writer() writer { return t.Protocol() }

// pendingLocked implements kind.
func (t *DatagramTransport) pendingLocked() flow.Size { return t.out.size() }

// flushLocked implements kind.
func (t *DatagramTransport) flushLocked() flow.Effects {
	before := t.out.len()
	for t.out.len() > 0 && !t.state.is(closed) {
		data, to := t.out.first()
		if taken, _ := t.sendLocked(data, to); !taken {
			break
		}
		t.out.drop()
	}
	if t.out.len() == before {
		return 0
	}
	t.rest = 0
	return t.flow.Shrank(t.out.size()) | t.settleLocked()
}

// writeReady sends the buffer. If the kernel takes nothing, writing rests. Loop goroutine only.
func (t *DatagramTransport) writeReady() {
	t.mu.Lock()
	t.resting = nil
	before := t.out.len()
	fx := t.flushLocked()
	if t.out.len() == before && before > 0 && !t.state.is(closed) {
		t.rest = min(max(2*t.rest, shortestRest), longestRest)
		t.resting, _ = t.loop.CallLater(t.rest, t.writeReady) // fails only on a closed loop
		fx |= t.settleLocked()
	}
	t.mu.Unlock()
	t.carry(fx)
}

// readReady receives and delivers datagrams. Loop goroutine only.
func (t *DatagramTransport) readReady() {
	b := takeBlock()
	defer blocks.Put(b) // runs even after runtime.Goexit
	for range mostReceived {
		n, from, err := t.receive(b[:])
		switch {
		case err != nil:
			t.tell(err)
		case from == nil:
			return
		default:
			p := t.Protocol()
			t.callback("DatagramReceived", p, func() { p.DatagramReceived(b[:n:n], from) })
		}
	}
}

// receive receives a datagram. from and err are nil if there is none.
func (t *DatagramTransport) receive(buf []byte) (n int, from net.Addr, err error) {
	t.mu.Lock()
	n, from, fx, err := t.receiveLocked(buf)
	t.mu.Unlock()
	t.carry(fx)
	return n, from, err
}

// receiveLocked is receive. Caller holds t.mu.
func (t *DatagramTransport) receiveLocked(buf []byte) (n int, from net.Addr, fx flow.Effects, err error) {
	if t.state.is(silent) {
		return 0, nil, 0, nil
	}
	var sender destination
	for err = unix.EINTR; err == unix.EINTR; {
		n, sender, err = t.fd.receive(buf, t.family, &t.raw)
	}
	switch {
	case err == unix.EAGAIN:
		return 0, nil, 0, nil
	case err == unix.EBADF, err == unix.ENOTSOCK: // the number is another file's by now
		return 0, nil, t.endLocked(t.opError("read", syscallError("recvfrom", err))), nil
	case err != nil:
		return 0, nil, 0, t.opError("read", syscallError("recvfrom", err))
	case n > len(buf):
		return 0, nil, 0, t.opError("read", syscallError("recvfrom", unix.EMSGSIZE))
	}
	if t.from == nil || sender != t.sender {
		t.sender, t.from = sender, sender.addr()
	}
	return n, t.from, 0, nil
}

// readAgainLocked implements kind.
func (t *DatagramTransport) readAgainLocked() flow.Effects { return t.settleLocked() }

// settleLocked does what waits for an empty buffer, and sets what the loop watches for. Caller
// holds t.mu.
func (t *DatagramTransport) settleLocked() flow.Effects {
	if t.state.is(closed) {
		return 0
	}
	if t.state.is(closing) && t.out.len() == 0 {
		return t.endLocked(nil)
	}
	var want interest
	if !t.state.is(silent) {
		want |= toRead
	}
	if t.out.len() > 0 && t.resting == nil {
		want |= toWrite
	}
	if err := t.wantLocked(want); err != nil {
		return t.endLocked(t.opError("watch", err))
	}
	return 0
}

// Close closes the transport in good order and does not wait. The transport stops receiving,
// sends the write buffer, for as long as that takes, and ends. Then the loop calls
// ConnectionLost(nil). Close may be repeated, and returns nil. Off the loop goroutine, a call
// of DatagramReceived that is just starting may still come.
//
// asyncio: close
func (t *DatagramTransport) Close() error {
	t.mu.Lock()
	var fx flow.Effects
	if !t.state.is(closing) {
		t.state |= closing
		t.flow.Stop(t.errClosed("write"))
		fx = t.settleLocked()
	}
	t.mu.Unlock()
	t.carry(fx)
	return nil
}

// Undelivered returns the datagrams in the write buffer, and the bytes in them. After the end
// it returns what was dropped then.
func (t *DatagramTransport) Undelivered() (items, bytes int) {
	size := t.undelivered()
	return size.Items, size.Bytes
}

// dropLocked implements kind.
func (t *DatagramTransport) dropLocked() {
	t.out = letters{}
	if t.resting != nil {
		t.resting.Cancel()
	}
}

// came implements kind.
func (t *DatagramTransport) came() error { return nil }

// left implements kind. It removes the file of a Unix socket.
func (t *DatagramTransport) left() { removeMade(t.file, t.local) }

// letters are datagrams that were accepted and not sent. Without datagrams they have no memory.
type letters struct {
	heads []letterhead
	gone  int // of heads
	body  backlog
}

// A letterhead is the size and the destination of a datagram in body.
type letterhead struct {
	to   destination
	size int
}

func (q *letters) len() int { return len(q.heads) - q.gone }

func (q *letters) size() flow.Size { return flow.Size{Bytes: q.body.len(), Items: q.len()} }

// add appends a copy of data.
func (q *letters) add(data []byte, to destination) {
	if q.gone > len(q.heads)/2 && len(q.heads) == cap(q.heads) {
		q.heads = q.heads[:copy(q.heads, q.heads[q.gone:])]
		q.gone = 0
	}
	q.heads = append(q.heads, letterhead{to, len(data)})
	q.body.add(data)
}

// first returns the first datagram. It is valid until the next add.
func (q *letters) first() (data []byte, to destination) {
	h := q.heads[q.gone]
	return q.body.bytes()[:h.size], h.to
}

// drop removes the first datagram.
func (q *letters) drop() {
	q.body.drop(q.heads[q.gone].size)
	if q.gone++; q.len() == 0 {
		*q = letters{}
	}
}
