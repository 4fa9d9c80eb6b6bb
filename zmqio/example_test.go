package zmqio_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"syscall"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// A worker prints its messages, and stops after a number of them.
type worker struct {
	zmqio.BaseProtocol
	left  int
	quiet bool
	done  chan struct{}
}

func (w *worker) MsgReceived(msg [][]byte) {
	if !w.quiet {
		fmt.Printf("%s %s\n", msg[0], msg[1])
	}
	if w.left--; w.left == 0 {
		close(w.done)
	}
}

// Two transports share one loop. The body of Run is ordinary Go on another goroutine.
func ExampleEventLoop_Run() {
	loop, err := zmqio.NewEventLoop(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer loop.Close()
	err = loop.Run(context.Background(), func(ctx context.Context) error {
		newWorker := func() *worker { return &worker{left: 2, done: make(chan struct{})} }
		pull, w, err := zmqio.CreateZmqConnection(ctx, loop, newWorker, zmq.PULL,
			zmqio.ConnectionConfig{Bind: []string{"tcp://127.0.0.1:*"}})
		if err != nil {
			return err
		}
		push, _, err := zmqio.CreateZmqConnection(ctx, loop, func() zmqio.BaseProtocol { return zmqio.BaseProtocol{} }, zmq.PUSH,
			zmqio.ConnectionConfig{Connect: pull.Listeners()})
		if err != nil {
			return err
		}
		for _, job := range []string{"sweep", "polish"} {
			if err := push.Write([][]byte{[]byte(job), []byte("the floor")}); err != nil {
				return err
			}
		}
		<-w.done
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// sweep the floor
	// polish the floor
}

// A gate lets a writer through while its transport has room.
type gate struct {
	zmqio.BaseProtocol
	open chan struct{} // has a token while there is room
}

func (g *gate) PauseWriting()  { <-g.open }
func (g *gate) ResumeWriting() { g.open <- struct{}{} }

// wait waits for room.
func (g *gate) wait() {
	<-g.open
	g.open <- struct{}{}
}

// A writer stays at most the marks, and what libzmq holds, ahead of its reader. Write itself never
// waits.
func ExampleTransport_SetWriteBufferLimits() {
	loop, err := zmqio.NewEventLoop(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer loop.Close()
	const n = 5000
	count := &counter{left: n, done: make(chan struct{})}
	err = loop.Run(context.Background(), func(ctx context.Context) error {
		pull, _, err := zmqio.CreateZmqConnection(ctx, loop, func() *counter { return count }, zmq.PULL,
			zmqio.ConnectionConfig{Bind: []string{"inproc://work"}})
		if err != nil {
			return err
		}
		newGate := func() *gate {
			g := &gate{open: make(chan struct{}, 1)}
			g.open <- struct{}{}
			return g
		}
		push, g, err := zmqio.CreateZmqConnection(ctx, loop, newGate, zmq.PUSH, zmqio.ConnectionConfig{
			Connect:   pull.Listeners(),
			Configure: func(o zmq.Sockopts) error { return o.SetSndHWM(10) },
		})
		if err != nil {
			return err
		}
		if err := push.SetWriteBufferLimits(4096, 1024); err != nil {
			return err
		}
		for range n {
			g.wait()
			if err := push.Write([][]byte{make([]byte, 100)}); err != nil {
				return err
			}
		}
		<-count.done
		return nil
	})
	fmt.Println(count.left, "left,", err)
	// Output: 0 left, <nil>
}

type counter struct {
	zmqio.BaseProtocol
	left int
	done chan struct{}
}

func (c *counter) MsgReceived([][]byte) {
	if c.left--; c.left == 0 {
		close(c.done)
	}
}

// An error matches errors.Is under each of its names.
func ExampleTransport_Bind() {
	loop, err := zmqio.NewEventLoop(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer loop.Close()
	t, _, err := loop.CreateZmqConnection(context.Background(), func() zmqio.Protocol { return zmqio.BaseProtocol{} },
		zmq.PULL, zmqio.ConnectionConfig{Bind: []string{"tcp://127.0.0.1:*"}})
	if err != nil {
		log.Fatal(err)
	}
	_, err = t.Bind(t.Listeners()[0])
	fmt.Println(errors.Is(err, zmq.EADDRINUSE), errors.Is(err, syscall.EADDRINUSE))
	_, err = t.Connect("tcp://localhost:5555")
	fmt.Println(errors.Is(err, zmqio.ErrDNSEndpoint))
	// Output:
	// true true
	// true
}
