// Gateway publishes lines: those that TCP clients send, those that a child process prints, and
// those of a file. They live with ZeroMQ on one loop, so one goroutine does it all and nothing
// in the program needs a lock.
//
//	go run ./gateway [-listen 127.0.0.1:5556] [-publish tcp://127.0.0.1:5557] [-file lines] [command argument...]
//	nc -q 1 127.0.0.1 5556 < lines
//
// The child and the file begin with the first subscriber. The publisher drops nothing: while a
// subscriber has no room the gateway does not read, and the sources wait in turn. SIGTERM ends it
// without losing a line, as long as subscribers keep up. It then refuses more clients, ends its
// side of every connection, sends the child SIGTERM, and publishes what comes until all have
// ended. After ten seconds it cuts off what is left. Lines that subscribers do not take in ten
// seconds more are lost, and make the exit status 1.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"syscall"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
	"github.com/zmqio/zmq/zmqio/subprocess"
)

// longest is the longest line in bytes. The gateway ends a source with a longer line.
const longest = 64 << 10

// patience is how long the gateway waits at its end for sources, and then again for subscribers.
const patience = 10 * time.Second

func main() {
	listen := flag.String("listen", "127.0.0.1:5556", "address to accept clients at")
	publish := flag.String("publish", "tcp://127.0.0.1:5557", "endpoint to publish at")
	file := flag.String("file", "", "file to publish")
	flag.Parse()
	g := &gateway{sources: make(map[*source]bool), file: *file, command: flag.Args()}
	if err := g.run(context.Background(), *listen, *publish); err != nil {
		log.Fatal(err)
	}
}

// A gateway is the protocol of the publisher, and has what the sources share.
type gateway struct {
	zmqio.BaseProtocol
	loop    *zmqio.EventLoop
	pub     *zmqio.Transport
	server  *netio.Server
	sources map[*source]bool
	file    string   // published after the first subscription
	command []string // run after the first subscription
	reading bool     // publishFile runs
	paused  bool
	ending  bool
}

func (g *gateway) run(ctx context.Context, listen, publish string) (err error) {
	if g.loop, err = zmqio.NewEventLoop(&zmqio.LoopConfig{Linger: patience}); err != nil {
		return err
	}
	g.pub, _, err = zmqio.CreateZmqConnection(ctx, g.loop, func() *gateway { return g }, zmq.XPUB, zmqio.ConnectionConfig{
		Bind:      []string{publish},
		Configure: func(o zmq.Sockopts) error { return o.SetXPubNoDrop(true) },
	})
	if err != nil {
		return err
	}
	newClient := func() *client { return &client{source: source{gateway: g}} }
	g.server, err = netio.CreateServer(ctx, g.loop, newClient, "tcp", []string{listen}, netio.ServerConfig{})
	if err != nil {
		return err
	}
	if err := g.loop.AddSignalHandler(syscall.SIGTERM, g.end); err != nil {
		return err
	}
	fmt.Println("lines at", g.server.Addrs()[0], "published at", g.pub.Listeners()[0])
	if err := g.loop.RunForever(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return errors.Join(g.loop.Shutdown(ctx), g.loop.Close()) // Shutdown sends the rest of the publisher's messages
}

// MsgReceived gets a subscription or the end of one.
func (g *gateway) MsgReceived([][]byte) {
	if file := g.file; file != "" {
		g.file, g.reading = "", true
		read := zmqio.Go(context.Background(), g.loop, func(ctx context.Context) (string, error) { return file, g.publishFile(ctx, file) })
		read.AddDoneCallback(g.fileEnded)
	}
	if command := g.command; len(command) > 0 {
		g.command = nil
		newChild := func() *child { return &child{source: source{gateway: g}} }
		cfg := subprocess.Config{Stdin: subprocess.Null, Stderr: subprocess.Inherit}
		_, _, err := subprocess.Exec(context.Background(), g.loop, newChild, cfg, command[0], command[1:]...)
		if err != nil {
			log.Print(err)
		}
	}
}

// publishFile reads the file on another goroutine, because the kernel does not report when a file
// is readable. WriteContext waits while the publisher is paused.
func (g *gateway) publishFile(ctx context.Context, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, longest)
	for lines.Scan() {
		if err := g.pub.WriteContext(ctx, [][]byte{lines.Bytes()}); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (g *gateway) fileEnded(f *zmqio.Future[string]) {
	if name, err := f.Result(); err != nil {
		log.Print(name, ": ", err)
	}
	g.reading = false
	g.stopIfEnded()
}

// PauseWriting runs when the publisher's buffer is full.
func (g *gateway) PauseWriting()  { g.setPaused(true) }
func (g *gateway) ResumeWriting() { g.setPaused(false) }

// setPaused makes the loop pause or resume the sources. publishFile may have filled the buffer on
// its own goroutine.
func (g *gateway) setPaused(paused bool) {
	_, _ = g.loop.CallSoon(func() {
		g.paused = paused
		for s := range g.sources {
			if paused {
				_ = s.t.PauseReading() // fails on a source that has ended, or is paused
			} else {
				_ = s.t.ResumeReading()
			}
		}
	})
}

func (g *gateway) end() {
	g.ending = true
	_ = g.server.Close()
	for s := range g.sources {
		_ = s.stop()
	}
	_, _ = g.loop.CallLater(patience, g.loop.Stop)
	g.stopIfEnded()
}

func (g *gateway) stopIfEnded() {
	if g.ending && len(g.sources) == 0 && !g.reading {
		g.loop.Stop()
	}
}

// A source is a transport on the loop that brings lines.
type source struct {
	gateway *gateway
	t       *netio.Transport
	stop    func() error // asks the other side to end
	rest    []byte       // a line whose end has not come
}

func (s *source) begin(t *netio.Transport, stop func() error) {
	s.t, s.stop = t, stop
	s.gateway.sources[s] = true
	if s.gateway.paused {
		_ = t.PauseReading()
	}
}

func (s *source) received(data []byte) {
	s.rest = append(s.rest, data...)
	for {
		line, rest, found := bytes.Cut(s.rest, []byte("\n"))
		if len(line) > longest {
			log.Printf("%v sent a line of more than %d bytes", s.t, longest)
			_ = s.t.Abort()
			return
		}
		if !found {
			return
		}
		s.publish(line)
		s.rest = rest
	}
}

// publishRest publishes a last line without an end.
func (s *source) publishRest() {
	if len(s.rest) > 0 {
		s.publish(s.rest)
	}
}

func (s *source) publish(line []byte) {
	if err := s.gateway.pub.Write([][]byte{line}); err != nil {
		log.Print(err)
	}
}

func (s *source) ended() {
	delete(s.gateway.sources, s)
	s.gateway.stopIfEnded()
}

// A client is the protocol of a TCP connection.
type client struct {
	netio.BaseProtocol
	source
}

func (c *client) ConnectionMade(t *netio.Transport) { c.begin(t, t.WriteEOF) }
func (c *client) DataReceived(data []byte)          { c.received(data) }
func (c *client) ConnectionLost(error)              { c.ended() }

func (c *client) EOFReceived() bool {
	c.publishRest()
	return false
}

// A child is the protocol of a child process.
type child struct {
	subprocess.BaseProtocol
	source
}

func (c *child) ConnectionMade(t *subprocess.Transport) { c.begin(t.Pipe(1), t.Terminate) }
func (c *child) PipeDataReceived(_ int, data []byte)    { c.received(data) }
func (c *child) PipeConnectionLost(int, error)          { c.publishRest() }
func (c *child) ConnectionLost(error)                   { c.ended() }
