// Gateway publishes the lines that TCP clients send. TCP and ZeroMQ live on one loop, so one
// goroutine does it all and nothing in the program needs a lock.
//
//	go run ./gateway [-listen 127.0.0.1:5556] [-publish tcp://127.0.0.1:5557]
//	nc -q 1 127.0.0.1 5556 < lines
//
// The publisher drops nothing: while a subscriber has no room the gateway does not read, and its
// clients wait in turn. SIGTERM ends it without losing a line. It then accepts no more clients,
// ends its side of every connection, and publishes what clients send until they end theirs.
// A client that does not do so within ten seconds is cut off.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log"
	"syscall"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
)

// longest is how long a line may be, in bytes. A client with a longer one is cut off.
const longest = 64 << 10

func main() {
	listen := flag.String("listen", "127.0.0.1:5556", "address to accept clients at")
	publish := flag.String("publish", "tcp://127.0.0.1:5557", "endpoint to publish at")
	flag.Parse()
	if err := run(context.Background(), *listen, *publish); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, listen, publish string) error {
	loop, err := zmqio.NewEventLoop(nil)
	if err != nil {
		return err
	}
	g := &gateway{clients: make(map[*client]bool)}
	g.pub, _, err = zmqio.CreateZmqConnection(ctx, loop, func() *gateway { return g }, zmq.PUB, zmqio.ConnectionConfig{
		Bind:      []string{publish},
		Configure: func(o zmq.Sockopts) error { return o.SetXPubNoDrop(true) },
	})
	if err != nil {
		return err
	}
	newClient := func() *client { return &client{gateway: g} }
	g.server, err = netio.CreateServer(ctx, loop, newClient, "tcp", []string{listen}, netio.ServerConfig{})
	if err != nil {
		return err
	}
	if err := loop.AddSignalHandler(syscall.SIGTERM, g.drain); err != nil {
		return err
	}
	fmt.Println("lines at", g.server.Addrs()[0], "published at", g.pub.Listeners()[0])
	if err := loop.RunForever(ctx); err != nil {
		return err
	}
	return loop.Close() // sends what the publisher still has
}

// A gateway is the protocol of the publisher, and what the clients share.
type gateway struct {
	zmqio.BaseProtocol
	pub      *zmqio.Transport
	server   *netio.Server
	clients  map[*client]bool
	paused   bool
	draining bool
}

// PauseWriting is called when the publisher's buffer is full.
func (g *gateway) PauseWriting() {
	g.paused = true
	for c := range g.clients {
		_ = c.t.PauseReading() // fails on a client that has ended
	}
}

func (g *gateway) ResumeWriting() {
	g.paused = false
	for c := range g.clients {
		_ = c.t.ResumeReading()
	}
}

func (g *gateway) drain() {
	g.draining = true
	_ = g.server.Close()
	for c := range g.clients {
		_ = c.t.WriteEOF()
	}
	_, _ = g.pub.Loop().CallLater(10*time.Second, g.server.AbortClients)
	g.stopIfDrained()
}

func (g *gateway) stopIfDrained() {
	if g.draining && len(g.clients) == 0 {
		g.pub.Loop().Stop()
	}
}

// A client is the protocol of one connection.
type client struct {
	netio.BaseProtocol
	gateway *gateway
	t       *netio.Transport
	rest    []byte // of a line whose end has not come
}

func (c *client) ConnectionMade(t *netio.Transport) {
	c.t = t
	c.gateway.clients[c] = true
	if c.gateway.paused {
		_ = t.PauseReading()
	}
}

func (c *client) DataReceived(data []byte) {
	c.rest = append(c.rest, data...)
	for {
		line, rest, found := bytes.Cut(c.rest, []byte("\n"))
		if !found {
			break
		}
		c.publish(line)
		c.rest = rest
	}
	if len(c.rest) > longest {
		log.Printf("%v sent a line of more than %d bytes", c.t.RemoteAddr(), longest)
		_ = c.t.Abort()
	}
}

// EOFReceived publishes a last line that has no end.
func (c *client) EOFReceived() bool {
	if len(c.rest) > 0 {
		c.publish(c.rest)
	}
	return false
}

func (c *client) publish(line []byte) {
	if err := c.gateway.pub.Write([][]byte{line}); err != nil {
		log.Print(err)
	}
}

func (c *client) ConnectionLost(error) {
	delete(c.gateway.clients, c)
	c.gateway.stopIfDrained()
}
