package zmqio_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// listen is Listen on a free port. It ends the program if this fails.
func listen(ctx context.Context, typ zmq.SocketType) *zmqio.Stream {
	s, err := zmqio.Listen(ctx, typ, "tcp://127.0.0.1:*")
	if err != nil {
		log.Fatal(err)
	}
	return s
}

// Each of ZeroMQ's three devices is one line.
func ExampleRunProxy() {
	ctx, stop := context.WithCancel(context.Background())
	type device struct{ front, back *zmqio.Stream }
	queue := device{listen(ctx, zmq.ROUTER), listen(ctx, zmq.DEALER)}
	forwarder := device{listen(ctx, zmq.XSUB), listen(ctx, zmq.XPUB)}
	streamer := device{listen(ctx, zmq.PULL), listen(ctx, zmq.PUSH)}
	ended := make(chan error)

	go func() { ended <- zmqio.RunProxy(ctx, queue.front, queue.back, nil) }()         // requests to workers
	go func() { ended <- zmqio.RunProxy(ctx, forwarder.front, forwarder.back, nil) }() // publishers to subscribers
	go func() { ended <- zmqio.RunProxy(ctx, streamer.front, streamer.back, nil) }()   // work to workers

	push, err := zmqio.Dial(ctx, zmq.PUSH, streamer.front.Addr())
	if err != nil {
		log.Fatal(err)
	}
	defer push.Close()
	pull, err := zmqio.Dial(ctx, zmq.PULL, streamer.back.Addr())
	if err != nil {
		log.Fatal(err)
	}
	defer pull.Close()
	if err := push.Send(ctx, []byte("sweep"), []byte("the floor")); err != nil {
		log.Fatal(err)
	}
	msg, err := pull.Recv(ctx)
	fmt.Printf("%s %v\n", msg, err)
	stop()
	for range 3 { // a proxy that has not begun returns the error of ctx
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			log.Fatal(err)
		}
	}
	for _, d := range []device{queue, forwarder, streamer} {
		_ = d.front.Close()
		_ = d.back.Close()
	}
	// Output:
	// [sweep the floor] <nil>
}

// A filter answers some requests itself. Stats count what it did.
func ExampleProxyConfig_filter() {
	ctx, stop := context.WithCancel(context.Background())
	front, back := listen(ctx, zmq.ROUTER), listen(ctx, zmq.DEALER)
	defer front.Close()
	defer back.Close()
	p, err := zmqio.NewProxy(front, back, &zmqio.ProxyConfig{
		Filter: func(d zmqio.ProxyDirection, msg zmqio.Message) (forward, answer [][]byte) {
			if last := len(msg.Frames) - 1; d == zmqio.FrontToBack && string(msg.Frames[last]) == "ping" {
				return nil, append(msg.Frames[:last], []byte("pong")) // behind the routing id and the empty frame
			}
			return msg.Frames, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- p.Run(ctx) }()

	req, err := zmqio.Dial(ctx, zmq.REQ, front.Addr())
	if err != nil {
		log.Fatal(err)
	}
	defer req.Close()
	if err := req.Send(ctx, []byte("ping")); err != nil {
		log.Fatal(err)
	}
	msg, err := req.Recv(ctx)
	fmt.Printf("%s %v\n", msg, err)
	stop()
	fmt.Println(<-ended)
	figures := p.Stats().ToBack
	fmt.Println(figures.Messages, "received,", figures.Dropped, "dropped,", figures.Answered, "answered")
	// Output:
	// [pong] <nil>
	// <nil>
	// 1 received, 1 dropped, 1 answered
}
