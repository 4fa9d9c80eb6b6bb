package conformance

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// A book records the events of Peers.
type book struct {
	cond    zmqiotest.Condition
	here    map[string]bool
	arrived map[string]int // how often each peer has come
	faults  []string
	err     error
	done    chan struct{}
}

// keepBook reads events until they end.
func keepBook(events iter.Seq2[zmqio.PeerEvent, error]) *book {
	b := &book{here: make(map[string]bool), arrived: make(map[string]int), done: make(chan struct{})}
	go func() {
		defer close(b.done)
		for ev, err := range events {
			b.cond.Change(func() { b.add(ev, err) })
		}
	}()
	return b
}

func (b *book) add(ev zmqio.PeerEvent, err error) {
	id := string(ev.RoutingID)
	switch {
	case err != nil:
		b.err = err
		return
	case ev.Gone != b.here[id]:
		b.faults = append(b.faults, fmt.Sprintf("%s: gone %t, after it was here %t", id, ev.Gone, b.here[id]))
	}
	if !ev.Gone {
		b.arrived[id]++
	}
	b.here[id] = !ev.Gone
}

// until waits until exactly these peers are connected.
func (b *book) until(ctx context.Context, t *testing.T, want ...string) {
	t.Helper()
	is := func() bool {
		n := 0
		for _, here := range b.here {
			if here {
				n++
			}
		}
		for _, id := range want {
			if !b.here[id] {
				return false
			}
		}
		return n == len(want)
	}
	if err := b.cond.Until(ctx, is); err != nil {
		b.cond.Lock()
		defer b.cond.Unlock()
		t.Fatalf("%v: here are %v, want %v", err, b.here, want)
	}
}

// check fails the test unless the events of each peer alternate.
func (b *book) check(t *testing.T) {
	t.Helper()
	b.cond.Lock()
	defer b.cond.Unlock()
	for _, f := range b.faults {
		t.Error(f)
	}
}

func (b *book) times(id string) int {
	b.cond.Lock()
	defer b.cond.Unlock()
	return b.arrived[id]
}

// openRouter opens a ROUTER with ROUTER_HANDOVER. A peer may then take the routing id of an earlier
// one whose end libzmq has not yet noticed.
func openRouter(t *testing.T, loop *zmqio.EventLoop, maxReadBuffer int) *zmqio.Stream {
	t.Helper()
	return zmqiotest.Open(t, zmq.ROUTER, zmqio.StreamConfig{
		Loop: loop, Bind: []string{"tcp://127.0.0.1:*"}, MaxReadBuffer: maxReadBuffer,
		Configure: func(o zmq.Sockopts) error { return o.SetRouterHandover(true) },
	})
}

func openNamed(t *testing.T, loop *zmqio.EventLoop, id, endpoint string) *zmqio.Stream {
	t.Helper()
	s, err := zmqio.Open(t.Context(), zmq.DEALER, zmqio.StreamConfig{
		Loop: loop, Connect: []string{endpoint},
		Configure: func(o zmq.Sockopts) error { return o.SetRoutingID([]byte(id)) },
	})
	if err != nil {
		t.Error(err)
	}
	return s
}

// drain receives until the stream ends.
func drain(t *testing.T, s *zmqio.Stream) {
	var drained sync.WaitGroup
	drained.Go(func() {
		for _, err := range s.Messages(context.Background()) {
			if err != nil {
				return
			}
		}
	})
	t.Cleanup(func() {
		zmqiotest.Must(t, s.Abort())
		drained.Wait()
	})
}

// strangers opens connections to a ZeroMQ endpoint until stop, and finishes no handshake.
func strangers(t *testing.T, endpoint string, stop <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		conn, err := net.Dial("tcp", strings.TrimPrefix(endpoint, "tcp://"))
		if err != nil {
			t.Error(err)
			return
		}
		if n%2 == 0 {
			_, _ = conn.Write([]byte{0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3}) // the beginning of a greeting
			_, _ = conn.Read(make([]byte, 1))
		}
		_ = conn.Close()
	}
}

