package examples

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// SIGTERM comes while four clients send as fast as they can. Each goes on until the gateway
// ends the connection, and then says how many lines it has sent. A subscriber of pyzmq, which
// begins to read when a client has had to wait, gets all of them in order.
func TestGateway(t *testing.T) {
	p := program(t, "gateway", "-listen", "127.0.0.1:0", "-publish", "tcp://127.0.0.1:*")
	var address, endpoint string
	line := p.line()
	if _, err := fmt.Sscanf(line, "lines at %s published at %s", &address, &endpoint); err != nil {
		t.Fatalf("gateway printed %q: %v", line, err)
	}
	sub := script(t, `
s = ctx.socket(zmq.SUB)
s.rcvhwm = 100
s.subscribe(b"")
s.connect(args[0])
while s.recv() != b"first":
    pass
print("subscribed")
sys.stdin.readline()
next, ends = {}, 0
while ends < 4:
    word, client, number = s.recv().split()
    if word == b"line":
        assert next.get(client, 0) == int(number), (client, number, next)
        next[client] = int(number) + 1
    elif word == b"end":
        assert next[client] == int(number), (client, number, next)
        ends += 1
print(sum(next.values()))
`, endpoint)
	subscribed := make(chan string)
	go func() { subscribed <- sub.line() }()
	sendUntil(t, address, "first", subscribed)

	var sent atomic.Int64
	var clients sync.WaitGroup
	waits := make(chan struct{}, 4) // a client that could not send at once
	for i := range 4 {
		clients.Go(func() {
			if err := sendLines(address, i, &sent, waits); err != nil {
				t.Errorf("client %d: %v", i, err)
			}
		})
	}
	<-waits
	sub.goOn()
	p.terminate()
	clients.Wait()
	sub.want(fmt.Sprint(sent.Load()))
	sub.exits()
	p.exits()
}

// sendUntil sends a line again and again until done tells of its arrival.
func sendUntil(t *testing.T, address, line string, done <-chan string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	zmqiotest.Must(t, err)
	defer c.Close()
	for {
		select {
		case <-done:
			return
		case <-time.After(time.Millisecond):
			_, err := fmt.Fprintln(c, line)
			zmqiotest.Must(t, err)
		}
	}
}

// sendLines sends lines until the gateway ends its side, then how many they were in a line
// that has no end.
func sendLines(address string, name int, sent *atomic.Int64, waits chan<- struct{}) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, c)
		ended <- err
	}()
	out := bufio.NewWriter(c)
	for n := 0; ; n++ {
		select {
		case err := <-ended:
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "end %d %d", name, n)
			sent.Add(int64(n))
			return out.Flush()
		default:
		}
		fmt.Fprintf(out, "line %d %d\n", name, n)
		before := time.Now()
		if err := out.Flush(); err != nil {
			return err
		}
		if time.Since(before) > 50*time.Millisecond || n == 1_000_000 {
			select {
			case waits <- struct{}{}:
			default:
			}
		}
	}
}
