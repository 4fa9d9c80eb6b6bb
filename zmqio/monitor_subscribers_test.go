package zmqio

import (
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
)

// A listener is a subscriber of a monitor that logs the names of its events. Only the loop
// goroutine uses it, or the test while the loop does not run.
type listener struct {
	got    []string
	ats    []string // the endpoints
	on     func(zmq.MonitorEvent)
	cancel func()
}

func listen(t testing.TB, tr *Transport, mask zmq.Event) *listener {
	t.Helper()
	l := &listener{}
	var err error
	l.cancel, err = tr.subscribeMonitor(mask, l.hear)
	must(t, err)
	t.Cleanup(l.cancel)
	return l
}

func (l *listener) hear(ev zmq.MonitorEvent) {
	l.got = append(l.got, strings.TrimPrefix(ev.Event.String(), "EVENT_"))
	l.ats = append(l.ats, ev.Endpoint)
	if l.on != nil {
		l.on(ev)
	}
}

func (l *listener) wants(t testing.TB, want ...string) {
	t.Helper()
	if !slices.Equal(l.got, want) {
		t.Errorf("got %v, want %v", l.got, want)
	}
}

// passUntil runs iterations until the condition holds.
func passUntil(t testing.TB, l *EventLoop, until func() bool) {
	t.Helper()
	for ctx := bounded(t); !until(); pass(t, l) {
		must(t, ctx.Err())
	}
}

// settle binds once more, and runs iterations until last has this event. By then all subscribers
// have all events.
func settle(t testing.TB, tr *Transport, last *listener) {
	t.Helper()
	at := bind(t, tr, anyPort)
	passUntil(t, tr.Loop(), func() bool { return slices.Contains(last.ats, at) })
}

func bind(t testing.TB, tr *Transport, endpoint string) string {
	t.Helper()
	at, err := tr.Bind(endpoint)
	must(t, err)
	return at
}

func bindAgain(t testing.TB, tr *Transport, at string) {
	t.Helper()
	if _, err := tr.Bind(at); !errors.Is(err, zmq.EADDRINUSE) {
		t.Errorf("bound again: %v", err)
	}
}

func idle(t testing.TB, l *EventLoop) *Transport {
	t.Helper()
	return create(t, l, BaseProtocol{}, zmq.PULL, ConnectionConfig{Bind: []string{}})
}

// Each subscriber gets the events in its mask, in libzmq's order. A failed bind comes at its place
// among them.
func TestSubscribersHaveMasks(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	tr := idle(t, l)
	bound, failed := listen(t, tr, zmq.EVENT_LISTENING), listen(t, tr, zmq.EVENT_BIND_FAILED)
	all := listen(t, tr, zmq.EVENT_LISTENING|zmq.EVENT_BIND_FAILED)
	for range 2 {
		bindAgain(t, tr, bind(t, tr, anyPort))
	}
	settle(t, tr, all)
	bound.wants(t, "LISTENING", "LISTENING", "LISTENING")
	failed.wants(t, "BIND_FAILED", "BIND_FAILED")
	all.wants(t, "LISTENING", "BIND_FAILED", "LISTENING", "BIND_FAILED", "LISTENING")
	if all.ats[0] != all.ats[1] || all.ats[2] != all.ats[3] || all.ats[0] == all.ats[2] {
		t.Errorf("endpoints %q", all.ats)
	}
}

// A new subscriber gets the events from then on. The earlier subscribers miss none.
func TestSubscriberThatComesLater(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	tr := idle(t, l)
	var listeners []*listener
	for range 4 {
		listeners = append(listeners, listen(t, tr, zmq.EVENT_LISTENING))
		bind(t, tr, anyPort)
	}
	settle(t, tr, listeners[0])
	for i, x := range listeners {
		if want := 4 - i + 1; len(x.got) != want {
			t.Errorf("subscriber %d: %v, want %d events", i, x.got, want)
		}
	}
}

// A subscriber that comes and goes, with any mask, costs the others no event. The thread of the
// event does not matter.
func TestSubscribersComeAndGo(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	runAside(t, l)
	tr := idle(t, l)
	const rounds = 300
	done := make(chan struct{})
	told := 0
	last := ""
	_, err := tr.subscribeMonitor(zmq.EVENT_LISTENING, func(ev zmq.MonitorEvent) {
		if told++; told == rounds {
			last = ev.Endpoint
			close(done)
		}
	})
	must(t, err)
	var all sync.WaitGroup
	stop := make(chan struct{})
	for _, mask := range []zmq.Event{zmq.EVENT_ALL, zmq.EVENT_CLOSED} {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				cancel, err := tr.subscribeMonitor(mask, func(zmq.MonitorEvent) {})
				if err != nil {
					t.Error(err)
					return
				}
				cancel()
			}
		})
	}
	at := ""
	for i := range rounds {
		if at = bind(t, tr, anyPort); i%2 == 0 {
			must(t, tr.Unbind(at))
		}
	}
	select {
	case <-done:
	case <-bounded(t).Done():
		t.Fatal("events are missing")
	}
	close(stop)
	all.Wait()
	if last != at {
		t.Errorf("the last was %s, want %s", last, at)
	}
}

