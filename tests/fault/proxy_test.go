package fault

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// open returns a stream on loop, which the end of the test aborts.
func open(t *testing.T, loop *zmqio.EventLoop, typ zmq.SocketType, cfg zmqio.StreamConfig) *zmqio.Stream {
	t.Helper()
	cfg.Loop = loop
	return zmqiotest.Open(t, typ, cfg)
}

func bound(t *testing.T, loop *zmqio.EventLoop, typ zmq.SocketType) *zmqio.Stream {
	t.Helper()
	return open(t, loop, typ, zmqio.StreamConfig{Bind: []string{"tcp://127.0.0.1:*"}})
}

// receive gives the messages of s to got, until s or ctx ends.
func receive(ctx context.Context, s *zmqio.Stream, got func([][]byte)) {
	go func() {
		for msg, err := range s.Messages(ctx) {
			if err != nil {
				return
			}
			got(msg)
		}
	}()
}

// Receivers behind a proxy die amid long messages of several frames. No receiver gets a part of a
// message, or one that another has got. The capture stream gets all.
func TestProxyDyingReceivers(t *testing.T) {
	for _, types := range [][2]zmq.SocketType{{zmq.PUSH, zmq.PULL}, {zmq.DEALER, zmq.DEALER}} {
		t.Run(fmt.Sprint(types[0]), func(t *testing.T) {
			checkLeaks(t)
			ctx := bounded(t, form(hang, 2*hang))
			loop, far := newLoop(t, nil), newLoop(t, nil)
			unlimited := func(o zmq.Sockopts) error { return errors.Join(o.SetSndHWM(0), o.SetRcvHWM(0)) }
			front, capture := bound(t, loop, zmq.PULL), bound(t, loop, zmq.PUSH)
			back := open(t, loop, types[0], zmqio.StreamConfig{Bind: []string{"tcp://127.0.0.1:*"}, Configure: unlimited})
			p, err := zmqio.NewProxy(front, back, &zmqio.ProxyConfig{Capture: capture})
			must(t, err)
			running, end := context.WithCancel(ctx)
			defer end()
			ran := make(chan error, 1)
			go func() { ran <- p.Run(running) }()

			push := open(t, far, zmq.PUSH, zmqio.StreamConfig{Connect: []string{front.Addr()}})
			sending, stop := context.WithCancel(ctx)
			defer stop()
			var sent atomic.Uint64
			sender := make(chan struct{})
			go func() {
				defer close(sender)
				for push.Send(sending, numbered(sent.Load()+1)...) == nil {
					sent.Add(1)
				}
			}()
			captured := census{seen: make(map[uint64]bool)}
			receive(ctx, open(t, far, zmq.PULL, zmqio.StreamConfig{Connect: []string{capture.Addr()}}), captured.add)

			all := census{seen: make(map[uint64]bool)}
			rounds := form(8, 100)
			for range rounds {
				receiver := newPeer(all.add)
				in := create(t, far, receiver, types[1], zmqio.ConnectionConfig{Connect: []string{back.Addr()}})
				must(t, all.more(ctx, 1+rand.IntN(3)))
				must(t, in.Abort())
				must(t, receiver.ended(ctx))
				must(t, unwritable(ctx, back.Transport())) // with three pipes libzmq 4.3.4 sends frames to the wrong one
			}
			stop()
			<-sender
			last := newPeer(all.add)
			in := create(t, far, last, types[1], zmqio.ConnectionConfig{Connect: []string{back.Addr()}})
			must(t, captured.Until(ctx, func() bool { return captured.wrong != nil || uint64(captured.count) == sent.Load() }))
			must(t, captured.wrongSoFar())
			must(t, all.Until(ctx, func() bool { return all.wrong != nil || all.last == sent.Load() }))
			must(t, all.wrongSoFar())
			end()
			must(t, <-ran)
			must(t, in.Abort())
			must(t, last.ended(ctx))
			if s := p.Stats(); s.ToBack.Messages != sent.Load() || s.Captured != sent.Load() {
				t.Errorf("%+v of %d", s, sent.Load())
			}
			t.Logf("%d receivers died during %d messages of %d frames; %d came", rounds, sent.Load(), cutFrames, all.count)
		})
	}
}