// Dealers come and go at random, and so do strangers.
func TestStreamPeersOfRouter(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	loop := zmqiotest.RunLoop(t, nil)
	router := openRouter(t, loop, 0)
	b := keepBook(router.Peers(ctx))
	drain(t, router)

	stop := make(chan struct{})
	var noise, dealers sync.WaitGroup
	noise.Go(func() { strangers(t, router.Addr(), stop) })
	var mu sync.Mutex
	var here []string
	for i := range 20 {
		id := fmt.Sprintf("dealer-%02d", i)
		rounds, stays := 1+rand.IntN(8), rand.IntN(2) == 0
		dealers.Go(func() {
			for round := range rounds {
				s := openNamed(t, loop, id, router.Addr())
				for range 1 + rand.IntN(3) {
					if err := s.Send(ctx, []byte("hello")); err != nil {
						t.Error(err)
					}
				}
				if err := b.cond.Until(ctx, func() bool { return b.arrived[id] == round+1 && b.here[id] }); err != nil {
					t.Errorf("%s did not come in round %d: %v", id, round, err)
				}
				if stays && round == rounds-1 {
					mu.Lock()
					defer mu.Unlock()
					here = append(here, id)
					t.Cleanup(func() { zmqiotest.Must(t, s.Abort()) })
					return
				}
				if err := s.Abort(); err != nil {
					t.Error(err)
				}
				if err := b.cond.Until(ctx, func() bool { return !b.here[id] }); err != nil {
					t.Errorf("%s did not go in round %d: %v", id, round, err)
				}
			}
		})
	}
	dealers.Wait()
	close(stop)
	noise.Wait()
	b.until(ctx, t, here...)
	b.check(t)

	// Peers that this side disconnects are gone, too.
	zmqiotest.Must(t, router.Transport().Unbind(router.Addr()))
	b.until(ctx, t)
	b.check(t)
	zmqiotest.Must(t, router.Abort())
	select {
	case <-b.done:
	case <-ctx.Done():
		t.Fatal("the events did not end with the stream")
	}
	if b.err != nil {
		t.Error(b.err)
	}
}

// Connections come and go as fast as they can, over few descriptors, while messages flow. They do
// not wait for their events.
func TestStreamPeersOverReusedDescriptors(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, 2*zmqiotest.Patience)
	loop := zmqiotest.RunLoop(t, nil)
	router := openRouter(t, loop, 4<<10)
	b := keepBook(router.Peers(ctx))
	var answers sync.WaitGroup
	answers.Go(func() {
		for msg, err := range router.Messages(context.Background()) {
			if err != nil {
				return
			}
			if string(msg[1]) == "still here" {
				if err := router.Send(ctx, msg...); err != nil {
					t.Error(err)
				}
			}
		}
	})
	t.Cleanup(func() {
		zmqiotest.Must(t, router.Abort())
		answers.Wait()
	})
	var dealers sync.WaitGroup
	var want []string
	staying := make([]*zmqio.Stream, 4)
	const rounds = 60
	for i := range staying {
		id := fmt.Sprintf("%d-stays", i)
		want = append(want, id)
		dealers.Go(func() {
			for round := range rounds {
				s := openNamed(t, loop, fmt.Sprintf("%d-%d", i, round%3), router.Addr())
				for range 1 + rand.IntN(200) {
					if err := s.Send(ctx, []byte("a message")); err != nil {
						t.Error(err)
					}
				}
				if rand.IntN(2) == 0 {
					_ = s.Abort() // some close with messages that were sent, some without
				} else if err := s.Shutdown(ctx); err != nil {
					t.Error(err)
				}
			}
			s := openNamed(t, loop, id, router.Addr())
			t.Cleanup(func() { zmqiotest.Must(t, s.Abort()) })
			staying[i] = s
			if err := s.Send(ctx, []byte("here")); err != nil {
				t.Error(err)
			}
		})
	}
	dealers.Wait()
	for _, id := range want {
		zmqiotest.Must(t, b.cond.Until(ctx, func() bool { return b.arrived[id] > 0 }))
	}
	// With so many connections, Peers may have taken one peer for another. A peer's next message
	// corrects that, once the router has been empty. So each peer answers a message.
	for range 2 {
		for _, s := range staying {
			zmqiotest.Must(t, s.Send(ctx, []byte("still here")))
			_, err := s.Recv(ctx)
			zmqiotest.Must(t, err)
		}
	}
	b.until(ctx, t, want...)
	b.check(t)
}

// A message of a peer that has gone may arrive when its descriptor is in use again: by another peer
// that is silent at first, or by the same peer.
func TestStreamPeersThatAreReadLate(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	loop := zmqiotest.RunLoop(t, nil)
	router := openRouter(t, loop, 1<<10)
	b := keepBook(router.Peers(ctx))
	gone := nextEvents(ctx, router, zmq.EVENT_DISCONNECTED)
	early := openNamed(t, loop, "early", router.Addr())
	for range 900 { // more than the stream takes, and less than libzmq takes
		zmqiotest.Must(t, early.Send(ctx, make([]byte, 1<<10)))
	}
	zmqiotest.Must(t, early.Shutdown(ctx))
	<-gone
	b.until(ctx, t)
	second := openNamed(t, loop, "second", router.Addr())
	defer second.Abort()
	zmqiotest.Must(t, second.WaitConnected(ctx, 1))
	for range 900 {
		msg, err := router.Recv(ctx)
		zmqiotest.Must(t, err)
		if string(msg[0]) != "early" {
			t.Fatalf("a message of %s", msg[0])
		}
	}
	b.until(ctx, t)
	if b.times("early") != 1 || b.times("second") != 0 {
		t.Errorf("early has come %d times, second %d", b.times("early"), b.times("second"))
	}
	zmqiotest.Must(t, second.Send(ctx, []byte("at last")))
	b.until(ctx, t, "second")
	zmqiotest.Must(t, second.Abort())
	b.until(ctx, t)
	again := openNamed(t, loop, "early", router.Addr())
	defer again.Abort()
	zmqiotest.Must(t, again.Send(ctx, []byte("again")))
	b.until(ctx, t, "early")
	b.check(t)
}

