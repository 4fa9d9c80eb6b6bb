package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// A proxyTest is a proxy, and plain libzmq peers of it.
type proxyTest struct {
	*zmqio.Proxy
	t           *testing.T
	ctx         context.Context
	context     *zmq4.Context // the context of the peers
	loop        *zmqio.EventLoop
	front, back *zmqio.Stream
}

// newProxy returns a proxy that does not run, between bound streams.
func newProxy(t *testing.T, front, back zmq.SocketType, cfg *zmqio.ProxyConfig) *proxyTest {
	t.Helper()
	checkLeaks(t)
	p := &proxyTest{t: t, ctx: bounded(t), loop: zmqiotest.RunLoop(t, nil)}
	var err error
	p.context, err = zmq4.NewContext()
	must(t, err)
	t.Cleanup(func() { must(t, p.context.Term()) })
	p.front, p.back = p.bind(front), p.bind(back)
	p.Proxy, err = zmqio.NewProxy(p.front, p.back, cfg)
	must(t, err)
	return p
}

func (p *proxyTest) bind(typ zmq.SocketType) *zmqio.Stream {
	p.t.Helper()
	return zmqiotest.Open(p.t, typ, zmqio.StreamConfig{Loop: p.loop, Bind: []string{"tcp://127.0.0.1:*"}})
}

// run runs the proxy until the test ends or calls end, which returns the error of Run.
func (p *proxyTest) run() (end func() error) {
	ctx, cancel := context.WithCancel(p.ctx)
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	end = func() error {
		cancel()
		err := <-done
		done <- err
		return err
	}
	p.t.Cleanup(func() { _ = end() })
	return end
}

// A plainPeer is a socket of libzmq, used as in C.
type plainPeer struct {
	*zmq4.Socket
	t *testing.T
}

// peer returns a plain socket that is connected to s.
func (p *proxyTest) peer(typ zmq.SocketType, s *zmqio.Stream) plainPeer {
	p.t.Helper()
	z, err := p.context.NewSocket(zmq4.Type(typ))
	must(p.t, err)
	p.t.Cleanup(func() { z.Close() })
	must(p.t, z.SetLinger(0))
	must(p.t, z.SetRcvtimeo(zmqiotest.Patience))
	must(p.t, z.SetSndtimeo(zmqiotest.Patience))
	must(p.t, z.Connect(s.Addr()))
	return plainPeer{z, p.t}
}

func (s plainPeer) send(frames ...string) {
	s.t.Helper()
	_, err := s.SendMessage(frames)
	must(s.t, err)
}

func (s plainPeer) want(frames ...string) {
	s.t.Helper()
	got, err := s.RecvMessage(0)
	must(s.t, err)
	if !slices.Equal(got, frames) {
		s.t.Fatalf("got %q, want %q", got, frames)
	}
}

// until waits until fn returns true for the figures.
func (p *proxyTest) until(is func(zmqio.ProxyStats) bool) {
	p.t.Helper()
	for !is(p.Stats()) {
		select {
		case <-p.ctx.Done():
			p.t.Fatalf("%+v", p.Stats())
		case <-time.After(time.Millisecond):
		}
	}
}

// pause pauses the proxy, and waits for the end of a batch that it has begun.
func (p *proxyTest) pause() {
	p.t.Helper()
	p.Pause()
	zmqiotest.Soon(p.t, p.loop, func() {})
}

// wantStats waits for the figures, which follow the messages that they count.
func (p *proxyTest) wantStats(want zmqio.ProxyStats) {
	p.t.Helper()
	p.until(func(got zmqio.ProxyStats) bool { return got == want })
}

// receives returns the next message of s.
func receives(ctx context.Context, t *testing.T, s *zmqio.Stream) []string {
	t.Helper()
	msg, err := s.Recv(ctx)
	must(t, err)
	var frames []string
	for _, f := range msg {
		frames = append(frames, string(f))
	}
	return frames
}

