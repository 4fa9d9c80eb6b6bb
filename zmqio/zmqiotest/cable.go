package zmqiotest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A Side is an end of a Cable.
type Side int

const (
	// ClientSide is the sockets that connect to the cable's endpoint.
	ClientSide Side = iota
	// ServerSide is the server that NewCable was given.
	ServerSide
)

// String returns the name of the side.
func (s Side) String() string {
	switch s {
	case ClientSide:
		return "client side"
	case ServerSide:
		return "server side"
	}
	return fmt.Sprintf("Side(%d)", int(s))
}

func (s Side) opposite() Side { return 1 - s }

// A Cable lies between a server and its clients, and treats their connections as networks do: a
// test cuts it, stalls it, slows it and puts garbage on it. It carries TCP and Unix sockets,
// and so tcp and ipc of ZeroMQ. It does not interpret the bytes.
//
// Clients connect to Endpoint. For each client's connection the cable makes one to the server.
// It passes on all bytes, and the end of a connection as it came: a close as a close, a reset
// as a reset. If the server cannot be reached, the cable resets the client's connection.
//
// All methods are safe for concurrent use until the test ends. The end of the test cuts the
// cable and waits for its goroutines.
type Cable struct {
	t        testing.TB
	network  string // "tcp" or "unix"
	server   string // address of the server
	address  string // address of the cable
	endpoint string
	running  sync.WaitGroup
	passed   [2]atomic.Int64 // bytes, by the side that they went to

	state    Condition    // guards the fields below
	listener net.Listener // nil while the cable is cut
	ended    bool
	stalled  bool
	rate     int                // bytes per second, or 0
	busy     [2]time.Time       // until when the rate is used up, by side
	links    map[*link]struct{} // links that neither Cut nor their peers have ended
	missed   error              // the last error of a connection to the server
}

// A link is a client's connection and the cable's connection to the server.
type link struct {
	cancel context.CancelFunc
	ends   [2]net.Conn      // the second is nil until the server is reached; then the link is open
	closed bool             // a close has passed; like ends, under the cable's state
	turns  [2]chan struct{} // has one element while a goroutine writes to that end
}

// NewCable returns a cable to a server's endpoint of tcp or ipc, "tcp://127.0.0.1:5555" for
// example. The server may bind later. Until then the cable resets the connections of clients.
func NewCable(t testing.TB, server string) *Cable {
	t.Helper()
	transport, address, _ := strings.Cut(server, "://")
	c := &Cable{t: t, server: address, links: make(map[*link]struct{})}
	var listener net.Listener
	var err error
	switch transport {
	case "tcp":
		c.network = "tcp"
		listener, err = listenLocally()
		Must(t, err)
		c.address = listener.Addr().String()
	case "ipc":
		c.network = "unix"
		c.address = filepath.Join(SocketDir(t), "cable")
		listener, err = net.Listen("unix", c.address)
		Must(t, err)
	default:
		t.Fatalf("no cable to %q: it is neither of tcp nor of ipc", server)
	}
	c.endpoint = transport + "://" + c.address
	t.Cleanup(c.end)
	c.state.Change(func() { c.serveLocked(listener) })
	return c
}

// cables counts the ports that listenLocally has tried.
var cables atomic.Uint32

// listenLocally listens at a loopback address, on another port for each call. If the system has
// several loopback addresses, each process uses its own. So no other socket takes the port while
// the cable is cut. The ports are below those of outgoing connections, so a client of a cut cable
// cannot connect to itself.
func listenLocally() (listener net.Listener, err error) {
	pid := os.Getpid()
	own := fmt.Sprintf("127.%d.%d.%d", 1+pid>>16&0x7f, pid>>8&0xff, pid&0xff)
	for range 1000 {
		port := 20000 + (uint32(pid)+cables.Add(1))%12000
		for _, ip := range []string{own, "127.0.0.1"} {
			if listener, err = net.Listen("tcp", fmt.Sprintf("%s:%d", ip, port)); err == nil {
				return listener, nil
			}
		}
	}
	return nil, err
}

// Endpoint returns the endpoint that clients connect to. It has the same transport as the
// server's, and does not change with Cut and Mend.
func (c *Cable) Endpoint() string { return c.endpoint }

// String returns the endpoints of both sides.
func (c *Cable) String() string {
	transport, _, _ := strings.Cut(c.endpoint, "://")
	return fmt.Sprintf("cable from %s to %s://%s", c.endpoint, transport, c.server)
}

