package fault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
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

// A peer goes while the queue of the socket is full. libzmq then does not look at the connection
// again, not even when the socket closes. A socket that cannot send must not stay for that.
func TestCloseAfterUnreadPeerWent(t *testing.T) {
	for typ, peerType := range map[zmq.SocketType]string{zmq.PULL: "PUSH", zmq.SUB: "PUB"} {
		for _, transport := range []string{"tcp", "ipc"} {
			t.Run(fmt.Sprintf("%v/%s", typ, transport), func(t *testing.T) {
				closeAfterUnreadPeerWent(t, typ, peerType, transport)
			})
		}
	}
}

func closeAfterUnreadPeerWent(t *testing.T, typ zmq.SocketType, peerType, transport string) {
	checkLeaks(t)
	ctx := bounded(t, hang)
	p := newPeer(nil)
	tr := create(t, newLoop(t, nil), p, typ, zmqio.ConnectionConfig{
		Bind: []string{freeEndpoint(t, transport)},
		Configure: func(s zmq.Sockopts) error { // libzmq itself gives a SUB no LINGER
			return errors.Join(s.SetRcvHWM(1), s.SetLinger(zmq.Forever))
		},
	})
	if typ == zmq.SUB {
		must(t, tr.Subscribe(""))
	}
	must(t, tr.PauseReading())
	endpoint := tr.Listeners()[0]
	stranger := shakeHands(t, endpoint, peerType)
	_, err := stranger.Write(bytes.Repeat([]byte{0, 1, 'x'}, 5000))
	must(t, err)
	must(t, awaitReadable(ctx, tr))
	if conn, ok := stranger.(*net.TCPConn); ok {
		must(t, conn.SetLinger(0)) // only a reset is a hang-up
	}
	must(t, stranger.Close())
	must(t, shakeHands(t, endpoint, peerType).Close()) // libzmq hears of the hang-up before it greets
	closed := tr.Closed()
	must(t, tr.Close())
	must(t, p.ended(ctx))
	select {
	case <-closed:
	case <-ctx.Done():
		t.Errorf("the socket stays: %v", context.Cause(ctx))
	}
}