// A cable is cut and mended. Each time the peer goes, and comes with its next message.
func TestStreamPeersReconnect(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	loop := zmqiotest.RunLoop(t, nil)
	router := openRouter(t, loop, 0)
	b := keepBook(router.Peers(ctx))
	drain(t, router)
	cable := zmqiotest.NewCable(t, router.Addr())
	dealer := openNamed(t, loop, "dealer", cable.Endpoint())
	defer dealer.Abort()
	for n := range 5 {
		zmqiotest.Must(t, dealer.WaitConnected(ctx, 1))
		zmqiotest.Must(t, dealer.Send(ctx, []byte("hello")))
		b.until(ctx, t, "dealer")
		if got := b.times("dealer"); got != n+1 {
			t.Errorf("the dealer has come %d times, want %d", got, n+1)
		}
		lost := nextEvents(ctx, dealer, zmq.EVENT_DISCONNECTED)
		cable.Cut()
		b.until(ctx, t)
		<-lost
		cable.Mend()
	}
	b.check(t)
}

// ROUTER_HANDOVER gives the routing id of a peer to a later one.
func TestStreamPeersHandOver(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	loop := zmqiotest.RunLoop(t, nil)
	router := openRouter(t, loop, 0)
	b := keepBook(router.Peers(ctx))
	drain(t, router)
	one := openNamed(t, loop, "same", router.Addr())
	defer one.Abort()
	zmqiotest.Must(t, one.Send(ctx, []byte("one")))
	b.until(ctx, t, "same")
	two := openNamed(t, loop, "same", router.Addr())
	defer two.Abort()
	zmqiotest.Must(t, two.Send(ctx, []byte("two")))
	zmqiotest.Must(t, b.cond.Until(ctx, func() bool { return b.arrived["same"] == 2 }))
	b.until(ctx, t, "same")
	zmqiotest.Must(t, two.Abort())
	b.until(ctx, t)
	b.check(t)
}

// Peers of other types have no names. They come with their handshakes.
func TestStreamPeersOfPull(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	loop := zmqiotest.RunLoop(t, nil)
	pull := zmqiotest.Open(t, zmq.PULL, zmqio.StreamConfig{Loop: loop, Bind: []string{"tcp://127.0.0.1:*"}})
	stop := make(chan struct{})
	var noise sync.WaitGroup
	noise.Go(func() { strangers(t, pull.Addr(), stop) })
	quiet := sync.OnceFunc(func() {
		close(stop)
		noise.Wait()
	})
	defer quiet()
	before := zmqiotest.Open(t, zmq.PUSH, zmqio.StreamConfig{Loop: loop, Connect: []string{pull.Addr()}})
	zmqiotest.Must(t, pull.WaitConnected(ctx, 1))
	next, end := iter.Pull2(pull.Peers(ctx))
	defer end()
	wants := func(gone bool) {
		t.Helper()
		ev, err, ok := next()
		if !ok || err != nil || ev.Gone != gone || ev.RoutingID != nil || ev.Endpoint != pull.Addr() {
			t.Fatalf("%+v, %v, %t; want gone %t", ev, err, ok, gone)
		}
	}
	for range 5 {
		push := zmqiotest.Open(t, zmq.PUSH, zmqio.StreamConfig{Loop: loop, Connect: []string{pull.Addr()}})
		wants(false)
		zmqiotest.Must(t, push.Abort())
		wants(true)
	}
	zmqiotest.Must(t, before.Abort())
	wants(true)
	zmqiotest.Open(t, zmq.PUSH, zmqio.StreamConfig{Loop: loop, Connect: []string{pull.Addr()}})
	wants(false)
	quiet()
	addr := pull.Addr()
	zmqiotest.Open(t, zmq.PUSH, zmqio.StreamConfig{Loop: loop, Connect: []string{pull.Addr()}})
	wants(false)
	zmqiotest.Must(t, pull.Transport().Unbind(addr))
	for range 2 {
		ev, err, ok := next()
		if !ok || err != nil || !ev.Gone || ev.Endpoint != addr {
			t.Fatalf("%+v, %v, %t", ev, err, ok)
		}
	}
}