// Cut ends all connections at both sides, and drops the bytes on the way. TCP connections are
// reset, Unix sockets closed. That is done when Cut returns. The cable refuses new connections
// until Mend. Cut does nothing to a cable that is cut.
func (c *Cable) Cut() {
	c.state.Change(c.cutLocked)
}

// cutLocked is Cut. Caller holds c.state.
func (c *Cable) cutLocked() {
	if c.listener == nil {
		return
	}
	_ = c.listener.Close() // the kernel resets connections that were not accepted
	c.listener = nil
	for l := range c.links {
		c.dropLocked(l, reset)
	}
}

// Mend ends Cut: the cable accepts new connections again. It does nothing to a cable that is
// not cut. A stalled cable stays stalled, and a slow one slow.
func (c *Cable) Mend() {
	c.t.Helper()
	var err error
	c.state.Change(func() {
		if c.listener != nil || c.ended {
			return
		}
		var listener net.Listener
		if listener, err = net.Listen(c.network, c.address); err == nil {
			c.serveLocked(listener)
		}
	})
	if err != nil {
		c.t.Errorf("%v: Mend: %v", c, err)
	}
}

// Stall holds all bytes back, in both directions, and closes nothing, as an unplugged cable
// does. Bytes that are sent after Stall has returned do not pass until Flow. The end of a
// connection does not pass either. TCP and Unix sockets connect to a stalled cable, and get no
// bytes.
func (c *Cable) Stall() {
	c.state.Change(func() { c.stalled = true })
}

// Flow ends Stall. Bytes that were held back pass, and none is lost.
func (c *Cable) Flow() {
	c.state.Change(func() { c.stalled = false })
}

// Slow limits what all connections together carry toward each side, in bytes per second. 0 or
// less means no limit, as at first.
func (c *Cable) Slow(bytesPerSecond int) {
	c.state.Change(func() {
		c.rate = max(0, bytesPerSecond)
		c.busy = [2]time.Time{}
	})
}

// Inject writes garbage toward one side of every open connection, between bytes that the cable
// carries. The garbage has been written when Inject returns. A stalled cable takes it too, so
// garbage can be the first that a side gets. A slow cable does not slow it. Connections that
// end meanwhile are no error. A side that reads nothing for Patience fails the test.
//
// A libzmq that binds drops the connection and takes the next. A libzmq that connects does not
// connect again after its peer broke the protocol: the client has to call Disconnect and
// Connect.
func (c *Cable) Inject(garbage []byte, toward Side) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	for _, l := range c.open() {
		deadline, _ := ctx.Deadline()
		if err := l.write(ctx, garbage, toward, deadline); errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
			c.t.Errorf("%v: Inject: the %v does not read: %v", c, toward, err)
		}
	}
}

// Connections returns how many connections are open: the cable has reached the server, and
// neither side has ended the connection. A connection stops counting when the other side can
// learn of its end.
func (c *Cable) Connections() int { return len(c.open()) }

// WaitConnections waits until n connections are open. If ctx ends first, the error is its
// cause, with the error of the last client for which the server could not be reached.
func (c *Cable) WaitConnections(ctx context.Context, n int) error {
	err := c.state.Until(ctx, func() bool { return len(c.openLocked()) == n })
	if err == nil {
		return nil
	}
	c.state.Lock()
	defer c.state.Unlock()
	err = fmt.Errorf("%v has %d connections, not %d: %w", c, len(c.openLocked()), n, err)
	if c.missed != nil {
		err = fmt.Errorf("%w; it could not reach the server: %w", err, c.missed)
	}
	return err
}

// Bytes returns how many bytes the cable has carried toward a side, without garbage. A byte
// counts before that side can read it.
func (c *Cable) Bytes(toward Side) int64 { return c.passed[toward].Load() }

// end cuts the cable for good.
func (c *Cable) end() {
	c.state.Change(func() {
		c.ended = true
		c.cutLocked()
	})
	c.running.Wait()
}

func (c *Cable) open() []*link {
	c.state.Lock()
	defer c.state.Unlock()
	return c.openLocked()
}

// openLocked returns the open links. Caller holds c.state.
func (c *Cable) openLocked() (open []*link) {
	for l := range c.links {
		if l.ends[ServerSide] != nil && !l.closed {
			open = append(open, l)
		}
	}
	return open
}