// endBefore aborts s, and waits until other, which s is connected to, has no connection. If both
// ends of a connection end amid a message of several frames, libzmq may end the process.
func endBefore(ctx context.Context, t *testing.T, s, other *zmqio.Stream) {
	t.Helper()
	must(t, s.Abort())
	for other.Transport().Stats().Connections.Open > 0 {
		must(t, ctx.Err())
		time.Sleep(time.Millisecond)
	}
}

// Senders die amid long messages of several frames. The messages that come through are whole.
func TestProxyDyingSenders(t *testing.T) {
	checkLeaks(t)
	ctx := bounded(t, form(hang, 2*hang))
	loop, far := newLoop(t, nil), newLoop(t, nil)
	front, back := bound(t, loop, zmq.PULL), bound(t, loop, zmq.PUSH)
	running, end := context.WithCancel(ctx)
	defer end()
	ran := make(chan error, 1)
	go func() { ran <- zmqio.RunProxy(running, front, back, nil) }()
	all := census{seen: make(map[uint64]bool)}
	pull := open(t, far, zmq.PULL, zmqio.StreamConfig{Connect: []string{back.Addr()}})
	receive(ctx, pull, all.add)
	var number uint64
	for range form(30, 300) {
		push := open(t, far, zmq.PUSH, zmqio.StreamConfig{Connect: []string{front.Addr()}})
		for range 1 + rand.IntN(4) {
			number++
			must(t, push.Send(ctx, numbered(number)...))
		}
		if rand.IntN(2) == 0 {
			must(t, all.more(ctx, 1))
		}
		must(t, push.Abort())
	}
	push := open(t, far, zmq.PUSH, zmqio.StreamConfig{Connect: []string{front.Addr()}})
	number++
	must(t, push.Send(ctx, numbered(number)...))
	must(t, all.Until(ctx, func() bool { return all.wrong != nil || all.seen[number] }))
	endBefore(ctx, t, push, front)
	end()
	must(t, <-ran)
	endBefore(ctx, t, pull, back)
	must(t, all.wrongSoFar())
	t.Logf("%d of %d messages came", all.taken(), number)
}

// A tape has the messages that have come, in order.
type tape struct {
	condition
	numbers []uint64
	wrong   error
}

func (p *tape) add(msg [][]byte) {
	_, number, err := parseFrame(msg[len(msg)-1])
	p.Change(func() {
		p.numbers = append(p.numbers, number)
		p.wrong = errors.Join(p.wrong, err)
	})
}

func (p *tape) len() int {
	p.Lock()
	defer p.Unlock()
	return len(p.numbers)
}

// wantAll checks that each number from 1 to n came once, to one of the tapes, and in order.
func wantAll(t *testing.T, n uint64, tapes ...*tape) {
	t.Helper()
	seen := make(map[uint64]bool)
	for i, p := range tapes {
		var before uint64
		for _, number := range p.numbers {
			if number <= before {
				t.Errorf("tape %d: %d came after %d", i, number, before)
			}
			if seen[number] {
				t.Errorf("tape %d: %d came twice", i, number)
			}
			before, seen[number] = number, true
		}
		must(t, p.wrong)
	}
	if uint64(len(seen)) != n || seen[0] {
		t.Errorf("%d different messages came of %d", len(seen), n)
	}
}

// A load sends messages through a proxy in both directions.
type load struct {
	t           *testing.T
	ctx         context.Context
	loop, far   *zmqio.EventLoop
	front, back *zmqio.Stream
	ends        [2]*zmqio.Stream // connected to front, and to back
	arrived     [2]tape          // messages that these streams have received
	taken       [2]tape          // messages that the test has received from front and from back
	sent        [2]atomic.Uint64 // messages that the ends have sent
	stop        func()           // stops the senders, and waits for them
}

