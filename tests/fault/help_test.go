package fault

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bounded is a context that ends a test that would hang.
func bounded(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(context.Background(), d, errors.New("the test took too long"))
	t.Cleanup(cancel)
	return ctx
}

// checkLeaks fails a test that does not end with the goroutines and descriptors that
// it began with. Call it before anything that is cleaned up.
func checkLeaks(t *testing.T) {
	t.Helper()
	if r, w, err := os.Pipe(); err == nil { // the runtime opens what it keeps
		r.Close()
		w.Close()
	}
	goroutines, fds := runtime.NumGoroutine(), countFDs(t)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := backTo(ctx, t, goroutines, fds); err != nil {
			stacks := make([]byte, mib)
			t.Errorf("left behind: %v\n%s", err, stacks[:runtime.Stack(stacks, true)])
		}
	})
}

// backTo waits until there are no more goroutines and descriptors than that:
// goroutines at their end and libzmq's threads take a moment.
func backTo(ctx context.Context, t testing.TB, goroutines, fds int) error {
	for runtime.NumGoroutine() > goroutines || countFDs(t) > fds {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%d goroutines (%d before), %d descriptors (%d before): %w", runtime.NumGoroutine(), goroutines,
				countFDs(t), fds, context.Cause(ctx))
		}
	}
	return nil
}

func countFDs(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/dev/fd")
	must(t, err)
	return len(entries)
}

// rss returns the resident memory of the process, where the system tells, or 0.
func rss() int {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident int
	if _, err := fmt.Sscan(string(b), &size, &resident); err != nil {
		return 0
	}
	return resident * os.Getpagesize()
}

// newLoop returns a loop that runs until the test ends. It must then close in good
// order, or with one of the errors given, and nothing may reach its exception handler.
func newLoop(t *testing.T, cfg *zmqio.LoopConfig, may ...error) *zmqio.EventLoop {
	t.Helper()
	loop, err := zmqio.NewEventLoop(cfg)
	must(t, err)
	loop.SetExceptionHandler(func(_ *zmqio.EventLoop, c zmqio.ExceptionContext) {
		t.Errorf("exception handler: %s: %v\n%s", c.Message, c.Err, c.Stack)
	})
	ran := make(chan error, 1)
	go func() { ran <- loop.RunForever(context.Background()) }()
	t.Cleanup(func() {
		loop.Stop()
		if err := <-ran; err != nil {
			t.Errorf("RunForever: %v", err)
		}
		if err := loop.Close(); err != nil && !isOneOf(err, may) {
			t.Errorf("Close: %v", err)
		}
	})
	return loop
}

// A peer is a protocol made of functions.
type peer struct {
	zmqio.BaseProtocol
	made     func(*zmqio.Transport)
	received func([][]byte)
	lost     chan error
}

func newPeer(received func([][]byte)) *peer {
	return &peer{received: received, lost: make(chan error, 1)}
}

func (p *peer) ConnectionLost(err error) { p.lost <- err }

func (p *peer) ConnectionMade(t *zmqio.Transport) {
	if p.made != nil {
		p.made(t)
	}
}

func (p *peer) MsgReceived(msg [][]byte) {
	if p.received != nil {
		p.received(msg)
	}
}

// ended waits for ConnectionLost(nil).
func (p *peer) ended(ctx context.Context) error {
	select {
	case err := <-p.lost:
		return err
	case <-ctx.Done():
		return fmt.Errorf("no ConnectionLost: %w", context.Cause(ctx))
	}
}

func create(t *testing.T, loop *zmqio.EventLoop, p zmqio.Protocol, typ zmq.SocketType, cfg zmqio.ConnectionConfig) *zmqio.Transport {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tr, _, err := loop.CreateZmqConnection(ctx, func() zmqio.Protocol { return p }, typ, cfg)
	must(t, err)
	return tr
}

// socketDir returns a directory for ipc endpoints. The path of t.TempDir can be
// longer than the system allows for a socket.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "zmqio")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// freeEndpoint returns an endpoint of a transport that nobody is bound to. A TCP port
// is below those that the system gives to outgoing connections: one that connects
// again and again to a free port among these would be connected to itself some day.
func freeEndpoint(t *testing.T, transport string) string {
	t.Helper()
	switch transport {
	case "ipc":
		return "ipc://" + filepath.Join(socketDir(t), "s")
	case "inproc":
		return "inproc://" + t.Name()
	}
	for port := 20000 + os.Getpid()%5000; port < 32000; port += 7 {
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			defer l.Close()
			return "tcp://" + l.Addr().String()
		}
	}
	t.Fatal("no free port")
	return ""
}

// A condition is something that goroutines change and a test waits for.
type condition struct {
	mu      sync.Mutex
	changed chan struct{} // closed by the next change
}

// change calls fn, which changes what the condition is about.
func (c *condition) change(fn func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fn()
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

// until waits until fn, called with mu held, returns true.
func (c *condition) until(ctx context.Context, fn func() bool) error {
	for {
		c.mu.Lock()
		if fn() {
			c.mu.Unlock()
			return nil
		}
		if c.changed == nil {
			c.changed = make(chan struct{})
		}
		changed := c.changed
		c.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func quantity(bytes int) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/mib) }
