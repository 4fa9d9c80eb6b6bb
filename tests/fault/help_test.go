package fault

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

// hang is the time after which a test that hangs fails. Tests take seconds, but many times as long
// on a busy machine and with AddressSanitizer.
const hang = 4 * time.Minute

// Short names for functions of zmqiotest.
var (
	must         = zmqiotest.Must
	bounded      = zmqiotest.Bounded
	checkLeaks   = zmqiotest.CheckLeaks
	socketDir    = zmqiotest.SocketDir
	freeEndpoint = zmqiotest.FreeEndpoint
	soon         = zmqiotest.Soon
	needs        = zmqiotest.NeedsLibrary
)

type condition = zmqiotest.Condition

// backTo waits until the process has at most these numbers of goroutines and descriptors.
// Goroutines and libzmq's threads take a moment to end.
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

func countFDs(t testing.TB) int { return len(zmqiotest.Descriptors(t)) }

// rss returns the resident memory of the process, or 0 if the system does not tell it.
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

// kept returns the resident memory without garbage. How much garbage there is between collections
// depends on the speed of the machine.
func kept() int {
	debug.FreeOSMemory()
	return rss()
}

// newLoop returns a loop that runs until the test ends. It must then close in good
// order, or with one of the errors given, and nothing may reach its exception handler.
func newLoop(t *testing.T, cfg *zmqio.LoopConfig, may ...error) *zmqio.EventLoop {
	t.Helper()
	var own zmqio.LoopConfig
	if cfg != nil {
		own = *cfg
	}
	if len(may) == 0 { // else Close would wait for messages that may be left
		own.Linger = cmp.Or(own.Linger, time.Minute) // a busy machine may take longer than DefaultLinger
	}
	loop, err := zmqio.NewEventLoop(&own)
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

func quantity(bytes int) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/mib) }
