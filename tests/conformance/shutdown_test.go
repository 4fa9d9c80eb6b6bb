package conformance

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// drivers run the loop during Shutdown: Shutdown itself, or another goroutine.
var drivers = map[string]func(testing.TB, *zmqio.EventLoop, func(context.Context) error){
	"itself":  func(t testing.TB, _ *zmqio.EventLoop, fn func(context.Context) error) { must(t, fn(bounded(t))) },
	"another": func(t testing.TB, l *zmqio.EventLoop, fn func(context.Context) error) { must(t, l.Run(bounded(t), fn)) },
}

// Shutdown sends everything written, also to peers that come after it has begun. The loop can be
// used and shut down again.
func TestShutdown(t *testing.T) {
	for name, drive := range drivers {
		t.Run(name, func(t *testing.T) {
			peers, l := newLoop(t, nil), newLoop(t, nil)
			begun := make(chan struct{})
			create(t, l, &recorder{live: true, onLost: func(error) { close(begun) }}, zmq.PULL, bindTo(anyPort))
			const transports, each = 5, 2000 // more than libzmq's own queues take
			var all []*recorder
			var endpoints []string
			for range transports {
				p := &recorder{live: true}
				tr := blocked(t, l, p)
				writeAll(t, tr, numbers(each)...)
				all, endpoints = append(all, p), append(endpoints, tr.Listeners()[0])
			}
			arrived := make(chan error, 1)
			go func() {
				<-begun
				arrived <- receiveAll(t, peers, endpoints, each)
			}()
			drive(t, l, l.Shutdown)
			must(t, <-arrived)
			for _, p := range all {
				if got := strings.Join(p.happened(), " "); got != "made lost" && got != "made pause lost" || p.lostWith() != nil {
					t.Errorf("called %q, lost with %v", got, p.lostWith())
				}
			}
			drive(t, l, l.Shutdown) // nothing is left to do
			push := blocked(t, l, zmqio.BaseProtocol{})
			pull := pullFrom(t, l, push)
			writeAll(t, push, "again")
			await(t, l, pull.has(1))
			pull.live = true
			drive(t, l, l.Shutdown)
			pull.wants(t, "made lost", "again")
			must(t, peers.Close()) // closes both before the leak check of each
			must(t, l.Close())
		})
	}
}

// receiveAll runs l until a PULL at each endpoint has received n messages in order.
func receiveAll(t *testing.T, l *zmqio.EventLoop, endpoints []string, n int) error {
	want := numbers(n)
	var left atomic.Int64
	left.Store(int64(len(endpoints) * n))
	all := make(chan struct{})
	return l.Run(bounded(t), func(ctx context.Context) error {
		for _, endpoint := range endpoints {
			next := 0
			p := receiver{received: func(m [][]byte) {
				if next == n || text(m) != want[next] {
					t.Errorf("got %q as message %d", m, next)
				}
				next++
				if left.Add(-1) == 0 {
					close(all)
				}
			}}
			if _, _, err := l.CreateZmqConnection(ctx, func() zmqio.Protocol { return p }, zmq.PULL, connectTo(endpoint)); err != nil {
				return err
			}
		}
		select {
		case <-all:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
}

// If its context ends, Shutdown names each transport that has messages left, with their number. It
// does not name the others.
func TestShutdownEnds(t *testing.T) {
	for name, drive := range drivers {
		t.Run(name, func(t *testing.T) {
			l := newLoop(t, nil)
			mine := errors.New("mine")
			var names []string
			var all []*recorder
			add := func(count int) {
				p := &recorder{live: true}
				tr := blocked(t, l, p)
				for range count {
					must(t, tr.Write(msg("four", "ty")))
				}
				if count > 0 {
					names = append(names, strings.TrimSuffix(tr.String(), ">"))
				}
				all = append(all, p)
			}
			add(3)
			add(0)
			add(5)
			drive(t, l, func(ctx context.Context) error {
				ended, cancel := context.WithCancelCause(ctx)
				empty := all[1]
				empty.onLost = func(error) { cancel(mine) } // Shutdown has begun
				err := l.Shutdown(ended)
				for _, want := range []error{mine, zmqio.ErrUndelivered} {
					wants(t, err, want)
				}
				for _, part := range append(names, "3 messages, 18 bytes", "5 messages, 30 bytes") {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("%q is not in %v", part, err)
					}
				}
				if strings.Count(err.Error(), "<Transport") != 2 {
					t.Errorf("%v", err)
				}
				return nil
			})
			pass(t, l) // ConnectionLost may come later
			for _, p := range all {
				p.wants(t, "made lost")
			}
			must(t, l.Shutdown(bounded(t)))
			must(t, l.Close())
			wants(t, l.Shutdown(bounded(t)), zmqio.ErrLoopClosed)
		})
	}
}

// In a callback of the loop Shutdown would wait for itself.
func TestShutdownWouldDeadlock(t *testing.T) {
	l := newLoop(t, nil)
	p := &recorder{}
	tried := 0
	try := func() {
		tried++
		wants(t, l.Shutdown(bounded(t)), zmqio.ErrWouldDeadlock)
	}
	p.onMade = func(*zmqio.Transport) { try() }
	p.onMsg = func([][]byte) { try() }
	p.onLost = func(error) { try() }
	push := blocked(t, l, zmqio.BaseProtocol{})
	writeAll(t, push, "x")
	pull := create(t, l, p, zmq.PULL, connectTo(push.Listeners()...))
	await(t, l, p.has(1))
	soon(t, l, try)
	pass(t, l)
	if pull.IsClosing() {
		t.Error("a call that was refused closed a transport")
	}
	must(t, pull.Close())
	await(t, l, p.did("lost"))
	if tried != 4 {
		t.Errorf("tried %d times", tried)
	}
}
