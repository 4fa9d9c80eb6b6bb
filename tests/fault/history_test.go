package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// Faults of libzmq 4.3.4 that zmqio may prevent.
const (
	// threePipes means that a socket may have three peers or more while one goes. libzmq's fq_t and
	// lb_t then mix messages.
	threePipes = false
	// ipcKeeps means that messages over ipc arrive although their sender closes.
	ipcKeeps = true
)

// Transports of all kinds act at random, and every message is compared with the written ones. None
// is torn, mixed, doubled, invented or reordered. No refused message comes. A message is lost only
// if an end of its link died.
func TestHistory(t *testing.T) {
	if !withLeaksOfLibzmq(t) {
		return
	}
	checkLeaks(t)
	start := *seed
	if start == 0 {
		start = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d; -args -seed %[1]d makes the same choices", start)
	duration := form(3*time.Second, 2*time.Minute)
	const least = 10 // the number of islands, also on a slow machine
	zctx, err := zmq4.NewContext()
	must(t, err)
	t.Cleanup(func() {
		ended := make(chan error, 1)
		go func() { ended <- zctx.Term() }()
		select {
		case err := <-ended:
			must(t, err)
		case <-time.After(time.Minute):
			t.Error("libzmq does not come to an end") // a socket keeps messages that no peer takes
		}
	})
	must(t, zctx.SetMaxSockets(10_000))
	s := &sea{t: t, dir: socketDir(t)}
	s.port.Store(int64(12_000 + os.Getpid()*31%6_000))
	for i := range s.loops {
		s.loops[i] = newLoop(t, &zmqio.LoopConfig{Context: zctx, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}, zmqio.ErrUndelivered) // if a peer has died
		s.loops[i].SetExceptionHandler(s.complain)
	}
	s.loops[0].SetDebug(true) // makes the loop overwrite frames that were lent

	var sailors sync.WaitGroup
	var next atomic.Int64
	end := time.Now().Add(duration)
	for range 3 { // islands at once
		sailors.Go(func() {
			for next.Load() < least || time.Now().Before(end) {
				n := uint64(next.Add(1))
				s.visit(int(n), rand.New(rand.NewPCG(start, n)))
			}
		})
	}
	sailors.Wait()
	t.Logf("%d islands, %d transports, %d deaths; %d messages accepted, %d refused, %d received; %d transports could not send all in the end",
		next.Load(), s.made.Load(), s.died.Load(), s.accepted.Load(), s.refused.Load(), s.received.Load(), s.stuck.Load())
	if s.accepted.Load() == 0 || s.refused.Load() == 0 || s.received.Load() == 0 || s.died.Load() == 0 {
		t.Error("an expected event never came")
	}
}

// A sea has many islands, some of them at the same time.
type sea struct {
	t     *testing.T
	dir   string
	port  atomic.Int64
	loops [2]*zmqio.EventLoop

	made, died, stuck           atomic.Int64
	accepted, refused, received atomic.Int64
}

// complain is the exception handler. It ignores messages for dead peers.
func (s *sea) complain(_ *zmqio.EventLoop, c zmqio.ExceptionContext) {
	if p, is := c.Protocol.(*party); is && errors.Is(c.Err, zmq.EHOSTUNREACH) && p.typ == zmq.ROUTER {
		return
	}
	s.t.Errorf("exception handler: %s: %v on %v\n%s", c.Message, c.Err, c.Transport, c.Stack)
}

// An island has connected transports, and their actions. Hubs are bound, and each spoke connects to
// each hub.
type island struct {
	*sea
	number int
	wire   string
	pair   [2]zmq.SocketType // types of the hubs and of the spokes
	// deadly islands end transports or connections: those of hubs if hubsDie is set, else those of
	// spokes.
	deadly, hubsDie bool
	closing         bool // senders close as soon as they have written
	steady          bool // a PUB drops nothing

	hubs   []*party
	over   atomic.Bool
	deaths atomic.Int64

	state   condition // guards the fields below
	clock   uint64
	parties []*party
	replies int // number of replies that are still to be written
	history history
	got     []receipt
	awaited map[delivery]bool // deliveries that have not arrived
	closed  bool              // messages that are written from now on need not arrive
}

var pairs = [][2]zmq.SocketType{
	{zmq.PULL, zmq.PUSH},
	{zmq.PUSH, zmq.PULL},
	{zmq.ROUTER, zmq.DEALER},
	{zmq.DEALER, zmq.ROUTER},
	{zmq.DEALER, zmq.DEALER},
	{zmq.PAIR, zmq.PAIR},
	{zmq.REP, zmq.REQ},
	{zmq.REQ, zmq.REP},
	{zmq.PUB, zmq.SUB},
	{zmq.SUB, zmq.PUB},
}

// visit makes an island, lets it live, and judges it.
func (s *sea) visit(number int, r *rand.Rand) {
	is := &island{
		sea: s, number: number, wire: wires[r.IntN(len(wires))], pair: pairs[r.IntN(len(pairs))],
		deadly: number%2 == 0, hubsDie: r.IntN(4) == 0, closing: r.IntN(2) == 0, steady: r.IntN(2) == 0,
		history: history{
			cut: make(map[link]bool), joined: make(map[link][]uint64),
			fanout: make(map[int]bool), steady: make(map[link]uint64),
		},
	}
	if is.is(zmq.REQ) && is.deadly {
		is.wire = "inproc" // over tcp and ipc libzmq may end the process when a REQ is aborted
	}
	is.hubsDie = is.hubsDie && is.wire != "inproc" // over inproc no party may connect before Bind
	ctx, cancel := context.WithTimeoutCause(context.Background(), time.Minute, errors.New("the test took too long"))
	defer cancel()
	err := is.settle(ctx, r)
	if err == nil {
		is.live(r)
		err = is.rest(ctx)
	}
	if err != nil {
		s.t.Errorf("%v: %v", is, err)
	}
	is.leave(ctx)
	is.judge()
}

func (is *island) String() string {
	return fmt.Sprintf("island %d of %v and %v over %s, deadly %t, hubs die %t, closing %t, steady %t", is.number, is.pair[0], is.pair[1], is.wire,
		is.deadly, is.hubsDie, is.closing, is.steady)
}

// is reports whether the hubs or the spokes have the type typ.
func (is *island) is(typ zmq.SocketType) bool { return is.pair[0] == typ || is.pair[1] == typ }

// settle makes the transports.
func (is *island) settle(ctx context.Context, r *rand.Rand) error {
	hubs, spokes := 1+r.IntN(2), 1+r.IntN(4)
	switch {
	case is.is(zmq.PAIR):
		hubs, spokes = 1, 1
	case is.deadly && !threePipes:
		spokes = min(spokes, 2)
	}
	if is.hubsDie {
		hubs = 1 // with more, a message for an absent hub would delay those for others
	}
	for range hubs {
		p, err := is.add(ctx, r, true)
		if err != nil {
			return err
		}
		is.hubs = append(is.hubs, p)
	}
	for range spokes {
		if _, err := is.add(ctx, r, false); err != nil {
			return err
		}
	}
	return is.subscribe(ctx, r)
}

// add makes a party.
func (is *island) add(ctx context.Context, r *rand.Rand, hub bool) (*party, error) {
	p := &party{
		island: is, hub: hub, typ: is.pair[1], borrows: r.IntN(2) == 0, end: make(chan struct{}),
		random: rand.New(rand.NewPCG(r.Uint64(), 1)),
	}
	if hub {
		p.typ = is.pair[0]
	}
	p.steady = p.typ == zmq.SUB && is.steady
	is.state.Change(func() {
		p.id = len(is.history.written)
		is.history.written = append(is.history.written, nil)
		is.history.fanout[p.id] = p.typ == zmq.PUB
	})
	cfg := zmqio.ConnectionConfig{BorrowFrames: p.borrows, MaxWriteBuffer: []int{0, 0, 4 * kib, 100 * kib}[r.IntN(4)], Configure: p.configure(r)}
	loop := is.loops[r.IntN(2)]
	var err error
	for {
		if !hub {
			for _, h := range is.hubs {
				cfg.Connect = append(cfg.Connect, h.place)
			}
		} else {
			p.place = is.newPlace(p.id)
			cfg.Bind = []string{p.place}
		}
		_, _, err = loop.CreateZmqConnection(ctx, func() zmqio.Protocol { return p }, p.typ, cfg)
		if !errors.Is(err, zmq.EADDRINUSE) {
			break
		}
		<-p.end
		p.end = make(chan struct{})
	}
	if err != nil {
		return nil, fmt.Errorf("create %v: %w", p.typ, err)
	}
	is.made.Add(1)
	is.state.Change(func() { is.parties = append(is.parties, p) })
	return p, nil
}

// newPlace returns an endpoint that no other island has.
func (is *island) newPlace(id int) string {
	switch is.wire {
	case "tcp":
		return fmt.Sprintf("tcp://127.0.0.1:%d", is.port.Add(1))
	case "ipc":
		return "ipc://" + filepath.Join(is.dir, fmt.Sprintf("%d-%d", is.number, id))
	}
	return fmt.Sprintf("inproc://history-%d-%d", is.number, id)
}

func (p *party) configure(r *rand.Rand) func(zmq.Sockopts) error {
	send, receive, linger := 1+r.IntN(50), 1+r.IntN(50), zmq.Forever
	if p.island.steady && p.island.is(zmq.PUB) {
		send, receive = 0, 0
	}
	switch {
	case p.island.deadly && p.island.hubsDie, p.island.is(zmq.PUB):
		linger = 300 * time.Millisecond // libzmq would keep messages and subscriptions for absent peers for ever
	case p.island.deadly:
		linger = 10 * time.Second
	}
	return func(s zmq.Sockopts) error {
		err := errors.Join(s.SetSndHWM(send), s.SetRcvHWM(receive), s.SetLinger(linger), s.SetReconnectInterval(time.Millisecond))
		switch p.typ {
		case zmq.ROUTER:
			err = errors.Join(err, s.SetRouterMandatory(true), s.SetRoutingID([]byte(routingID(p.id))))
		case zmq.DEALER:
			err = errors.Join(err, s.SetRoutingID([]byte(routingID(p.id))))
		case zmq.SUB:
			if p.steady {
				err = errors.Join(err, s.SetSubscribe(nil))
			}
		}
		return err
	}
}

// subscribe waits until the messages of each PUB arrive at each SUB that is to have all.
func (is *island) subscribe(ctx context.Context, r *rand.Rand) error {
	for _, from := range is.parties {
		for _, to := range is.parties {
			if from.typ != zmq.PUB || !to.steady {
				continue
			}
			arrived := func() bool {
				return slices.ContainsFunc(is.got, func(g receipt) bool { return g.by == to.id && int(g.tag.source) == from.id })
			}
			for {
				_ = from.write(byProbe, r, anyone)
				try, cancel := context.WithTimeout(ctx, 2*time.Millisecond)
				err := is.state.Until(try, arrived)
				cancel()
				if err == nil {
					break
				} else if ctx.Err() != nil {
					return context.Cause(ctx)
				}
			}
			is.state.Change(func() { is.history.steady[link{from.id, to.id}] = is.clock + 1 })
		}
	}
	return nil
}

// live lets the parties act for a while.
func (is *island) live(r *rand.Rand) {
	var workers sync.WaitGroup
	for writer := range 3 {
		r := rand.New(rand.NewPCG(r.Uint64(), 2))
		workers.Go(func() {
			for range 200 {
				p := is.anyParty(r, func(*party) bool { return true })
				if err := p.step(uint16(writer), r); err != nil && !errors.Is(err, zmqio.ErrTransportClosed) {
					is.t.Errorf("%v: %v: %v", is, p, err)
				}
				if is.deadly && r.IntN(100) == 0 {
					is.kill(r)
				}
			}
		})
	}
	workers.Wait()
	is.over.Store(true)
	is.fence()
}

// anyParty returns a random party for which fn returns true. There must be one.
func (is *island) anyParty(r *rand.Rand, fn func(*party) bool) *party {
	is.state.Lock()
	defer is.state.Unlock()
	for {
		if p := is.parties[r.IntN(len(is.parties))]; fn(p) {
			return p
		}
	}
}

// kill lets a party die, and adds another if there may be one more.
func (is *island) kill(r *rand.Rand) {
	p := is.anyParty(r, func(p *party) bool { return p.hub == is.hubsDie })
	if err := p.die(r); err != nil && !errors.Is(err, zmqio.ErrTransportClosed) {
		is.t.Errorf("%v: %v: %v", is, p, err)
	}
	if !is.hubsDie && !is.is(zmq.PAIR) && is.mayCome() && r.IntN(2) == 0 {
		ctx, cancel := context.WithTimeout(context.Background(), hang)
		defer cancel()
		if _, err := is.add(ctx, r, false); err != nil {
			is.t.Errorf("%v: %v", is, err)
		}
	}
}

// mayCome reports whether a hub may have one more pipe than there are spokes.
func (is *island) mayCome() bool {
	is.state.Lock()
	defer is.state.Unlock()
	return threePipes && len(is.parties) < 20
}

// fence waits until the callbacks that run now have returned.
func (is *island) fence() {
	for _, l := range is.loops {
		done := make(chan struct{})
		if _, err := l.CallSoon(func() { close(done) }); err != nil {
			is.t.Errorf("%v: %v", is, err)
			return
		}
		<-done
	}
}

// answered waits until all received requests have been answered.
func (is *island) answered(ctx context.Context) error {
	is.fence()
	return is.state.Until(ctx, func() bool { return is.replies == 0 })
}

// rest waits until everything has arrived that must. Some senders close before their receivers read
// on.
func (is *island) rest(ctx context.Context) error {
	if is.closing && !is.deadly {
		for _, p := range is.parties {
			if p.typ == zmq.PUSH && (is.wire != "ipc" || ipcKeeps) {
				if err := p.t.Close(); err != nil {
					return err
				}
			}
		}
	}
	for _, p := range is.parties {
		if err := p.t.ResumeReading(); err != nil && !errors.Is(err, zmqio.ErrNotPaused) {
			return err
		}
	}
	for {
		if err := is.answered(ctx); err != nil {
			return err
		}
		is.state.Change(func() {
			is.awaited = is.history.due()
			for _, g := range is.got {
				delete(is.awaited, is.history.delivery(g))
			}
			is.closed = len(is.awaited) == 0
		})
		if is.closed {
			return nil
		}
		if err := is.state.Until(ctx, func() bool { return len(is.awaited) == 0 }); err != nil {
			return fmt.Errorf("%d messages are missing: %w", len(is.awaited), err)
		}
	}
}

// leave closes all transports. Senders come before parties that only receive, because libzmq may
// end the process when both ends of a connection go amid a message.
func (is *island) leave(ctx context.Context) {
	if err := is.answered(ctx); err != nil {
		is.t.Errorf("%v: %v", is, err)
	}
	is.died.Add(is.deaths.Load())
	patience := time.Minute
	if is.deadly {
		patience = 200 * time.Millisecond
	}
	groups := make([][]*party, 3)
	for _, p := range is.parties {
		switch {
		case !p.typ.CanSend():
			groups[2] = append(groups[2], p)
		case p.hub:
			groups[1] = append(groups[1], p)
		default:
			groups[0] = append(groups[0], p)
		}
	}
	for _, g := range groups {
		for _, p := range g {
			_ = p.t.Close()
		}
		for _, p := range g {
			select {
			case <-p.end:
				continue
			case <-time.After(patience):
			}
			is.stuck.Add(1)
			if !is.deadly {
				is.t.Errorf("%v: %v does not close: %d bytes in its buffer", is, p, p.t.WriteBufferSize())
			}
			_ = p.t.Abort()
			select {
			case <-p.end:
			case <-ctx.Done():
				is.t.Errorf("%v: no ConnectionLost of %v", is, p)
			}
		}
	}
}

// judge compares what was received with what was written.
func (is *island) judge() {
	is.state.Lock()
	defer is.state.Unlock()
	is.sea.received.Add(int64(len(is.got)))
	for i, v := range is.history.check(is.got) {
		if i == 10 {
			is.t.Errorf("%v: and more", is)
			break
		}
		is.t.Errorf("%v: %v", is, v)
	}
	for _, all := range is.history.written {
		for _, w := range all {
			switch w.outcome {
			case accepted:
				is.accepted.Add(1)
			case refused:
				is.refused.Add(1)
			}
		}
	}
}

// The methods below record what parties do.

func (is *island) begin(p *party, writer uint16, to int) (n tag) {
	is.state.Change(func() {
		all := &is.history.written[p.id]
		n = tag{source: uint16(p.id), writer: writer, number: uint32(len(*all))}
		*all = append(*all, written{tag: n, to: to})
	})
	return n
}

func (is *island) start(n tag) {
	is.state.Change(func() {
		is.clock++
		w := &is.history.written[n.source][n.number]
		w.start, w.count = is.clock, n.count
	})
}

func (is *island) finish(n tag, err error) {
	is.state.Change(func() {
		is.clock++
		w := &is.history.written[n.source][n.number]
		w.end = is.clock
		switch {
		case err != nil:
			w.outcome = refused
		case !is.closed:
			w.outcome = accepted
		}
	})
}

func (is *island) receive(r receipt) {
	is.state.Change(func() {
		is.clock++
		r.at = is.clock
		is.got = append(is.got, r)
		if r.wrong == nil {
			delete(is.awaited, is.history.delivery(r))
		}
	})
}

// cut records that p's links may lose messages from now on.
func (is *island) cut(p *party, from, to bool) {
	is.state.Change(func() {
		for _, other := range is.parties {
			if from {
				is.history.cut[link{p.id, other.id}] = true
			}
			if to {
				is.history.cut[link{other.id, p.id}] = true
			}
		}
	})
}

func (is *island) isCut(from, to int) bool {
	is.state.Lock()
	defer is.state.Unlock()
	return is.history.cut[link{from, to}]
}

// join records that p's links begin anew.
func (is *island) join(p *party) {
	is.state.Change(func() {
		is.clock++
		for _, other := range is.parties {
			for _, l := range []link{{p.id, other.id}, {other.id, p.id}} {
				is.history.joined[l] = append(is.history.joined[l], is.clock)
			}
		}
	})
}