// ZMQ_QUEUE: requests of many clients go to many workers, and each reply to its client.
func TestProxyQueue(t *testing.T) {
	p := newProxy(t, zmq.ROUTER, zmq.DEALER, nil)
	p.run()
	for range 3 {
		worker := p.peer(zmq.REP, p.back)
		must(t, worker.SetRcvtimeo(-1))
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for {
				msg, err := worker.RecvMessage(0)
				if err != nil || msg[0] == "end" {
					return
				}
				if _, err := worker.SendMessage(strings.ToUpper(msg[0]), "", msg[1]); err != nil {
					return
				}
			}
		}()
		t.Cleanup(func() { <-ended })
	}
	var clients []plainPeer
	for range 5 {
		clients = append(clients, p.peer(zmq.REQ, p.front))
	}
	t.Cleanup(func() { // one for each worker, which a DEALER serves in turn
		for _, c := range clients[:3] {
			c.send("end")
		}
	})
	for i := range 100 {
		for j, c := range clients {
			c.send("request", fmt.Sprint(i, j))
		}
		for j, c := range clients {
			c.want("REQUEST", "", fmt.Sprint(i, j))
		}
	}
	p.until(func(s zmqio.ProxyStats) bool { return s.ToBack.Messages == 500 && s.ToFront.Messages == 500 })
	if s := p.Stats(); s.ToBack.Dropped+s.ToFront.Dropped > 0 {
		t.Errorf("%+v", s)
	}
}

// ZMQ_FORWARDER: subscriptions pass one way and messages the other.
func TestProxyForwarder(t *testing.T) {
	p := newProxy(t, zmq.XSUB, zmq.XPUB, nil)
	p.run()
	pub := p.peer(zmq.XPUB, p.front)
	sub := p.peer(zmq.SUB, p.back)
	must(t, sub.SetSubscribe("b"))
	pub.want("\x01b")
	pub.send("a", "dropped by the publisher")
	pub.send("b", "1")
	pub.send("bb", "2")
	sub.want("b", "1")
	sub.want("bb", "2")
	must(t, p.back.WaitSubscribed(p.ctx, "b", 1)) // the stream still knows the subscription
	must(t, sub.SetUnsubscribe("b"))
	pub.want("\x00b")
	p.wantStats(zmqio.ProxyStats{
		ToBack:  zmqio.ProxyFlow{Traffic: zmqio.Traffic{Messages: 2, Bytes: 5}},
		ToFront: zmqio.ProxyFlow{Traffic: zmqio.Traffic{Messages: 2, Bytes: 4}},
	})
}

