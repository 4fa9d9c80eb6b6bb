package fault

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
)

func init() {
	roles["net-starve"] = serveStarved
	roles["net-serve"] = serveNet
	roles["net-hold"] = holdNet
}

// A netPeer is a protocol of package netio that is made of functions.
type netPeer struct {
	netio.BaseProtocol
	t        *netio.Transport
	received func(*netio.Transport, []byte)
	lost     func(error)
}

func (p *netPeer) ConnectionMade(t *netio.Transport) { p.t = t }

func (p *netPeer) DataReceived(data []byte) {
	if p.received != nil {
		p.received(p.t, data)
	}
}

func (p *netPeer) ConnectionLost(err error) {
	if p.lost != nil {
		p.lost(err)
	}
}

// echoes returns what it receives.
func echoes(t *netio.Transport, data []byte) { _ = t.Write(data) } // the client may have closed

// serve starts a server on loop. Its protocols are those that factory returns.
func serve(t *testing.T, loop *zmqio.EventLoop, factory func() *netPeer, cfg netio.ServerConfig) (s *netio.Server, addr string) {
	t.Helper()
	s, err := netio.CreateServer(bounded(t, hang), loop, factory, "tcp4", []string{"127.0.0.1:0"}, cfg)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s, s.Addrs()[0].String()
}

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp4", addr)
	must(t, err)
	must(t, c.SetDeadline(time.Now().Add(hang)))
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// wantsEcho checks that the server at the other end of c answers.
func wantsEcho(t *testing.T, c net.Conn) {
	t.Helper()
	sent := []byte("is there a server?")
	_, err := c.Write(sent)
	must(t, err)
	got := make([]byte, len(sent))
	_, err = io.ReadFull(c, got)
	must(t, err)
	if !bytes.Equal(got, sent) {
		t.Fatalf("the server answered %q", got)
	}
}

// A server without a descriptor for a client tells its exception handler and pauses. It accepts
// again when there are descriptors.
func TestNetServerOutOfDescriptors(t *testing.T) {
	checkLeaks(t)
	ctx := bounded(t, hang)
	text, err := json.Marshal(job{Role: "net-starve", Size: 2})
	must(t, err)
	self, err := os.Executable()
	must(t, err)
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), withoutLeakSanitizer(), jobVariable+"="+string(text))
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewScanner(out)
	line := func() string {
		lines.Scan()
		return lines.Text()
	}
	addr := line()
	var conns []net.Conn
	for range 5 {
		conns = append(conns, dial(t, addr))
	}
	wantsEcho(t, conns[0])
	if got := line(); got != "EMFILE" {
		t.Errorf("the exception handler was told %q", got)
	}
	for _, c := range conns[:4] {
		c.Close()
	}
	wantsEcho(t, conns[4]) // when the server accepts again
	conns[4].Close()
	in.Close()
	must(t, cmd.Wait())
}

// serveStarved serves with j.Size spare descriptors.
func serveStarved(j job, in io.Reader, out io.Writer) error {
	loop, err := zmqio.NewEventLoop(nil)
	if err != nil {
		return err
	}
	told := false
	loop.SetExceptionHandler(func(_ *zmqio.EventLoop, c zmqio.ExceptionContext) {
		switch {
		case !errors.Is(c.Err, syscall.EMFILE):
			fmt.Fprintln(out, c.Message, c.Err)
		case !told:
			told = true
			fmt.Fprintln(out, "EMFILE")
		}
	})
	factory := func() *netPeer { return &netPeer{received: echoes} }
	s, err := netio.CreateServer(context.Background(), loop, factory, "tcp4", []string{"127.0.0.1:0"}, netio.ServerConfig{})
	if err != nil {
		return err
	}
	if err := spareDescriptors(j.Size); err != nil {
		return err
	}
	fmt.Fprintln(out, s.Addrs()[0])
	go func() {
		_, _ = io.Copy(io.Discard, in)
		loop.Stop()
	}()
	return errors.Join(loop.RunForever(context.Background()), s.Close(), loop.Close())
}

