package zmqio

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/zmqio/zmq"
)

// drains returns a running proxy from a PULL to a PUSH, both bound to inproc endpoints, and a
// function that ends its context.
func drains(t *testing.T, l *EventLoop) (p *Proxy, end context.CancelFunc, done <-chan error) {
	t.Helper()
	front := openStream(t, zmq.PULL, StreamConfig{Loop: l, Bind: []string{"inproc://front"}})
	back := openStream(t, zmq.PUSH, StreamConfig{Loop: l, Bind: []string{"inproc://back"}})
	p, err := NewProxy(front, back, &ProxyConfig{DrainTimeout: time.Hour})
	must(t, err)
	ctx, cancel := context.WithCancel(bounded(t))
	t.Cleanup(cancel)
	ran := make(chan error, 1)
	go func() { ran <- p.Run(ctx) }()
	untilBlocked(t, "select", "(*Proxy).Run(", ran)
	return p, cancel, ran
}

// Run drains messages that have come to the front's socket, also those that the loop has not
// noticed.
func TestProxyDrainsWhatHasCome(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	p, end, done := drains(t, l)
	in := &recorder{}
	create(t, l, in, zmq.PULL, connectTo("inproc://back"))
	push := create(t, l, BaseProtocol{}, zmq.PUSH, connectTo("inproc://front"))
	pass(t, l)
	must(t, push.Write(msg("x")))
	untilReadable(t, p.streams[0]) // takes the signal on ZMQ_FD
	end()
	untilBlocked(t, "select", "(*Proxy).drain(", done)
	if len(done) > 0 {
		t.Fatalf("not drained: %v", <-done)
	}
	passUntil(t, l, func() bool { return len(done) > 0 && len(in.msgs) > 0 })
	if err := <-done; err != nil || p.Stats().ToBack.Messages != 1 {
		t.Errorf("%v, %+v", err, p.Stats())
	}
}

// The end of a stream ends Run while it drains.
func TestProxyStreamEndsAmidDraining(t *testing.T) {
	for i, name := range []string{"front", "back"} {
		t.Run(name, func(t *testing.T) {
			leakCheck(t)
			l := newLoop(t)
			p, end, done := drains(t, l)
			push := create(t, l, BaseProtocol{}, zmq.PUSH, connectTo("inproc://front"))
			must(t, push.Write(msg("x")))
			passUntil(t, l, func() bool { return p.Stats().ToBack.Messages == 1 })
			end()
			untilBlocked(t, "select", "(*Proxy).drain(", done)
			must(t, p.streams[i].Abort())
			select {
			case err := <-done:
				if !errors.Is(err, ErrTransportClosed) {
					t.Error(err)
				}
			case <-bounded(t).Done():
				t.Fatal("Run goes on")
			}
		})
	}
}