// ZMQ_STREAMER.
func TestProxyStreamer(t *testing.T) {
	p := newProxy(t, zmq.PULL, zmq.PUSH, nil)
	p.run()
	push, pull := p.peer(zmq.PUSH, p.front), p.peer(zmq.PULL, p.back)
	const n = 10_000
	go func() {
		for i := range n {
			if _, err := push.SendMessage(fmt.Sprint(i), strings.Repeat("x", i%100), ""); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for i := range n {
		pull.want(fmt.Sprint(i), strings.Repeat("x", i%100), "")
	}
	p.until(func(s zmqio.ProxyStats) bool { return s.ToBack.Messages == n && s.ToFront == (zmqio.ProxyFlow{}) })
	// The streams count as well.
	in, out := p.front.Transport().Stats(), p.back.Transport().Stats()
	if through := p.Stats().ToBack.Traffic; in.Received != through || out.Sent != through {
		t.Errorf("received %v, sent %v, want %v", in.Received, out.Sent, through)
	}
}

// A REP in front of a REQ keeps the turns of both.
func TestProxyTakesTurns(t *testing.T) {
	for name, filter := range map[string]func(zmqio.ProxyDirection, zmqio.Message) (forward, answer [][]byte){
		"unfiltered": nil,
		"filtered":   func(_ zmqio.ProxyDirection, msg zmqio.Message) (forward, answer [][]byte) { return msg.Frames, nil },
	} {
		t.Run(name, func(t *testing.T) { testProxyTakesTurns(t, &zmqio.ProxyConfig{Filter: filter}) })
	}
}

func testProxyTakesTurns(t *testing.T, cfg *zmqio.ProxyConfig) {
	p := newProxy(t, zmq.REP, zmq.REQ, cfg)
	end := p.run()
	client, server := p.peer(zmq.REQ, p.front), p.peer(zmq.REP, p.back)
	for i := range 50 {
		client.send(fmt.Sprint("question ", i))
		server.want(fmt.Sprint("question ", i))
		server.send(fmt.Sprint("answer ", i))
		client.want(fmt.Sprint("answer ", i))
	}
	// The run ends amid a conversation, and the streams go on with it.
	client.send("last")
	server.want("last")
	must(t, end())
	server.send("over")
	for p.back.Transport().Stats().Unread.Messages == 0 { // libzmq would take another request
		must(t, p.ctx.Err())
		time.Sleep(time.Millisecond)
	}
	if err := p.back.TrySend([]byte("out of turn")); !errors.Is(err, zmq.EFSM) {
		t.Errorf("out of turn: %v", err)
	}
	if got := receives(p.ctx, t, p.back); !slices.Equal(got, []string{"over"}) {
		t.Errorf("got %q", got)
	}
	must(t, p.front.Send(p.ctx, []byte("by hand")))
	client.want("by hand")
	if err := p.front.TrySend([]byte("out of turn")); !errors.Is(err, zmq.EFSM) {
		t.Errorf("out of turn: %v", err)
	}
}

// The proxy first forwards the messages that the streams had before Run, in order: those that they
// had received, and those that they had accepted.
func TestProxyKeepsTheOrder(t *testing.T) {
	p := newProxy(t, zmq.PULL, zmq.PUSH, nil)
	push := p.peer(zmq.PUSH, p.front)
	must(t, p.back.Send(p.ctx, []byte("sent before"))) // the stream has no peer
	for i := range 1000 {
		push.send(fmt.Sprint(i))
	}
	if got := receives(p.ctx, t, p.front); got[0] != "0" {
		t.Fatal(got)
	}
	end := p.run()
	for i := range 1000 {
		push.send(fmt.Sprint(1000 + i))
	}
	pull := p.peer(zmq.PULL, p.back)
	pull.want("sent before")
	for i := 1; i < 2000; i++ {
		pull.want(fmt.Sprint(i))
	}
	must(t, end())
	if s := p.Stats(); s.ToBack.Messages != 1999 {
		t.Errorf("%+v", s)
	}
}

// After Run the streams are the caller's, and Run may be called again.
func TestProxyRunsAgain(t *testing.T) {
	p := newProxy(t, zmq.PAIR, zmq.PAIR, nil)
	one, other := p.peer(zmq.PAIR, p.front), p.peer(zmq.PAIR, p.back)
	for i := range 10 {
		end := p.run()
		one.send("to the back", fmt.Sprint(i))
		other.want("to the back", fmt.Sprint(i))
		other.send("to the front")
		one.want("to the front")
		must(t, end())
		one.send("to the caller", fmt.Sprint(i))
		if got := receives(p.ctx, t, p.front); !slices.Equal(got, []string{"to the caller", fmt.Sprint(i)}) {
			t.Errorf("got %q", got)
		}
		must(t, p.back.Send(p.ctx, []byte("from the caller")))
		other.want("from the caller")
	}
	if s := p.Stats(); s.ToBack.Messages != 10 || s.ToFront.Messages != 10 {
		t.Errorf("%+v", s)
	}
}

func TestProxyCapture(t *testing.T) {
	for _, typ := range []zmq.SocketType{zmq.PUB, zmq.XPUB, zmq.PUSH, zmq.DEALER, zmq.PAIR} {
		for _, filtered := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v/filtered=%t", typ, filtered), func(t *testing.T) {
				p := newProxy(t, zmq.PAIR, zmq.PAIR, nil)
				cfg := &zmqio.ProxyConfig{Capture: p.bind(typ)}
				if filtered {
					cfg.Filter = func(_ zmqio.ProxyDirection, msg zmqio.Message) (forward, answer [][]byte) {
						return append(msg.Frames, []byte("filtered")), nil
					}
				}
				var err error
				p.Proxy, err = zmqio.NewProxy(p.front, p.back, cfg)
				must(t, err)
				p.run()
				peers := map[zmq.SocketType]zmq.SocketType{zmq.PUB: zmq.SUB, zmq.XPUB: zmq.SUB, zmq.PUSH: zmq.PULL, zmq.DEALER: zmq.DEALER, zmq.PAIR: zmq.PAIR}
				capture := p.peer(peers[typ], cfg.Capture)
				if peers[typ] == zmq.SUB {
					must(t, capture.SetSubscribe(""))
					if typ == zmq.XPUB {
						must(t, cfg.Capture.WaitSubscribed(p.ctx, "", 1))
					} else {
						must(t, cfg.Capture.WaitConnected(p.ctx, 1))
						awaitTopic(t, cfg.Capture, capture)
					}
				}
				one, other := p.peer(zmq.PAIR, p.front), p.peer(zmq.PAIR, p.back)
				var suffix []string
				if filtered {
					suffix = []string{"filtered"}
				}
				for i := range 100 {
					request := []string{"request", strings.Repeat("long", 100), fmt.Sprint(i)}
					one.send(request...)
					other.want(append(request, suffix...)...)
					capture.want(append(request, suffix...)...)
					other.send("reply")
					one.want(append([]string{"reply"}, suffix...)...)
					capture.want(append([]string{"reply"}, suffix...)...)
				}
				p.until(func(s zmqio.ProxyStats) bool { return s.Captured == 200 })
			})
		}
	}
}

