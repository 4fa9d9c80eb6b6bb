package zmqiotest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// An end is a socket at one side of a cable. It keeps its messages and events.
type end struct {
	zmqio.BaseProtocol
	t         *testing.T
	transport *zmqio.Transport

	cond     zmqiotest.Condition
	received []string
	events   map[zmq.Event]int
}

func newEnd(t *testing.T, loop *zmqio.EventLoop, typ zmq.SocketType, cfg zmqio.ConnectionConfig) *end {
	t.Helper()
	e := &end{t: t, events: make(map[zmq.Event]int)}
	configure := cfg.Configure
	cfg.Configure = func(o zmq.Sockopts) error {
		err := errors.Join(o.SetLinger(0), o.SetReconnectInterval(time.Millisecond), o.SetMaxMsgSize(1<<20))
		if configure != nil {
			err = errors.Join(err, configure(o))
		}
		return err
	}
	e.transport = zmqiotest.Create(t, loop, e, typ, cfg)
	t.Cleanup(func() { _ = e.transport.Abort() })
	return e
}

func (e *end) ConnectionMade(transport *zmqio.Transport) {
	if err := transport.EnableMonitor(zmq.EVENT_ALL); err != nil {
		e.t.Error(err)
	}
}

func (e *end) EventReceived(ev zmq.MonitorEvent) { e.cond.Change(func() { e.events[ev.Event]++ }) }
func (e *end) MsgReceived(msg [][]byte) {
	e.cond.Change(func() { e.received = append(e.received, string(msg[0])) })
}

// until waits until fn returns true. It calls fn with the lock held.
func (e *end) until(what string, fn func() bool) {
	e.t.Helper()
	if err := e.cond.Until(zmqiotest.Bounded(e.t, zmqiotest.Patience), fn); err != nil {
		e.cond.Lock()
		defer e.cond.Unlock()
		e.t.Fatalf("%v has not seen %s, but %v, and received %d messages: %v", e.transport, what, e.events, len(e.received), err)
	}
}

// saw returns how often an event has come.
func (e *end) saw(ev zmq.Event) int {
	e.cond.Lock()
	defer e.cond.Unlock()
	return e.events[ev]
}

// sees waits until an event has come more than n times.
func (e *end) sees(ev zmq.Event, n int) {
	e.t.Helper()
	e.until(ev.String(), func() bool { return e.events[ev] > n })
}

func (e *end) sends(text string) {
	e.t.Helper()
	if err := e.transport.Write([][]byte{[]byte(text)}); err != nil {
		e.t.Errorf("%v: %v", e.transport, err)
	}
}

// gets waits until a message has come.
func (e *end) gets(text string) {
	e.t.Helper()
	e.until(strconv.Quote(text), func() bool {
		for _, r := range e.received {
			if r == text {
				return true
			}
		}
		return false
	})
}

// newLink returns a PULL, a cable to it, and PUSHes at the other side of the cable.
func newLink(t *testing.T, transport string, clients int, configure func(zmq.Sockopts) error) (*zmqiotest.Cable, *end, []*end) {
	t.Helper()
	loop := zmqiotest.RunLoop(t, nil)
	pull := newEnd(t, loop, zmq.PULL, zmqio.ConnectionConfig{Bind: []string{zmqiotest.FreeEndpoint(t, transport)}, Configure: configure})
	cable := zmqiotest.NewCable(t, pull.transport.Listeners()[0])
	var pushes []*end
	for range clients {
		pushes = append(pushes, newEnd(t, loop, zmq.PUSH, zmqio.ConnectionConfig{Connect: []string{cable.Endpoint()}, Configure: configure}))
	}
	return cable, pull, pushes
}

func waitConnections(t *testing.T, cable *zmqiotest.Cable, n int) {
	t.Helper()
	zmqiotest.Must(t, cable.WaitConnections(zmqiotest.Bounded(t, zmqiotest.Patience), n))
}

