package zmqio

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/zmqio/zmq"
)

func TestShutdownFlushesToALatePeer(t *testing.T) {
	for _, elsewhere := range []bool{false, true} {
		leakCheck(t)
		l, peer := newLoop(t), newLoop(t)
		runAside(t, peer)
		if elsewhere {
			runAside(t, l)
		}
		p := &recorder{}
		tr := blocked(t, l, p)
		const n = 5000 // more than libzmq's own queues take
		for range n {
			must(t, tr.Write(msg("x")))
		}
		result := make(chan error, 1)
		go func() { result <- l.Shutdown(bounded(t)) }()
		endpoint := tr.Listeners()[0]
		for !tr.IsClosing() {
		}
		got, all := 0, make(chan struct{})
		create(t, peer, &recorder{onMsg: func([][]byte) {
			if got++; got == n {
				close(all)
			}
		}}, zmq.PULL, connectTo(endpoint))
		<-all
		must(t, <-result)
		if got := strings.Join(p.got(), " "); got != "made lost" || p.err != nil {
			t.Errorf("%s, %v", got, p.err)
		}
		must(t, l.Shutdown(bounded(t))) // nothing is left to do
		create(t, l, BaseProtocol{}, zmq.PUSH, bindTo(anyPort))
	}
}

func TestShutdownSaysWhatIsLeft(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	tr := blocked(t, l, BaseProtocol{})
	empty := create(t, l, BaseProtocol{}, zmq.PULL, bindTo(anyPort))
	name := strings.TrimSuffix(tr.String(), ">")
	must(t, tr.Write(msg("12", "3")))
	ctx, cancel := context.WithCancelCause(bounded(t))
	mine := errors.New("mine")
	empty.SetProtocol(&recorder{onLost: func(error) { cancel(mine) }})
	err := l.Shutdown(ctx)
	if !errors.Is(err, mine) || !errors.Is(err, ErrUndelivered) || !strings.Contains(err.Error(), name) ||
		!strings.Contains(err.Error(), "1 message, 3 bytes") {
		t.Error(err)
	}
	if !tr.IsClosing() {
		t.Error("the transport is open")
	}
	must(t, l.Close())
	if err := l.Shutdown(bounded(t)); !errors.Is(err, ErrLoopClosed) {
		t.Error(err)
	}
}

func TestShutdownOnTheLoop(t *testing.T) {
	leakCheck(t)
	l, other := newLoop(t), newLoop(t)
	soon(t, l, func() {
		if err := l.Shutdown(bounded(t)); !errors.Is(err, ErrWouldDeadlock) {
			t.Error(err)
		}
		if err := other.Shutdown(bounded(t)); !errors.Is(err, ErrLoopRunning) {
			t.Error(err)
		}
	})
	pass(t, l)
}

// A protocol that connects again in ConnectionLost does not outlive the loop's transports.
func TestShutdownClosesLateTransports(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	runAside(t, l)
	var second *recorder
	create(t, l, &recorder{onLost: func(error) {
		second = &recorder{}
		create(t, l, second, zmq.PULL, bindTo(anyPort))
	}}, zmq.PULL, bindTo(anyPort))
	must(t, l.Shutdown(bounded(t)))
	if got := strings.Join(second.got(), " "); got != "made lost" {
		t.Error(got)
	}
}

// A goroutine that creates transports on an idle loop can neither keep Shutdown beyond its time nor
// keep the transports open.
func TestShutdownWhileCreating(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	tr := blocked(t, l, BaseProtocol{})
	must(t, tr.Write(msg("x")))
	made, leave := make(chan struct{}), make(chan struct{})
	created := make(chan error, 1)
	go func() {
		_, _, err := l.CreateZmqConnection(bounded(t), func() Protocol {
			return &recorder{onMade: func(*Transport) { close(made); <-leave }}
		}, zmq.PULL, ConnectionConfig{Bind: []string{}})
		created <- err
	}()
	<-made
	ctx, cancel := context.WithCancelCause(bounded(t))
	mine := errors.New("mine")
	result := make(chan error, 1)
	asked := asked{ctx, make(chan struct{}, 1)}
	go func() { result <- l.Shutdown(asked) }()
	<-asked.done // Shutdown waits for the goroutine that creates
	cancel(mine)
	err := <-result
	if !errors.Is(err, mine) || !errors.Is(err, ErrUndelivered) {
		t.Error(err)
	}
	close(leave)
	<-created
}

// asked is a context that reports when a goroutine waits for its end.
type asked struct {
	context.Context
	done chan struct{}
}

func (c asked) Done() <-chan struct{} {
	select {
	case c.done <- struct{}{}:
	default:
	}
	return c.Context.Done()
}

// Debug mode watches transports for collection. Shutdown ends some while they are made.
func TestShutdownWhileCreatingInDebugMode(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	l.SetDebug(true)
	runAside(t, l)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	var created atomic.Bool
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for !created.Load() {
			_ = l.Shutdown(over) // returns the error of over
		}
	}()
	for range 200 {
		tr, _, err := l.CreateZmqConnection(bounded(t), func() Protocol { return BaseProtocol{} }, zmq.PULL, bindTo())
		if err == nil { // else Shutdown came first
			must(t, tr.Abort())
		}
	}
	created.Store(true)
	<-ended
}
