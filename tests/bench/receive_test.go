package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// senderEnv holds the endpoint that a sender process connects to.
const senderEnv = "ZMQIO_BENCH_SENDER"

const messageSize = 64

func TestMain(m *testing.M) {
	if endpoint := os.Getenv(senderEnv); endpoint != "" {
		if err := send(endpoint); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// send writes messages to endpoint, as fast as they are taken, until its parent
// closes its standard input.
func send(endpoint string) error {
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	}()
	loop, err := zmqio.NewEventLoop(nil)
	if err != nil {
		return err
	}
	return loop.Run(context.Background(), func(ctx context.Context) error {
		g := &gate{}
		g.room = sync.NewCond(&g.mu)
		t, _, err := zmqio.CreateZmqConnection(ctx, loop, func() *gate { return g }, zmq.PUSH,
			zmqio.ConnectionConfig{Connect: []string{endpoint}})
		if err != nil {
			return err
		}
		for msg := [][]byte{make([]byte, messageSize)}; err == nil; err = t.Write(msg) {
			g.wait()
		}
		return err
	})
}

// A gate is a Protocol that holds a writer up while the transport is paused.
type gate struct {
	zmqio.BaseProtocol
	mu     sync.Mutex
	room   *sync.Cond
	closed bool
}

func (g *gate) set(closed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = closed
	g.room.Broadcast()
}

func (g *gate) PauseWriting()  { g.set(true) }
func (g *gate) ResumeWriting() { g.set(false) }

func (g *gate) wait() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.closed {
		g.room.Wait()
	}
}

// startSender starts a process that sends to endpoint until the benchmark ends.
func startSender(b *testing.B, endpoint string) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), senderEnv+"="+endpoint)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			b.Error("sender:", err)
		}
	})
}

// BenchmarkReceive receives 64-byte messages over TCP from another process: with
// zmqio, which takes them in batches, and with pebbe/zmq4 frame by frame.
//
//	go test -bench Receive -benchtime 2s -count 5 ./tests/bench
func BenchmarkReceive(b *testing.B) {
	for _, c := range []struct {
		name    string
		receive func(*testing.B)
	}{{"zmqio", receiveZmqio}, {"pebbe", receivePebbe}} {
		b.Run(c.name, func(b *testing.B) {
			c.receive(b)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Mmsg/s")
		})
	}
}

// warmUp is how many messages come before the clock starts.
const warmUp = 10_000

// counter is a Protocol that starts the clock after the warm-up and stops the loop
// after b.N more messages.
type counter struct {
	zmqio.BaseProtocol
	b    *testing.B
	loop *zmqio.EventLoop
	left int
}

func (c *counter) MsgReceived([][]byte) {
	switch c.left--; c.left {
	case c.b.N:
		c.b.ResetTimer()
	case 0:
		c.b.StopTimer()
		c.loop.Stop()
	}
}

func receiveZmqio(b *testing.B) {
	loop, err := zmqio.NewEventLoop(nil)
	if err != nil {
		b.Fatal(err)
	}
	defer loop.Close()
	c := &counter{b: b, loop: loop, left: b.N + warmUp}
	t, _, err := zmqio.CreateZmqConnection(b.Context(), loop, func() *counter { return c }, zmq.PULL,
		zmqio.ConnectionConfig{Bind: []string{"tcp://127.0.0.1:*"}})
	if err != nil {
		b.Fatal(err)
	}
	startSender(b, t.Listeners()[0])
	if err := loop.RunForever(b.Context()); err != nil {
		b.Fatal(err)
	}
}

func receivePebbe(b *testing.B) {
	ctx, err := zmq4.NewContext()
	if err != nil {
		b.Fatal(err)
	}
	defer ctx.Term()
	s, err := ctx.NewSocket(zmq4.PULL)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if err := s.Bind("tcp://127.0.0.1:*"); err != nil {
		b.Fatal(err)
	}
	endpoint, err := s.GetLastEndpoint()
	if err != nil {
		b.Fatal(err)
	}
	startSender(b, endpoint)
	for left := b.N + warmUp; left > 0; left-- {
		if left == b.N {
			b.ResetTimer()
		}
		if _, err := s.RecvMessageBytes(0); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
}
