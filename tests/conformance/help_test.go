package conformance

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// Short names for functions of package zmqiotest.
var (
	must       = zmqiotest.Must
	needs      = zmqiotest.NeedsLibrary
	checkLeaks = zmqiotest.CheckLeaks
	create     = zmqiotest.Create
)

// wants fails the test unless errors.Is(err, target).
func wants(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("got %v, want %v", err, target)
	}
}

const (
	handshakeEvents = "earlier ones have no events of the handshake"
	portsInEvents   = "earlier ones have port 0 in the events of a wildcard endpoint"
)

// newLoop returns a loop. The end of the test closes it, and checks for leaked goroutines and
// descriptors.
func newLoop(t testing.TB, cfg *zmqio.LoopConfig) *zmqio.EventLoop {
	t.Helper()
	checkLeaks(t)
	var own zmqio.LoopConfig
	if cfg != nil {
		own = *cfg
	}
	own.Linger = cmp.Or(own.Linger, zmqiotest.Patience) // a busy machine may take longer than DefaultLinger
	l, err := zmqio.NewEventLoop(&own)
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	return l
}

func countFDs(t testing.TB) int { return len(zmqiotest.Descriptors(t)) }

// bounded returns a context that fails a test that hangs.
func bounded(t testing.TB) context.Context {
	t.Helper()
	return zmqiotest.Bounded(t, zmqiotest.Patience)
}

func soon(t testing.TB, l *zmqio.EventLoop, fn func()) *zmqio.Handle {
	t.Helper()
	h, err := l.CallSoon(fn)
	must(t, err)
	return h
}

func later(t testing.TB, l *zmqio.EventLoop, d time.Duration, fn func()) *zmqio.TimerHandle {
	t.Helper()
	h, err := l.CallLater(d, fn)
	must(t, err)
	return h
}

// run runs the loop until it is stopped.
func run(t testing.TB, l *zmqio.EventLoop) {
	t.Helper()
	must(t, l.RunForever(bounded(t)))
}

// pass runs one iteration of the loop.
func pass(t testing.TB, l *zmqio.EventLoop) {
	t.Helper()
	l.Stop()
	run(t, l)
}

// onGoroutine calls fn on a new goroutine, which fn may end, and waits for its end.
func onGoroutine(fn func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn()
	}()
	<-done
}

// A journal is a slog.Handler that keeps its records.
type journal struct {
	mu      sync.Mutex
	records []slog.Record
}

func (j *journal) Enabled(context.Context, slog.Level) bool { return true }
func (j *journal) WithAttrs([]slog.Attr) slog.Handler       { return j }
func (j *journal) WithGroup(string) slog.Handler            { return j }

func (j *journal) Handle(_ context.Context, r slog.Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.records = append(j.records, r)
	return nil
}

// entries returns the attributes of the records, with "msg" and "level".
func (j *journal) entries() []map[string]string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var all []map[string]string
	for _, r := range j.records {
		m := map[string]string{"msg": r.Message, "level": r.Level.String()}
		r.Attrs(func(a slog.Attr) bool { m[a.Key] = a.Value.String(); return true })
		all = append(all, m)
	}
	return all
}

// newJournal returns a journal and a loop that logs to it.
func newJournal(t testing.TB) (*journal, *zmqio.EventLoop) {
	t.Helper()
	j := &journal{}
	return j, newLoop(t, &zmqio.LoopConfig{Logger: slog.New(j)})
}