func newLoad(t *testing.T, typ zmq.SocketType) *load {
	t.Helper()
	checkLeaks(t)
	l := &load{t: t, ctx: bounded(t, form(hang, 2*hang)), loop: newLoop(t, nil), far: newLoop(t, nil)}
	// Small marks, so that both sides are often full.
	marks := func(o zmq.Sockopts) error { return errors.Join(o.SetSndHWM(20), o.SetRcvHWM(20)) }
	l.front = open(t, l.loop, typ, zmqio.StreamConfig{Bind: []string{"tcp://127.0.0.1:*"}, Configure: marks})
	l.back = open(t, l.loop, typ, zmqio.StreamConfig{Bind: []string{"tcp://127.0.0.1:*"}, Configure: marks})
	sending, stop := context.WithCancel(l.ctx)
	var senders sync.WaitGroup
	for i, s := range []*zmqio.Stream{l.front, l.back} {
		end := open(t, l.far, typ, zmqio.StreamConfig{Connect: []string{s.Addr()}, Configure: marks})
		must(t, end.WaitConnected(l.ctx, 1))
		l.ends[i] = end
		receive(l.ctx, end, l.arrived[i].add)
		senders.Go(func() {
			frames := stream{name: uint64(i), size: 40}
			for sending.Err() == nil {
				n := l.sent[i].Load() + 1
				msg := [][]byte{frames.frame(n)}
				if n%3 == 0 {
					msg = [][]byte{{}, []byte("in front"), msg[0]}
				}
				if end.Send(sending, msg...) != nil {
					return
				}
				l.sent[i].Store(n)
			}
		})
	}
	l.stop = func() {
		stop()
		senders.Wait()
	}
	t.Cleanup(l.stop)
	return l
}

// finish stops the senders, waits for what they have sent, and checks it.
func (l *load) finish() {
	l.t.Helper()
	l.stop()
	for i := range l.ends {
		n, other := l.sent[i].Load(), 1-i
		must(l.t, l.arrived[other].Until(l.ctx, func() bool {
			return uint64(len(l.arrived[other].numbers)+l.taken[i].len()) >= n
		}))
		wantAll(l.t, n, &l.arrived[other], &l.taken[i])
	}
}

// moreArrives waits until n more messages have arrived at each end.
func (l *load) moreArrives(n int) {
	l.t.Helper()
	for i := range l.arrived {
		want := l.arrived[i].len() + n
		must(l.t, l.arrived[i].Until(l.ctx, func() bool { return len(l.arrived[i].numbers) >= want }))
	}
}

// Runs end at random under load. The streams then have the messages that the proxy has not
// forwarded, once.
func TestProxyEndsUnderLoad(t *testing.T) {
	for _, filtered := range []bool{false, true} {
		t.Run(fmt.Sprintf("filtered=%t", filtered), func(t *testing.T) {
			l := newLoad(t, zmq.DEALER)
			cfg := &zmqio.ProxyConfig{DrainTimeout: time.Nanosecond}
			if filtered {
				cfg.Filter = func(_ zmqio.ProxyDirection, msg zmqio.Message) (forward, answer [][]byte) { return msg.Frames, nil }
			}
			p, err := zmqio.NewProxy(l.front, l.back, cfg)
			must(t, err)
			drained := 0
			for round := range form(40, 400) {
				ctx, end := context.WithCancel(l.ctx)
				ran := make(chan error, 1)
				go func() { ran <- p.Run(ctx) }()
				switch round % 4 {
				case 0:
					end() // perhaps before the run begins
				case 1:
					time.Sleep(time.Duration(rand.IntN(2_000_000)))
				default:
					l.moreArrives(1 + rand.IntN(200))
				}
				end()
				switch err := <-ran; {
				case err == nil:
					drained++
				case !errors.Is(err, zmqio.ErrNotDrained) && !errors.Is(err, context.Canceled):
					t.Fatal(err)
				}
				if round%2 == 0 { // the test takes some messages
					for i, s := range []*zmqio.Stream{l.front, l.back} {
						for range 1 + rand.IntN(30) {
							msg, err := s.TryRecv()
							must(t, err)
							if msg != nil {
								l.taken[i].add(msg)
							}
						}
					}
				}
			}
			ctx, end := context.WithCancel(l.ctx)
			ran := make(chan error, 1)
			go func() { ran <- p.Run(ctx) }()
			l.finish()
			end()
			<-ran
			s := p.Stats()
			if want := l.sent[0].Load() - uint64(l.taken[0].len()); s.ToBack.Messages != want {
				t.Errorf("%+v, want %d to the back", s, want)
			}
			if want := l.sent[1].Load() - uint64(l.taken[1].len()); s.ToFront.Messages != want {
				t.Errorf("%+v, want %d to the front", s, want)
			}
			t.Logf("%d and %d messages, of which the caller took %d and %d; %d runs were drained",
				l.sent[0].Load(), l.sent[1].Load(), l.taken[0].len(), l.taken[1].len(), drained)
		})
	}
}

