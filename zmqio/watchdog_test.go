package zmqio

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/zmqio/zmq"
)

// impatient returns a loop with a short patience, and its log records.
func impatient(t *testing.T, unrun, stuck time.Duration) (*EventLoop, logged) {
	t.Helper()
	entries := make(logged, 100)
	l, err := NewEventLoop(&LoopConfig{Logger: slog.New(entries)})
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	l.reactor.SetPatience(unrun, stuck)
	return l, entries
}

// The watchdog does not log a loop that does not run while its transports only wait for messages or
// have sent theirs. It logs a loop with buffered messages, and one to which a message has come.
func TestWatchdogKnowsTransports(t *testing.T) {
	leakCheck(t)
	waits, quiet := impatient(t, time.Millisecond, time.Hour)
	create(t, waits, BaseProtocol{}, zmq.PULL, bindTo(anyPort))
	rep := create(t, waits, BaseProtocol{}, zmq.REP, bindTo(anyPort))
	_, err := rep.Sockopts().SndHWM()
	must(t, err)

	sends, told := impatient(t, 20*time.Millisecond, time.Hour)
	push := create(t, sends, BaseProtocol{}, zmq.PUSH, bindTo(anyPort))
	must(t, push.Write(msg("nobody is connected")))
	if r := <-told; !strings.Contains(r.Message, "no goroutine runs it") {
		t.Errorf("logged %v", r)
	}

	if (transportResident{rep}).Rest() {
		t.Error("needed although no message has come")
	}
	gets := newLoop(t)
	pull := create(t, gets, BaseProtocol{}, zmq.PULL, connectTo(push.Listeners()...))
	for ctx := bounded(t); !(transportResident{pull}).Rest(); { // until the message has come
		must(t, ctx.Err())
		pass(t, sends)
	}
	if len(quiet) > 0 {
		t.Errorf("logged %v", <-quiet)
	}
}

// The watchdog logs a MsgReceived that does not return with its name and transport.
func TestWatchdogNamesTheProtocol(t *testing.T) {
	leakCheck(t)
	l, entries := impatient(t, time.Hour, 20*time.Millisecond)
	free := make(chan struct{})
	tr := create(t, l, &recorder{onMsg: func([][]byte) { <-free }}, zmq.PULL, bindTo(anyPort))
	must(t, l.Start())
	push := create(t, l, BaseProtocol{}, zmq.PUSH, connectTo(tr.Listeners()...))
	must(t, push.Write(msg("x")))
	var r slog.Record
	got := make(map[string]string)
	ctx := bounded(t)
	for !strings.Contains(got["callback"], "MsgReceived") { // on a busy machine any callback may take 20 ms
		select {
		case r = <-entries:
		case <-ctx.Done():
			t.Fatalf("logged %v", got)
		}
		clear(got)
		r.Attrs(func(a slog.Attr) bool { got[a.Key] = a.Value.String(); return true })
	}
	if r.Level != slog.LevelWarn || r.Message != "zmqio: callback has not returned" ||
		!strings.Contains(got["callback"], "recorder).MsgReceived") || got["transport"] != tr.String() || got["protocol"] != "*zmqio.recorder" {
		t.Errorf("logged %v %v", r, got)
	}
	close(free)
	must(t, l.Close())
}
