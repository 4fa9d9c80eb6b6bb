//go:build !asan && !race

// AddressSanitizer moves some of the measured variables to the heap. Under the race detector a
// sync.Pool sometimes drops its content.

package zmqio_test

import (
	"context"
	"runtime"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/internal/testkit"
	"github.com/zmqio/zmq/zmqio/rpc"
)

// These tests measure what a message costs on each of its paths: allocations, and calls of C. How
// many messages go together depends on time, off the loop. The bounds leave room for that, and are
// below one allocation or one call for each message.

// costMessages is how many messages are sent on each path.
const costMessages = 10_000

// burst is how many messages a test sends together.
const burst = 256

// A cost is the cost of one message, in all threads of the process.
type cost struct{ allocations, calls float64 }

// gathers bounds the cost of messages that are sent together if they come one after the other.
var gathers = cost{0.1, 0.75}

// costOf returns the cost of each of the n messages that do sends, receives or both. prepare runs
// before the measurement.
func costOf(n int, prepare, do func()) cost {
	for range 2 { // allocations that are made once do not count
		prepare()
		do()
	}
	prepare()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	calls := runtime.NumCgoCall()
	do()
	calls = runtime.NumCgoCall() - calls
	runtime.ReadMemStats(&after)
	return cost{float64(after.Mallocs-before.Mallocs) / float64(n), float64(calls) / float64(n)}
}

func nothing() {}

// wantCost compares a cost with its bound.
func wantCost(t *testing.T, path string, got, most cost) {
	t.Helper()
	t.Logf("%s: a message takes %.4f allocations, %.4f calls of C", path, got.allocations, got.calls)
	if got.allocations > most.allocations || got.calls > most.calls {
		t.Errorf("%s: a message takes %.4f allocations and %.4f calls of C, at most %v and %v are wanted",
			path, got.allocations, got.calls, most.allocations, most.calls)
	}
}

func costLoop(t *testing.T) *zmqio.EventLoop {
	t.Helper()
	testkit.CheckLeaks(t)
	l, err := zmqio.NewEventLoop(nil)
	testkit.Must(t, err)
	t.Cleanup(func() { testkit.Must(t, l.Close()) })
	return l
}

// unlimited sets no high-water mark.
func unlimited(o zmq.Sockopts) error {
	if err := o.SetRcvHWM(0); err != nil {
		return err
	}
	return o.SetSndHWM(0)
}

// unread binds a PULL whose messages stay in libzmq.
func unread(t *testing.T, l *zmqio.EventLoop, endpoint string) {
	t.Helper()
	z, err := l.Context().NewSocket(zmq4.PULL)
	testkit.Must(t, err)
	testkit.Must(t, z.SetRcvhwm(0))
	testkit.Must(t, z.Bind(endpoint))
	t.Cleanup(func() { testkit.Must(t, z.Close()) })
}

var payload = [][]byte{make([]byte, 64)}

// Sending allocates nothing for a message, on the loop and off it, with each method.
func TestCostOfSending(t *testing.T) {
	l := costLoop(t)
	unread(t, l, "inproc://costs")
	tr := transport(t, l, zmqio.BaseProtocol{}, zmq.PUSH, zmqio.ConnectionConfig{Connect: []string{"inproc://costs"}})
	ctx := context.Background()
	all := func(write func() error) func() error {
		return func() error {
			for range costMessages {
				if err := write(); err != nil {
					return err
				}
			}
			return nil
		}
	}
	inBatches := func(write func(*zmqio.Batch) (int, error)) func() error {
		b := new(zmqio.Batch)
		return func() error {
			for sent := 0; sent < costMessages; {
				for b.Len() < burst && sent < costMessages {
					b.Append(payload...)
					sent++
				}
				if _, err := write(b); err != nil {
					return err
				}
			}
			return nil
		}
	}
	measure := func(name string, do func() error, most cost) {
		t.Helper()
		wantCost(t, name, costOf(costMessages, nothing, func() { testkit.Must(t, do()) }), most)
	}
	measure("Write, no loop runs", all(func() error { return tr.Write(payload) }), cost{0.001, 1})
	inContext := func(b *zmqio.Batch) (int, error) { return tr.WriteBatchContext(ctx, b) }
	testkit.Must(t, l.Start())
	for _, path := range []struct {
		name      string
		off, loop cost
		do        func() error
	}{
		{"Write", gathers, cost{0.01, 0.02}, all(func() error { return tr.Write(payload) })},
		{"WriteContext", gathers, cost{0.01, 0.02}, all(func() error { return tr.WriteContext(ctx, payload) })},
		{"WriteBatch", cost{0.01, 1.5 / burst}, cost{0.01, 1.5 / burst}, inBatches(tr.WriteBatch)},
		{"WriteBatchContext", cost{0.01, 1.5 / burst}, cost{0.01, 1.5 / burst}, inBatches(inContext)},
	} {
		measure(path.name+" off the loop", path.do, path.off)
		measure(path.name+" on the loop", func() error { return l.Do(ctx, path.do) }, path.loop)
	}
}

// A taker counts messages, and reports when all have come.
type taker struct {
	zmqio.BaseProtocol
	n    int
	came chan struct{}
}

func newTaker() *taker { return &taker{came: make(chan struct{}, 1)} }

func (r *taker) MsgReceived([][]byte) { r.took(1) }

func (r *taker) took(n int) {
	if r.n += n; r.n == costMessages {
		r.n = 0
		r.came <- struct{}{}
	}
}

// A batchTaker is a taker of batches.
type batchTaker struct{ *taker }

