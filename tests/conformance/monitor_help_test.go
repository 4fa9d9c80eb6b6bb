package conformance

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// A watcher is a protocol that enables the monitor in ConnectionMade, and keeps the events.
type watcher struct {
	zmqio.BaseProtocol
	t      testing.TB
	enable zmq.Event // 0: not yet
	on     func(zmq.MonitorEvent)
	lostTo func(error)

	tr     *zmqio.Transport
	mu     sync.Mutex
	events []zmq.MonitorEvent
	more   chan struct{} // has room for one token
	lost   chan struct{}
}

func newWatcher(t testing.TB, enable zmq.Event) *watcher {
	return &watcher{t: t, enable: enable, more: make(chan struct{}, 1), lost: make(chan struct{})}
}

func (w *watcher) ConnectionMade(tr *zmqio.Transport) {
	w.tr = tr
	if w.enable != 0 {
		must(w.t, tr.EnableMonitor(w.enable))
	}
}

func (w *watcher) ConnectionLost(err error) {
	if w.lostTo != nil {
		w.lostTo(err)
	}
	close(w.lost)
}

func (w *watcher) EventReceived(ev zmq.MonitorEvent) {
	select {
	case <-w.lost:
		w.t.Errorf("%v after ConnectionLost", ev)
	default:
	}
	w.mu.Lock()
	w.events = append(w.events, ev)
	w.mu.Unlock()
	select {
	case w.more <- struct{}{}:
	default:
	}
	if w.on != nil {
		w.on(ev)
	}
}

// seen returns the events since the last call.
func (w *watcher) seen() []zmq.MonitorEvent {
	w.mu.Lock()
	defer w.mu.Unlock()
	events := w.events
	w.events = nil
	return events
}

// wait waits for an event and returns it. It drops the events before it.
func (w *watcher) wait(want zmq.Event) zmq.MonitorEvent {
	w.t.Helper()
	var skipped []zmq.MonitorEvent
	for ctx := bounded(w.t); ; {
		w.mu.Lock()
		i := slices.IndexFunc(w.events, func(ev zmq.MonitorEvent) bool { return ev.Event == want })
		if i >= 0 {
			ev := w.events[i]
			w.events = w.events[i+1:]
			w.mu.Unlock()
			return ev
		}
		skipped, w.events = append(skipped, w.events...), nil
		w.mu.Unlock()
		select {
		case <-w.more:
		case <-ctx.Done():
			w.t.Fatalf("no %v, but %v", want, skipped)
		}
	}
}

func (w *watcher) waitLost() {
	w.t.Helper()
	select {
	case <-w.lost:
	case <-bounded(w.t).Done():
		w.t.Fatal("no ConnectionLost")
	}
}

// watch makes a transport for w.
func watch(l *zmqio.EventLoop, w *watcher, typ zmq.SocketType, cfg zmqio.ConnectionConfig) *zmqio.Transport {
	w.t.Helper()
	tr, _, err := l.CreateZmqConnection(bounded(w.t), func() zmqio.Protocol { return w }, typ, cfg)
	must(w.t, err)
	return tr
}

// inBackground runs the loop until the test ends.
func inBackground(t testing.TB, l *zmqio.EventLoop) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.RunForever(ctx) }()
	t.Cleanup(func() {
		cancel()
		wants(t, <-done, context.Canceled)
	})
}

// passes runs iterations of the loop until the condition holds.
func passes(t testing.TB, l *zmqio.EventLoop, until func() bool) {
	t.Helper()
	for ctx := bounded(t); !until(); {
		must(t, ctx.Err())
		pass(t, l)
	}
}

const anyPort = "tcp://127.0.0.1:*"

func bindTo(endpoints ...string) zmqio.ConnectionConfig {
	return zmqio.ConnectionConfig{Bind: append([]string{}, endpoints...)}
}

func connectTo(endpoints ...string) zmqio.ConnectionConfig {
	return zmqio.ConnectionConfig{Connect: append([]string{}, endpoints...)}
}
