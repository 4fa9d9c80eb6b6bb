package fault

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// A party is a transport of an island, and its protocol. Its callbacks write, too.
type party struct {
	island  *island
	id      int
	t       *zmqio.Transport
	typ     zmq.SocketType
	borrows bool
	steady  bool // a SUB that receives all
	hub     bool // bound, and spokes connect to it
	place   string
	end     chan struct{} // closed by ConnectionLost

	mu     sync.Mutex
	ended  bool       // Close or Abort was called
	apart  bool       // disconnected, and not connected again
	random *rand.Rand // the source of chance
	heard  []int      // on a ROUTER: the parties from which a message has come

	// The loop goroutine alone uses the fields below.
	kept     [][][]byte // messages that must not change
	keptTags []tag
}

const (
	byMade = 100 + iota // numbers of callbacks as writers
	byMessage
	byPause
	byResume
	byReply
	byProbe
)

// routingID returns the routing id of party id.
func routingID(id int) string { return fmt.Sprintf("party %d", id) }

var topics = []string{"", "a", "ab", "b", "topic"}

// envelope returns the frame in front of a message, on types that have one. On a PUB it is the
// topic.
func (p *party) envelope(n tag, to int) []byte {
	switch {
	case p.typ == zmq.PUB:
		return []byte(topics[int(n.number)%len(topics)])
	case p.typ == zmq.ROUTER && to >= 0:
		return []byte(routingID(to))
	case p.typ == zmq.ROUTER:
		return []byte("not here")
	}
	return nil
}

// open removes the envelope of a message, and returns what is wrong with it.
func (p *party) open(msg [][]byte) (n tag, wrong *violation) {
	if p.typ != zmq.ROUTER && p.typ != zmq.SUB {
		return parse(msg)
	}
	n, wrong = parse(msg[1:])
	if wrong != nil {
		return n, wrong
	}
	want := topics[int(n.number)%len(topics)]
	if p.typ == zmq.ROUTER {
		want = routingID(int(n.source))
	}
	if got := string(msg[0]); got != want {
		wrong = &violation{mixed, fmt.Sprintf("%v came behind %q, want %q", n, got, want)}
	}
	return n, wrong
}

// sizes returns the sizes of the frames of a message. Some are those that zmqio and libzmq treat
// differently. Some messages have so many frames that a pipe dies amid them.
func sizes(r *rand.Rand) []int {
	sizes := []int{tagSize + r.IntN(200)}
	for range r.IntN(5) * r.IntN(3) {
		switch r.IntN(10) {
		case 0, 1, 2:
			sizes = append(sizes, 0)
		case 3, 4, 5:
			sizes = append(sizes, 1+r.IntN(40))
		default:
			sizes = append(sizes, r.IntN(1000))
		}
	}
	switch r.IntN(100) {
	case 0: // a frame over 8 KiB gets memory of its own, and one over 32 KiB is a batch
		sizes[r.IntN(len(sizes))] = []int{8 * kib, 8*kib + 1, 33 * kib, 200 * kib}[r.IntN(4)]
	case 1: // one C call receives 1024
		for range 5000 {
			sizes = append(sizes, r.IntN(2)*tagSize)
		}
	}
	return sizes
}

// write writes a message to party `to`, and records the outcome. It overwrites the frames as soon
// as the transport has returned.
func (p *party) write(writer uint16, r *rand.Rand, to int) error {
	n := p.island.begin(p, writer, to)
	lengths := sizes(r)
	n.count = uint16(len(lengths))
	msg := n.compose(lengths, r)
	if e := p.envelope(n, to); e != nil {
		msg = append([][]byte{e}, msg...)
	}
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	call := func() error { return p.t.Write(msg) }
	if r.IntN(2) == 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(r.IntN(2000))*time.Microsecond)
		call = func() error { return p.t.WriteContext(ctx, msg) }
	}
	p.island.start(n)
	err := call()
	p.island.finish(n, err)
	cancel()
	for _, f := range msg {
		for i := range f {
			f[i] = 0xee
		}
	}
	switch {
	case err == nil, isOneOf(err, []error{zmqio.ErrTransportClosed, zmqio.ErrBufferFull, context.DeadlineExceeded, zmqio.ErrWouldDeadlock}):
	case errors.Is(err, zmq.EFSM) && (p.typ == zmq.REQ || p.typ == zmq.REP):
	case errors.Is(err, zmq.EHOSTUNREACH) && p.typ == zmq.ROUTER && (to == nowhere || p.island.isCut(p.id, to)):
	default:
		p.island.t.Errorf("%v: %v: write for party %d: %v", p.island, p, to, err)
	}
	return err
}