// Messages that clients send to a cut cable arrive after it is mended.
func TestCableCut(t *testing.T) {
	for _, transport := range []string{"tcp", "ipc"} {
		t.Run(transport, func(t *testing.T) {
			zmqiotest.CheckLeaks(t)
			const clients = 5
			cable, pull, pushes := newLink(t, transport, clients, nil)
			if !strings.HasPrefix(cable.Endpoint(), transport+"://") {
				t.Errorf("the endpoint is %q", cable.Endpoint())
			}
			for i, push := range pushes {
				push.sends(fmt.Sprint("before ", i))
				pull.gets(fmt.Sprint("before ", i))
			}
			for round := range 3 {
				waitConnections(t, cable, clients)
				cable.Cut()
				cable.Cut()
				if n := cable.Connections(); n != 0 {
					t.Errorf("a cable that is cut has %d connections", n)
				}
				for _, push := range pushes {
					push.sees(zmq.EVENT_DISCONNECTED, round)
					retried := push.saw(zmq.EVENT_CONNECT_RETRIED)
					push.sees(zmq.EVENT_CONNECT_RETRIED, retried+2)
				}
				pull.sees(zmq.EVENT_DISCONNECTED, clients*(round+1)-1)
				for i, push := range pushes {
					if n := push.saw(zmq.EVENT_CONNECTED); n != round+1 {
						t.Errorf("connected %d times, with %d cuts", n, round+1)
					}
					push.sends(fmt.Sprint("after ", round, i))
				}
				cable.Mend()
				cable.Mend()
				for i := range pushes {
					pull.gets(fmt.Sprint("after ", round, i))
				}
			}
			if cable.Bytes(zmqiotest.ServerSide) == 0 || cable.Bytes(zmqiotest.ClientSide) == 0 {
				t.Errorf("bytes: %d, %d", cable.Bytes(zmqiotest.ServerSide), cable.Bytes(zmqiotest.ClientSide))
			}
		})
	}
}

// Without heartbeats no end notices a stalled cable, and nothing is lost.
func TestCableStall(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	cable, pull, pushes := newLink(t, "tcp", 1, nil)
	pushes[0].sends("before")
	pull.gets("before")
	cable.Stall()
	carried := cable.Bytes(zmqiotest.ServerSide)
	const messages = 2000
	for i := range messages {
		pushes[0].sends(fmt.Sprint(i))
	}
	if n := cable.Bytes(zmqiotest.ServerSide); n != carried {
		t.Errorf("a stalled cable has carried %d bytes", n-carried)
	}
	cable.Flow()
	pull.gets(fmt.Sprint(messages - 1))
	for i, text := range pull.received[1:] {
		if text != fmt.Sprint(i) {
			t.Fatalf("message %d is %q", i, text)
		}
	}
	if pushes[0].saw(zmq.EVENT_DISCONNECTED)+pull.saw(zmq.EVENT_DISCONNECTED) > 0 {
		t.Error("disconnected")
	}
}

// Heartbeats notice a stalled cable. On a busy machine a late heartbeat ends a connection too, and
// with it the message on its way.
func TestCableHeartbeats(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	cable, pull, pushes := newLink(t, "tcp", 1, func(o zmq.Sockopts) error {
		return errors.Join(o.SetHeartbeatInterval(50*time.Millisecond), o.SetHeartbeatTimeout(2*time.Second))
	})
	push := pushes[0]
	sendUntilGot(pull, "before", push)
	cable.Stall()
	gone := []int{push.saw(zmq.EVENT_DISCONNECTED), pull.saw(zmq.EVENT_DISCONNECTED)}
	push.sees(zmq.EVENT_DISCONNECTED, gone[0])
	pull.sees(zmq.EVENT_DISCONNECTED, gone[1])
	push.sends("after")
	cable.Flow()
	sendUntilGot(pull, "after", push)
}

// A cable with a low rate is slow, and one without is fast.
func TestCableSlow(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	const rate, size = 200_000, 50_000
	cable, pull, pushes := newLink(t, "tcp", 2, nil)
	for _, push := range pushes {
		push.sends("hello")
	}
	pull.until("two messages", func() bool { return len(pull.received) == 2 })
	cable.Slow(rate)
	begin := time.Now()
	for i, push := range pushes {
		push.sends(strings.Repeat(fmt.Sprint(i), size))
	}
	for i := range pushes {
		pull.gets(strings.Repeat(fmt.Sprint(i), size))
	}
	if took := time.Since(begin); took < 2*size*time.Second/rate {
		t.Errorf("%d bytes took %v", 2*size, took)
	}
	cable.Slow(1)
	pushes[0].sends("on the way")
	cable.Slow(0)
	pushes[1].sends(strings.Repeat("2", size)) // would take half a day
	pull.gets(strings.Repeat("2", size))
}

// garbage is no greeting. Amid messages it is the header of a frame over every limit.
var garbage = bytes.Repeat([]byte{0xff}, 4096)

// connectAgain connects a client whose endpoint libzmq has dropped, because its peer broke the
// protocol.
func (e *end) connectAgain(cable *zmqiotest.Cable) {
	e.t.Helper()
	waitConnections(e.t, cable, 0)
	zmqiotest.Must(e.t, e.transport.Disconnect(cable.Endpoint()))
	_, err := e.transport.Connect(cable.Endpoint())
	zmqiotest.Must(e.t, err)
}

