// Broker passes requests of REQ clients on to REQ workers, each to the worker that has been
// idle for longest. A worker sends READY first, and then the reply to each request.
//
//	go run ./broker [-front endpoint] [-back endpoint] [-workers n] [-clients n]
//
// The broker has workers of its own, and with -clients also clients, which send 100 requests
// each. SIGTERM and SIGINT end it when all accepted requests are answered. rpc.Serve keeps
// track of the requests: its handler waits for a worker and its reply.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os/signal"
	"syscall"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/rpc"
)

func main() {
	front := flag.String("front", "tcp://127.0.0.1:5555", "endpoint for clients")
	back := flag.String("back", "tcp://127.0.0.1:5556", "endpoint for workers")
	workers := flag.Int("workers", 4, "workers of its own")
	clients := flag.Int("clients", 0, "clients of its own")
	flag.Parse()
	if err := run(*front, *back, *workers, *clients); err != nil {
		log.Fatal(err)
	}
}

func run(frontend, backend string, workers, clients int) error {
	ctx := context.Background()
	front, err := zmqio.Listen(ctx, zmq.ROUTER, frontend)
	if err != nil {
		return err
	}
	back, err := zmqio.Listen(ctx, zmq.ROUTER, backend)
	if err != nil {
		return err
	}
	fmt.Println("clients at", front.Addr(), "workers at", back.Addr())
	for range workers {
		go func() { log.Println("worker:", work(ctx, back.Addr())) }()
	}
	for range clients {
		go func() { fmt.Println("a client has ended:", ask(ctx, front.Addr())) }()
	}
	idle := make(chan worker, 1000)
	go func() { log.Println("workers:", receive(ctx, back, idle)) }()
	accepting, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	err = rpc.Serve(accepting, front, func(ctx context.Context, request [][]byte) ([][]byte, error) {
		w := <-idle
		if err := back.Send(ctx, append([][]byte{w.id, nil}, request...)...); err != nil {
			return nil, err
		}
		select {
		case reply := <-w.reply:
			return reply, nil
		case <-time.After(10 * time.Second):
			return nil, errors.New("the worker has not replied")
		}
	}, rpc.ServerConfig{})
	return errors.Join(err, front.Close(), back.Close())
}

// A worker waits for a request, and sends one reply.
type worker struct {
	id    []byte
	reply chan [][]byte
}

// receive passes replies on, and makes the workers that sent them idle.
func receive(ctx context.Context, back *zmqio.Stream, idle chan<- worker) error {
	replies := make(map[string]chan [][]byte)  // by the id of the worker
	for msg, err := range back.Messages(ctx) { // worker, "", reply
		if err != nil {
			return err
		}
		id := string(msg[0])
		if reply := replies[id]; reply != nil { // else READY of a new worker
			reply <- msg[2:]
		}
		replies[id] = make(chan [][]byte, 1)
		idle <- worker{msg[0], replies[id]}
	}
	return nil
}

func work(ctx context.Context, endpoint string) error {
	s, err := zmqio.Dial(ctx, zmq.REQ, endpoint)
	if err != nil {
		return err
	}
	for msg := [][]byte{[]byte("READY")}; ; msg[0] = bytes.ToUpper(msg[0]) {
		if err := s.Send(ctx, msg...); err != nil {
			return err
		}
		if msg, err = s.Recv(ctx); err != nil {
			return err
		}
	}
}

func ask(ctx context.Context, endpoint string) error {
	s, err := zmqio.Dial(ctx, zmq.REQ, endpoint)
	if err != nil {
		return err
	}
	defer s.Close()
	for n := range 100 {
		if err := s.Send(ctx, fmt.Appendf(nil, "request %d", n)); err != nil {
			return err
		}
		if _, err := s.Recv(ctx); err != nil {
			return err
		}
	}
	return nil
}
