package netio_test

import (
	"bytes"
	"context"
	"fmt"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
)

// A shouter replies in capitals.
type shouter struct {
	netio.BaseProtocol
	transport *netio.Transport
}

func (s *shouter) ConnectionMade(t *netio.Transport) { s.transport = t }
func (s *shouter) DataReceived(data []byte)          { _ = s.transport.Write(bytes.ToUpper(data)) }

// A caller says hello, and hangs up after the reply.
type caller struct {
	netio.BaseProtocol
	transport *netio.Transport
}

func (c *caller) ConnectionMade(t *netio.Transport) {
	c.transport = t
	_ = t.Write([]byte("hello"))
}

func (c *caller) DataReceived(data []byte) {
	fmt.Printf("%s\n", data)
	_ = c.transport.Close()
}

func (c *caller) ConnectionLost(err error) { fmt.Println("lost:", err) }

// A server and a client share one loop.
func Example() {
	loop, err := zmqio.NewEventLoop(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer loop.Close()
	err = loop.Run(context.Background(), func(ctx context.Context) error {
		server, err := netio.CreateServer(ctx, loop, func() *shouter { return new(shouter) },
			"tcp", []string{"127.0.0.1:0"}, netio.ServerConfig{})
		if err != nil {
			return err
		}
		address := server.Addrs()[0].String()
		t, _, err := netio.CreateConnection(ctx, loop, func() *caller { return new(caller) },
			"tcp", address, netio.Config{})
		if err != nil {
			return err
		}
		<-t.Closed()
		_ = server.Close()
		return server.Wait(ctx)
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// HELLO
	// lost: <nil>
}