// Peers reports the peers of each endpoint that the stream is bound to, in whatever form libzmq
// writes it. Their end comes with the endpoint's.
func TestStreamPeersThroughEndpoints(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	loop := zmqiotest.RunLoop(t, nil)
	for _, c := range []struct {
		typ, peer zmq.SocketType
		id        string
	}{{zmq.ROUTER, zmq.DEALER, "dealer"}, {zmq.PULL, zmq.PUSH, ""}} {
		for _, endpoint := range []string{"tcp://*:*", "ipc://" + t.TempDir() + "/socket"} {
			s := zmqiotest.Open(t, c.typ, zmqio.StreamConfig{Loop: loop, Bind: []string{endpoint}})
			addr := s.Addr()
			next, end := iter.Pull2(s.Peers(ctx))
			defer end()
			peer := zmqiotest.Open(t, c.peer, zmqio.StreamConfig{
				Loop: loop, Connect: []string{strings.Replace(addr, "0.0.0.0", "127.0.0.1", 1)},
				Configure: func(o zmq.Sockopts) error { return o.SetRoutingID([]byte("dealer")) },
			})
			zmqiotest.Must(t, peer.Send(ctx, []byte("hello")))
			for _, gone := range []bool{false, true} {
				if ev, err, ok := next(); !ok || err != nil || ev.Gone != gone || ev.Endpoint != addr || string(ev.RoutingID) != c.id {
					t.Fatalf("%v, %s: %+v, %v, %t; want gone %t", c.typ, addr, ev, err, ok, gone)
				}
				if !gone {
					zmqiotest.Must(t, s.Transport().Unbind(addr))
				}
			}
		}
	}
}

// The events end with the context. The stream counts the events that a slow reader misses.
func TestStreamPeersEnd(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	loop := zmqiotest.RunLoop(t, nil)
	router := openRouter(t, loop, 0)
	cause := errors.New("enough")
	short, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ends := keepBook(router.Peers(short))
	slow := router.Peers(ctx)
	b := keepBook(router.Peers(ctx))
	drain(t, router)
	const peers = 600 // each peer comes and goes
	for n := range peers {
		s := openNamed(t, loop, "peer", router.Addr())
		zmqiotest.Must(t, s.Send(ctx, []byte("hello")))
		zmqiotest.Must(t, b.cond.Until(ctx, func() bool { return b.arrived["peer"] == n+1 }))
		zmqiotest.Must(t, s.Abort())
		b.until(ctx, t)
		if n == 0 {
			ends.until(ctx, t)
			cancel(cause)
			<-ends.done
			if ends.err != cause || ends.times("peer") != 1 {
				t.Errorf("%v, %v", ends.err, ends.arrived)
			}
		}
	}
	zmqiotest.Must(t, router.Abort())
	<-b.done
	kept, dropped := 0, ""
	for _, err := range slow {
		switch {
		case errors.Is(err, zmqio.ErrEventsDropped):
			dropped = err.Error()
		case err != nil:
			t.Error(err)
		default:
			kept++
		}
	}
	if want := fmt.Sprint(2*peers - 1024); kept != 1024 || !strings.HasSuffix(dropped, want) {
		t.Errorf("%d events were kept, and %q; want 1024, and %s dropped", kept, dropped, want)
	}
	for ev, err := range router.Peers(ctx) {
		t.Errorf("after the end: %v, %v", ev, err)
	}
	tcp := zmqiotest.Open(t, zmq.STREAM, zmqio.StreamConfig{Loop: loop, Bind: []string{"tcp://127.0.0.1:*"}})
	for _, err := range tcp.Peers(ctx) {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Error(err)
		}
	}
}

// A second Peers does not make peers come again that the first has reported.
func TestStreamPeersTwice(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	loop := zmqiotest.RunLoop(t, nil)
	router := openRouter(t, loop, 0)
	first := keepBook(router.Peers(ctx))
	peer := openNamed(t, loop, "peer", router.Addr())
	for n := range 2 {
		zmqiotest.Must(t, peer.Send(ctx, []byte("hello")))
		if _, err := router.Recv(ctx); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			router.Peers(ctx)
		}
	}
	zmqiotest.Must(t, router.Abort())
	<-first.done
	if n := first.times("peer"); n != 1 {
		t.Errorf("the peer came %d times", n)
	}
	first.check(t)
	zmqiotest.Must(t, peer.Abort())
}