// Many goroutines pause and resume a proxy under load.
func TestProxyPausesUnderLoad(t *testing.T) {
	l := newLoad(t, zmq.PAIR)
	p, err := zmqio.NewProxy(l.front, l.back, nil)
	must(t, err)
	ctx, end := context.WithCancel(l.ctx)
	defer end()
	ran := make(chan error, 1)
	go func() { ran <- p.Run(ctx) }()
	l.moreArrives(1)
	var busy sync.WaitGroup
	for range 4 {
		busy.Go(func() {
			for range form(300, 3000) {
				p.Pause()
				runtime.Gosched()
				_ = p.Stats()
				p.Resume()
				time.Sleep(time.Duration(rand.IntN(100_000)))
			}
		})
	}
	busy.Wait()
	// A paused proxy forwards nothing.
	p.Pause()
	var before zmqio.ProxyStats
	for now := p.Stats(); now != before; now = p.Stats() {
		before = now
		time.Sleep(20 * time.Millisecond) // for a batch that the proxy had begun
	}
	if !before.Paused {
		t.Errorf("%+v", before)
	}
	p.Resume()
	l.moreArrives(100)
	l.finish()
	end()
	must(t, <-ran)
}

// The peer of the capture stream stops reading under load, and goes on. The proxy then forwards
// no more than the buffers between the two hold. The peer gets a copy of everything.
func TestProxyCaptureStalls(t *testing.T) {
	l := newLoad(t, zmq.DEALER)
	// The kernel's buffers must not grow by themselves, so that they have a bound.
	const kernel, most = 16 << 10, 5000
	marks := func(o zmq.Sockopts) error {
		return errors.Join(o.SetSndHWM(10), o.SetRcvHWM(10), o.SetSndBuf(kernel), o.SetRcvBuf(kernel))
	}
	capture := open(t, l.loop, zmq.PUSH, zmqio.StreamConfig{Bind: []string{"tcp://127.0.0.1:*"}, Configure: marks})
	pull := open(t, l.far, zmq.PULL, zmqio.StreamConfig{Connect: []string{capture.Addr()}, Configure: marks, MaxReadBuffer: 1000})
	p, err := zmqio.NewProxy(l.front, l.back, &zmqio.ProxyConfig{Capture: capture})
	must(t, err)
	ctx, end := context.WithCancel(l.ctx)
	defer end()
	ran := make(chan error, 1)
	go func() { ran <- p.Run(ctx) }()
	var captured [2]tape // by the end that sent them
	take := func() {
		msg, err := pull.Recv(l.ctx)
		must(t, err)
		name, _, err := parseFrame(msg[len(msg)-1])
		must(t, err)
		captured[name].add(msg)
	}
	for range form(10, 100) {
		for range 500 {
			take()
		}
		untilFull := rand.IntN(2) == 0
		for before, full := 0, false; untilFull && !full; {
			now := int(p.Stats().Captured) // counted after the peer can read them
			if held := now - captured[0].len() - captured[1].len(); held > most {
				t.Fatalf("%d messages were captured and not yet read", held)
			}
			full, before = now == before, now
			time.Sleep(20 * time.Millisecond)
		}
	}
	l.stop()
	n := l.sent[0].Load() + l.sent[1].Load()
	for uint64(captured[0].len()+captured[1].len()) < n {
		take()
	}
	l.finish()
	for i := range captured {
		wantAll(t, l.sent[i].Load(), &captured[i])
	}
	end()
	must(t, <-ran)
	if s := p.Stats(); s.Captured != n {
		t.Errorf("%+v, want %d", s, n)
	}
}

