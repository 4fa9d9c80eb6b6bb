// Httpgateway passes the bodies of HTTP requests on to ZeroMQ servers, and their replies back.
// SIGTERM and SIGINT end it, after the requests that it has accepted.
//
//	go run ./httpgateway [-http :8080] endpoint...
//	curl -d 'some text' localhost:8080
//
// The endpoints are those of REP or ROUTER sockets, such as those of ./service. A server that
// does not answer in time becomes status 504, and an error of its handler 502.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"github.com/zmqio/zmq/zmqio/rpc"
)

func main() {
	addr := flag.String("http", ":8080", "address to serve HTTP at")
	flag.Parse()
	if err := run(*addr, flag.Args()); err != nil {
		log.Fatal(err)
	}
}

func run(addr string, endpoints []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	client, err := rpc.NewClient(ctx, rpc.Config{Endpoints: endpoints, Timeout: 5 * time.Second})
	if err != nil {
		return err
	}
	defer client.Close()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Printf("http://%v\n", listener.Addr())
	server := &http.Server{Handler: gateway(client)}
	drained := make(chan error, 1)
	context.AfterFunc(ctx, func() { drained <- server.Shutdown(context.Background()) })
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return <-drained
}

func gateway(client *rpc.Client) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		reply, err := client.Call(r.Context(), body)
		switch {
		case errors.Is(err, rpc.ErrTimeout):
			http.Error(w, rpc.ErrTimeout.Error(), http.StatusGatewayTimeout)
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadGateway)
		default:
			_, _ = w.Write(bytes.Join(reply, nil)) // fails if the client has gone
		}
	}
}
