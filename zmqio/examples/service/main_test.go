package main

import (
	"context"
	"errors"
	"maps"
	"testing"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/rpc"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

func TestService(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx, stop := context.WithCancel(zmqiotest.Bounded(t, zmqiotest.Patience))
	loop, endpoint := zmqiotest.RunLoop(t, nil), zmqiotest.FreeEndpoint(t, "inproc")
	served := make(chan error)
	go func() { served <- run(ctx, zmqio.StreamConfig{Loop: loop, Bind: []string{endpoint}}) }()
	client, err := rpc.NewClient(ctx, rpc.Config{Loop: loop, Endpoints: []string{endpoint}})
	zmqiotest.Must(t, err)
	defer client.Close()

	counts, err := rpc.Invoke[Counts](ctx, client, Query{"to be or not to be"})
	if want := (Counts{"to": 2, "be": 2, "or": 1, "not": 1}); err != nil || !maps.Equal(counts, want) {
		t.Errorf("got %v, %v; want %v", counts, err, want)
	}
	var failure *rpc.Error
	if _, err := rpc.Invoke[Counts](ctx, client, Query{}); !errors.As(err, &failure) || failure.Text != "no text" {
		t.Errorf("without text: %v", err)
	}
	stop()
	zmqiotest.Must(t, <-served)
}