// fn may call cancel, for its own subscriber and for others, which then do not get the same event.
// The last cancel ends the monitor, and another may follow.
func TestCancelInsideSubscriber(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	tr := idle(t, l)
	first, second, third := listen(t, tr, zmq.EVENT_LISTENING), listen(t, tr, zmq.EVENT_LISTENING), listen(t, tr, zmq.EVENT_LISTENING)
	first.on = func(zmq.MonitorEvent) {
		for range 2 {
			first.cancel()
			second.cancel()
		}
	}
	for range 3 {
		bind(t, tr, anyPort)
	}
	passUntil(t, l, func() bool { return len(third.got) == 3 })
	first.wants(t, "LISTENING")
	second.wants(t)
	third.on = func(zmq.MonitorEvent) { third.cancel() }
	for range 2 {
		bind(t, tr, anyPort)
	}
	passUntil(t, l, func() bool { return len(third.got) == 4 })
	if tr.monitor != nil {
		t.Error("the monitor goes on without subscribers")
	}
	again := listen(t, tr, zmq.EVENT_LISTENING)
	first.cancel() // its monitor is over
	settle(t, tr, again)
	again.wants(t, "LISTENING")
	if len(third.got) != 4 {
		t.Errorf("told after cancel: %v", third.got)
	}
}

// A subscriber that fn adds does not get the same event.
func TestSubscribeInsideSubscriber(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	tr := idle(t, l)
	first := listen(t, tr, zmq.EVENT_LISTENING)
	var second *listener
	first.on = func(zmq.MonitorEvent) {
		if second == nil {
			second = listen(t, tr, zmq.EVENT_LISTENING|zmq.EVENT_BIND_FAILED)
			bindAgain(t, tr, tr.Listeners()[0])
		}
	}
	bind(t, tr, anyPort)
	passUntil(t, l, func() bool { return second != nil && len(second.got) == 1 })
	settle(t, tr, first)
	first.wants(t, "LISTENING", "LISTENING")
	second.wants(t, "BIND_FAILED", "LISTENING")
}

// The end of the transport ends its subscribers, even amid an event.
func TestEndInsideSubscriber(t *testing.T) {
	for name, end := range map[string]func(*Transport) error{"Close": (*Transport).Close, "Abort": (*Transport).Abort} {
		t.Run(name, func(t *testing.T) {
			leakCheck(t)
			l := newLoop(t)
			p := &recorder{}
			tr := create(t, l, p, zmq.PULL, ConnectionConfig{Bind: []string{}})
			first, second := listen(t, tr, zmq.EVENT_ALL), listen(t, tr, zmq.EVENT_ALL)
			first.on = func(zmq.MonitorEvent) { must(t, end(tr)) }
			closed := tr.Closed()
			bind(t, tr, anyPort)
			bind(t, tr, anyPort)
			passUntil(t, l, func() bool { return slices.Contains(p.got(), "lost") })
			awaitClosed(t, closed)
			pass(t, l)
			first.wants(t, "LISTENING")
			second.wants(t)
			first.cancel()
			if _, err := tr.subscribeMonitor(zmq.EVENT_ALL, first.hear); !errors.Is(err, ErrTransportClosed) {
				t.Errorf("subscribed after the end: %v", err)
			}
		})
	}
}

// A panic of a subscriber goes to the exception handler, and runtime.Goexit ends only the run. The
// other subscriber gets the same event, and both get the next.
func TestSubscriberPanics(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	var told []ExceptionContext
	l.SetExceptionHandler(func(_ *EventLoop, ctx ExceptionContext) { told = append(told, ctx) })
	tr := idle(t, l)
	first, second := listen(t, tr, zmq.EVENT_LISTENING), listen(t, tr, zmq.EVENT_LISTENING)
	boom := errors.New("boom")
	first.on = func(zmq.MonitorEvent) {
		switch len(first.got) {
		case 1:
			panic(boom)
		case 2:
			runtime.Goexit()
		}
	}
	for range 3 {
		bind(t, tr, anyPort)
	}
	for ctx := bounded(t); len(second.got) < 3; {
		must(t, ctx.Err())
		var one sync.WaitGroup
		one.Go(func() {
			l.Stop()
			_ = l.RunForever(ctx)
		})
		one.Wait()
	}
	want := []string{"LISTENING", "LISTENING", "LISTENING"}
	first.wants(t, want...)
	second.wants(t, want...)
	if len(told) != 1 || !errors.Is(told[0].Err, boom) || told[0].Transport != tr || len(told[0].Stack) == 0 {
		t.Errorf("%+v", told)
	}
}