// awaitTopic sends until the subscription of sub has come to pub. It then receives the messages
// that have arrived.
func awaitTopic(t *testing.T, pub *zmqio.Stream, sub plainPeer) {
	t.Helper()
	must(t, sub.SetRcvtimeo(10*time.Millisecond))
	for i := 0; ; i++ {
		must(t, pub.TrySend([]byte(fmt.Sprint(i))))
		if _, err := sub.RecvMessage(0); err == nil {
			break
		}
	}
	must(t, pub.TrySend([]byte("end")))
	must(t, sub.SetRcvtimeo(zmqiotest.Patience))
	for {
		msg, err := sub.RecvMessage(0)
		must(t, err)
		if msg[0] == "end" {
			return
		}
	}
}

// While the capture stream has no room, the proxy forwards nothing and loses nothing.
func TestProxyCaptureThatIsFull(t *testing.T) {
	p := newProxy(t, zmq.PULL, zmq.PUSH, nil)
	capture := p.bind(zmq.PUSH) // capture has no peer
	var err error
	p.Proxy, err = zmqio.NewProxy(p.front, p.back, &zmqio.ProxyConfig{Capture: capture})
	must(t, err)
	p.run()
	push, pull := p.peer(zmq.PUSH, p.front), p.peer(zmq.PULL, p.back)
	push.send("x", "0")
	pull.want("x", "0") // although capture could not send it
	for i := 1; i < 100; i++ {
		push.send("x", fmt.Sprint(i))
	}
	for p.front.Transport().IsReading() { // the proxy does not look again and again
		must(t, p.ctx.Err())
	}
	must(t, pull.SetRcvtimeo(50*time.Millisecond))
	if msg, err := pull.RecvMessage(0); err == nil {
		t.Errorf("got %q", msg)
	}
	must(t, pull.SetRcvtimeo(zmqiotest.Patience))
	captured := p.peer(zmq.PULL, capture)
	for i := range 100 {
		captured.want("x", fmt.Sprint(i))
		if i > 0 {
			pull.want("x", fmt.Sprint(i))
		}
	}
}

