package zmqio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
)

// lines has the lines that a logger wrote.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// isOpen reports whether c is open.
func isOpen(c <-chan struct{}) bool {
	select {
	case <-c:
		return false
	default:
		return true
	}
}

// awaitClosed waits until c is closed.
func awaitClosed(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-bounded(t).Done():
		t.Fatal("Closed did not end")
	}
}

// ownPort is anyPort, at an address that other processes do not bind. So no other test takes a port
// that this one has let go.
func ownPort() string {
	if runtime.GOOS != "linux" { // has 127.0.0.1 alone
		return anyPort
	}
	pid := os.Getpid()
	return fmt.Sprintf("tcp://127.%d.%d.%d:*", 1+pid>>16&0x7f, pid>>8&0xff, pid&0xff)
}

// After Closed the same endpoint can be bound again at once. Without Closed such a bind sometimes
// fails.
func TestBindAgainAfterClosed(t *testing.T) {
	for _, transport := range []string{"tcp", "ipc"} {
		for name, end := range map[string]func(*Transport) error{"Close": (*Transport).Close, "Abort": (*Transport).Abort} {
			t.Run(transport+"/"+name, func(t *testing.T) {
				leakCheck(t)
				l := newLoop(t)
				endpoint := map[string]string{"tcp": ownPort(), "ipc": "ipc://" + filepath.Join(t.TempDir(), "s")}[transport]
				for range 200 {
					server := create(t, l, BaseProtocol{}, zmq.PULL, bindTo(endpoint))
					endpoint = server.Listeners()[0]
					client := create(t, l, BaseProtocol{}, zmq.PUSH, connectTo(endpoint))
					must(t, client.Write(msg("x")))
					closed := server.Closed()
					if !isOpen(closed) {
						t.Fatal("closed before the transport was")
					}
					must(t, end(server))
					awaitClosed(t, closed)
					must(t, client.Abort())
				}
			})
		}
	}
}

// The channel of Closed closes also for a socket that was never bound or connected, and for one
// with a monitor.
func TestClosedOfAllKinds(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	idle := create(t, l, BaseProtocol{}, zmq.PUSH, ConnectionConfig{Bind: []string{}})
	watched := create(t, l, &monitorRecorder{}, zmq.PUSH, bindTo(anyPort))
	must(t, watched.EnableMonitor(zmq.EVENT_ALL))
	for _, tr := range []*Transport{idle, watched} {
		closed := tr.Closed()
		if closed != tr.Closed() {
			t.Error("not the same channel")
		}
		must(t, tr.Close())
		awaitClosed(t, closed)
		if tr.Closed() != closed {
			t.Error("not the same channel later")
		}
	}
}

type monitorRecorder struct{ BaseProtocol }

func (*monitorRecorder) EventReceived(zmq.MonitorEvent) {}

// The channel of Closed closes when a failed creation gives the socket back.
func TestClosedOfRefused(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	var closed <-chan struct{}
	p := &recorder{onMade: func(tr *Transport) { closed = tr.Closed() }}
	_, _, err := l.CreateZmqConnection(context.Background(), func() Protocol { return p }, zmq.PULL, bindTo("tcp://256.0.0.1:1"))
	if err == nil {
		t.Fatal("created")
	}
	awaitClosed(t, closed)
}

// After a Closed that comes too late the channel closes with the loop.
func TestClosedCalledLate(t *testing.T) {
	leakCheck(t)
	l, err := NewEventLoop(nil)
	must(t, err)
	tr := create(t, l, BaseProtocol{}, zmq.PULL, bindTo(anyPort))
	must(t, tr.Close())
	closed := tr.Closed()
	if !isOpen(closed) {
		t.Error("closed before the loop was")
	}
	must(t, l.Close())
	if isOpen(closed) || isOpen(tr.Closed()) {
		t.Error("still open")
	}
}

// The channel of Closed stays open until libzmq has sent everything, or ZMQ_LINGER is over.
func TestClosedWaitsForLinger(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	tr := create(t, l, BaseProtocol{}, zmq.PUSH, connectTo("tcp://127.0.0.1:9"))
	must(t, tr.Sockopts().SetLinger(100*time.Millisecond))
	must(t, tr.Write(msg("x")))
	closed, begin := tr.Closed(), time.Now()
	must(t, tr.Close())
	awaitClosed(t, closed)
	// libzmq counts whole milliseconds.
	if took := time.Since(begin); took < 99*time.Millisecond {
		t.Errorf("took %v", took)
	}
}

// The end of the context closes the channel, whatever libzmq has left to send.
func TestClosedEndsWithContext(t *testing.T) {
	leakCheck(t)
	ctx, err := zmq4.NewContext()
	must(t, err)
	l, err := NewEventLoop(&LoopConfig{Context: ctx})
	must(t, err)
	defer l.Close()
	tr := create(t, l, BaseProtocol{}, zmq.PUSH, connectTo("tcp://127.0.0.1:9"))
	must(t, tr.Sockopts().SetLinger(300*time.Millisecond))
	must(t, tr.Write(msg("x")))
	closed := tr.Closed()
	must(t, tr.Close())
	must(t, ctx.Term())
	awaitClosed(t, closed)
}

// If the context has no sockets for a monitor, the logger is told, and the channel closes with the
// loop.
func TestClosedWithoutSockets(t *testing.T) {
	leakCheck(t)
	log := &lines{}
	l, err := NewEventLoop(&LoopConfig{MaxSockets: 1, Logger: slog.New(slog.NewTextHandler(log, nil))})
	must(t, err)
	tr := create(t, l, BaseProtocol{}, zmq.PULL, bindTo(anyPort))
	closed := tr.Closed()
	must(t, tr.Close())
	if !strings.Contains(log.String(), "cannot be watched") || !isOpen(closed) {
		t.Errorf("logged %q", log)
	}
	must(t, l.Close())
	awaitClosed(t, closed)
}

// A departure follows a socket from elsewhere by its last endpoint. It reports what a receiver in
// this process has not read when the socket goes.
func TestDepartureOfForeignSocket(t *testing.T) {
	leakCheck(t)
	ctx, err := zmq4.NewContext()
	must(t, err)
	pull, err := ctx.NewSocket(zmq4.PULL)
	must(t, err)
	endpoint := fmt.Sprintf("ipc://@zmqio-departure-%d", os.Getpid())
	must(t, errors.Join(pull.SetRcvhwm(1), pull.Bind(endpoint)))
	push, err := ctx.NewSocket(zmq4.PUSH)
	must(t, err)
	must(t, push.Connect(endpoint))
	log := &lines{}
	l, err := NewEventLoop(&LoopConfig{Context: ctx, Linger: time.Minute, Logger: slog.New(slog.NewTextHandler(log, nil))})
	must(t, err)
	tr := create(t, l, BaseProtocol{}, zmq.PUSH, ConnectionConfig{Socket: push})
	const messages = 100
	for range messages {
		must(t, tr.Write(msg(strings.Repeat("x", 256))))
	}
	must(t, tr.Close())
	for range messages {
		if _, err := pull.RecvBytes(0); err != nil {
			t.Fatal(err)
		}
	}
	must(t, l.Close())
	must(t, pull.Close())
	must(t, ctx.Term())
	if log.String() != "" {
		t.Errorf("logged %s", log)
	}
}
