package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

const messageSize = 64

// buildSender compiles testdata/send.c.
func buildSender(b *testing.B) (binary string) {
	b.Helper()
	flags, err := exec.Command("pkg-config", "--cflags", "--libs", "libzmq").Output()
	if err != nil {
		b.Fatal("pkg-config libzmq: ", err)
	}
	binary = filepath.Join(b.TempDir(), "send")
	args := append([]string{"-O2", "-o", binary, "testdata/send.c", "-pthread"}, strings.Fields(string(flags))...)
	if out, err := exec.Command("cc", args...).CombinedOutput(); err != nil {
		b.Fatalf("cc: %v\n%s", err, out)
	}
	return binary
}

// startSender starts a process that sends to endpoint, until stop is called.
func startSender(b *testing.B, binary, endpoint string) (stop func()) {
	b.Helper()
	cmd := exec.Command(binary, endpoint, strconv.Itoa(messageSize))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	return func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			b.Error("sender: ", err)
		}
	}
}

const (
	warmUp   = 50_000  // messages before the clock starts
	measured = 500_000 // and on the clock
)

// BenchmarkReceive receives 64-byte messages over TCP from a C program, with zmqio, which takes them in batches, and with pebbe/zmq4 frame by frame, in turn: an
// iteration is a round of each. It reports the medians and the ratio, round by
// round.
//
//	go test -bench Receive -benchtime 9x ./tests/bench
func BenchmarkReceive(b *testing.B) {
	sender := buildSender(b)
	var ours, theirs, ratios []float64
	for b.Loop() {
		z, p := rate(receiveZmqio(b, sender)), rate(receivePebbe(b, sender))
		ours, theirs, ratios = append(ours, z), append(theirs, p), append(ratios, z/p)
	}
	slices.Sort(ratios)
	b.ReportMetric(0, "ns/op") // a round is no operation
	b.ReportMetric(median(ours), "zmqio-Mmsg/s")
	b.ReportMetric(median(theirs), "pebbe-Mmsg/s")
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(ratios[0], "ratio-min")
	b.ReportMetric(ratios[len(ratios)-1], "ratio-max")
}

// rate is millions of messages a second.
func rate(d time.Duration) float64 { return measured / d.Seconds() / 1e6 }

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// A counter is a Protocol that takes the time of the messages after the warm-up.
type counter struct {
	zmqio.BaseProtocol
	loop  *zmqio.EventLoop
	n     int
	start time.Time
	took  time.Duration
}

func (c *counter) MsgReceived([][]byte) {
	switch c.n++; c.n {
	case warmUp:
		c.start = time.Now()
	case warmUp + measured:
		c.took = time.Since(c.start)
		c.loop.Stop()
	}
}

func receiveZmqio(b *testing.B, sender string) time.Duration {
	loop, err := zmqio.NewEventLoop(nil)
	if err != nil {
		b.Fatal(err)
	}
	defer loop.Close()
	c := &counter{loop: loop}
	t, _, err := zmqio.CreateZmqConnection(b.Context(), loop, func() *counter { return c }, zmq.PULL,
		zmqio.ConnectionConfig{Bind: []string{"tcp://127.0.0.1:*"}})
	if err != nil {
		b.Fatal(err)
	}
	defer startSender(b, sender, t.Listeners()[0])()
	if err := loop.RunForever(b.Context()); err != nil {
		b.Fatal(err)
	}
	return c.took
}

func receivePebbe(b *testing.B, sender string) time.Duration {
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
	defer startSender(b, sender, endpoint)()
	var start time.Time
	for n := range warmUp + measured {
		if n == warmUp {
			start = time.Now()
		}
		if _, err := s.RecvMessageBytes(0); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start)
}
