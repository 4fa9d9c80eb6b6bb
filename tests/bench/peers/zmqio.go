package peers

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// must ends the process if err is not nil.
func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func newLoop(cfg zmqio.LoopConfig) *zmqio.EventLoop {
	l, err := zmqio.NewEventLoop(&cfg)
	must(err)
	return l
}

// configure returns a function that sets the options of the job's sockets, and calls more.
func (j job) configure(more ...func(zmq.Sockopts) error) func(zmq.Sockopts) error {
	return func(o zmq.Sockopts) error {
		for _, set := range append(more, func(o zmq.Sockopts) error { return o.SetSndHWM(j.hwm) },
			func(o zmq.Sockopts) error { return o.SetRcvHWM(j.hwm) }) {
			if err := set(o); err != nil {
				return err
			}
		}
		return nil
	}
}

func (j job) create(l *zmqio.EventLoop, p zmqio.Protocol, typ zmq.SocketType, cfg zmqio.ConnectionConfig) *zmqio.Transport {
	if cfg.Configure == nil {
		cfg.Configure = j.configure()
	}
	t, _, err := zmqio.CreateZmqConnection(context.Background(), l, func() zmqio.Protocol { return p }, typ, cfg)
	must(err)
	return t
}

func bindTo(endpoint string) zmqio.ConnectionConfig {
	return zmqio.ConnectionConfig{Bind: []string{endpoint}}
}

func connectTo(endpoint string) zmqio.ConnectionConfig {
	return zmqio.ConnectionConfig{Connect: []string{endpoint}}
}

// scrape reads the figures of the process until its end, as package zmqprom does.
func scrape(every time.Duration) {
	for range time.Tick(every) {
		_, _ = zmqio.TransportTotals(), zmqio.LoopTotals()
	}
}

// runMeasured runs the loop until a protocol stops it, and prints the result of m.
func runMeasured(l *zmqio.EventLoop, m *meter) error {
	if err := l.RunForever(context.Background()); err != nil {
		return err
	}
	return tell(m.result)
}

// A receiver keeps the last messages, and counts all.
type receiver struct {
	zmqio.BaseProtocol
	meter
	loop *zmqio.EventLoop
	kept ring[[][]byte]
}

func (r *receiver) MsgReceived(msg [][]byte) {
	r.kept.put(msg)
	if r.tick() {
		r.loop.Stop()
	}
}

// A borrower keeps copies of the last messages, in memory that it reuses.
type borrower struct{ receiver }

func (b *borrower) MsgReceived(msg [][]byte) {
	kept := b.kept.next()
	*kept = slices.Grow((*kept)[:0], len(msg))[:len(msg)]
	for i, f := range msg {
		(*kept)[i] = append((*kept)[i][:0], f...)
	}
	if b.tick() {
		b.loop.Stop()
	}
}

// receive makes the measured transport. It keeps the frames that it gets, or with how=borrow,
// copies of them.
func (j job) receive(l *zmqio.EventLoop) (*zmqio.Transport, *meter) {
	r := receiver{meter: meter{job: j}, loop: l, kept: newRing[[][]byte](j.keep)}
	cfg := bindTo(j.endpoint)
	if j.how == "borrow" {
		cfg.BorrowFrames = true
		b := &borrower{r}
		return j.create(l, b, zmq.PULL, cfg), &b.meter
	}
	return j.create(l, &r, zmq.PULL, cfg), &r.meter
}

func zmqioRecv(j job) error {
	ctx, err := zmq4.NewContext()
	if err != nil {
		return err
	}
	l := newLoop(zmqio.LoopConfig{Context: ctx})
	t, m := j.receive(l)
	if err := tellEndpoint(t.Listeners()[0]); err != nil {
		return err
	}
	if j.inproc() {
		go sendForever(ctx, j)
	}
	return runMeasured(l, m)
}

// A requester keeps a number of requests under way.
type requester struct {
	zmqio.BaseProtocol
	meter
	t *zmqio.Transport
}

func (r *requester) ConnectionMade(t *zmqio.Transport) { r.t = t }

func (r *requester) start() {
	for range r.inflight {
		must(r.t.Write(r.message()))
	}
}

func (r *requester) MsgReceived(msg [][]byte) {
	if r.tick() {
		r.t.Loop().Stop()
	}
	must(r.t.Write(msg))
}

func zmqioRoundTrip(j job) error {
	l := newLoop(zmqio.LoopConfig{})
	r := &requester{meter: meter{job: j}}
	j.create(l, r, zmq.DEALER, connectTo(j.endpoint))
	if _, err := l.CallSoon(r.start); err != nil {
		return err
	}
	return runMeasured(l, &r.meter)
}

// An echo returns every message.
type echo struct {
	zmqio.BaseProtocol
	t *zmqio.Transport
}

func (e *echo) ConnectionMade(t *zmqio.Transport) { e.t = t }
func (e *echo) MsgReceived(msg [][]byte)          { must(e.t.Write(msg)) }

// zmqioPair is aiozmq's own benchmark: a DEALER and a ROUTER on one loop.
func zmqioPair(j job) error {
	l := newLoop(zmqio.LoopConfig{})
	server := j.create(l, new(echo), zmq.ROUTER, bindTo(j.endpoint))
	r := &requester{meter: meter{job: j}}
	dealer := j.create(l, r, zmq.DEALER, connectTo(server.Listeners()[0]))
	if _, err := l.CallSoon(func() { must(dealer.Write([][]byte{[]byte("func"), make([]byte, j.size)})) }); err != nil {
		return err
	}
	return runMeasured(l, &r.meter)
}