// serveLocked accepts connections until the listener is closed. Caller holds c.state.
func (c *Cable) serveLocked(listener net.Listener) {
	c.listener = listener
	c.running.Go(func() {
		for {
			client, err := listener.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				c.t.Errorf("%v: %v", c, err)
				return
			}
			c.running.Go(func() { c.serve(listener, client) })
		}
	})
}

// serve connects to the server and carries a client's bytes both ways.
func (c *Cable) serve(listener net.Listener, client net.Conn) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	l := &link{cancel: cancel, ends: [2]net.Conn{client}, turns: [2]chan struct{}{make(chan struct{}, 1), make(chan struct{}, 1)}}
	added := false
	c.state.Change(func() {
		if added = c.listener == listener; added {
			c.links[l] = struct{}{}
		}
	})
	if !added { // Cut came first
		reset(client)
		return
	}
	var dialer net.Dialer
	server, err := dialer.DialContext(ctx, c.network, c.server)
	if err != nil {
		c.state.Change(func() {
			if ctx.Err() == nil { // else Cut was the reason
				c.missed = err
			}
			c.dropLocked(l, reset)
		})
		return
	}
	c.state.Change(func() {
		if _, ok := c.links[l]; !ok {
			reset(server)
			return
		}
		l.ends[ServerSide] = server
	})
	if l.ends[ServerSide] == nil {
		return
	}
	var carrying sync.WaitGroup
	for _, toward := range []Side{ClientSide, ServerSide} {
		carrying.Go(func() {
			if err := c.carry(ctx, l, toward); err != nil {
				c.drop(l, reset)
			}
		})
	}
	carrying.Wait()
	c.drop(l, func(conn net.Conn) { _ = conn.Close() })
}

// drop ends a link, if it has not ended.
func (c *Cable) drop(l *link, end func(net.Conn)) {
	c.state.Change(func() { c.dropLocked(l, end) })
}

// dropLocked is drop. Caller holds c.state.
func (c *Cable) dropLocked(l *link, end func(net.Conn)) {
	if _, ok := c.links[l]; !ok {
		return
	}
	delete(c.links, l)
	l.cancel()
	for _, conn := range l.ends {
		if conn != nil {
			end(conn)
		}
	}
}

// reset closes a connection. TCP discards unsent bytes and sends a reset.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// carry passes bytes to a side until the opposite side closes, and then passes the close. An error
// ends the link.
func (c *Cable) carry(ctx context.Context, l *link, toward Side) error {
	buf := make([]byte, 32<<10)
	for {
		n, ending := l.ends[toward.opposite()].Read(buf)
		for rest := buf[:n]; len(rest) > 0; {
			n, err := c.admit(ctx, toward, len(rest))
			if err != nil {
				return err
			}
			c.passed[toward].Add(int64(n))
			if err := l.write(ctx, rest[:n], toward, time.Time{}); err != nil {
				return err
			}
			rest = rest[n:]
		}
		if ending == nil {
			continue
		}
		if err := c.state.Until(ctx, func() bool { return !c.stalled }); err != nil {
			return err
		}
		if ending != io.EOF {
			return ending
		}
		c.state.Change(func() { l.closed = true })
		return l.ends[toward].(interface{ CloseWrite() error }).CloseWrite()
	}
}

// admit waits until some of n bytes may pass to a side, and returns how many.
func (c *Cable) admit(ctx context.Context, toward Side, n int) (int, error) {
	var due time.Time
	err := c.state.Until(ctx, func() bool {
		if c.stalled || c.rate == 0 {
			return !c.stalled
		}
		const steps = 50 // per second
		n = min(n, max(1, c.rate/steps))
		if now := time.Now(); c.busy[toward].Before(now) {
			c.busy[toward] = now
		}
		due = c.busy[toward].Add(time.Duration(n) * time.Second / time.Duration(c.rate))
		c.busy[toward] = due
		return true
	})
	if err != nil || due.IsZero() {
		return n, err
	}
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
		return n, nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// write writes b to one end without bytes of other goroutines in between.
func (l *link) write(ctx context.Context, b []byte, toward Side, deadline time.Time) error {
	select {
	case l.turns[toward] <- struct{}{}:
		defer func() { <-l.turns[toward] }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := l.ends[toward].SetWriteDeadline(deadline); err != nil {
		return err
	}
	_, err := l.ends[toward].Write(b)
	return err
}