func (r batchTaker) MsgsReceived(msgs [][][]byte) { r.took(len(msgs)) }

// transport makes a transport without high-water marks.
func transport(t *testing.T, l *zmqio.EventLoop, p zmqio.Protocol, typ zmq.SocketType, cfg zmqio.ConnectionConfig) *zmqio.Transport {
	t.Helper()
	cfg.Configure = unlimited
	tr, _, err := l.CreateZmqConnection(t.Context(), func() zmqio.Protocol { return p }, typ, cfg)
	testkit.Must(t, err)
	return tr
}

// filler returns a function that sends all messages from a PUSH to endpoint.
func filler(t *testing.T, l *zmqio.EventLoop, endpoint string) (fill func()) {
	t.Helper()
	tr, b := transport(t, l, zmqio.BaseProtocol{}, zmq.PUSH, zmqio.ConnectionConfig{Connect: []string{endpoint}}), new(zmqio.Batch)
	return func() {
		for range costMessages {
			b.Append(payload...)
		}
		_, err := tr.WriteBatchContext(context.Background(), b)
		testkit.Must(t, err)
	}
}

// Receiving allocates only for a batch, and nothing with lent frames. A batch is one call, of some
// hundred messages.
func TestCostOfReceiving(t *testing.T) {
	l := costLoop(t)
	testkit.Must(t, l.Start())
	for name, lent := range map[string]bool{"copied": false, "lent": true} {
		most := cost{2.0 / burst, 1.5 / burst}
		if lent {
			most.allocations = 0.001
		}
		for kind, batches := range map[string]bool{"MsgReceived": false, "MsgsReceived": true} {
			r, endpoint := newTaker(), "inproc://"+name+kind
			var p zmqio.Protocol = r
			if batches {
				p = batchTaker{r}
			}
			pull := transport(t, l, p, zmq.PULL, zmqio.ConnectionConfig{Bind: []string{endpoint}, BorrowFrames: lent})
			fill := filler(t, l, endpoint)
			wantCost(t, name+", "+kind, costOf(costMessages, func() {
				testkit.Must(t, pull.PauseReading())
				fill()
			}, func() {
				testkit.Must(t, pull.ResumeReading())
				<-r.came
			}), most)
		}
	}
}

func stream(t *testing.T, l *zmqio.EventLoop, typ zmq.SocketType, cfg zmqio.StreamConfig) *zmqio.Stream {
	t.Helper()
	cfg.Loop, cfg.Configure = l, unlimited
	s, err := zmqio.Open(t.Context(), typ, cfg)
	testkit.Must(t, err)
	t.Cleanup(func() { testkit.Must(t, s.Abort()) }) // a PULL may have unread messages
	return s
}

// A Stream costs as much as its transport. The cost of receiving includes that of sending.
func TestCostOfStreams(t *testing.T) {
	l := costLoop(t)
	testkit.Must(t, l.Start())
	ctx := context.Background()
	unread(t, l, "inproc://unread")
	out := stream(t, l, zmq.PUSH, zmqio.StreamConfig{Connect: []string{"inproc://unread"}})
	wantCost(t, "Send", costOf(costMessages, nothing, func() {
		for range costMessages {
			testkit.Must(t, out.Send(ctx, payload...))
		}
	}), gathers)
	in := stream(t, l, zmq.PULL, zmqio.StreamConfig{Bind: []string{"inproc://in"}})
	fill := filler(t, l, "inproc://in")
	wantCost(t, "Recv", costOf(costMessages, nothing, func() {
		fill()
		for range costMessages {
			_, err := in.Recv(ctx)
			testkit.Must(t, err)
		}
	}), cost{0.1, 0.1})
}

// A Proxy forwards a batch in C. The cost of forwarding includes those of sending and receiving.
func TestCostOfProxy(t *testing.T) {
	l := costLoop(t)
	testkit.Must(t, l.Start())
	front := stream(t, l, zmq.PULL, zmqio.StreamConfig{Bind: []string{"inproc://front"}})
	back := stream(t, l, zmq.PUSH, zmqio.StreamConfig{Bind: []string{"inproc://back"}})
	r := newTaker()
	transport(t, l, r, zmq.PULL, zmqio.ConnectionConfig{Connect: []string{"inproc://back"}, BorrowFrames: true})
	fill := filler(t, l, "inproc://front")
	p, err := zmqio.NewProxy(front, back, nil)
	testkit.Must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- p.Run(ctx) }()
	wantCost(t, "Proxy", costOf(costMessages, nothing, func() {
		fill()
		<-r.came
	}), cost{0.1, 0.1})
	cancel()
	<-ended
}

// The cost of a call is that of the client and of the server.
func TestCostOfCalls(t *testing.T) {
	const calls = 1000
	l := costLoop(t)
	testkit.Must(t, l.Start())
	router := stream(t, l, zmq.ROUTER, zmqio.StreamConfig{Bind: []string{"inproc://rpc"}})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		ended <- rpc.Serve(ctx, router, func(_ context.Context, req [][]byte) ([][]byte, error) { return req, nil }, rpc.ServerConfig{})
	}()
	c, err := rpc.NewClient(ctx, rpc.Config{Endpoints: []string{"inproc://rpc"}, Loop: l})
	testkit.Must(t, err)
	wantCost(t, "Call", costOf(calls, nothing, func() {
		for range calls {
			_, err := c.Call(ctx, payload...)
			testkit.Must(t, err)
		}
	}), cost{11, 8})
	testkit.Must(t, c.Close())
	cancel()
	<-ended
}