// A peer that gets garbage instead of a greeting drops the connection. The next connection works.
func TestCableGarbageFirst(t *testing.T) {
	for _, side := range []zmqiotest.Side{zmqiotest.ClientSide, zmqiotest.ServerSide} {
		t.Run(side.String(), func(t *testing.T) {
			zmqiotest.CheckLeaks(t)
			loop := zmqiotest.RunLoop(t, nil)
			pull := newEnd(t, loop, zmq.PULL, zmqio.ConnectionConfig{Bind: []string{"tcp://127.0.0.1:*"}})
			cable := zmqiotest.NewCable(t, pull.transport.Listeners()[0])
			cable.Stall()
			push := newEnd(t, loop, zmq.PUSH, zmqio.ConnectionConfig{Connect: []string{cable.Endpoint()}})
			waitConnections(t, cable, 1)
			push.sends("hello")
			cable.Inject(garbage, side)
			if n := cable.Bytes(side); n != 0 {
				t.Errorf("%d bytes were carried before anything flowed", n)
			}
			cable.Flow()
			if side == zmqiotest.ClientSide {
				push.connectAgain(cable)
				push.sends("hello") // the first is lost with its endpoint
			}
			pull.gets("hello")
			push.sees(zmq.EVENT_CONNECTED, 1)
		})
	}
}

