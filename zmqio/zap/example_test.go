package zap_test

import (
	"context"
	"fmt"
	"log"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zap"
)

// A CURVE server admits the clients whose public keys are in a store, and knows their names.
func Example() {
	if !zmq.Has(zmq.CapabilityCurve) {
		fmt.Println("ann says hello") // this libzmq has no CURVE
		return
	}
	ctx := context.Background()
	own, ann := zap.NewCertificate(nil), zap.NewCertificate(nil)

	var keys zap.Keys
	keys.Add(ann.Public, zap.Identity{UserID: "ann"})
	guard, err := zap.Serve(nil, keys.Authenticate)
	if err != nil {
		log.Fatal(err)
	}
	defer guard.Close()
	server, err := zmqio.Open(ctx, zmq.REP, zmqio.StreamConfig{
		Bind: []string{"tcp://127.0.0.1:*"}, Configure: own.AsServer, Metadata: []string{"User-Id"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close() // runs before the Close of the guard

	client, err := zmqio.Open(ctx, zmq.REQ, zmqio.StreamConfig{
		Connect: []string{server.Addr()}, Configure: ann.AsClient(own.Public),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	if err := client.Send(ctx, []byte("hello")); err != nil {
		log.Fatal(err)
	}
	request, err := server.RecvMessage(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s says %s\n", request.Metadata["User-Id"], request.Frames[0])
	// Output:
	// ann says hello
}