// serveOne serves one client. It returns the client's connection, the server's transport, and a
// channel with the error of ConnectionLost.
func serveOne(t *testing.T) (c *net.TCPConn, tr *netio.Transport, lost <-chan error) {
	t.Helper()
	made, ended := make(chan *netio.Transport, 1), make(chan error, 1)
	_, addr := serve(t, newLoop(t, nil), func() *netPeer {
		return &netPeer{
			received: func(tr *netio.Transport, _ []byte) { made <- tr },
			lost:     func(err error) { ended <- err },
		}
	}, netio.ServerConfig{})
	c = dial(t, addr)
	_, err := c.Write([]byte{0})
	must(t, err)
	return c, <-made, ended
}

// A peer resets its connection: while the connection is idle, while data for the peer is unread,
// and while a writer waits for room.
func TestNetPeerResets(t *testing.T) {
	for _, situation := range []string{"idle", "sending", "waiting"} {
		t.Run(situation, func(t *testing.T) {
			checkLeaks(t)
			ctx := bounded(t, hang)
			c, tr, lost := serveOne(t)
			waited := make(chan error, 1)
			switch situation {
			case "sending":
				must(t, tr.Write(make([]byte, 64*mib)))
			case "waiting":
				must(t, tr.Write(make([]byte, 64*mib)))
				go func() { waited <- tr.WriteContext(ctx, []byte("more")) }()
			}
			must(t, c.SetLinger(0))
			must(t, c.Close())
			err := <-lost
			if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
				t.Errorf("ConnectionLost got %v", err)
			}
			if situation == "waiting" {
				if err := <-waited; !errors.Is(err, zmqio.ErrTransportClosed) {
					t.Errorf("WriteContext returned %v", err)
				}
			}
			if err := tr.Write([]byte{0}); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Write after the reset returned %v", err)
			}
		})
	}
}

// A peer's machine disappears. TCP's keep-alive, which ListenConfig sets, ends the connection.
func TestNetPeerHalfOpen(t *testing.T) {
	checkLeaks(t)
	ctx := bounded(t, hang)
	c := newCut(t)
	endpoint := addresses[1] + ":5555"
	server := c.start(1, job{Role: "net-serve", Endpoint: endpoint})
	client := c.start(0, job{Role: "net-hold", Endpoint: endpoint})
	server.waitTold(ctx, "made")
	c.link(0, "down")
	server.waitTold(ctx, "lost "+syscall.ETIMEDOUT.Error())
	client.kill()
	server.finish()
}

// serveNet reports connections made and lost. It notices after two seconds that a peer has
// disappeared.
func serveNet(j job, in io.Reader, out io.Writer) error {
	loop, err := zmqio.NewEventLoop(nil)
	if err != nil {
		return err
	}
	factory := func() *netPeer {
		return &netPeer{
			received: func(*netio.Transport, []byte) { fmt.Fprintln(out, "told made") },
			lost: func(err error) {
				var errno syscall.Errno
				if errors.As(err, &errno) {
					fmt.Fprintln(out, "told lost", errno)
				} else {
					fmt.Fprintln(out, "told lost", err)
				}
			},
		}
	}
	s, err := netio.CreateServer(context.Background(), loop, factory, "tcp4", []string{j.Endpoint}, netio.ServerConfig{
		ListenConfig: &net.ListenConfig{
			KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 1},
		},
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "ready")
	go func() {
		_, _ = io.Copy(io.Discard, in)
		loop.Stop()
	}()
	return errors.Join(loop.RunForever(context.Background()), s.Close(), loop.Close())
}

// holdNet holds a connection.
func holdNet(j job, in io.Reader, out io.Writer) error {
	c, err := net.Dial("tcp4", j.Endpoint)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write([]byte{0}); err != nil {
		return err
	}
	fmt.Fprintln(out, "ready")
	_, err = io.Copy(io.Discard, in)
	return err
}

