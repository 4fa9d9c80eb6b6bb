// Curve is a service that the clients of a list may use, and no other. It tells each who it is.
// CURVE encrypts what they say. The list is a directory of certificates, which is read anew when it changes.
//
//	go run ./curve keys server.key
//	go run ./curve keys ann.key
//	mkdir clients && mv ann.key clients
//	go run ./curve serve server.key_secret clients tcp://127.0.0.1:5555
//
// A REQ client takes ann.key_secret and server.key, and may be pyzmq, which reads these files.
// SIGTERM and SIGINT end the service.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zap"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var err error
	switch args := os.Args[1:]; {
	case len(args) == 2 && args[0] == "keys":
		err = zap.NewCertificate(nil).WriteFiles(args[1])
	case len(args) == 4 && args[0] == "serve":
		err = serve(ctx, args[1], args[2], args[3])
	default:
		err = fmt.Errorf("the arguments are not %q: see go doc", args)
	}
	if err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

func serve(ctx context.Context, secret, clients, endpoint string) error {
	own, err := zap.ReadCertificate(secret)
	if err != nil {
		return err
	}
	allowed, err := zap.NewDir(clients, nil)
	if err != nil {
		return err
	}
	guard, err := zap.Serve(nil, allowed.Authenticate)
	if err != nil {
		return err
	}
	defer guard.Close()
	cfg := zmqio.StreamConfig{Bind: []string{endpoint}, Configure: own.AsServer, Metadata: []string{"User-Id"}}
	s, err := zmqio.Open(ctx, zmq.REP, cfg)
	if err != nil {
		return err
	}
	defer s.Close() // runs before the Close of the guard
	fmt.Println("serving at", s.Addr())
	for err == nil {
		var msg zmqio.Message
		if msg, err = s.RecvMessage(ctx); err == nil {
			err = s.Send(ctx, fmt.Appendf(nil, "%s says %s", msg.Metadata["User-Id"], msg.Frames[0]))
		}
	}
	return err
}