func TestProxyFilter(t *testing.T) {
	p := newProxy(t, zmq.ROUTER, zmq.DEALER, &zmqio.ProxyConfig{
		Filter: func(d zmqio.ProxyDirection, msg zmqio.Message) (forward, answer [][]byte) {
			last := msg.Frames[len(msg.Frames)-1]
			switch {
			case d == zmqio.BackToFront:
				return append(msg.Frames, []byte(d.String())), nil
			case string(last) == "drop":
				return nil, nil
			case string(last) == "answer":
				return nil, append(msg.Frames[:2], []byte("answered"))
			case string(last) == "both":
				return msg.Frames, append(slices.Clone(msg.Frames[:2]), []byte("soon"))
			}
			msg.Frames[2] = []byte("changed")
			return msg.Frames, nil
		},
	})
	p.run()
	client, worker := p.peer(zmq.DEALER, p.front), p.peer(zmq.REP, p.back)
	client.send("", "drop")
	client.send("", "as it was")
	worker.want("changed")
	worker.send("reply")
	client.want("", "reply", "back to front")
	client.send("", "answer")
	client.want("", "answered")
	client.send("", "both")
	client.want("", "soon")
	worker.want("both")
	p.until(func(s zmqio.ProxyStats) bool {
		return s.ToBack.Messages == 4 && s.ToBack.Dropped == 2 && s.ToBack.Answered == 2 && s.ToFront.Messages == 1
	})
}

// The filter gets the metadata that the stream asks for.
func TestProxyFilterSeesMetadata(t *testing.T) {
	p := newProxy(t, zmq.PULL, zmq.PUSH, nil)
	front := zmqiotest.Open(t, zmq.PULL, zmqio.StreamConfig{
		Loop: p.loop, Bind: []string{"tcp://127.0.0.1:*"}, Metadata: []string{"Socket-Type"},
	})
	proxy := func(filter func(zmqio.ProxyDirection, zmqio.Message) (forward, answer [][]byte)) {
		var err error
		p.Proxy, err = zmqio.NewProxy(front, p.back, &zmqio.ProxyConfig{Filter: filter})
		must(t, err)
	}
	proxy(func(_ zmqio.ProxyDirection, msg zmqio.Message) (forward, answer [][]byte) {
		return append(msg.Frames, []byte(msg.Metadata["Socket-Type"])), nil
	})
	push, pull := p.peer(zmq.PUSH, front), p.peer(zmq.PULL, p.back)
	push.send("before")
	end := p.run()
	pull.want("before", "PUSH")
	push.send("a", "b")
	pull.want("a", "b", "PUSH")
	must(t, end())
	proxy(nil)
	p.run()
	push.send("c", "d") // without a filter, metadata is no frame of the message
	pull.want("c", "d")
}

// A message for an unknown peer is dropped, counted and reported. The messages behind it are sent.
func TestProxyUnroutable(t *testing.T) {
	for _, filtered := range []bool{false, true} {
		t.Run(fmt.Sprintf("filtered=%t", filtered), func(t *testing.T) {
			p := newProxy(t, zmq.PULL, zmq.ROUTER, nil)
			unroutable := make(chan string, 10)
			back := zmqiotest.Open(t, zmq.ROUTER, zmqio.StreamConfig{
				Loop: p.loop, Bind: []string{"tcp://127.0.0.1:*"},
				Configure: func(o zmq.Sockopts) error { return o.SetRouterMandatory(true) },
				Unroutable: func(msg [][]byte, err error) {
					unroutable <- fmt.Sprintf("%s %v", msg, errors.Is(err, zmq.EHOSTUNREACH))
				},
			})
			cfg := &zmqio.ProxyConfig{}
			if filtered {
				cfg.Filter = func(_ zmqio.ProxyDirection, msg zmqio.Message) (forward, answer [][]byte) { return msg.Frames, nil }
			}
			var err error
			p.Proxy, err = zmqio.NewProxy(p.front, back, cfg)
			must(t, err)
			p.run()
			push, dealer := p.peer(zmq.PUSH, p.front), p.peer(zmq.DEALER, back)
			dealer.send("hello")
			id := receives(p.ctx, t, back)[0] // a PULL cannot send, so the caller may send in this direction
			for i := range 3 {
				push.send("nobody", fmt.Sprint(i))
				push.send(id, fmt.Sprint(i))
				dealer.want(fmt.Sprint(i))
				if got, want := <-unroutable, fmt.Sprintf("[nobody %d] true", i); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			}
			p.until(func(s zmqio.ProxyStats) bool { return s.ToBack.Messages == 6 && s.ToBack.Dropped == 3 })
		})
	}
}
