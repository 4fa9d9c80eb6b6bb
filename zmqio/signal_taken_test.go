package zmqio

import (
	"errors"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/outbox"
	"github.com/zmqio/zmq/zmqio/internal/poll"
)

// awaitSignal waits until ZMQ_FD of tr is readable, and does not consume the signal.
func awaitSignal(t *testing.T, tr *Transport) {
	t.Helper()
	p, err := poll.New()
	must(t, err)
	must(t, p.Add(tr.fd, poll.Read, 1))
	n := 0
	for n == 0 {
		n, err = p.Wait(make([]poll.Event, 2), -1)
		must(t, err)
	}
	must(t, p.Close())
}

// A message arrives although a failing Write consumes its signal.
func TestFailedWriteLosesNoSignal(t *testing.T) {
	for _, size := range []int{100, 2 * outbox.BatchBytes} {
		leakCheck(t)
		l, peers := newLoop(t), newLoop(t)
		runAside(t, l)
		runAside(t, peers)
		got := make(chan struct{}, 1)
		tell := func(ch chan struct{}) *recorder { return &recorder{onMsg: func([][]byte) { ch <- struct{}{} }} }

		cfg := bindTo(anyPort)
		cfg.Configure = func(o zmq.Sockopts) error { return o.SetRouterMandatory(true) }
		router := create(t, l, tell(got), zmq.ROUTER, cfg)
		dealer := create(t, peers, BaseProtocol{}, zmq.DEALER, connectTo(router.Listeners()...))
		must(t, dealer.Write(msg("first")))
		<-got
		failWhileAMessageComes(t, router, dealer, size, zmq.EHOSTUNREACH)
		<-got

		asked := make(chan struct{}, 1)
		rep := create(t, peers, tell(asked), zmq.REP, bindTo(anyPort))
		req := create(t, l, tell(got), zmq.REQ, connectTo(rep.Listeners()...))
		must(t, req.Write(msg("question")))
		<-asked
		failWhileAMessageComes(t, req, rep, size, zmq.EFSM)
		<-got
	}
}

// failWhileAMessageComes sends tr a message while its loop is busy, and then makes a write of tr
// fail.
func failWhileAMessageComes(t *testing.T, tr, from *Transport, size int, want zmq.Errno) {
	t.Helper()
	busy, free := make(chan struct{}), make(chan struct{})
	defer close(free)
	soon(t, tr.loop, func() {
		close(busy)
		<-free
	})
	<-busy
	must(t, from.Write(msg("comes")))
	awaitSignal(t, tr)
	if err := tr.Write([][]byte{[]byte("nobody"), make([]byte, size)}); !errors.Is(err, want) {
		t.Errorf("write: %v, want %v", err, want)
	}
}
