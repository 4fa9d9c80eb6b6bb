package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

func TestProxyPause(t *testing.T) {
	p := newProxy(t, zmq.PAIR, zmq.PAIR, nil)
	one, other := p.peer(zmq.PAIR, p.front), p.peer(zmq.PAIR, p.back)
	quiet := func(s plainPeer) {
		t.Helper()
		must(t, s.SetRcvtimeo(50*time.Millisecond))
		if msg, err := s.RecvMessage(0); err == nil {
			t.Errorf("got %q while paused", msg)
		}
		must(t, s.SetRcvtimeo(zmqiotest.Patience))
	}
	p.Pause() // Pause comes before Run
	p.Pause()
	end := p.run()
	one.send("1")
	other.send("2")
	quiet(one)
	quiet(other)
	p.wantStats(zmqio.ProxyStats{Paused: true})
	p.Resume()
	p.Resume()
	other.want("1")
	one.want("2")
	p.pause()
	one.send("3")
	quiet(other)
	// The end of Run returns the held messages to the caller at once.
	must(t, end())
	if got := receives(p.ctx, t, p.front); got[0] != "3" {
		t.Errorf("got %q", got)
	}
	end = p.run() // the proxy is still paused
	one.send("4")
	quiet(other)
	p.Resume()
	other.want("4")
	must(t, end())
}

// The proxy forwards nothing from a stream whose reading the caller has paused.
func TestProxyPauseReading(t *testing.T) {
	p := newProxy(t, zmq.PAIR, zmq.PAIR, nil)
	one, other := p.peer(zmq.PAIR, p.front), p.peer(zmq.PAIR, p.back)
	end := p.run()
	must(t, p.front.Transport().PauseReading())
	zmqiotest.Soon(t, p.loop, func() {}) // the proxy may have begun a batch
	one.send("later")
	other.send("now")
	one.want("now")
	must(t, end()) // Run does not wait for a paused stream
	end = p.run()
	must(t, p.front.Transport().ResumeReading())
	other.want("later")
	must(t, end())
}

func TestProxyDrains(t *testing.T) {
	p := newProxy(t, zmq.PULL, zmq.PUSH, &zmqio.ProxyConfig{DrainTimeout: zmqiotest.Patience})
	push := p.peer(zmq.PUSH, p.front)
	end := p.run()
	push.send("0")
	p.until(func(s zmqio.ProxyStats) bool { return s.ToBack.Messages == 1 }) // without a peer the proxy takes one message
	for i := 1; i < 500; i++ {
		push.send(fmt.Sprint(i))
	}
	ended := make(chan error, 1)
	go func() { ended <- end() }()
	pull := p.peer(zmq.PULL, p.back)
	for i := range 500 {
		pull.want(fmt.Sprint(i))
	}
	must(t, <-ended)
}