// EnableMonitor and DisableMonitor do not affect other subscribers, and the reverse.
func TestEnableMonitorBesideSubscriber(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	p := &spy{}
	tr := create(t, l, p, zmq.PULL, ConnectionConfig{Bind: []string{}})
	other := listen(t, tr, zmq.EVENT_LISTENING)
	m := tr.monitor
	bind(t, tr, anyPort) // before the subscribers
	must(t, tr.EnableMonitor(zmq.EVENT_LISTENING))
	bind(t, tr, anyPort)
	must(t, tr.EnableMonitor(zmq.EVENT_LISTENING))
	settle(t, tr, other)
	must(t, tr.EnableMonitor(zmq.EVENT_BIND_FAILED))
	bindAgain(t, tr, bind(t, tr, anyPort))
	settle(t, tr, other)
	if got := strings.Join(p.got(), " "); got != "made EVENT_LISTENING EVENT_LISTENING EVENT_BIND_FAILED" {
		t.Error(got)
	}
	bindAgain(t, tr, bind(t, tr, anyPort))
	must(t, tr.DisableMonitor())
	must(t, tr.DisableMonitor())
	must(t, tr.EnableMonitor(zmq.EVENT_BIND_FAILED)) // gets no earlier event
	bindAgain(t, tr, bind(t, tr, anyPort))
	must(t, tr.DisableMonitor())
	settle(t, tr, other)
	if got := p.got(); len(got) != 4 {
		t.Errorf("told after DisableMonitor: %v", got)
	}
	if len(other.got) != 8 || tr.monitor != m {
		t.Errorf("the other subscriber was told of %v", other.got)
	}
	must(t, tr.EnableMonitor(zmq.EVENT_LISTENING))
	other.cancel()
	bind(t, tr, anyPort)
	passUntil(t, l, func() bool { return len(p.got()) == 5 })
	must(t, tr.DisableMonitor())
	if tr.monitor != nil {
		t.Error("the monitor goes on without subscribers")
	}
}

func TestSubscribeArguments(t *testing.T) {
	leakCheck(t)
	tr := idle(t, newLoop(t))
	for _, mask := range []zmq.Event{0, zmq.EVENT_PIPES_STATS, 1<<40 | zmq.EVENT_CONNECTED} {
		if _, err := tr.subscribeMonitor(mask, func(zmq.MonitorEvent) {}); !errors.Is(err, ErrInvalidArgument) || tr.monitor != nil {
			t.Errorf("%v: %v", mask, err)
		}
	}
}

// libzmq reports nothing over inproc.
func TestSubscriberOverInproc(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	tr := idle(t, l)
	all := listen(t, tr, zmq.EVENT_ALL)
	bind(t, tr, "inproc://silent")
	push := create(t, l, BaseProtocol{}, zmq.PUSH, connectTo("inproc://silent"))
	must(t, push.Abort())
	settle(t, tr, all)
	all.wants(t, "LISTENING")
}

// Subscribers share two sockets, which the last cancel gives back. A refused subscriber leaves
// nothing behind.
func TestSubscribersShareSockets(t *testing.T) {
	leakCheck(t)
	l, err := NewEventLoop(&LoopConfig{MaxSockets: 3})
	must(t, err)
	defer func() { must(t, l.Close()) }()
	tr := idle(t, l)
	before := countFDs(t)
	for range 20 {
		var cancels []func()
		for ctx := bounded(t); len(cancels) < 10; {
			cancel, err := tr.subscribeMonitor(zmq.EVENT_ALL, func(zmq.MonitorEvent) {})
			if errors.Is(err, zmq.EMFILE) && len(cancels) == 0 { // libzmq gives sockets back with a delay
				must(t, ctx.Err())
				runtime.Gosched()
				continue
			}
			must(t, err)
			cancels = append(cancels, cancel)
		}
		for _, cancel := range cancels {
			cancel()
		}
	}
	for ctx := bounded(t); countFDs(t) > before; runtime.Gosched() {
		must(t, ctx.Err())
	}
}

// Goroutines subscribe, cancel, bind, and end the transport at the same time.
func TestSubscribersFromEverywhere(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	runAside(t, l)
	ends := []func(*Transport) error{(*Transport).Close, (*Transport).Abort}
	for i := range 20 {
		tr := create(t, l, &monitorRecorder{}, zmq.PULL, bindTo(anyPort))
		closed := tr.Closed()
		var all sync.WaitGroup
		for j := range 4 {
			all.Go(func() {
				for range 10 {
					cancel, err := tr.subscribeMonitor(zmq.EVENT_ALL, func(zmq.MonitorEvent) { _ = tr.DisableMonitor() })
					if err == nil && j%2 == 0 {
						defer cancel()
					} else if err == nil {
						cancel()
					}
					_, berr := tr.Bind(anyPort)
					for _, err := range []error{err, berr, tr.EnableMonitor(zmq.EVENT_LISTENING)} {
						if err != nil && !errors.Is(err, ErrTransportClosed) {
							t.Error(err)
						}
					}
				}
			})
		}
		if i%2 == 0 { // while the others go on
			must(t, ends[i/2%2](tr))
		}
		all.Wait()
		must(t, tr.Close())
		awaitClosed(t, closed)
	}
}

