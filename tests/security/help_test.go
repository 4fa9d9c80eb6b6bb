package security

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

const anyPort = "tcp://127.0.0.1:*"

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bounded is a context that ends a test that would hang.
func bounded(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(context.Background(), time.Minute, errors.New("the test took too long"))
	t.Cleanup(cancel)
	return ctx
}

// checkLeaks fails a test that does not end with the goroutines and descriptors that it
// began with. Call it before anything that is cleaned up.
func checkLeaks(t *testing.T) {
	t.Helper()
	goroutines, fds := runtime.NumGoroutine(), countFDs(t)
	t.Cleanup(func() {
		deadline := time.Now().Add(10 * time.Second)
		for runtime.NumGoroutine() > goroutines || countFDs(t) > fds {
			if time.Now().After(deadline) {
				stacks := make([]byte, 1<<20)
				t.Errorf("left behind: %d goroutines (%d before), %d descriptors (%d before)\n%s", runtime.NumGoroutine(), goroutines,
					countFDs(t), fds, stacks[:runtime.Stack(stacks, true)])
				return
			}
			time.Sleep(time.Millisecond) // libzmq's threads end in their own time
		}
	})
}

func countFDs(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/dev/fd")
	must(t, err)
	return len(entries)
}

// needs skips a test of events that the running libzmq does not report, or of a mechanism
// that it does not have.
func needs(t *testing.T, events zmq.Event, capabilities ...zmq.Capability) {
	t.Helper()
	if err := events.Require(); err != nil {
		t.Skip(err)
	}
	for _, c := range capabilities {
		if !zmq.Has(c) {
			t.Skipf("this libzmq has no %v", c)
		}
	}
}

// newLoop returns a loop that runs until the test ends. It must then close in good order,
// and nothing may reach its exception handler.
func newLoop(t *testing.T, cfg *zmqio.LoopConfig) *zmqio.EventLoop {
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
		if err := loop.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return loop
}

// socketDir returns a directory for ipc endpoints. The path of t.TempDir can be longer
// than the system allows for a socket.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "zmqio")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func socketPath(t *testing.T) string { return filepath.Join(socketDir(t), "s") }

// A pair is the two keys of one CURVE peer.
type pair struct{ public, secret zmq.CurveKey }

func newPair(t testing.TB) pair {
	t.Helper()
	public, secret, err := zmq4.NewCurveKeypair()
	must(t, err)
	var p pair
	must(t, p.public.UnmarshalText([]byte(public)))
	must(t, p.secret.UnmarshalText([]byte(secret)))
	return p
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

// A journal is a slog.Handler that keeps what is logged.
type journal struct {
	mu      sync.Mutex
	entries []string
}

func (j *journal) Enabled(context.Context, slog.Level) bool { return true }
func (j *journal) WithAttrs([]slog.Attr) slog.Handler       { return j }
func (j *journal) WithGroup(string) slog.Handler            { return j }

func (j *journal) Handle(_ context.Context, r slog.Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, fmt.Sprintf("%v %s", r.Level, r.Message))
	return nil
}

// take returns what was logged since the last call.
func (j *journal) take() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	entries := j.entries
	j.entries = nil
	return entries
}
