package zmqio

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
)

// A second connect of a type that connects once returns the endpoint of the first. Its end does not
// end another connection.
func TestConnectAgain(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	const a, b = "tcp://127.0.0.1:9", "tcp://127.0.0.1:7"
	for typ, once := range map[zmq.SocketType]bool{zmq.DEALER: true, zmq.SUB: true, zmq.PUB: true, zmq.REQ: true, zmq.PUSH: false} {
		tr := create(t, l, BaseProtocol{}, typ, connectTo(a, b))
		_, err := tr.Bind(anyPort)
		must(t, err)
		if got, err := tr.Connect(a); got != a || err != nil {
			t.Errorf("%v: connected again to %q, %v", typ, got, err)
		}
		must(t, tr.Disconnect(a))
		if err := tr.Disconnect(a); !errors.Is(err, zmq.ENOENT) {
			t.Errorf("%v: disconnected again: %v", typ, err)
		}
		if got := tr.Connections(); !slices.Equal(got, []string{b}) {
			t.Errorf("%v (once: %t): connections %q", typ, once, got)
		}
		must(t, tr.Abort())
	}
}

// libzmq unbinds in a disconnect and the reverse. Unbind and Disconnect refuse each other's
// endpoints.
func TestUnbindNoConnection(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	ipc := fmt.Sprintf("ipc://@zmqio-unbind-%d", os.Getpid())
	for connected, wild := range map[string]string{"tcp://127.0.0.1:9": anyPort, ipc + "-c": ipc, "inproc://unbind-c": "inproc://unbind"} {
		tr := create(t, l, BaseProtocol{}, zmq.PUSH, connectTo(connected))
		bound, err := tr.Bind(wild)
		must(t, err)
		for _, err := range []error{tr.Unbind(connected), tr.Disconnect(bound)} {
			if !errors.Is(err, zmq.ENOENT) {
				t.Errorf("%s: %v, want ENOENT", connected, err)
			}
		}
		if len(tr.Listeners()) != 1 || len(tr.Connections()) != 1 {
			t.Errorf("%v", tr)
		}
		must(t, tr.Disconnect(connected))
		must(t, tr.Unbind(bound))
		must(t, tr.Abort())
	}
}

// A socket has at most one transport.
func TestSocketHasATransport(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	z, err := l.context.NewSocket(zmq4.PULL)
	must(t, err)
	cfg := ConnectionConfig{Socket: z}
	p := &recorder{onMsg: func([][]byte) { l.Stop() }}
	tr := create(t, l, p, zmq.PULL, cfg)
	_, _, err = l.CreateZmqConnection(bounded(t), func() Protocol { return BaseProtocol{} }, zmq.PULL, cfg)
	if !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("a second transport: %v", err)
	}
	bound, err := tr.Bind(anyPort)
	must(t, err)
	must(t, create(t, l, BaseProtocol{}, zmq.PUSH, connectTo(bound)).Write(msg("x")))
	must(t, l.RunForever(bounded(t)))
	must(t, tr.Abort())
}

// A transport is disconnected repeatedly from peers that send long messages. libzmq would end the
// process if it had received part of one.
func TestDisconnectAmidMessages(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	runAside(t, l)
	long := make([][]byte, 5000) // more than one receive takes
	for i := range long {
		long[i] = []byte("x")
	}
	for from, to := range map[zmq.SocketType]zmq.SocketType{zmq.PUSH: zmq.PULL, zmq.PUB: zmq.SUB, zmq.DEALER: zmq.ROUTER} {
		frames := len(long)
		if to == zmq.ROUTER {
			frames++
		}
		// Over TCP libzmq may also end the process when such a sender is aborted.
		at := fmt.Sprintf("inproc://amid-%v", from)
		sender := create(t, l, BaseProtocol{}, from, bindTo(at))
		got := make(chan int, 1000)
		in := create(t, l, &recorder{onMsg: func(m [][]byte) { got <- len(m) }}, to, ConnectionConfig{Connect: []string{}})
		if to == zmq.SUB {
			must(t, in.Subscribe(""))
		}
		for range 20 {
			_, err := in.Connect(at)
			must(t, err)
			for n := 0; n < 3; { // while others are on their way
				must(t, sender.WriteContext(bounded(t), long))
				select {
				case have := <-got:
					if n++; have != frames {
						t.Fatalf("%v got %d frames of %d", to, have, frames)
					}
				default:
				}
			}
			_, err = in.Sockopts().Events() // takes a frame from a pipe on some types
			must(t, err)
			must(t, in.Disconnect(at))
			for len(got) > 0 {
				<-got
			}
		}
		must(t, in.Abort())
		must(t, sender.Abort())
	}
}
