package zmqiotest_test

import (
	"fmt"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// Every pattern is connected when Pair returns: the first message arrives.
func TestPair(t *testing.T) {
	for _, types := range [][2]zmq.SocketType{
		{zmq.PUSH, zmq.PULL},
		{zmq.PUB, zmq.SUB},
		{zmq.PUB, zmq.XSUB},
		{zmq.XPUB, zmq.SUB},
		{zmq.XPUB, zmq.XSUB},
		{zmq.PAIR, zmq.PAIR},
		{zmq.DEALER, zmq.DEALER},
		{zmq.DEALER, zmq.REP},
		{zmq.REQ, zmq.REP},
		{zmq.REQ, zmq.ROUTER},
		{zmq.DEALER, zmq.ROUTER},
	} {
		for _, swapped := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v to %v, swapped %t", types[0], types[1], swapped), func(t *testing.T) {
				zmqiotest.CheckLeaks(t)
				loop := zmqiotest.RunLoop(t, nil)
				var from, to *zmqiotest.Peer
				if swapped {
					to, from = zmqiotest.Pair(t, loop, types[1], types[0])
				} else {
					from, to = zmqiotest.Pair(t, loop, types[0], types[1])
				}
				switch {
				case types == [2]zmq.SocketType{zmq.DEALER, zmq.REP}:
					from.Send("", "hello")
					to.Want("hello")
				case types[1] == zmq.ROUTER:
					from.Send("hello")
					got := to.Recv()
					if len(got) < 2 || got[len(got)-1] != "hello" {
						t.Errorf("got %q", got)
					}
				default:
					from.Send("hello")
					to.Want("hello")
				}
				zmqiotest.Must(t, from.Transport().Close())
				zmqiotest.Must(t, from.Lost(zmqiotest.Bounded(t, zmqiotest.Patience)))
			})
		}
	}
}

func TestFreeEndpoint(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	loop := zmqiotest.RunLoop(t, nil)
	for _, transport := range []string{"tcp", "ipc", "inproc"} {
		endpoint := zmqiotest.FreeEndpoint(t, transport)
		p := zmqiotest.NewPeer(t, loop, zmq.PULL, zmqio.ConnectionConfig{Bind: []string{endpoint}})
		if l := p.Transport().Listeners(); len(l) != 1 || l[0] != endpoint {
			t.Errorf("bound %q, not %q", l, endpoint)
		}
	}
}

func TestPaused(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	loop := zmqiotest.RunLoop(t, nil)
	p := zmqiotest.NewPeer(t, loop, zmq.PUSH, zmqio.ConnectionConfig{Bind: []string{"tcp://127.0.0.1:*"}})
	zmqiotest.Must(t, p.Transport().SetWriteBufferLimits(0, 0))
	p.Send("nobody is there")
	if !p.Paused() {
		t.Error("the writer may go on")
	}
}

func TestSoon(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	loop := zmqiotest.RunLoop(t, nil)
	var on *zmqio.EventLoop
	zmqiotest.Soon(t, loop, func() { on = zmqio.RunningLoop() })
	if on != loop {
		t.Errorf("called on %v", on)
	}
}

func TestExample(t *testing.T) { testService(t) }
