package examples

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// SIGTERM comes while four clients and a child send as fast as they can, beside a file. A client
// sends until the gateway ends the connection, and the child until SIGTERM. Each then sends the
// number of its lines. A subscriber of pyzmq gets all lines in order. It begins to read when a
// client has had to wait.
func TestGateway(t *testing.T) {
	const inFile = 5000
	file := filepath.Join(t.TempDir(), "lines")
	var text bytes.Buffer
	for i := range inFile {
		fmt.Fprintf(&text, "line file %d\n", i)
	}
	fmt.Fprintf(&text, "end file %d", inFile)
	zmqiotest.Must(t, os.WriteFile(file, text.Bytes(), 0o600))
	const child = `trap 'echo end child $i; exit' TERM; i=0; while :; do echo line child $i; i=$((i+1)); done`
	p := program(t, "gateway", "-listen", "127.0.0.1:0", "-publish", "tcp://127.0.0.1:*", "-file", file, "sh", "-c", child)
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
begun, next, ends = False, {}, 0
while ends < 6:
    word, source, number = s.recv().split()
    if word == b"first" and not begun:
        print("subscribed")
        sys.stdin.readline()
        begun = True
    elif word == b"line":
        assert next.get(source, 0) == int(number), (source, number, next)
        next[source] = int(number) + 1
    elif word == b"end":
        # The child may get SIGTERM between a line and counting it.
        assert next[source] - int(number) in ((0, 1) if source == b"child" else (0,)), (source, number, next)
        ends += 1
print(sum(n for source, n in next.items() if source.isdigit()), next[b"file"])
`, endpoint)
	subscribed := make(chan string)
	go func() { subscribed <- sub.line() }()
	sendUntil(t, address, "first line 0", subscribed)

	var sent atomic.Int64
	var clients sync.WaitGroup
	waits := make(chan struct{}, 1) // gets a token from a client that could not send at once
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
	sub.want(fmt.Sprint(sent.Load(), inFile))
	sub.exits()
	p.exits()
}

// The gateway ends a client with a line that is too long, even if the line comes in one piece.
func TestGatewayCutsLongLines(t *testing.T) {
	p := program(t, "gateway", "-listen", "127.0.0.1:0", "-publish", "tcp://127.0.0.1:*")
	var address, endpoint string
	if _, err := fmt.Sscanf(p.line(), "lines at %s published at %s", &address, &endpoint); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", address)
	zmqiotest.Must(t, err)
	defer c.Close()
	zmqiotest.Must(t, c.SetDeadline(time.Now().Add(zmqiotest.Patience)))
	_, _ = c.Write(append(make([]byte, 100_000), '\n')) // fails if the gateway ends the client first
	var late net.Error
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.As(err, &late) && late.Timeout() {
		t.Errorf("the client is not cut off: %v", err)
	}
	p.terminate()
	p.exits()
}

// sendUntil repeats a line until done reports its arrival.
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

// sendLines sends lines until the gateway ends its side. Then it sends their number in a line
// without an end.
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
		waiting := time.AfterFunc(50*time.Millisecond, func() { // while it waits
			select {
			case waits <- struct{}{}:
			default:
			}
		})
		err := out.Flush()
		waiting.Stop()
		if err != nil {
			return err
		}
	}
}
