// Service counts the words of a text, in JSON. Its test runs the service and a client in one
// process, on a loop of package zmqiotest.
//
//	go run ./service tcp://127.0.0.1:5555
//	go test ./service
//
// SIGTERM and SIGINT end it, after the requests that it has accepted.
package main

import (
	"context"
	"errors"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/rpc"
)

// A Query is a request, and a Counts its reply.
type (
	Query  struct{ Text string }
	Counts map[string]int
)

func count(_ context.Context, q Query) (Counts, error) {
	if q.Text == "" {
		return nil, errors.New("no text")
	}
	counts := make(Counts)
	for _, word := range strings.Fields(q.Text) {
		counts[word]++
	}
	return counts, nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, zmqio.StreamConfig{Bind: os.Args[1:]}); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, cfg zmqio.StreamConfig) error {
	s, err := zmqio.Open(ctx, zmq.ROUTER, cfg)
	if err != nil {
		return err
	}
	err = rpc.Serve(ctx, s, rpc.Typed(nil, count), rpc.ServerConfig{})
	return errors.Join(err, s.Close())
}