// A peer that gets garbage amid messages drops the connection. The next connection works. At most
// the message that the garbage hits is damaged.
func TestCableGarbageAmidMessages(t *testing.T) {
	for _, side := range []zmqiotest.Side{zmqiotest.ClientSide, zmqiotest.ServerSide} {
		t.Run(side.String(), func(t *testing.T) {
			zmqiotest.CheckLeaks(t)
			cable, pull, pushes := newLink(t, "tcp", 1, nil)
			push := pushes[0]
			ctx, cancel := context.WithCancel(zmqiotest.Bounded(t, zmqiotest.Patience))
			defer cancel()
			var writing sync.WaitGroup
			defer writing.Wait()
			defer cancel()
			writing.Go(func() {
				for i := 0; ; i++ {
					err := push.transport.WriteContext(ctx, [][]byte{fmt.Appendf(nil, "%09d", i)})
					if ctx.Err() != nil {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
			const rounds = 5
			for range rounds {
				var come int
				pull.until("a message", func() bool {
					come = len(pull.received)
					return come > 0
				})
				waitConnections(t, cable, 1)
				lost := push.saw(zmq.EVENT_DISCONNECTED)
				cable.Inject(garbage, side)
				push.sees(zmq.EVENT_DISCONNECTED, lost)
				if side == zmqiotest.ClientSide {
					push.connectAgain(cable)
				}
				pull.until("more messages", func() bool { return len(pull.received) > come+100 })
			}
			pull.cond.Lock()
			defer pull.cond.Unlock()
			seen, damaged := make(map[int]bool), 0
			for _, text := range pull.received { // a PULL takes from the old and the new connection in turn
				n, err := strconv.Atoi(text)
				if err != nil {
					damaged++
					continue
				}
				if seen[n] {
					t.Fatalf("message %d came twice", n)
				}
				seen[n] = true
			}
			if damaged > rounds || side == zmqiotest.ClientSide && damaged > 0 {
				t.Errorf("%d messages are damaged", damaged)
			}
		})
	}
}

// All methods may be called at once, and leave a usable cable.
func TestCableAtOnce(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	cable, pull, pushes := newLink(t, "tcp", 3, nil)
	var calling sync.WaitGroup
	for i, call := range []func(){
		cable.Cut, cable.Mend, cable.Stall, cable.Flow,
		func() { cable.Slow(1000) },
		func() { cable.Slow(0) },
		func() { cable.Inject(garbage, zmqiotest.ServerSide) },
		func() { cable.Inject(garbage, zmqiotest.ClientSide) },
		func() { _ = cable.Connections() + int(cable.Bytes(zmqiotest.ClientSide)) },
		func() { _ = cable.String() + cable.Endpoint() },
		func() { pushes[0].sends("x") },
	} {
		calling.Go(func() {
			for range 200 + i {
				call()
			}
		})
	}
	calling.Wait()
	cable.Slow(0)
	cable.Flow()
	cable.Cut()
	cable.Mend()
	for _, push := range pushes { // garbage ends a client's endpoint
		zmqiotest.Must(t, push.transport.Disconnect(cable.Endpoint()))
		_, err := push.transport.Connect(cable.Endpoint())
		zmqiotest.Must(t, err)
	}
	for i, push := range pushes {
		sendUntilGot(pull, fmt.Sprint("last of ", i), push)
	}
}

// sendUntilGot sends a message until it arrives. It may go into a connection that the PUSH does not
// know to be cut.
func sendUntilGot(pull *end, text string, push *end) {
	pull.t.Helper()
	ctx := zmqiotest.Bounded(pull.t, zmqiotest.Patience)
	for again := time.NewTicker(10 * time.Millisecond); ; {
		push.sends(text)
		pull.cond.Lock()
		got := slices.Contains(pull.received, text)
		pull.cond.Unlock()
		if got {
			again.Stop()
			return
		}
		select {
		case <-ctx.Done():
			pull.t.Fatalf("%v has not received %q, but %d messages", pull.transport, text, len(pull.received))
		case <-again.C:
		}
	}
}

// A cable carries arbitrary TCP: bytes, closes and resets.
func TestCableOfBytes(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	zmqiotest.Must(t, err)
	defer listener.Close()
	cable := zmqiotest.NewCable(t, "tcp://"+listener.Addr().String())
	dial := func() (client, server *net.TCPConn) {
		t.Helper()
		c, err := net.Dial("tcp", strings.TrimPrefix(cable.Endpoint(), "tcp://"))
		zmqiotest.Must(t, err)
		s, err := listener.Accept()
		zmqiotest.Must(t, err)
		t.Cleanup(func() { c.Close(); s.Close() })
		return c.(*net.TCPConn), s.(*net.TCPConn)
	}

	// A close passes in its direction alone, after all bytes, on a stalled cable too.
	client, server := dial()
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	cable.Stall()
	writing := make(chan error, 1)
	go func() {
		_, err := client.Write(sent)
		writing <- errors.Join(err, client.CloseWrite())
	}()
	cable.Flow()
	if got, err := io.ReadAll(server); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("read %d of %d bytes, %v", len(got), len(sent), err)
	}
	zmqiotest.Must(t, <-writing)
	_, err = server.Write([]byte("answer"))
	zmqiotest.Must(t, err)
	if n := cable.Connections(); n != 0 {
		t.Errorf("a connection that ends is one of %d", n)
	}
	zmqiotest.Must(t, server.Close())
	if got, err := io.ReadAll(client); err != nil || string(got) != "answer" {
		t.Errorf("read %q, %v", got, err)
	}
	if to, back := cable.Bytes(zmqiotest.ServerSide), cable.Bytes(zmqiotest.ClientSide); to != int64(len(sent)) || back != 6 {
		t.Errorf("%d bytes there and %d back", to, back)
	}

	// A reset passes as a reset.
	client, server = dial()
	waitConnections(t, cable, 1)
	zmqiotest.Must(t, client.SetLinger(0))
	zmqiotest.Must(t, client.Close())
	if _, err := server.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after a reset: %v", err)
	}

	// A cut resets both ends.
	client, server = dial()
	waitConnections(t, cable, 1)
	cable.Cut()
	for _, c := range []net.Conn{client, server} {
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("after Cut: %v", err)
		}
	}
	if _, err := net.Dial("tcp", strings.TrimPrefix(cable.Endpoint(), "tcp://")); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connect to a cable that is cut: %v", err)
	}
	cable.Mend()

	// Garbage is not counted, and passes a stalled cable.
	cable.Stall()
	client, server = dial()
	waitConnections(t, cable, 1)
	_, err = client.Write([]byte("held"))
	zmqiotest.Must(t, err)
	cable.Inject([]byte("garbage,"), zmqiotest.ServerSide)
	got := make([]byte, len("garbage,held"))
	_, err = io.ReadFull(server, got[:8])
	zmqiotest.Must(t, err)
	cable.Flow()
	_, err = io.ReadFull(server, got[8:])
	zmqiotest.Must(t, err)
	if n := cable.Bytes(zmqiotest.ServerSide); string(got) != "garbage,held" || n != int64(len(sent)+4) {
		t.Errorf("read %q, and %d bytes are counted", got, n)
	}

	// Without a server the cable resets a client's connection.
	zmqiotest.Must(t, listener.Close())
	lonely, err := net.Dial("tcp", strings.TrimPrefix(cable.Endpoint(), "tcp://"))
	if err == nil {
		_, err = lonely.Read(make([]byte, 1))
		lonely.Close()
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("without a server: %v", err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := cable.WaitConnections(ended, 2); !errors.Is(err, context.Canceled) || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("WaitConnections: %v", err)
	}
}

func TestExampleCable(t *testing.T) { testReconnect(t) }
