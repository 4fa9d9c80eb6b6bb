// Package zmqiotest helps to test programs that use zmqio. It has loops that a test cleans up,
// connected pairs of sockets, and a [Peer] that a test asks for what it received. A [Cable] is cut,
// stalled, slowed and fed garbage by a test. [CheckLeaks] finds what a test leaves behind.
//
//	func TestEcho(t *testing.T) {
//		server, client := zmqiotest.Streams(t, zmq.REP, zmq.REQ, zmqio.StreamConfig{})
//		...
//	}
//
// No helper sleeps until something may have happened. Each waits for the event itself, or for a
// context, and fails the test after Patience. Helpers may be called on any goroutine, except Must
// and those that end the test: these are for the test's own goroutine.
package zmqiotest

import (
	"cmp"
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

// Patience is how long the helpers of this package wait before they fail a test. It is long,
// because only a test that fails waits so long, and a busy machine may take its time.
const Patience = time.Minute

// Must ends the test with err unless err is nil. Test goroutine only.
func Must(t testing.TB, err error) {
	t.Helper()
	testkit.Must(t, err)
}

// Bounded returns a context that ends after d or with the test, for a test that would hang
// otherwise.
func Bounded(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	return testkit.Bounded(t, d)
}

// CheckLeaks fails a test that ends with more goroutines or descriptors than it began with.
// Call it before any helper that cleans up.
func CheckLeaks(t testing.TB) {
	t.Helper()
	testkit.CheckLeaks(t)
}

// Descriptors returns the descriptors of the process, with the file of each where the system
// tells.
func Descriptors(t testing.TB) []string {
	t.Helper()
	return testkit.Descriptors(t)
}

// NeedsLibrary skips the test if the running libzmq is older than release, "4.3.1" for example.
// why is the reason that the test log gets.
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

// NewLoop returns a loop that the test runs itself. It is closed when the test ends, and fails
// the test if it cannot send what was written. If cfg sets no Linger, Patience bounds that,
// because a busy machine may need more than a second.
func NewLoop(t testing.TB, cfg *zmqio.LoopConfig) *zmqio.EventLoop {
	t.Helper()
	var own zmqio.LoopConfig
	if cfg != nil {
		own = *cfg
	}
	own.Linger = cmp.Or(own.Linger, Patience)
	loop, err := zmqio.NewEventLoop(&own)
	testkit.Must(t, err)
	t.Cleanup(func() {
		if err := loop.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return loop
}

// RunLoop returns a loop that runs, on a goroutine of its own, until the test ends. An error
// that reaches its exception handler fails the test.
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

// Soon calls fn on loop, which must run, and waits until fn has returned.
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

// SocketDir returns a directory for ipc endpoints. The path of t.TempDir can be longer than the
// system allows for a socket.
func SocketDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "zmqio")
	testkit.Must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// FreeEndpoint returns an endpoint of transport, which is tcp, ipc or inproc, to which no
// socket is bound. A TCP port is below those of outgoing connections. A socket that connects
// again and again to one of those would some day connect to itself.
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

// A Condition is a state that goroutines change and a test waits for. To look at the state
// without waiting, lock the Condition.
type Condition struct {
	sync.Mutex
	changed chan struct{} // closed by the next change
}

// Change locks the Condition, and calls fn, which changes the state. It wakes the goroutines in
// Until.
func (c *Condition) Change(fn func()) {
	c.Lock()
	defer c.Unlock()
	fn()
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

// Until waits until fn, which is called with the lock held, returns true. If ctx ends first,
// the error is its cause.
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

// Create makes a transport with protocol p, and ends the test if that fails.
func Create(t testing.TB, loop *zmqio.EventLoop, p zmqio.Protocol, typ zmq.SocketType, cfg zmqio.ConnectionConfig) *zmqio.Transport {
	t.Helper()
	transport, _, err := loop.CreateZmqConnection(Bounded(t, Patience), func() zmqio.Protocol { return p }, typ, cfg)
	testkit.Must(t, err)
	return transport
}
