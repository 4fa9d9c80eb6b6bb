package conformance

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// debugged returns a loop, in debug mode if on is set, and its log.
func debugged(t *testing.T, on bool) (*journal, *zmqio.EventLoop) {
	t.Helper()
	j, l := newJournal(t)
	l.SetDebug(on)
	l.SetSlowCallbackDuration(1 << 62)
	return j, l
}

func plain(t *testing.T, l *zmqio.EventLoop, typ zmq.SocketType, cfg zmqio.ConnectionConfig) *zmqio.Transport {
	t.Helper()
	if cfg.Bind == nil && cfg.Connect == nil {
		cfg.Bind = []string{}
	}
	return create(t, l, zmqio.BaseProtocol{}, typ, cfg)
}

// closeLoops closes all loops at the end of a test, before the leak check of any.
func closeLoops(t *testing.T, loops ...*zmqio.EventLoop) {
	for _, l := range loops {
		must(t, l.Close())
	}
}

// wantWarned fails the test unless j has one warning for each endpoint, with the names of both
// transports and both loops.
func wantWarned(t *testing.T, j *journal, endpoints ...string) {
	t.Helper()
	entries := j.entries()
	if len(entries) != len(endpoints) {
		t.Errorf("logged %v, want warnings of %v", entries, endpoints)
		return
	}
	for i, e := range entries {
		here := func(text string) bool {
			return strings.HasPrefix(text, "<EventLoop ") && strings.Contains(text, "_test.go:")
		}
		if e["level"] != "WARN" || !strings.Contains(e["msg"], "inproc endpoint is bound in another context") || e["endpoint"] != endpoints[i] ||
			!strings.HasPrefix(e["transport"], "<Transport DEALER connected [") || !strings.HasPrefix(e["bound_by"], "<Transport ROUTER bound [") ||
			!here(e["loop"]) || !here(e["bound_loop"]) {
			t.Errorf("logged %v, want a warning of %s", e, endpoints[i])
		}
	}
}

// In debug mode a loop that connects logs that its endpoint is bound in the context of another
// loop. It logs once for each connection, whether the bind or the connect comes first.
func TestInprocOfAnotherLoop(t *testing.T) {
	const first, second = "inproc://other-loop-1", "inproc://other-loop-2"
	silent, bound := debugged(t, false)
	j, l := debugged(t, true)
	off, quiet := debugged(t, false)
	defer closeLoops(t, bound, l, quiet)
	plain(t, bound, zmq.ROUTER, bindTo(first))
	tr := plain(t, l, zmq.DEALER, connectTo(first, second))
	plain(t, quiet, zmq.DEALER, connectTo(first, second))
	wantWarned(t, j, first)
	_, err := tr.Connect(first)
	must(t, err)
	router := plain(t, bound, zmq.ROUTER, bindTo(second))
	wantWarned(t, j, first, second)
	must(t, router.Unbind(second))
	_, err = router.Bind(second)
	must(t, err)
	plain(t, quiet, zmq.ROUTER, bindTo(second))
	wantWarned(t, j, first, second)
	plain(t, l, zmq.DEALER, connectTo(second))
	wantWarned(t, j, first, second, second)
	wantWarned(t, silent)
	wantWarned(t, off)
}

// The log has nothing about endpoints that are bound in the loop's own context, or may yet be.
func TestInprocOfOneContext(t *testing.T) {
	const own, later, gone, tcp = "inproc://context-own", "inproc://context-later", "inproc://context-gone", "tcp://127.0.0.1:9"
	j, l := debugged(t, true)
	_, other := debugged(t, true)
	defer closeLoops(t, l, other)

	// Bound in both contexts, and connected to in one.
	plain(t, l, zmq.ROUTER, bindTo(own))
	plain(t, other, zmq.ROUTER, bindTo(own))
	plain(t, l, zmq.DEALER, connectTo(own))

	// Bound in no context.
	waiting := plain(t, l, zmq.DEALER, connectTo(later, tcp))
	plain(t, l, zmq.ROUTER, bindTo(later))
	plain(t, other, zmq.ROUTER, bindTo(later))
	must(t, waiting.Disconnect(later))

	// No longer bound elsewhere, or no longer connected to here.
	router := plain(t, other, zmq.ROUTER, bindTo(gone))
	must(t, router.Unbind(gone))
	plain(t, l, zmq.DEALER, connectTo(gone))
	must(t, plain(t, l, zmq.DEALER, connectTo("inproc://context-left")).Abort())
	left := plain(t, l, zmq.DEALER, connectTo("inproc://context-left"))
	must(t, left.Disconnect("inproc://context-left"))
	aborted := plain(t, other, zmq.ROUTER, bindTo("inproc://context-left"))
	must(t, aborted.Abort())
	plain(t, l, zmq.DEALER, connectTo("inproc://context-left"))
	wantWarned(t, j)
}

// Two loops with the same context share inproc endpoints.
func TestInprocOfASharedContext(t *testing.T) {
	ctx, bound := newContext(t)
	j := &journal{}
	l := newLoop(t, &zmqio.LoopConfig{Context: ctx, Logger: slog.New(j)})
	defer func() {
		closeLoops(t, bound, l)
		must(t, ctx.Term())
	}()
	l.SetDebug(true)
	l.SetSlowCallbackDuration(1 << 62)
	plain(t, bound, zmq.ROUTER, bindTo("inproc://shared"))
	plain(t, l, zmq.DEALER, connectTo("inproc://shared"))
	wantWarned(t, j)
}
