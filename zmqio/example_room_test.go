package zmqio_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// A goroutine writes as fast as its peer reads, and ends in good order.
func ExampleTransport_WriteContext() {
	loop, err := zmqio.NewEventLoop(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer loop.Close()
	err = loop.Run(context.Background(), func(ctx context.Context) error {
		newWorker := func() *worker { return &worker{left: 1000, quiet: true, done: make(chan struct{})} }
		pull, w, err := zmqio.CreateZmqConnection(ctx, loop, newWorker, zmq.PULL,
			zmqio.ConnectionConfig{Bind: []string{"tcp://127.0.0.1:*"}})
		if err != nil {
			return err
		}
		push, _, err := zmqio.CreateZmqConnection(ctx, loop, func() zmqio.BaseProtocol { return zmqio.BaseProtocol{} }, zmq.PUSH,
			zmqio.ConnectionConfig{Connect: pull.Listeners()})
		if err != nil {
			return err
		}
		for range 1000 {
			if err := push.WriteContext(ctx, [][]byte{[]byte("wash"), make([]byte, 1000)}); err != nil {
				return err // ctx or the transport has ended
			}
		}
		<-w.done
		fmt.Println("all is washed")
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		return loop.Shutdown(ctx) // sends the rest, and reports what it could not send
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: all is washed
}
