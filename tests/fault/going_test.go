package fault

import (
	"errors"
	"strconv"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// Bound senders are aborted while their receivers go, with messages on their way. libzmq must close
// the sockets, or the context never ends. Without lettingGoLocked in Bind, one round in 15 leaves a
// socket.
func TestAbortWhileReceiversGo(t *testing.T) {
	for i := range form(60, 3000) {
		t.Run(strconv.Itoa(i), abortWhileReceiversGo)
	}
}

func abortWhileReceiversGo(t *testing.T) {
	checkLeaks(t)
	const pairs, messages = 32, 50
	ctx := bounded(t, hang)
	senders := newLoop(t, &zmqio.LoopConfig{Context: sharedContext(t)})
	receivers := newLoop(t, &zmqio.LoopConfig{Context: sharedContext(t)})
	little := func(s zmq.Sockopts) error { // libzmq keeps most of the messages
		return errors.Join(s.SetRcvHWM(1), s.SetSndBuf(4*kib), s.SetRcvBuf(4*kib))
	}
	var (
		outs, ins []*zmqio.Transport
		peers     []*peer
	)
	for range pairs {
		out, in := newPeer(nil), newPeer(nil)
		peers = append(peers, out, in)
		outs = append(outs, create(t, senders, out, zmq.PUSH, zmqio.ConnectionConfig{Bind: []string{"tcp://127.0.0.1:*"}, Configure: little}))
		ins = append(ins, create(t, receivers, in, zmq.PULL, zmqio.ConnectionConfig{Connect: outs[len(outs)-1].Listeners(), Configure: little}))
	}
	for i, in := range ins {
		must(t, in.PauseReading())
		for range messages {
			must(t, outs[i].WriteContext(ctx, [][]byte{make([]byte, kib)}))
		}
	}
	gone := make(chan error)
	go func() {
		var errs []error
		for _, in := range ins {
			errs = append(errs, in.Abort())
		}
		gone <- errors.Join(errs...)
	}()
	for _, out := range outs {
		must(t, out.Abort())
	}
	must(t, <-gone)
	for _, p := range peers {
		must(t, p.ended(ctx))
	}
}
