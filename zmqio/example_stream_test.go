package zmqio_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"strings"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// Two streams talk in one program. They need no other setup.
func ExampleDial() {
	ctx := context.Background()
	pull, err := zmqio.Listen(ctx, zmq.PULL, "tcp://127.0.0.1:*")
	if err != nil {
		log.Fatal(err)
	}
	defer pull.Close()
	push, err := zmqio.Dial(ctx, zmq.PUSH, pull.Addr())
	if err != nil {
		log.Fatal(err)
	}
	defer push.Close()
	if err := push.Send(ctx, []byte("sweep"), []byte("the floor")); err != nil {
		log.Fatal(err)
	}
	msg, err := pull.Recv(ctx)
	fmt.Printf("%s %v\n", msg, err)
	// Output: [sweep the floor] <nil>
}

// A REP answers the requests of a REQ, one after the other.
func ExampleStream_request() {
	ctx := context.Background()
	rep, err := zmqio.Listen(ctx, zmq.REP, "tcp://127.0.0.1:*")
	if err != nil {
		log.Fatal(err)
	}
	defer rep.Close()
	go func() {
		for msg, err := range rep.Messages(ctx) {
			if err != nil || rep.Send(ctx, []byte(strings.ToUpper(string(msg[0])))) != nil {
				return
			}
		}
	}()
	req, err := zmqio.Dial(ctx, zmq.REQ, rep.Addr())
	if err != nil {
		log.Fatal(err)
	}
	defer req.Close()
	for _, word := range []string{"hello", "again"} {
		if err := req.Send(ctx, []byte(word)); err != nil {
			log.Fatal(err)
		}
		msg, err := req.Recv(ctx)
		fmt.Printf("%s %v\n", msg, err)
	}
	// Output:
	// [HELLO] <nil>
	// [AGAIN] <nil>
}

// An XPUB knows its subscribers, and so knows when a message reaches them.
func ExampleStream_WaitSubscribed() {
	ctx := context.Background()
	pub, err := zmqio.Listen(ctx, zmq.XPUB, "tcp://127.0.0.1:*")
	if err != nil {
		log.Fatal(err)
	}
	defer pub.Close()
	sub, err := zmqio.Open(ctx, zmq.SUB, zmqio.StreamConfig{Connect: []string{pub.Addr()}, Subscribe: []string{"news"}})
	if err != nil {
		log.Fatal(err)
	}
	defer sub.Close()
	if err := pub.WaitSubscribed(ctx, "news", 1); err != nil {
		log.Fatal(err)
	}
	subscription, err := pub.Recv(ctx) // a subscription is a message, too
	fmt.Printf("%q %v\n", subscription, err)
	if err := pub.Send(ctx, []byte("news"), []byte("it rains")); err != nil {
		log.Fatal(err)
	}
	msg, err := sub.Recv(ctx)
	fmt.Printf("%q %v\n", msg, err)
	// Output:
	// ["\x01news"] <nil>
	// ["news" "it rains"] <nil>
}

// A ROUTER puts the routing id of the peer in front of a received message. It sends a message to
// the peer whose id is in front.
func ExampleStream_router() {
	ctx := context.Background()
	router, err := zmqio.Listen(ctx, zmq.ROUTER, "tcp://127.0.0.1:*")
	if err != nil {
		log.Fatal(err)
	}
	defer router.Close()
	dealer, err := zmqio.Open(ctx, zmq.DEALER, zmqio.StreamConfig{
		Connect:   []string{router.Addr()},
		Configure: func(o zmq.Sockopts) error { return o.SetRoutingID([]byte("worker-1")) },
	})
	if err != nil {
		log.Fatal(err)
	}
	defer dealer.Close()
	if err := dealer.Send(ctx, []byte("ready")); err != nil {
		log.Fatal(err)
	}
	msg, err := router.Recv(ctx)
	fmt.Printf("%s %v\n", msg, err)
	if err := router.Send(ctx, msg[0], []byte("work")); err != nil {
		log.Fatal(err)
	}
	msg, err = dealer.Recv(ctx)
	fmt.Printf("%s %v\n", msg, err)
	// Output:
	// [worker-1 ready] <nil>
	// [work] <nil>
}

// Peers of a ROUTER tells which peers come and go.
func ExampleStream_Peers() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	router, err := zmqio.Listen(ctx, zmq.ROUTER, "tcp://127.0.0.1:*")
	if err != nil {
		log.Fatal(err)
	}
	defer router.Close()
	peers := router.Peers(ctx)
	worker, err := zmqio.Open(ctx, zmq.DEALER, zmqio.StreamConfig{
		Connect:   []string{router.Addr()},
		Configure: func(o zmq.Sockopts) error { return o.SetRoutingID([]byte("worker-1")) },
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := worker.Send(ctx, []byte("ready")); err != nil {
		log.Fatal(err)
	}
	for ev, err := range peers {
		if err != nil {
			log.Fatal(err)
		}
		if ev.Gone {
			fmt.Printf("%s has gone\n", ev.RoutingID)
			break
		}
		fmt.Printf("%s has come\n", ev.RoutingID)
		worker.Close()
	}
	// Output:
	// worker-1 has come
	// worker-1 has gone
}

// A STREAM speaks to TCP peers that are not ZeroMQ's. An empty frame means that a peer has come or
// gone.
func ExampleStream_tcp() {
	ctx := context.Background()
	server, err := zmqio.Listen(ctx, zmq.STREAM, "tcp://127.0.0.1:*")
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	conn, err := net.Dial("tcp", strings.TrimPrefix(server.Addr(), "tcp://"))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := conn.Write([]byte("hello")); err != nil {
		log.Fatal(err)
	}
	for what := range 2 {
		msg, err := server.Recv(ctx)
		fmt.Printf("%d: %q %v\n", what, msg[1], err)
	}
	conn.Close()
	msg, err := server.Recv(ctx)
	fmt.Printf("gone: %q %v\n", msg[1], err)
	// Output:
	// 0: "" <nil>
	// 1: "hello" <nil>
	// gone: "" <nil>
}

// A PAIR speaks to one peer, here inside the process. The streams must share a loop, or a
// Context.
func ExampleStream_pair() {
	ctx := context.Background()
	here, err := zmqio.Listen(ctx, zmq.PAIR, "inproc://pair")
	if err != nil {
		log.Fatal(err)
	}
	defer here.Close()
	there, err := zmqio.Dial(ctx, zmq.PAIR, "inproc://pair")
	if err != nil {
		log.Fatal(err)
	}
	defer there.Close()
	if err := there.Send(ctx, []byte("ping")); err != nil {
		log.Fatal(err)
	}
	select {
	case msg := <-here.Chan(ctx):
		fmt.Printf("%s\n", msg)
	case <-ctx.Done():
	}
	// Output: [ping]
}
