package zmqio_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// A door prints which peers come and go.
type door struct {
	zmqio.BaseProtocol
	came, gone chan struct{}
}

// ConnectionMade runs before the bind, so that the door sees the bind too.
func (d *door) ConnectionMade(t *zmqio.Transport) {
	if err := t.EnableMonitor(zmq.EVENT_ALL); err != nil {
		log.Fatal(err)
	}
}

func (d *door) EventReceived(ev zmq.MonitorEvent) {
	switch ev.Event {
	case zmq.EVENT_ACCEPTED: // with libzmq 4.3 or later, EVENT_HANDSHAKE_SUCCEEDED says more
		fmt.Println("a peer has come")
		close(d.came)
	case zmq.EVENT_DISCONNECTED:
		fmt.Println("a peer has gone")
		close(d.gone)
	case zmq.EVENT_BIND_FAILED:
		fmt.Println("in use:", errors.Is(ev.Err(), zmq.EADDRINUSE))
	}
}

// A protocol with EventReceived gets the events of its transport's connections.
func ExampleTransport_EnableMonitor() {
	loop, err := zmqio.NewEventLoop(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer loop.Close()
	err = loop.Run(context.Background(), func(ctx context.Context) error {
		newDoor := func() *door { return &door{came: make(chan struct{}), gone: make(chan struct{})} }
		pull, d, err := zmqio.CreateZmqConnection(ctx, loop, newDoor, zmq.PULL,
			zmqio.ConnectionConfig{Bind: []string{"tcp://127.0.0.1:*"}})
		if err != nil {
			return err
		}
		if _, err = pull.Bind(pull.Listeners()[0]); err == nil {
			return errors.New("bound twice")
		}
		push, _, err := zmqio.CreateZmqConnection(ctx, loop, func() zmqio.BaseProtocol { return zmqio.BaseProtocol{} }, zmq.PUSH,
			zmqio.ConnectionConfig{Connect: pull.Listeners()})
		if err != nil {
			return err
		}
		<-d.came
		if err := push.Close(); err != nil {
			return err
		}
		<-d.gone
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// in use: true
	// a peer has come
	// a peer has gone
}
