package conformance

import (
	"errors"
	"math/bits"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// aiozmq's test_socket_monitor: a peer connects, goes and comes back.
func TestMonitorKnownEvents(t *testing.T) {
	needs(t, "4.3.0", handshakeEvents)
	l := newLoop(t, nil)
	inBackground(t, l)
	server, client := newWatcher(t, zmq.EVENT_ALL), newWatcher(t, zmq.EVENT_ALL)
	var seen []zmq.MonitorEvent
	client.on = func(ev zmq.MonitorEvent) { seen = append(seen, ev) }
	server.on = client.on // both run on the loop
	router := watch(l, server, zmq.ROUTER, bindTo(anyPort))
	dealer := watch(l, client, zmq.DEALER, connectTo())
	for range 3 {
		at, err := dealer.Connect(router.Listeners()[0])
		must(t, err)
		client.wait(zmq.EVENT_HANDSHAKE_SUCCEEDED)
		server.wait(zmq.EVENT_HANDSHAKE_SUCCEEDED)
		must(t, dealer.Disconnect(at))
		server.wait(zmq.EVENT_DISCONNECTED)
	}
	must(t, dealer.Close())
	must(t, router.Close())
	client.waitLost()
	server.waitLost()
	if len(seen) < 6 {
		t.Errorf("%d events", len(seen))
	}
	for _, ev := range seen {
		if bits.OnesCount64(uint64(ev.Event)) != 1 || ev.Event&zmq.EVENT_ALL == 0 || !strings.HasPrefix(ev.Event.String(), "EVENT_") {
			t.Errorf("unknown: %v", ev)
		}
	}
}

func TestMonitorConnection(t *testing.T) {
	needs(t, "4.3.2", portsInEvents)
	l := newLoop(t, nil)
	inBackground(t, l)
	server := newWatcher(t, zmq.EVENT_ALL)
	router := watch(l, server, zmq.ROUTER, bindTo(anyPort))
	at := router.Listeners()[0]
	listening := server.wait(zmq.EVENT_LISTENING)
	client := newWatcher(t, zmq.EVENT_ALL)
	dealer := watch(l, client, zmq.DEALER, connectTo(at))
	delayed := client.wait(zmq.EVENT_CONNECT_DELAYED)
	wants(t, delayed.Err(), syscall.EINPROGRESS)
	connected := client.wait(zmq.EVENT_CONNECTED)
	client.wait(zmq.EVENT_HANDSHAKE_SUCCEEDED)
	accepted := server.wait(zmq.EVENT_ACCEPTED)
	succeeded := server.wait(zmq.EVENT_HANDSHAKE_SUCCEEDED)
	must(t, dealer.Close())
	disconnected := server.wait(zmq.EVENT_DISCONNECTED)
	must(t, router.Unbind(at))
	closed := server.wait(zmq.EVENT_CLOSED)
	for _, ev := range []zmq.MonitorEvent{listening, delayed, connected, accepted, succeeded, disconnected, closed} {
		if ev.Endpoint != at && ev.Event != zmq.EVENT_DISCONNECTED {
			t.Errorf("%v, want it at %s", ev, at)
		}
		if ev.Interval() != 0 {
			t.Errorf("%v has the interval %v", ev, ev.Interval())
		}
		if hasFD := ev.Event&(zmq.EVENT_CONNECT_DELAYED|zmq.EVENT_HANDSHAKE_SUCCEEDED) == 0; hasFD != (ev.FD() > 2) {
			t.Errorf("%v has the descriptor %d", ev, ev.FD())
		}
		if ev.Event != zmq.EVENT_CONNECT_DELAYED && ev.Err() != nil {
			t.Errorf("%v has the error %v", ev, ev.Err())
		}
	}
	if listening.FD() != closed.FD() || accepted.FD() != disconnected.FD() || accepted.FD() == connected.FD() {
		t.Errorf("descriptors do not match: %v", []zmq.MonitorEvent{listening, closed, accepted, disconnected, connected})
	}
}

func TestMonitorConnectRetried(t *testing.T) {
	l := newLoop(t, nil)
	inBackground(t, l)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	at := "tcp://" + listener.Addr().String()
	must(t, listener.Close())
	w := newWatcher(t, zmq.EVENT_CONNECT_RETRIED|zmq.EVENT_CLOSED)
	cfg := connectTo(at)
	cfg.Configure = func(o zmq.Sockopts) error { return o.SetReconnectInterval(20 * time.Millisecond) }
	watch(l, w, zmq.PUSH, cfg)
	for range 2 {
		ev := w.wait(zmq.EVENT_CONNECT_RETRIED)
		// libzmq adds a random part of up to the same length.
		if d := ev.Interval(); d < 20*time.Millisecond || d >= 40*time.Millisecond || ev.Endpoint != at || ev.Err() != nil || ev.FD() != -1 {
			t.Errorf("%v", ev)
		}
		// Only events in the mask have come.
		for _, ev := range w.seen() {
			if ev.Event&w.enable == 0 {
				t.Errorf("%v was not asked for", ev)
			}
		}
	}
}

func TestMonitorBindFailed(t *testing.T) {
	l := newLoop(t, nil)
	inBackground(t, l)
	w := newWatcher(t, zmq.EVENT_ALL)
	tr := watch(l, w, zmq.PULL, bindTo(anyPort))
	at := tr.Listeners()[0]
	var ev zmq.MonitorEvent
	for range 10 {
		// libzmq itself returns EAGAIN if it has not sent an event for 1 ms.
		time.Sleep(2 * time.Millisecond)
		_, err := tr.Bind(at)
		wants(t, err, zmq.EADDRINUSE)
		ev = w.wait(zmq.EVENT_BIND_FAILED)
		wants(t, ev.Err(), zmq.EADDRINUSE)
		wants(t, ev.Err(), syscall.EADDRINUSE)
	}
	if ev.Endpoint != at || ev.FD() != -1 {
		t.Errorf("%v", ev)
	}
}

func TestMonitorTwice(t *testing.T) {
	l := newLoop(t, nil)
	w := newWatcher(t, 0)
	tr := watch(l, w, zmq.PULL, bindTo())
	must(t, tr.DisableMonitor()) // before the first EnableMonitor
	must(t, tr.EnableMonitor(zmq.EVENT_LISTENING))
	_, err := tr.Bind(anyPort)
	must(t, err)
	must(t, tr.EnableMonitor(zmq.EVENT_LISTENING))
	_, err = tr.Bind(anyPort)
	must(t, err)
	passes(t, l, func() bool { return len(w.events) == 2 })

	// A second mask replaces the first.
	must(t, tr.EnableMonitor(zmq.EVENT_BIND_FAILED))
	_, err = tr.Bind(anyPort)
	must(t, err)
	_, err = tr.Bind(tr.Listeners()[0])
	wants(t, err, zmq.EADDRINUSE)
	passes(t, l, func() bool { return len(w.events) == 3 })
	if w.events[2].Event != zmq.EVENT_BIND_FAILED {
		t.Errorf("%v", w.events)
	}

	for range 2 {
		must(t, tr.DisableMonitor())
	}
	must(t, tr.EnableMonitor(zmq.EVENT_LISTENING))
	_, err = tr.Bind(anyPort)
	must(t, err)
	passes(t, l, func() bool { return len(w.events) == 4 })
	// Reported events that were not delivered are dropped.
	must(t, tr.EnableMonitor(zmq.EVENT_ALL))
	at, err := tr.Bind(anyPort)
	must(t, err)
	_, err = tr.Bind(at)
	wants(t, err, zmq.EADDRINUSE)
	must(t, tr.DisableMonitor())
	for range 10 {
		pass(t, l)
	}
	if len(w.events) != 4 {
		t.Errorf("%v", w.events)
	}
}

func TestMonitorEndsWithTheTransport(t *testing.T) {
	for name, end := range map[string]func(*zmqio.Transport) error{
		"close":    (*zmqio.Transport).Close,
		"abort":    (*zmqio.Transport).Abort,
		"loop":     func(tr *zmqio.Transport) error { return tr.Loop().Close() },
		"shutdown": func(tr *zmqio.Transport) error { return tr.Loop().Shutdown(bounded(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLoop(t, nil)
			w := newWatcher(t, zmq.EVENT_ALL)
			tr := watch(l, w, zmq.PULL, bindTo(anyPort, anyPort, anyPort))
			must(t, end(tr))
			must(t, end(tr))
			wants(t, tr.EnableMonitor(zmq.EVENT_ALL), zmqio.ErrTransportClosed)
			wants(t, tr.EnableMonitor(zmq.EVENT_CLOSED), zmqio.ErrTransportClosed)
			must(t, tr.DisableMonitor())
			if !l.IsClosed() {
				pass(t, l)
			}
			w.waitLost()
			if len(w.events) != 0 {
				t.Errorf("%v after the end", w.events)
			}
		})
	}
}

// A transport that is closing and still sends is not monitored any more. A monitor does not keep
// its messages from being sent.
func TestMonitorEndsWhenClosing(t *testing.T) {
	l := newLoop(t, nil)
	w := newWatcher(t, zmq.EVENT_ALL)
	cfg := connectTo("inproc://late")
	cfg.Configure = func(o zmq.Sockopts) error { return o.SetSndHWM(1) }
	push := watch(l, w, zmq.PUSH, cfg)
	for range 5 {
		must(t, push.Write([][]byte{[]byte("x")}))
	}
	if push.WriteBufferSize() == 0 {
		t.Fatal("the buffer is empty")
	}
	_, err := push.Bind(anyPort)
	must(t, err)
	must(t, push.Close())
	pass(t, l)
	got := 0
	c := &collector{on: func() { got++ }}
	_, _, err = zmqio.CreateZmqConnection(bounded(t), l, func() *collector { return c }, zmq.PULL, bindTo("inproc://late"))
	must(t, err)
	passes(t, l, func() bool { return got == 5 })
	inBackground(t, l)
	w.waitLost()
	if len(w.events) != 0 {
		t.Errorf("%v after Close", w.events)
	}
}

type collector struct {
	zmqio.BaseProtocol
	on func()
}

func (c *collector) MsgReceived([][]byte) { c.on() }

func TestMonitorArguments(t *testing.T) {
	needs(t, "4.3.2", portsInEvents)
	l := newLoop(t, nil)
	tr, _, err := l.CreateZmqConnection(bounded(t), func() zmqio.Protocol { return zmqio.BaseProtocol{} }, zmq.PULL, bindTo())
	must(t, err)
	wants(t, tr.EnableMonitor(zmq.EVENT_ALL), zmqio.ErrInvalidArgument) // no EventReceived
	w := newWatcher(t, 0)
	tr.SetProtocol(w)
	wants(t, tr.EnableMonitor(0), zmqio.ErrInvalidArgument)
	wants(t, tr.EnableMonitor(zmq.EVENT_PIPES_STATS), zmqio.ErrInvalidArgument)
	wants(t, tr.EnableMonitor(zmq.EVENT_ALL_V2), zmqio.ErrInvalidArgument)
	wants(t, tr.EnableMonitor(1<<40|zmq.EVENT_CONNECTED), zmqio.ErrInvalidArgument)
	must(t, tr.EnableMonitor(zmq.EVENT_ALL))

	// The monitor drops events for a protocol without EventReceived.
	tr.SetProtocol(zmqio.BaseProtocol{})
	_, err = tr.Bind(anyPort)
	must(t, err)
	for range 10 {
		pass(t, l)
	}
	tr.SetProtocol(w)
	_, err = tr.Bind(anyPort)
	must(t, err)
	passes(t, l, func() bool { return len(w.events) > 0 })
	if got := w.events[0].Endpoint; !slices.Contains(tr.Listeners(), got) || len(w.events) != 1 {
		t.Errorf("%v", w.events)
	}
}

func TestMonitorInsideEventReceived(t *testing.T) {
	l := newLoop(t, nil)
	w := newWatcher(t, zmq.EVENT_LISTENING)
	tr := watch(l, w, zmq.PULL, bindTo(anyPort, anyPort, anyPort))
	t.Run("disable", func(t *testing.T) {
		w.on = func(zmq.MonitorEvent) { must(t, tr.DisableMonitor()) }
		for range 10 {
			pass(t, l)
		}
		if len(w.events) != 1 {
			t.Errorf("%v", w.events)
		}
	})
	t.Run("enable", func(t *testing.T) {
		must(t, tr.EnableMonitor(zmq.EVENT_LISTENING))
		w.on = func(zmq.MonitorEvent) {
			w.on = nil
			must(t, tr.EnableMonitor(zmq.EVENT_CLOSED))
			must(t, tr.Unbind(tr.Listeners()[0]))
		}
		for range 2 {
			_, err := tr.Bind(anyPort)
			must(t, err)
		}
		w.events = nil
		passes(t, l, func() bool { return len(w.events) == 2 })
		if w.events[0].Event != zmq.EVENT_LISTENING || w.events[1].Event != zmq.EVENT_CLOSED {
			t.Errorf("%v", w.events)
		}
	})
	t.Run("close", func(t *testing.T) {
		w.events = nil
		w.on = func(zmq.MonitorEvent) { must(t, tr.Close()) }
		for _, at := range tr.Listeners() {
			must(t, tr.Unbind(at))
		}
		passes(t, l, func() bool { return len(w.events) == 1 })
		pass(t, l)
		w.waitLost()
	})
}

func TestMonitorPanics(t *testing.T) {
	_, l := newJournal(t)
	w := newWatcher(t, zmq.EVENT_LISTENING)
	boom := errors.New("boom")
	var told []zmqio.ExceptionContext
	l.SetExceptionHandler(func(_ *zmqio.EventLoop, ctx zmqio.ExceptionContext) { told = append(told, ctx) })
	calls := 0
	w.on = func(zmq.MonitorEvent) {
		switch calls++; calls {
		case 1:
			panic(boom)
		case 2:
			runtime.Goexit()
		}
	}
	tr := watch(l, w, zmq.PULL, bindTo(anyPort, anyPort, anyPort))
	for ctx := bounded(t); calls < 3; {
		must(t, ctx.Err())
		onGoroutine(func() { l.Stop(); must(t, l.RunForever(ctx)) })
	}
	if len(told) != 1 || told[0].Transport != tr || told[0].Protocol != zmqio.Protocol(w) || told[0].Message != "EventReceived panicked" {
		t.Fatalf("%v", told)
	}
	wants(t, told[0].Err, boom)
}

// Debug mode tells a slow EventReceived from the other callbacks of its transport.
func TestMonitorLogSlowEventReceived(t *testing.T) {
	j, l := newJournal(t)
	l.SetDebug(true)
	l.SetSlowCallbackDuration(0)
	w := newWatcher(t, zmq.EVENT_ALL)
	tr := watch(l, w, zmq.PULL, bindTo(anyPort))
	_, err := tr.Bind(tr.Listeners()[0])
	wants(t, err, zmq.EADDRINUSE)
	logged := func() (n int) {
		for _, e := range j.entries() {
			if strings.HasSuffix(e["callback"], "watcher).EventReceived") && e["transport"] == tr.String() {
				n++
			}
		}
		return n
	}
	passes(t, l, func() bool { return logged() >= 2 })
	// For a protocol without EventReceived there is no name.
	tr.SetProtocol(zmqio.BaseProtocol{})
	_, err = tr.Bind(anyPort)
	must(t, err)
	passes(t, l, func() bool {
		entries := j.entries()
		return entries[len(entries)-1]["callback"] == "unknown"
	})
}

// Events are reported while reading is paused. While no goroutine runs the loop none is lost,
// however many there are. libzmq never waits for their receipt: neither zmq_bind nor the I/O
// thread, which does the unbinds.
func TestMonitorNeverStalls(t *testing.T) {
	l := newLoop(t, nil)
	w := newWatcher(t, zmq.EVENT_LISTENING|zmq.EVENT_CLOSED)
	tr := watch(l, w, zmq.PULL, bindTo())
	must(t, tr.PauseReading())
	rounds := 10_000
	if testing.Short() {
		rounds = 2_000
	}
	done := make(chan error, 1)
	go func() {
		for range rounds {
			at, err := tr.Bind(anyPort)
			if err == nil {
				err = tr.Unbind(at)
			}
			if err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	select {
	case err := <-done:
		must(t, err)
	case <-bounded(t).Done():
		t.Fatal("stalled")
	}
	counts := make(map[zmq.Event]int)
	w.on = func(ev zmq.MonitorEvent) {
		counts[ev.Event]++
		// libzmq 4.3 forgets about one in a thousand zmq_unbind calls that follow a zmq_bind so
		// fast, and goes on listening.
		if counts[zmq.EVENT_LISTENING] == rounds && counts[zmq.EVENT_CLOSED] > rounds*98/100 {
			l.Stop()
		}
	}
	run(t, l)
}

// A monitor's sockets are in the context of the monitored socket.
func TestMonitorForeignSocket(t *testing.T) {
	l := newLoop(t, nil)
	inBackground(t, l)
	ctx, err := zmq4.NewContext()
	must(t, err)
	z, err := ctx.NewSocket(zmq4.PULL)
	must(t, err)
	w := newWatcher(t, zmq.EVENT_ALL)
	tr := watch(l, w, zmq.PULL, zmqio.ConnectionConfig{Socket: z})
	_, err = tr.Bind(anyPort)
	must(t, err)
	w.wait(zmq.EVENT_LISTENING)
	must(t, tr.Close())
	w.waitLost()
	must(t, ctx.Term()) // waits for all its sockets
}

// A caller that terminates the context does not wait for a monitor. The error is reported once.
func TestMonitorContextTerminated(t *testing.T) {
	ctx, err := zmq4.NewContext()
	must(t, err)
	l := newLoop(t, &zmqio.LoopConfig{Context: ctx})
	var told []error
	l.SetExceptionHandler(func(_ *zmqio.EventLoop, ctx zmqio.ExceptionContext) { told = append(told, ctx.Err) })
	var ws []*watcher
	for range 20 {
		w := newWatcher(t, zmq.EVENT_ALL)
		w.lostTo = func(err error) { wants(t, err, zmq.ETERM) }
		watch(l, w, zmq.PULL, bindTo(anyPort))
		ws = append(ws, w)
	}
	done := make(chan error, 1)
	go func() { done <- ctx.Term() }()
	passes(t, l, func() bool { return len(told) >= len(ws) })
	for _, w := range ws {
		pass(t, l)
		w.waitLost()
	}
	select {
	case err := <-done:
		must(t, err)
	case <-bounded(t).Done():
		t.Fatal("zmq_ctx_term waits")
	}
	if len(told) != len(ws) {
		t.Errorf("%d errors for %d transports", len(told), len(ws))
	}
}

// If the context has no socket left for a monitor, EnableMonitor leaves nothing behind.
func TestMonitorWithoutSockets(t *testing.T) {
	l := newLoop(t, &zmqio.LoopConfig{MaxSockets: 3})
	w := newWatcher(t, 0)
	tr := watch(l, w, zmq.PULL, bindTo())
	other := newWatcher(t, 0)
	watch(l, other, zmq.PULL, bindTo())
	for range 10 {
		wants(t, tr.EnableMonitor(zmq.EVENT_ALL), zmq.EMFILE)
	}
	must(t, other.tr.Abort())
	// libzmq gives the sockets back with a delay.
	for ctx := bounded(t); ; runtime.Gosched() {
		must(t, ctx.Err())
		if err := tr.EnableMonitor(zmq.EVENT_ALL); err == nil {
			break
		}
	}
	_, err := tr.Bind(anyPort)
	must(t, err)
	passes(t, l, func() bool { return len(w.events) > 0 })
}

// A monitor is part of its transport, and is listed nowhere.
func TestMonitorIsNoTransport(t *testing.T) {
	l := newLoop(t, nil)
	w := newWatcher(t, 0)
	tr := watch(l, w, zmq.PULL, bindTo())
	before := []string{l.String(), tr.String()}
	must(t, tr.EnableMonitor(zmq.EVENT_ALL))
	if after := []string{l.String(), tr.String()}; !slices.Equal(before, after) {
		t.Errorf("%s became %s", before, after)
	}
}

// Goroutines enable, disable, bind and close at random. newLoop checks for leaks.
func TestMonitorFromEverywhere(t *testing.T) {
	l := newLoop(t, nil)
	inBackground(t, l)
	rounds := 40
	if testing.Short() {
		rounds = 10
	}
	for i := range rounds {
		w := newWatcher(t, 0)
		if i%2 == 0 {
			w.on = func(ev zmq.MonitorEvent) {
				if err := w.tr.EnableMonitor(ev.Event | zmq.EVENT_LISTENING); err != nil {
					wants(t, err, zmqio.ErrTransportClosed)
				}
			}
		}
		tr := watch(l, w, zmq.DEALER, bindTo(anyPort, anyPort))
		var all sync.WaitGroup
		for j := range 6 {
			all.Go(func() {
				for k := range 10 {
					var err error
					switch (j + k) % 6 {
					case 0:
						err = tr.EnableMonitor(zmq.EVENT_ALL)
					case 1:
						err = tr.EnableMonitor(zmq.EVENT_LISTENING)
					case 2:
						err = tr.DisableMonitor()
					case 3:
						_, err = tr.Bind(anyPort)
					case 4:
						if err = tr.Unbind(tr.Listeners()[0]); errors.Is(err, zmq.ENOENT) {
							err = nil // another goroutine was first
						}
					case 5:
						if k == 9 {
							err = tr.Close()
						}
					}
					if err != nil && !errors.Is(err, zmqio.ErrTransportClosed) {
						t.Errorf("%v", err)
					}
				}
			})
		}
		all.Wait()
		must(t, tr.Close())
		w.waitLost()
	}
}