// aim returns a party that a message can be for.
func (p *party) aim(r *rand.Rand) int {
	switch {
	case p.typ != zmq.ROUTER:
		return anyone
	case r.IntN(50) == 0:
		return nowhere
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.heard) == 0 {
		return nowhere
	}
	return p.heard[r.IntN(len(p.heard))]
}

// ConnectionMade is the first callback. It writes, because a ROUTER knows p only after a message.
func (p *party) ConnectionMade(t *zmqio.Transport) {
	p.t = t
	if p.typ.CanSend() && p.typ != zmq.ROUTER && p.typ != zmq.REP {
		_ = p.write(byMade, p.chance(), anyone)
	}
}

// ConnectionLost is the last.
func (p *party) ConnectionLost(err error) {
	if err != nil {
		p.island.t.Errorf("%v: %v: ConnectionLost(%v)", p.island, p, err)
	}
	for i, msg := range p.kept {
		if n, wrong := p.open(msg); wrong != nil || n != p.keptTags[i] {
			p.island.t.Errorf("%v: %v: %v has changed since it was received: it is %v: %v", p.island, p, p.keptTags[i], n, wrong)
		}
	}
	close(p.end)
}

// chance returns the randomness of one callback.
func (p *party) chance() *rand.Rand {
	p.mu.Lock()
	defer p.mu.Unlock()
	return rand.New(rand.NewPCG(p.random.Uint64(), 0))
}

// mayWrite reports whether a callback writes that is no part of the conversation of p's type.
func (p *party) mayWrite() bool {
	return !p.island.over.Load() && p.typ.CanSend() && p.typ != zmq.REQ && p.typ != zmq.REP
}

// PauseWriting sometimes writes, although writing is paused.
func (p *party) PauseWriting() {
	if r := p.chance(); p.mayWrite() && r.IntN(4) == 0 {
		_ = p.write(byPause, r, p.aim(r))
	}
}

// ResumeWriting sometimes writes.
func (p *party) ResumeWriting() {
	if r := p.chance(); p.mayWrite() && r.IntN(2) == 0 {
		_ = p.write(byResume, r, p.aim(r))
	}
}

// MsgReceived records a message. It sometimes answers, and on a REP always.
func (p *party) MsgReceived(msg [][]byte) {
	n, wrong := p.open(msg)
	p.island.receive(receipt{by: p.id, tag: n, wrong: wrong})
	if wrong != nil {
		return
	}
	if n.number%16 == 0 {
		p.keep(msg, n)
	}
	r, to := p.chance(), int(n.source)
	switch {
	case p.typ == zmq.REP:
		p.reply(r, to)
	case p.mayWrite() && r.IntN(8) == 0:
		if p.typ != zmq.ROUTER {
			to = anyone
		}
		_ = p.write(byMessage, r, to)
	}
	if p.typ == zmq.ROUTER {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !slices.Contains(p.heard, int(n.source)) {
			p.heard = append(p.heard, int(n.source))
		}
	}
}

// keep keeps a message, to compare it again at the end.
func (p *party) keep(msg [][]byte, n tag) {
	if p.borrows {
		msg = slices.Clone(msg)
		for i, f := range msg {
			msg[i] = slices.Clone(f)
		}
	}
	p.kept, p.keptTags = append(p.kept, msg), append(p.keptTags, n)
}

