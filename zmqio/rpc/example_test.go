package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/rpc"
)

// A service divides numbers. Its clients may also be REQ sockets in any language that send JSON.
func Example() {
	type division struct{ A, B int }
	divide := func(_ context.Context, d division) (int, error) {
		if d.B == 0 {
			return 0, errors.New("division by zero")
		}
		return d.A / d.B, nil
	}
	ctx, stop := context.WithCancel(context.Background())
	router, err := zmqio.Listen(ctx, zmq.ROUTER, "tcp://127.0.0.1:*")
	if err != nil {
		log.Fatal(err)
	}
	var server sync.WaitGroup
	server.Go(func() {
		if err := rpc.Serve(ctx, router, rpc.Typed(rpc.JSON, divide), rpc.ServerConfig{}); err != nil {
			log.Print(err)
		}
	})

	client, err := rpc.Dial(ctx, router.Addr())
	if err != nil {
		log.Fatal(err)
	}
	for _, b := range []int{6, 0} {
		quotient, err := rpc.Invoke[int](ctx, client, division{42, b})
		fmt.Println(quotient, err)
	}
	client.Close()
	stop() // Serve replies to the requests that have come, and returns
	server.Wait()
	if err := router.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 7 <nil>
	// 0 rpc: division by zero
}
