package conformance

import (
	"errors"
	"slices"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// A socket that always has another message delays neither other sockets nor timers nor callbacks:
// each has its turn after a few batches.
func TestHotSocketGivesOthersTheirTurn(t *testing.T) {
	t.Run("small", func(t *testing.T) { wantTurns(t, false, 1) })
	t.Run("small, lent", func(t *testing.T) { wantTurns(t, true, 1) })
	t.Run("large, lent", func(t *testing.T) { wantTurns(t, true, 10<<10) })
	mixed := slices.Repeat([]int{1}, 250)
	t.Run("mixed, lent", func(t *testing.T) { wantTurns(t, true, append(mixed, 9<<10)...) })
}

// wantTurns checks that each other callback has its turn while messages of these sizes come without
// end.
func wantTurns(t *testing.T, lent bool, sizes ...int) {
	const bound = 5000 // messages
	ctx, l := newContext(t)
	push := create(t, l, zmqio.BaseProtocol{}, zmq.PUSH, bindTo("inproc://cool"))
	n, end := 0, 0
	turns := make(map[string]int) // after how many messages each callback had its turn
	turn := func(who string) func() {
		return func() { turns[who] = n; l.Stop() }
	}
	create(t, l, receiver{received: func([][]byte) { turn("socket")() }}, zmq.PULL, connectTo("inproc://cool"))
	feed := newHot(t, ctx, l, sizes, lent, func() bool {
		if n == 0 {
			writeAll(t, push, "x")
			soon(t, l, turn("callback"))
			later(t, l, 0, turn("timer"))
		}
		n++
		return n < end
	})
	for range 20 {
		clear(turns)
		n, end = 0, 2*bound
		for range 1000 { // a batch is needed to get through all
			feed()
		}
		await(t, l, func() bool { return len(turns) == 3 })
		for who, after := range turns {
			if after > bound {
				t.Fatalf("the %s had its turn after %d messages", who, after)
			}
		}
	}
}

// newHot returns a function that sends a message to a transport of l, from outside. Each message
// that comes makes it send another while next returns true.
func newHot(t *testing.T, ctx *zmq4.Context, l *zmqio.EventLoop, sizes []int, lent bool, next func() bool) (feed func()) {
	z := rawSocket(t, ctx, zmq4.PUSH)
	must(t, z.SetSndhwm(0))
	must(t, z.SetLinger(0))
	n := 0
	feed = func() {
		_, err := z.SendBytes(make([]byte, sizes[n%len(sizes)]), zmq4.DONTWAIT)
		n++
		must(t, err)
	}
	create(t, l, receiver{received: func([][]byte) {
		if next() {
			feed()
		}
	}}, zmq.PULL, zmqio.ConnectionConfig{
		BorrowFrames: lent, Bind: []string{"inproc://hot"}, Configure: func(o zmq.Sockopts) error { return o.SetRcvHWM(0) },
	})
	must(t, z.Connect("inproc://hot"))
	return feed
}

// A transport with much to send, to a peer that takes everything, lets others have their turn
// meanwhile.
func TestFlushGivesOthersTheirTurn(t *testing.T) {
	l := newLoop(t, nil)
	unlimited := func(o zmq.Sockopts) error { return errors.Join(o.SetSndHWM(0), o.SetRcvHWM(0)) }
	push := create(t, l, zmqio.BaseProtocol{}, zmq.PUSH, zmqio.ConnectionConfig{Bind: []string{"inproc://much"}, Configure: unlimited})
	for range 300 {
		must(t, push.Write([][]byte{make([]byte, 32<<10)}))
	}
	total := push.WriteBufferSize()
	create(t, l, zmqio.BaseProtocol{}, zmq.PULL, zmqio.ConnectionConfig{Connect: []string{"inproc://much"}, Configure: unlimited})
	most, before := 0, total
	var look func() // called in each turn
	look = func() {
		left := push.WriteBufferSize()
		most, before = max(most, before-left), left
		if left == 0 {
			l.Stop()
			return
		}
		soon(t, l, look)
	}
	soon(t, l, look)
	run(t, l)
	if most > total/5 {
		t.Errorf("%d of %d bytes went out in one turn", most, total)
	}
}
