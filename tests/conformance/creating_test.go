package conformance

import (
	"context"
	"errors"
	"os"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// CreateZmqConnection calls Configure, the factory and ConnectionMade, then makes the endpoints in
// order, and returns.
func TestCreateOrder(t *testing.T) {
	l := newLoop(t, nil)
	var order calls
	var fromCallback *zmqio.Transport
	p := &recorder{onMade: func(tr *zmqio.Transport) {
		fromCallback = tr
		order.add("made")()
		if len(tr.Listeners()) != 0 {
			t.Errorf("bound to %v", tr.Listeners())
		}
		if hwm, err := tr.Sockopts().SndHWM(); hwm != 7 || err != nil {
			t.Errorf("SNDHWM %d, %v", hwm, err)
		}
	}}
	tr, _, err := l.CreateZmqConnection(bounded(t), func() zmqio.Protocol { order.add("factory")(); return p }, zmq.PUSH, zmqio.ConnectionConfig{
		Bind: []string{"inproc://a", "inproc://b", "inproc://a", "inproc://c"}, // the third fails
		Configure: func(o zmq.Sockopts) error {
			order.add("configure")()
			return o.SetSndHWM(7)
		},
	})
	wants(t, err, zmq.EADDRINUSE)
	if tr != nil || len(fromCallback.Listeners()) != 2 {
		t.Errorf("%v, bound %v when it failed", tr, fromCallback.Listeners())
	}
	order.want(t, "configure", "factory", "made")
	await(t, l, p.did("lost"))
	p.wants(t, "made lost")
}

// A message that waits in the socket does not come before ConnectionMade has returned.
func TestConnectionMadeComesFirst(t *testing.T) {
	ctx, l := newContext(t)
	z := rawSocket(t, ctx, zmq4.PULL)
	must(t, z.Bind("inproc://first"))
	push := rawSocket(t, ctx, zmq4.PUSH)
	must(t, push.Connect("inproc://first"))
	for _, s := range numbers(10) {
		_, err := push.Send(s, 0)
		must(t, err)
	}
	p := &recorder{live: true}
	p.onMade = func(*zmqio.Transport) {
		for range 100 {
			runtime.Gosched()
		}
		p.wants(t, "made")
	}
	must(t, l.Run(bounded(t), func(c context.Context) error {
		_, _, err := l.CreateZmqConnection(c, func() zmqio.Protocol { return p }, zmq.PULL, zmqio.ConnectionConfig{Socket: z})
		return errors.Join(err, p.until(c, p.has(10)))
	}))
	p.wants(t, "made", numbers(10)...)
}

// A factory or a Configure that fails or panics leaves nothing open.
func TestProtocolFactoryFails(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // keeps finalizers from closing what the test leaks
	l := newLoop(t, nil)
	reported := caught(l)
	broken := errors.New("broken")
	ok := func() zmqio.Protocol { return &recorder{} }
	create(t, l, &recorder{}, zmq.PULL, bindTo(anyPort)) // makes the context start its threads
	before := countFDs(t)
	for _, c := range []struct {
		factory   func() zmqio.Protocol
		configure func(zmq.Sockopts) error
		want      error
	}{
		{func() zmqio.Protocol { panic(broken) }, nil, broken},
		{func() zmqio.Protocol { return nil }, nil, zmqio.ErrInvalidArgument},
		{nil, nil, zmqio.ErrInvalidArgument},
		{ok, func(zmq.Sockopts) error { return broken }, broken},
		{ok, func(zmq.Sockopts) error { panic(broken) }, broken},
		{ok, func(o zmq.Sockopts) error { return o.SetSndHWM(-1) }, zmq.EINVAL},
	} {
		tr, p, err := l.CreateZmqConnection(bounded(t), c.factory, zmq.PULL, zmqio.ConnectionConfig{Bind: []string{anyPort}, Configure: c.configure})
		if tr != nil || p != nil {
			t.Errorf("%v, %v", tr, p)
		}
		wants(t, err, c.want)
	}
	for ctx := bounded(t); countFDs(t) > before; runtime.Gosched() { // until libzmq has closed in the background
		if ctx.Err() != nil {
			t.Fatalf("%d descriptors, %d before", countFDs(t), before)
		}
	}
	if len(*reported) != 2 {
		t.Errorf("reported %v", *reported)
	}
}

// Socket types that have no descriptor, or do not exist, are refused.
func TestInvalidSocketType(t *testing.T) {
	l := newLoop(t, nil)
	for _, typ := range []zmq.SocketType{-1, 99, zmq.SERVER, zmq.CLIENT} {
		factory := func() zmqio.Protocol { t.Error("a protocol was made"); return &recorder{} }
		_, _, err := l.CreateZmqConnection(bounded(t), factory, typ, bindTo(anyPort))
		wants(t, err, zmqio.ErrSocketType)
		wants(t, err, zmqio.ErrInvalidArgument)
	}
}

// A closed loop creates no transport. A context that has ended keeps the caller from waiting.
func TestCreateRefused(t *testing.T) {
	l := newLoop(t, nil)
	factory := func() zmqio.Protocol { t.Error("a protocol was made"); return &recorder{} }
	mine := errors.New("mine")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(mine)
	_, _, err := l.CreateZmqConnection(ctx, factory, zmq.PULL, bindTo(anyPort))
	wants(t, err, mine)
	must(t, l.Close())
	_, _, err = l.CreateZmqConnection(bounded(t), factory, zmq.PULL, bindTo(anyPort))
	wants(t, err, zmqio.ErrLoopClosed)
}

// Close of the loop limits the linger. Otherwise it would wait for ever for a message that libzmq
// holds without a peer.
func TestLoopCloseDoesNotBlock(t *testing.T) {
	l := newLoop(t, &zmqio.LoopConfig{Linger: 1})
	tr := create(t, l, &recorder{}, zmq.PUSH, connectTo("ipc://"+t.TempDir()+"/nobody"))
	writeAll(t, tr, "undeliverable")
	if linger, err := tr.Sockopts().Linger(); err != nil || linger >= 0 || tr.WriteBufferSize() != 0 {
		t.Fatalf("linger %v, %v, %d bytes buffered", linger, err, tr.WriteBufferSize())
	}
	wants(t, l.Close(), os.ErrDeadlineExceeded)
}