// 10,000 connections of every kind come and go. Descriptors, goroutines and memory are the same
// afterwards.
func TestNetConnectionsComeAndGo(t *testing.T) {
	if !alone(t) {
		return
	}
	checkLeaks(t)
	ctx := bounded(t, form(hang, 2*hang))
	const at, rounds = 500, 20 // once, and times
	loop := newLoop(t, nil)
	server, addr := serve(t, loop, func() *netPeer { return &netPeer{received: echoes} }, netio.ServerConfig{})
	goroutines, fds := runtime.NumGoroutine(), countFDs(t)
	var memory []int
	for range rounds {
		comeAndGoOnce(ctx, t, loop, server, addr, at)
		if err := backTo(ctx, t, goroutines, fds); err != nil {
			t.Fatal(err)
		}
		memory = append(memory, kept())
	}
	first, last := slices.Max(memory[:rounds/2]), slices.Max(memory[rounds/2:])
	t.Logf("%d connections; resident memory at most %s in the first half, %s in the second", at*rounds, quantity(first), quantity(last))
	if grown, allowed := last-first, 2*mib; grown > allowed {
		t.Errorf("resident memory grew by %s, %s are allowed", quantity(grown), quantity(allowed))
	}
}

// comeAndGoOnce makes n connections, each of which gets an echo. A third ends by Close, a third by
// Abort, and a third by the server.
func comeAndGoOnce(ctx context.Context, t *testing.T, loop *zmqio.EventLoop, s *netio.Server, addr string, n int) {
	t.Helper()
	var echoed, lost sync.WaitGroup
	echoed.Add(n)
	lost.Add(n)
	clients := make([]*netio.Transport, n)
	for i := range clients {
		var err error
		clients[i], _, err = netio.CreateConnection(ctx, loop, func() *netPeer {
			return &netPeer{
				received: func(*netio.Transport, []byte) { echoed.Done() },
				lost:     func(error) { lost.Done() },
			}
		}, "tcp4", addr, netio.Config{})
		must(t, err)
		must(t, clients[i].Write([]byte{byte(i)}))
	}
	echoed.Wait()
	for i, c := range clients {
		switch i % 3 {
		case 0:
			must(t, c.Close())
		case 1:
			must(t, c.Abort())
		}
	}
	s.CloseClients()
	lost.Wait()
}

// A peer reads nothing while sixteen writers offer 1 GiB. Memory does not grow. Then the peer
// reads, and gets the data of each writer whole and in order.
func TestNetPeerReadsNothing(t *testing.T) {
	if !alone(t) {
		return
	}
	checkLeaks(t)
	ctx := bounded(t, form(hang, 2*hang))
	const writers, each, size = 16, 1024, 64 * kib
	c, tr, lost := serveOne(t)

	before := rss()
	var done atomic.Int64
	var aborted atomic.Bool
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			chunk := make([]byte, size)
			for i := range each {
				binary.BigEndian.PutUint32(chunk, uint32(w))
				binary.BigEndian.PutUint32(chunk[size-4:], uint32(i))
				if err := tr.WriteContext(ctx, chunk); err != nil {
					if !aborted.Load() {
						t.Errorf("writer %d, chunk %d: %v", w, i, err)
					}
					return
				}
				done.Add(1)
			}
		})
	}
	// The writers wait if none has made progress for the time of a large read.
	for last, same := int64(-1), 0; same < 20; {
		if now := done.Load(); now != last || now == 0 {
			last, same = now, 0
		} else {
			same++
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal(context.Cause(ctx))
		}
	}
	grown, buffered := kept()-before, tr.WriteBufferSize()
	t.Logf("%d of %d chunks taken, %s buffered, resident memory grew by %s", done.Load(), writers*each, quantity(buffered), quantity(grown))
	if high, _ := tr.WriteBufferLimits(); buffered > high+size {
		t.Errorf("%s are buffered", quantity(buffered))
	}
	if grown > 16*mib {
		t.Errorf("resident memory grew by %s", quantity(grown))
	}

	read := form(writers*each/16, writers*each) // in the short form a sixteenth
	next := make([]uint32, writers)
	must(t, c.SetDeadline(time.Time{}))
	in, chunk := bufio.NewReaderSize(c, mib), make([]byte, size)
	for range read {
		if _, err := io.ReadFull(in, chunk); err != nil {
			t.Fatal(err)
		}
		w, i := binary.BigEndian.Uint32(chunk), binary.BigEndian.Uint32(chunk[size-4:])
		if w >= writers || i != next[w] {
			t.Fatalf("chunk %d of writer %d came, want those of %v", i, w, next)
		}
		next[w]++
	}
	if read < writers*each {
		aborted.Store(true)
		must(t, tr.Abort())
	}
	writing.Wait()
	must(t, tr.Close())
	must(t, <-lost)
}
