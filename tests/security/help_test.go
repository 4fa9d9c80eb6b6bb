package security

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

const anyPort = "tcp://127.0.0.1:*"

// Short names for functions of zmqiotest.
var (
	must       = zmqiotest.Must
	checkLeaks = zmqiotest.CheckLeaks
	newLoop    = zmqiotest.RunLoop
	socketDir  = zmqiotest.SocketDir
	since      = zmqiotest.NeedsLibrary
)

type condition = zmqiotest.Condition

// bounded returns a context that ends a test that would hang.
func bounded(t testing.TB) context.Context {
	t.Helper()
	return zmqiotest.Bounded(t, time.Minute)
}

// needs skips a test if the running libzmq does not report its events, or lacks its mechanism.
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

// A journal is a slog.Handler that keeps its records.
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

// take returns the records since the last call.
func (j *journal) take() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	entries := j.entries
	j.entries = nil
	return entries
}
