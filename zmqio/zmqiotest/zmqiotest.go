// Package zmqiotest helps to test programs that use zmqio: loops that a test cleans up,
// connected pairs of sockets, and peers that a test asks for what they received. It has a
// Cable that a test cuts, stalls, slows and feeds garbage, and checks for what a test leaves
// behind. Nothing in it sleeps until something may have happened: what a test waits for tells
// when it happens, or a context ends the test.
package zmqiotest

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/internal/testkit"
)

// Patience is how long the helpers of this package wait before they fail a test.
const Patience = 30 * time.Second

// Must ends the test with err unless that is nil. It must be called on the test's own
// goroutine.
func Must(t testing.TB, err error) {
	t.Helper()
	testkit.Must(t, err)
}

// Bounded returns a context that ends after d, for a test that would hang, or with the
// test.
func Bounded(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	return testkit.Bounded(t, d)
}

// CheckLeaks fails a test that does not end with the goroutines and descriptors that it
// began with. It must be called before anything that the test cleans up.
func CheckLeaks(t testing.TB) {
	t.Helper()
	testkit.CheckLeaks(t)
}

// Descriptors lists the descriptors of the process, with what each stands for where the
// system tells.
func Descriptors(t testing.TB) []string {
	t.Helper()
	return testkit.Descriptors(t)
}

// NeedsLibrary skips a test where the running libzmq is older than a release, such as
// "4.3.1", and says why.
func NeedsLibrary(t testing.TB, release, why string) {
	t.Helper()
	var since, running zmq.Version
	_, err := fmt.Sscanf(release, "%d.%d.%d", &since.Major, &since.Minor, &since.Patch)
	testkit.Must(t, err)
	running.Major, running.Minor, running.Patch = zmq.LibraryVersion()
	if running.Compare(since) < 0 {
		t.Skipf("needs libzmq %v, this is %v: %s", since, running, why)
	}
}

// NewLoop returns a loop that the test runs itself. It is closed when the test ends, and
// fails the test if it cannot send what was written.
func NewLoop(t testing.TB, cfg *zmqio.LoopConfig) *zmqio.EventLoop {
	t.Helper()
	loop, err := zmqio.NewEventLoop(cfg)
	testkit.Must(t, err)
	t.Cleanup(func() {
		if err := loop.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return loop
}

// RunLoop returns a loop that runs, on a goroutine of its own, until the test ends. What
// reaches its exception handler fails the test.
func RunLoop(t testing.TB, cfg *zmqio.LoopConfig) *zmqio.EventLoop {
	t.Helper()
	loop := NewLoop(t, cfg)
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
	})
	return loop
}

// Soon calls fn on a loop that runs, and waits until it has returned.
func Soon(t testing.TB, loop *zmqio.EventLoop, fn func()) {
	t.Helper()
	done := make(chan struct{})
	_, err := loop.CallSoon(func() {
		defer close(done)
		fn()
	})
	testkit.Must(t, err)
	<-done
}

// SocketDir returns a directory for ipc endpoints. The path of t.TempDir can be longer
// than the system allows for a socket.
func SocketDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "zmqio")
	testkit.Must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// FreeEndpoint returns an endpoint of tcp, ipc or inproc to which no socket is bound. A
// TCP port is below those that the system gives to outgoing connections: a socket that
// connects again and again to a free port among these would connect to itself some day.
func FreeEndpoint(t testing.TB, transport string) string {
	t.Helper()
	switch transport {
	case "ipc":
		return "ipc://" + filepath.Join(SocketDir(t), "s")
	case "inproc":
		return "inproc://" + t.Name()
	case "tcp":
		for port := 20000 + os.Getpid()%5000; port < 32000; port += 7 {
			if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
				defer l.Close()
				return "tcp://" + l.Addr().String()
			}
		}
	}
	t.Fatalf("no free endpoint of transport %q", transport)
	return ""
}

// A Condition is something that goroutines change and a test waits for. To look at it
// without waiting, lock it.
type Condition struct {
	sync.Mutex
	changed chan struct{} // closed by the next change
}

// Change calls fn, which changes what the condition is about, with its lock held.
func (c *Condition) Change(fn func()) {
	c.Lock()
	defer c.Unlock()
	fn()
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

// Until waits until fn, called with the lock held, returns true. If ctx ends first it
// returns the cause.
func (c *Condition) Until(ctx context.Context, fn func() bool) error {
	for {
		c.Lock()
		if fn() {
			c.Unlock()
			return nil
		}
		if c.changed == nil {
			c.changed = make(chan struct{})
		}
		changed := c.changed
		c.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Create makes a transport with protocol p.
func Create(t testing.TB, loop *zmqio.EventLoop, p zmqio.Protocol, typ zmq.SocketType, cfg zmqio.ConnectionConfig) *zmqio.Transport {
	t.Helper()
	transport, _, err := loop.CreateZmqConnection(Bounded(t, Patience), func() zmqio.Protocol { return p }, typ, cfg)
	testkit.Must(t, err)
	return transport
}