// A departure takes over the monitor, and so needs no sockets. The channel of Closed closes even if
// the context has none left.
func TestClosedTakesOverTheMonitor(t *testing.T) {
	for name, end := range map[string]func(*Transport) error{"Close": (*Transport).Close, "Abort": (*Transport).Abort} {
		t.Run(name, func(t *testing.T) {
			leakCheck(t)
			log := &lines{}
			l, err := NewEventLoop(&LoopConfig{MaxSockets: 3, Logger: slog.New(slog.NewTextHandler(log, nil))})
			must(t, err)
			defer func() { must(t, l.Close()) }()
			tr := create(t, l, BaseProtocol{}, zmq.PULL, bindTo(anyPort))
			all := listen(t, tr, zmq.EVENT_ALL)
			closed := tr.Closed()
			bind(t, tr, anyPort) // the events that no subscriber has taken are dropped
			must(t, end(tr))
			awaitClosed(t, closed)
			pass(t, l)
			all.wants(t)
			if log.String() != "" {
				t.Errorf("logged %s", log)
			}
		})
	}
}

// The channel of Closed closes for a monitored socket that was closed elsewhere. It may notice this
// before or after libzmq lets the socket go.
func TestClosedElsewhereWhileMonitored(t *testing.T) {
	for _, waits := range []bool{true, false} {
		leakCheck(t)
		l := newLoop(t)
		l.SetExceptionHandler(func(*EventLoop, ExceptionContext) {})
		for _, asked := range []bool{true, false} {
			tr := create(t, l, BaseProtocol{}, zmq.PUSH, ConnectionConfig{Bind: []string{}})
			listen(t, tr, zmq.EVENT_ALL)
			var closed <-chan struct{}
			if asked {
				closed = tr.Closed()
			}
			must(t, tr.zsock.Close())
			if waits {
				for ctx := bounded(t); !hasStopped(tr); runtime.Gosched() {
					must(t, ctx.Err())
				}
			}
			if err := tr.Write(msg("x")); !errors.Is(err, zmq.ENOTSOCK) {
				t.Fatal(err)
			}
			if asked {
				awaitClosed(t, closed)
			}
		}
	}
}

// hasStopped takes libzmq's events, and reports whether more can come.
func hasStopped(tr *Transport) bool {
	tr.sockMu.Lock()
	defer tr.sockMu.Unlock()
	_ = tr.monitor.catchUpLocked()
	return tr.monitor.stopped
}

// Over ipc Close keeps the connections of its moment open. A connection that ended before does not
// count as lost, even if the loop has not seen its end.
func TestDepartureOfMonitored(t *testing.T) {
	leakCheck(t)
	log := &lines{}
	l, err := NewEventLoop(&LoopConfig{Linger: time.Minute, Logger: slog.New(slog.NewTextHandler(log, nil))})
	must(t, err)
	path := filepath.Join(t.TempDir(), "s")
	ended, err := net.Listen("unix", path)
	must(t, err)
	cfg := connectTo("ipc://" + path)
	cfg.Configure = func(o zmq.Sockopts) error { return o.SetReconnectInterval(time.Millisecond) }
	tr := create(t, l, BaseProtocol{}, zmq.PUSH, cfg)
	all := listen(t, tr, zmq.EVENT_ALL)
	for range 3 {
		conn, err := ended.Accept()
		must(t, err)
		must(t, conn.Close())
	}
	must(t, ended.Close())
	ctx, err := zmq4.NewContext()
	must(t, err)
	pull, err := ctx.NewSocket(zmq4.PULL)
	must(t, err)
	must(t, errors.Join(pull.SetRcvhwm(1), pull.Bind("ipc://"+path)))
	must(t, tr.Write(msg("connected")))
	_, err = pull.RecvBytes(0)
	must(t, err)
	const messages = 100
	for range messages {
		must(t, tr.Write(msg(strings.Repeat("x", 256))))
	}
	must(t, tr.Close())
	pass(t, l)
	for range messages {
		_, err := pull.RecvBytes(0)
		must(t, err)
	}
	must(t, l.Close())
	must(t, pull.Close())
	must(t, ctx.Term())
	all.wants(t)
	if log.String() != "" {
		t.Errorf("logged %s", log)
	}
}
