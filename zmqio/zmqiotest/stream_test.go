package zmqiotest_test

import (
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// A message passes between the Streams of every pattern.
func TestStreams(t *testing.T) {
	for _, pair := range [][2]zmq.SocketType{
		{zmq.PUSH, zmq.PULL}, {zmq.PAIR, zmq.PAIR}, {zmq.DEALER, zmq.ROUTER}, {zmq.REQ, zmq.REP}, {zmq.DEALER, zmq.REP}, {zmq.XPUB, zmq.SUB},
	} {
		for _, senderBinds := range []bool{true, false} {
			t.Run(pair[0].String()+" to "+pair[1].String(), func(t *testing.T) {
				zmqiotest.CheckLeaks(t)
				ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
				cfg := zmqio.StreamConfig{}
				if pair[1] == zmq.SUB {
					cfg.Subscribe = []string{"x"}
				}
				var from, to *zmqio.Stream
				if senderBinds {
					from, to = zmqiotest.Streams(t, pair[0], pair[1], cfg)
				} else {
					to, from = zmqiotest.Streams(t, pair[1], pair[0], cfg)
				}
				msg := [][]byte{[]byte("x"), []byte("y")}
				switch pair {
				case [2]zmq.SocketType{zmq.XPUB, zmq.SUB}:
					zmqiotest.Must(t, from.WaitSubscribed(ctx, "x", 1))
				case [2]zmq.SocketType{zmq.DEALER, zmq.REP}:
					msg = append([][]byte{nil}, msg...)
				}
				zmqiotest.Must(t, from.Send(ctx, msg...))
				got, err := to.Recv(ctx)
				if err != nil || string(got[len(got)-1]) != "y" {
					t.Errorf("got %q, %v", got, err)
				}
			})
		}
	}
}