// A filter sometimes panics or calls runtime.Goexit. The proxy drops only those messages.
func TestProxyFilterFails(t *testing.T) {
	checkLeaks(t)
	ctx := bounded(t, hang)
	loop, err := zmqio.NewEventLoop(&zmqio.LoopConfig{Linger: time.Minute}) // as in newLoop
	must(t, err)
	must(t, loop.Start())
	t.Cleanup(func() { must(t, loop.Close()) })
	var panics atomic.Uint64
	loop.SetExceptionHandler(func(_ *zmqio.EventLoop, c zmqio.ExceptionContext) {
		if c.Err == nil || !strings.Contains(c.Err.Error(), "on purpose") {
			t.Errorf("%s: %v", c.Message, c.Err)
		}
		panics.Add(1)
	})
	front, back := bound(t, loop, zmq.PULL), bound(t, loop, zmq.PUSH)
	far := newLoop(t, nil)
	push := open(t, far, zmq.PUSH, zmqio.StreamConfig{Connect: []string{front.Addr()}})
	pull := open(t, far, zmq.PULL, zmqio.StreamConfig{Connect: []string{back.Addr()}})
	p, err := zmqio.NewProxy(front, back, &zmqio.ProxyConfig{
		Filter: func(_ zmqio.ProxyDirection, msg zmqio.Message) (forward, answer [][]byte) {
			if _, number, _ := parseFrame(msg.Frames[0]); number%10 == 0 {
				panic("on purpose")
			}
			return msg.Frames, nil
		},
	})
	must(t, err)
	running, end := context.WithCancel(ctx)
	defer end()
	ran := make(chan error, 1)
	go func() { ran <- p.Run(running) }()
	const n = 20_000
	go func() {
		frames := stream{name: 1, size: 40}
		for i := range uint64(n) {
			if push.Send(ctx, frames.frame(i+1)) != nil {
				return
			}
		}
	}()
	for i := uint64(1); i <= n; i++ {
		if i%10 == 0 {
			continue
		}
		msg, err := pull.Recv(ctx)
		must(t, err)
		if _, number, err := parseFrame(msg[0]); err != nil || number != i {
			t.Fatalf("got %d, %v, want %d", number, err, i)
		}
	}
	end()
	must(t, <-ran)
	if s := p.Stats(); s.ToBack.Messages != n || s.ToBack.Dropped != n/10 || panics.Load() != n/10 {
		t.Errorf("%+v, %d panics", s, panics.Load())
	}
}

// The test ends connections of a proxy's streams amid messages. No message is mixed with another.
// The senders are PUBs, because libzmq 4.3.4 lets a PUSH tear messages while its pipes go.
func TestProxyDisconnects(t *testing.T) {
	checkLeaks(t)
	ctx := bounded(t, form(hang, 2*hang))
	loop, far := newLoop(t, nil), newLoop(t, nil)
	front, back := open(t, loop, zmq.SUB, zmqio.StreamConfig{Bind: []string{}, Subscribe: []string{""}}), bound(t, loop, zmq.PUSH)
	running, end := context.WithCancel(ctx)
	defer end()
	ran := make(chan error, 1)
	go func() { ran <- zmqio.RunProxy(running, front, back, nil) }()
	pull := open(t, far, zmq.PULL, zmqio.StreamConfig{Connect: []string{back.Addr()}})
	var arrived atomic.Uint64
	receive(ctx, pull, func(msg [][]byte) {
		arrived.Add(1)
		for _, f := range msg {
			if string(f) != string(msg[0]) {
				t.Errorf("mixed: %q", msg)
				return
			}
		}
		if len(msg) != 20 {
			t.Errorf("torn: %d frames", len(msg))
		}
	})
	var endpoints []string
	sending, stop := context.WithCancel(ctx)
	var senders sync.WaitGroup
	for i := range 4 {
		pub := bound(t, far, zmq.PUB)
		endpoints = append(endpoints, pub.Addr())
		senders.Go(func() {
			for n := 0; ; n++ {
				msg := make([][]byte, 20)
				for j := range msg {
					msg[j] = fmt.Append(nil, i, " ", n)
				}
				if pub.Send(sending, msg...) != nil {
					return
				}
			}
		})
	}
	for _, endpoint := range endpoints {
		_, err := front.Transport().Connect(endpoint)
		must(t, err)
	}
	for range form(200, 2000) {
		endpoint := endpoints[rand.IntN(len(endpoints))]
		must(t, front.Transport().Disconnect(endpoint))
		if rand.IntN(3) == 0 {
			runtime.Gosched()
		}
		_, err := front.Transport().Connect(endpoint)
		must(t, err)
	}
	before := arrived.Load()
	for arrived.Load() < before+100 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	must(t, ctx.Err())
	stop()
	senders.Wait()
	end()
	<-ran
	// One end closes after the other: libzmq may end the process if both ends of a connection end
	// amid messages.
	_ = front.Close()
	_ = back.Close() // may be ErrUndelivered
	t.Logf("%d messages came", arrived.Load())
}