// reply answers a request: at once, later on the loop, or on another goroutine. Another answer may
// come first.
func (p *party) reply(r *rand.Rand, to int) {
	answer := func(to int) {
		for isOneOf(p.write(byReply, r, to), []error{context.DeadlineExceeded, zmqio.ErrBufferFull, zmqio.ErrWouldDeadlock}) {
		}
	}
	elsewhere := func() {
		answer(anyone) // by then p may have answered this request, and got another one
		p.island.state.Change(func() { p.island.replies-- })
	}
	where := r.IntN(4)
	if where > 1 {
		answer(to)
		return
	}
	p.island.state.Change(func() { p.island.replies++ })
	if where == 1 {
		go elsewhere()
	} else if _, err := p.t.Loop().CallSoon(elsewhere); err != nil {
		p.island.t.Error(err)
	}
}

func (p *party) String() string { return fmt.Sprintf("party %d %v", p.id, p.t) }

// step does something random that ends no transport.
func (p *party) step(writer uint16, r *rand.Rand) (err error) {
	n := r.IntN(10)
	switch {
	case n < 7 && p.typ.CanSend():
		if p.typ == zmq.REP && p.island.deadly {
			return nil // a request that Disconnect received would get the answer to another one
		}
		_ = p.write(writer, r, p.aim(r))
		return nil
	case n == 7:
		high := r.IntN(100_000) >> r.IntN(17)
		return p.t.SetWriteBufferLimits(high, r.IntN(high+1))
	case n == 8 && p.typ == zmq.SUB && !p.steady:
		topic := topics[r.IntN(len(topics))]
		if r.IntN(2) == 0 {
			return p.t.Subscribe(topic)
		}
		if err = p.t.Unsubscribe(topic); errors.Is(err, zmqio.ErrInvalidArgument) {
			err = nil // not subscribed
		}
		return err
	case !p.typ.CanReceive():
		return nil
	case r.IntN(3) == 0 != p.island.closing:
		err = p.t.PauseReading()
	default:
		err = p.t.ResumeReading()
	}
	if isOneOf(err, []error{zmqio.ErrAlreadyPaused, zmqio.ErrNotPaused}) {
		err = nil
	}
	return err
}

// die ends the transport, or one of its connections. Before that it records which messages may be
// lost.
func (p *party) die(r *rand.Rand) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended || p.apart {
		return nil
	}
	p.island.deaths.Add(1)
	if p.hub {
		return p.rebind()
	}
	switch r.IntN(4) {
	case 0:
		p.ended = true
		p.island.cut(p, true, true)
		return p.t.Abort()
	case 1:
		p.ended = true
		// Close sends what Write has accepted. If messages arrive meanwhile, the system resets the
		// connection.
		p.island.cut(p, p.typ.CanReceive() || p.island.wire == "ipc" && !ipcKeeps, true)
		return p.t.Close()
	}
	hubs := p.island.hubs
	return p.reconnect(hubs[r.IntN(len(hubs))].place)
}

// reconnect disconnects from a hub, and connects again. p.mu is held.
func (p *party) reconnect(place string) error {
	p.island.cut(p, true, true)
	if err := p.t.Disconnect(place); err != nil {
		return err
	}
	if p.apart = !p.island.mayCome(); p.apart {
		return nil
	}
	p.island.join(p)
	_, err := p.t.Connect(place)
	return err
}

// rebind makes a hub leave its endpoint and come back to it. p.mu is held.
func (p *party) rebind() error {
	p.island.cut(p, true, true)
	if err := p.t.Unbind(p.place); err != nil {
		return err
	}
	if p.apart = !p.island.mayCome(); p.apart {
		return nil
	}
	p.island.join(p)
	_, err := p.t.Bind(p.place)
	if p.apart = errors.Is(err, zmq.EADDRINUSE); p.apart { // libzmq closes listeners in the background
		return nil
	}
	return err
}
