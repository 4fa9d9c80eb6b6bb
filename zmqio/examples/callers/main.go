// Callers has 100 goroutines that share one client, whose calls are retried. Calls go to all
// endpoints in turn, and each retry goes to the next endpoint. A server that is down therefore
// costs time, and no reply.
//
//	go run ./callers [endpoint...]
//
// The endpoints are those of REP or ROUTER sockets. Without endpoints the program has a server
// of its own, and calls also an endpoint where there is none.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"sync"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/rpc"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, endpoints []string) error {
	if len(endpoints) == 0 {
		s, err := zmqio.Listen(ctx, zmq.ROUTER, "tcp://127.0.0.1:*")
		if err != nil {
			return err
		}
		go func() { log.Print(rpc.Serve(ctx, s, echo, rpc.ServerConfig{})) }()
		endpoints = []string{s.Addr(), "tcp://127.0.0.1:1"} // no process listens to the second
	}
	client, err := rpc.NewClient(ctx, rpc.Config{Endpoints: endpoints, Timeout: 200 * time.Millisecond, Retries: 99})
	if err != nil {
		return err
	}
	defer client.Close()
	var callers sync.WaitGroup
	for caller := range 100 {
		callers.Go(func() {
			for n := range 10 {
				if _, err := client.Call(ctx, fmt.Appendf(nil, "%d.%d", caller, n)); err != nil {
					log.Printf("caller %d, request %d: %v", caller, n, err)
				}
			}
		})
	}
	callers.Wait()
	stats := client.Stats()
	fmt.Printf("%d calls, %d replies, %d retries\n", stats.Calls, stats.Replies, stats.Retries)
	return nil
}

func echo(_ context.Context, request [][]byte) ([][]byte, error) { return request, nil }