// A paused proxy still sends the messages that it has taken. A message that the filter drops delays
// no other.
func TestProxyDrainsReceivedMessages(t *testing.T) {
	p := newProxy(t, zmq.PULL, zmq.PUSH, &zmqio.ProxyConfig{DrainTimeout: zmqiotest.Patience})
	push := p.peer(zmq.PUSH, p.front)
	end := p.run()
	push.send("0")
	p.until(func(s zmqio.ProxyStats) bool { return s.ToBack.Messages == 1 })
	p.pause()
	push.send("stays")
	ended := make(chan error, 1)
	go func() { ended <- end() }()
	select {
	case err := <-ended:
		t.Fatalf("ended before its message could go: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	p.peer(zmq.PULL, p.back).want("0")
	must(t, <-ended)
	if got := receives(p.ctx, t, p.front); got[0] != "stays" {
		t.Errorf("got %q", got)
	}
}

func TestProxyDrainsIntoAFilter(t *testing.T) {
	const n = 1000
	begun, goOn := make(chan struct{}, n), make(chan struct{})
	p := newProxy(t, zmq.PULL, zmq.PUSH, &zmqio.ProxyConfig{
		DrainTimeout: zmqiotest.Patience,
		Filter: func(zmqio.ProxyDirection, zmqio.Message) (forward, answer [][]byte) {
			begun <- struct{}{}
			<-goOn
			return nil, nil
		},
	})
	ctx, cancel := context.WithCancel(p.ctx)
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	// Over inproc a message has come when it is sent. The loop is in the filter meanwhile.
	_, err := p.front.Transport().Bind("inproc://" + t.Name())
	must(t, err)
	push, err := p.loop.Context().NewSocket(zmq4.PUSH)
	must(t, err)
	t.Cleanup(func() { push.Close() })
	must(t, errors.Join(push.SetSndhwm(0), push.Connect("inproc://"+t.Name())))
	for i := range n {
		_, err := push.Send(fmt.Sprint(i), 0)
		must(t, err)
	}
	<-begun
	cancel()
	close(goOn)
	must(t, <-done)
	p.wantStats(zmqio.ProxyStats{ToBack: zmqio.ProxyFlow{Traffic: zmqio.Traffic{Messages: n, Bytes: 2890}, Dropped: n}})
}

// If messages cannot be sent in time, Run returns ErrNotDrained, and the streams have the messages.
func TestProxyDrainTimeout(t *testing.T) {
	p := newProxy(t, zmq.PULL, zmq.PUSH, &zmqio.ProxyConfig{DrainTimeout: time.Millisecond})
	push := p.peer(zmq.PUSH, p.front)
	end := p.run()
	push.send("0")
	p.until(func(s zmqio.ProxyStats) bool { return s.ToBack.Messages == 1 })
	for i := 1; i < 10; i++ {
		push.send(fmt.Sprint(i))
	}
	wants(t, end(), zmqio.ErrNotDrained)
	for i := 1; i < 10; i++ {
		if got := receives(p.ctx, t, p.front); got[0] != fmt.Sprint(i) {
			t.Errorf("got %q, want %d", got, i)
		}
	}
	pull := p.peer(zmq.PULL, p.back) // the stream had accepted the first message
	pull.want("0")
}

// The end of a stream ends Run with the stream's error.
func TestProxyStreamEnds(t *testing.T) {
	for i, name := range []string{"front", "back", "capture"} {
		for how, want := range map[string]error{"Close": io.EOF, "Abort": zmqio.ErrTransportClosed} {
			t.Run(name+"/"+how, func(t *testing.T) {
				p := newProxy(t, zmq.PAIR, zmq.PAIR, nil)
				capture := p.bind(zmq.PUSH)
				var err error
				p.Proxy, err = zmqio.NewProxy(p.front, p.back, &zmqio.ProxyConfig{Capture: capture})
				must(t, err)
				done := make(chan error)
				go func() { done <- p.Run(p.ctx) }()
				one, captured := p.peer(zmq.PAIR, p.front), p.peer(zmq.PULL, capture)
				one.send("hello")
				captured.want("hello")
				streams := []*zmqio.Stream{p.front, p.back, capture}
				if how == "Close" {
					go streams[i].Close() // Close may wait for a peer
				} else {
					must(t, streams[i].Abort())
				}
				if err := <-done; !errors.Is(err, want) || !strings.Contains(err.Error(), name) {
					t.Errorf("got %v, want %v of the %s", err, want, name)
				}
				if err := p.Run(p.ctx); !errors.Is(err, want) {
					t.Errorf("again: %v", err)
				}
				for j, s := range streams {
					if j != i && s.Err() != nil {
						t.Errorf("another stream has ended: %v", s.Err())
					}
					_ = s.Abort()
				}
			})
		}
	}
}

func TestProxyEndOfTheLoop(t *testing.T) {
	checkLeaks(t)
	l, err := zmqio.NewEventLoop(nil)
	must(t, err)
	must(t, l.Start())
	var streams []*zmqio.Stream
	for range 2 {
		streams = append(streams, zmqiotest.Open(t, zmq.DEALER, zmqio.StreamConfig{Loop: l, Bind: []string{"tcp://127.0.0.1:*"}}))
	}
	p, err := zmqio.NewProxy(streams[0], streams[1], nil)
	must(t, err)
	done := make(chan error)
	ctx := bounded(t)
	go func() { done <- p.Run(ctx) }()
	must(t, l.Do(ctx, func() error { return nil }))
	must(t, l.Close())
	if err := <-done; !errors.Is(err, zmqio.ErrTransportClosed) && !errors.Is(err, zmqio.ErrLoopClosed) {
		t.Errorf("got %v", err)
	}
}

func TestProxyRefuses(t *testing.T) {
	p := newProxy(t, zmq.ROUTER, zmq.DEALER, nil)
	other := zmqiotest.Open(t, zmq.DEALER, zmqio.StreamConfig{Bind: []string{}})
	open := func(typ zmq.SocketType) *zmqio.Stream {
		return zmqiotest.Open(t, typ, zmqio.StreamConfig{Loop: p.loop, Bind: []string{}})
	}
	for name, refused := range map[string]struct {
		front, back *zmqio.Stream
		cfg         *zmqio.ProxyConfig
	}{
		"nil front":       {nil, p.back, nil},
		"nil back":        {p.front, nil, nil},
		"two loops":       {p.front, other, nil},
		"one stream":      {p.front, p.front, nil},
		"timeout":         {p.front, p.back, &zmqio.ProxyConfig{DrainTimeout: -1}},
		"foreign capture": {p.front, p.back, &zmqio.ProxyConfig{Capture: other}},
		"same capture":    {p.front, p.back, &zmqio.ProxyConfig{Capture: p.back}},
		"SUB captures":    {p.front, p.back, &zmqio.ProxyConfig{Capture: open(zmq.SUB)}},
		"REQ captures":    {p.front, p.back, &zmqio.ProxyConfig{Capture: open(zmq.REQ)}},
		"PULL PULL":       {open(zmq.PULL), open(zmq.PULL), nil},
		"PUSH PUB":        {open(zmq.PUSH), open(zmq.PUB), nil},
		"REQ REQ":         {open(zmq.REQ), open(zmq.REQ), nil},
		"REP REP":         {open(zmq.REP), open(zmq.REP), nil},
		"PULL REQ":        {open(zmq.PULL), open(zmq.REQ), nil},
		"REP PUSH":        {open(zmq.REP), open(zmq.PUSH), nil},
	} {
		if _, err := zmqio.NewProxy(refused.front, refused.back, refused.cfg); !errors.Is(err, zmqio.ErrInvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
		var capture *zmqio.Stream
		if refused.cfg != nil {
			capture = refused.cfg.Capture
		}
		if name != "timeout" {
			wants(t, zmqio.RunProxy(p.ctx, refused.front, refused.back, capture), zmqio.ErrInvalidArgument)
		}
	}
	var none context.Context
	wants(t, p.Run(none), zmqio.ErrInvalidArgument)
	zmqiotest.Soon(t, p.loop, func() { wants(t, p.Run(p.ctx), zmqio.ErrWouldDeadlock) })
	cancelled, cancel := context.WithCancel(p.ctx)
	cancel()
	wants(t, p.Run(cancelled), context.Canceled)
}

// A stream belongs to at most one running proxy, in any role.
func TestProxyRunsOnce(t *testing.T) {
	p := newProxy(t, zmq.DEALER, zmq.DEALER, nil)
	capture, third := p.bind(zmq.DEALER), p.bind(zmq.DEALER)
	var err error
	p.Proxy, err = zmqio.NewProxy(p.front, p.back, &zmqio.ProxyConfig{Capture: capture})
	must(t, err)
	end := p.run()
	one, other := p.peer(zmq.DEALER, p.front), p.peer(zmq.DEALER, p.back)
	p.peer(zmq.DEALER, capture)
	one.send("1")
	other.want("1")
	wants(t, p.Run(p.ctx), zmqio.ErrProxyRunning)
	for _, pair := range [][3]*zmqio.Stream{{p.front, third}, {third, p.back}, {capture, third}, {third, capture}} {
		wants(t, zmqio.RunProxy(p.ctx, pair[0], pair[1], nil), zmqio.ErrProxyRunning)
	}
	wants(t, zmqio.RunProxy(p.ctx, third, p.bind(zmq.DEALER), capture), zmqio.ErrProxyRunning)
	one.send("2") // the refused runs have not changed it
	other.want("2")
	other.send("3")
	one.want("3")
	must(t, end())
	ctx, cancel := context.WithCancel(p.ctx)
	done := make(chan error)
	go func() { done <- zmqio.RunProxy(ctx, third, p.back, nil) }()
	p.peer(zmq.DEALER, third).send("4")
	other.want("4")
	cancel()
	must(t, <-done)
}

// A filter that panics drops the message, and the proxy goes on.
func TestProxyFilterPanics(t *testing.T) {
	checkLeaks(t)
	p := &proxyTest{t: t, ctx: bounded(t), loop: zmqiotest.RunLoop(t, nil)}
	var panics atomic.Int32
	p.loop.SetExceptionHandler(func(_ *zmqio.EventLoop, c zmqio.ExceptionContext) {
		var panicked *zmqio.PanicError
		if errors.As(c.Err, &panicked) && panicked.Value == "of the filter" {
			panics.Add(1)
		} else {
			t.Errorf("%s: %v", c.Message, c.Err)
		}
	})
	var err error
	p.context, err = zmq4.NewContext()
	must(t, err)
	t.Cleanup(func() { must(t, p.context.Term()) })
	p.front, p.back = p.bind(zmq.PULL), p.bind(zmq.PUSH)
	p.Proxy, err = zmqio.NewProxy(p.front, p.back, &zmqio.ProxyConfig{
		Filter: func(_ zmqio.ProxyDirection, msg zmqio.Message) (forward, answer [][]byte) {
			if string(msg.Frames[0]) == "panic" {
				panic("of the filter")
			}
			return msg.Frames, nil
		},
	})
	must(t, err)
	end := p.run()
	push, pull := p.peer(zmq.PUSH, p.front), p.peer(zmq.PULL, p.back)
	for i := range 100 {
		push.send("panic")
		push.send(fmt.Sprint(i))
	}
	for i := range 100 {
		pull.want(fmt.Sprint(i))
	}
	must(t, end())
	if s := p.Stats(); s.ToBack.Messages != 200 || s.ToBack.Dropped != 100 || panics.Load() != 100 {
		t.Errorf("%+v, %d panics", s, panics.Load())
	}
}

// A REP whose filter panics ends, because its client would wait for ever. Run ends too.
func TestProxyFilterPanicsOnRep(t *testing.T) {
	checkLeaks(t)
	p := &proxyTest{t: t, ctx: bounded(t), loop: zmqiotest.RunLoop(t, nil)}
	p.loop.SetExceptionHandler(func(*zmqio.EventLoop, zmqio.ExceptionContext) {})
	var err error
	p.context, err = zmq4.NewContext()
	must(t, err)
	t.Cleanup(func() { must(t, p.context.Term()) })
	p.front, p.back = p.bind(zmq.REP), p.bind(zmq.REQ)
	p.Proxy, err = zmqio.NewProxy(p.front, p.back, &zmqio.ProxyConfig{
		Filter: func(zmqio.ProxyDirection, zmqio.Message) (forward, answer [][]byte) { panic("of the filter") },
	})
	must(t, err)
	done := make(chan error)
	go func() { done <- p.Run(p.ctx) }()
	p.peer(zmq.REQ, p.front).send("hello")
	var panicked *zmqio.PanicError
	if err := <-done; !errors.As(err, &panicked) || panicked.Value != "of the filter" {
		t.Errorf("got %v", err)
	}
}

// A caller may send to the streams while a proxy runs.
func TestProxySharesItsStreams(t *testing.T) {
	p := newProxy(t, zmq.PULL, zmq.PUSH, nil)
	p.run()
	push, pull := p.peer(zmq.PUSH, p.front), p.peer(zmq.PULL, p.back)
	const n = 5000
	var senders sync.WaitGroup
	defer senders.Wait()
	senders.Go(func() {
		for i := range n {
			if _, err := push.SendMessage("through", fmt.Sprint(i), "end"); err != nil {
				t.Error(err)
				return
			}
		}
	})
	senders.Go(func() {
		for i := range n {
			if err := p.back.Send(p.ctx, []byte("direct"), []byte(fmt.Sprint(i)), []byte("end")); err != nil {
				t.Error(err)
				return
			}
		}
	})
	next := make(map[string]int)
	for range 2 * n {
		msg, err := pull.RecvMessage(0)
		must(t, err)
		if len(msg) != 3 || msg[1] != fmt.Sprint(next[msg[0]]) {
			t.Fatalf("got %q, want %v", msg, next)
		}
		next[msg[0]]++
	}
	if next["through"] != n || next["direct"] != n {
		t.Errorf("%v", next)
	}
}

// A message larger than the marks of the buffer waits as others do.
func TestProxyLargeMessages(t *testing.T) {
	p := newProxy(t, zmq.PULL, zmq.PUSH, nil)
	p.run()
	push := p.peer(zmq.PUSH, p.front)
	const n = 50
	large := strings.Repeat("large", 50_000)
	sent := make(chan error)
	go func() {
		for i := range n {
			if _, err := push.SendMessage(fmt.Sprint(i), large); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	p.until(func(s zmqio.ProxyStats) bool { return s.ToBack.Messages > 0 }) // libzmq does not take the messages
	if err := p.back.TrySend([]byte("behind")); !errors.Is(err, zmqio.ErrBufferFull) {
		t.Errorf("TrySend: %v", err)
	}
	for !p.back.Transport().Stats().IsPaused { // the buffer is over its mark
		must(t, p.ctx.Err())
	}
	pull := p.peer(zmq.PULL, p.back)
	for i := range n {
		pull.want(fmt.Sprint(i), large)
	}
	must(t, <-sent)
	must(t, p.back.TrySend([]byte("behind")))
	pull.want("behind")
}

// The proxy drops messages of several frames for a socket with CONFLATE, which libzmq would tear.
func TestProxyToConflate(t *testing.T) {
	p := newProxy(t, zmq.PULL, zmq.PUSH, nil)
	back := zmqiotest.Open(t, zmq.PUSH, zmqio.StreamConfig{
		Loop: p.loop, Bind: []string{"tcp://127.0.0.1:*"}, Configure: func(o zmq.Sockopts) error { return o.SetConflate(true) },
	})
	var err error
	p.Proxy, err = zmqio.NewProxy(p.front, back, nil)
	must(t, err)
	p.run()
	push, pull := p.peer(zmq.PUSH, p.front), p.peer(zmq.PULL, back)
	must(t, back.WaitConnected(p.ctx, 1))
	push.send("two", "frames")
	push.send("one")
	pull.want("one")
	p.until(func(s zmqio.ProxyStats) bool { return s.ToBack.Messages == 2 && s.ToBack.Dropped == 1 })
}

// A capture stream with CONFLATE gets no message of several frames. The proxy forwards it.
func TestProxyCaptureConflates(t *testing.T) {
	p := newProxy(t, zmq.PULL, zmq.PUSH, nil)
	capture := zmqiotest.Open(t, zmq.PUSH, zmqio.StreamConfig{
		Loop: p.loop, Bind: []string{"tcp://127.0.0.1:*"}, Configure: func(o zmq.Sockopts) error { return o.SetConflate(true) },
	})
	var err error
	p.Proxy, err = zmqio.NewProxy(p.front, p.back, &zmqio.ProxyConfig{Capture: capture})
	must(t, err)
	p.run()
	push, pull, captured := p.peer(zmq.PUSH, p.front), p.peer(zmq.PULL, p.back), p.peer(zmq.PULL, capture)
	must(t, capture.WaitConnected(p.ctx, 1))
	push.send("two", "frames")
	pull.want("two", "frames")
	push.send("one")
	pull.want("one")
	captured.want("one")
	p.until(func(s zmqio.ProxyStats) bool { return s.ToBack.Messages == 2 && s.Captured == 1 })
}

// Pause after Run leaves the streams alone.
func TestProxyPausedAfterItsRun(t *testing.T) {
	p := newProxy(t, zmq.PULL, zmq.PUSH, nil)
	end := p.run()
	push, pull := p.peer(zmq.PUSH, p.front), p.peer(zmq.PULL, p.back)
	push.send("through")
	pull.want("through")
	must(t, end())
	p.pause()
	push.send("to the caller")
	if got := receives(p.ctx, t, p.front); got[0] != "to the caller" {
		t.Errorf("got %q", got)
	}
}

// Stream.Peers reports the peers of a ROUTER while a proxy forwards from it.
func TestProxyPeers(t *testing.T) {
	p := newProxy(t, zmq.ROUTER, zmq.DEALER, nil)
	next, stop := iter.Pull2(p.front.Peers(p.ctx))
	defer stop()
	p.run()
	client, worker := p.peer(zmq.DEALER, p.front), p.peer(zmq.ROUTER, p.back)
	client.send("hello")
	msg, err := worker.RecvMessage(0)
	must(t, err)
	if ev, err, _ := next(); err != nil || ev.Gone || string(ev.RoutingID) != msg[1] {
		t.Errorf("%+v, %v of %q", ev, err, msg)
	}
	worker.send(msg...)
	client.want("hello")
}

// Forwarded messages count for Liveness.
func TestProxyLiveness(t *testing.T) {
	p := newProxy(t, zmq.PULL, zmq.PUSH, nil)
	events := make(chan zmqio.LivenessEvent, 100)
	front := zmqiotest.Open(t, zmq.PULL, zmqio.StreamConfig{
		Loop: p.loop, Bind: []string{"tcp://127.0.0.1:*"},
		Liveness: zmqio.Liveness{Idle: 50 * time.Millisecond, Notify: func(ev zmqio.LivenessEvent) { events <- ev }},
		// The heartbeats of a busy machine may be late. Their end would drop the message.
		Configure: func(o zmq.Sockopts) error {
			return errors.Join(o.SetHeartbeatTimeout(time.Hour), o.SetHeartbeatTTL(time.Hour))
		},
	})
	var err error
	p.Proxy, err = zmqio.NewProxy(front, p.back, nil)
	must(t, err)
	p.run()
	if ev := <-events; ev.State != zmqio.LivenessStale {
		t.Fatal(ev)
	}
	push, pull := p.peer(zmq.PUSH, front), p.peer(zmq.PULL, p.back)
	push.send("hello")
	pull.want("hello")
	if ev := <-events; ev.State != zmqio.LivenessBack {
		t.Error(ev)
	}
}

// Pause and Resume of a proxy that does not run do not affect another proxy.
func TestProxyPausedByItself(t *testing.T) {
	p := newProxy(t, zmq.PULL, zmq.PUSH, nil)
	idle, err := zmqio.NewProxy(p.front, p.back, nil)
	must(t, err)
	p.run()
	push, pull := p.peer(zmq.PUSH, p.front), p.peer(zmq.PULL, p.back)
	push.send("1")
	pull.want("1")
	idle.Pause()
	push.send("2")
	pull.want("2")
	p.pause()
	idle.Resume()
	push.send("3")
	must(t, pull.SetRcvtimeo(50*time.Millisecond))
	if msg, err := pull.RecvMessage(0); err == nil {
		t.Errorf("got %q while paused", msg)
	}
}
