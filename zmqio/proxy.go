package zmqio

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zmqio/zmq"
)

// DefaultDrainTimeout is the ProxyConfig.DrainTimeout that 0 stands for.
const DefaultDrainTimeout = time.Second

// A ProxyDirection is the direction of a message through a Proxy.
type ProxyDirection int

// The directions of a Proxy. A front to back message comes from the stream front.
const (
	FrontToBack ProxyDirection = iota
	BackToFront
)

// String returns "front to back" or "back to front".
func (d ProxyDirection) String() string {
	if d == BackToFront {
		return "back to front"
	}
	return "front to back"
}

// ProxyConfig configures a Proxy. The zero value only forwards.
type ProxyConfig struct {
	// Capture gets a copy of each message that is forwarded, as it is forwarded. Answers of
	// Filter are not captured. Its type is PUB, XPUB, PUSH, DEALER or PAIR. While Capture has
	// no room, the proxy forwards nothing. A PUB and an XPUB drop the copy instead of having no
	// room.
	Capture *Stream
	// Filter, if not nil, is called with each message, in order, on the loop goroutine. The
	// proxy sends forward in the message's direction; a nil forward drops the message. It sends
	// answer back to where the message came from; a nil answer sends nothing. On a ROUTER an
	// answer begins with the routing id, as the message does. A PULL and a SUB cannot send, so
	// the proxy drops an answer to them.
	//
	// msg has the properties that StreamConfig.Metadata of its stream names. Filter owns the
	// frames, and may change and return them. Each message is copied to memory of Go's and
	// back.
	//
	// If Filter panics, the proxy drops the message and the exception handler gets the panic. A
	// REP whose request Filter neither forwards nor answers takes no other request. A REP whose
	// Filter panics ends, as Protocol.MsgReceived says.
	Filter func(d ProxyDirection, msg Message) (forward, answer [][]byte)
	// DrainTimeout bounds how long Run forwards, after the end of its context, what has already
	// come; 0 means DefaultDrainTimeout.
	DrainTimeout time.Duration
}

// ProxyStats are the figures of a Proxy, over all its runs. They grow batch by batch.
type ProxyStats struct {
	ToBack, ToFront ProxyFlow
	// Captured counts messages that Capture has accepted.
	Captured uint64
	// Paused is true between Pause and Resume.
	Paused bool
}

// A ProxyFlow counts the messages of one direction. The embedded Traffic counts those received.
type ProxyFlow struct {
	Traffic // received
	// Dropped counts messages that were not forwarded: those that Filter dropped, those of
	// several frames for a socket with CONFLATE, and those without a peer (EHOSTUNREACH). It
	// includes messages of the caller and answers of Filter that have no peer. It also includes
	// a message that Filter returns after the other stream has ended.
	Dropped uint64
	// Answered counts answers of Filter to messages of this direction.
	Answered uint64
}

// A Proxy forwards the messages of two streams to one another. It forwards in each direction in
// which one stream receives and the other sends. A PULL and a PUSH have one such direction; a
// ROUTER and a DEALER have both. All methods are safe for concurrent use.
//
// Messages of one direction keep their order. The proxy collects a message whole before it
// sends its first frame. While a stream has no room, messages wait in the other stream and, at
// libzmq's high-water marks, with the peers. Messages that the caller sends to a stream go
// before those that are forwarded to it.
//
// Without Filter, messages stay in libzmq's memory. The package documentation lists two
// exceptions, under "Proxies".
//
// libzmq: zmq_proxy
type Proxy struct {
	cfg      ProxyConfig
	streams  []*Stream // front, back, and Capture if there is one
	passages []*passage
	captured atomic.Uint64

	draining atomic.Bool
	progress chan struct{} // while draining: gets an element when a source or an outbox becomes empty

	mu      sync.Mutex // in the order of locks at the mailbox
	running bool       // the proxy has taken over its streams
	paused  bool
}

// NewProxy returns a proxy between two streams on one loop. Until Run the streams are the
// caller's. A nil cfg means the zero ProxyConfig.
//
// The error is ErrInvalidArgument in these cases:
//   - A stream is nil, given twice, or on another loop than front.
//   - No message can go between the two types, or the type of Capture cannot capture.
//   - A type is REQ or REP, unless the other type differs, sends and receives.
//   - DrainTimeout is negative.
func NewProxy(front, back *Stream, cfg *ProxyConfig) (*Proxy, error) {
	var c ProxyConfig
	if cfg != nil {
		c = *cfg
	}
	p := &Proxy{cfg: c, streams: []*Stream{front, back}, progress: make(chan struct{}, 1)}
	if c.Capture != nil {
		p.streams = append(p.streams, c.Capture)
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	p.cfg.DrainTimeout = cmp.Or(c.DrainTimeout, DefaultDrainTimeout)
	p.passages = []*passage{newPassage(p, FrontToBack, front, back), newPassage(p, BackToFront, back, front)}
	return p, nil
}

// RunProxy runs a proxy between front and back until ctx ends. capture may be nil. The errors
// are those of NewProxy and Run.
//
// libzmq: zmq_proxy
func RunProxy(ctx context.Context, front, back, capture *Stream) error {
	p, err := NewProxy(front, back, &ProxyConfig{Capture: capture})
	if err != nil {
		return err
	}
	return p.Run(ctx)
}

// roles names the streams of a proxy, in order.
var roles = [...]string{"front", "back", "capture"}

func (p *Proxy) check() error {
	front, back := p.streams[0], p.streams[1]
	for i, s := range p.streams {
		switch {
		case s == nil:
			return invalid("proxy: %s is nil", roles[i])
		case s.t.loop != front.t.loop:
			return invalid("proxy: %s lives on another loop than front", roles[i])
		case slices.Contains(p.streams[:i], s):
			return invalid("proxy: %s and %s are the same stream", roles[slices.Index(p.streams[:i], s)], roles[i])
		}
	}
	f, b := front.t.typ.Info(), back.t.typ.Info()
	toBack, toFront := f.CanReceive && b.CanSend, b.CanReceive && f.CanSend
	switch {
	case !toBack && !toFront:
		return invalid("proxy: no message can go between a %v and a %v", f.Type, b.Type)
	case (takesTurns(f.Type) || takesTurns(b.Type)) && (f.Type == b.Type || !toBack || !toFront):
		return invalid("proxy: a %v and a %v cannot take turns; try a ROUTER and a DEALER", f.Type, b.Type)
	case p.cfg.DrainTimeout < 0:
		return invalid("ProxyConfig.DrainTimeout is negative: %v", p.cfg.DrainTimeout)
	}
	if c := p.cfg.Capture; c != nil && !captures(c.t.typ) {
		return invalid("proxy: a %v cannot capture; a PUB, XPUB, PUSH, DEALER or PAIR can", c.t.typ)
	}
	return nil
}

func takesTurns(typ zmq.SocketType) bool { return typ == zmq.REQ || typ == zmq.REP }

func captures(typ zmq.SocketType) bool {
	switch typ {
	case zmq.PUB, zmq.XPUB, zmq.PUSH, zmq.DEALER, zmq.PAIR:
		return true
	}
	return false
}

// Run forwards messages until ctx or one of the streams ends. Messages that the streams have
// received before go first. Meanwhile Recv of a stream that is forwarded from gets nothing. Run
// may be called again.
//
// After the end of ctx, Run goes on until no more messages have come and libzmq has taken all
// that Run took. It then returns nil. If that takes longer than DrainTimeout, it returns
// ErrNotDrained. While the proxy or a stream's reading is paused, messages stay where they are.
// A Filter that blocks the loop keeps Run waiting.
//
// The streams are then the caller's again: Recv returns what was not forwarded, and Close sends
// what the stream has accepted. So Run drops no message that it took, and sends none twice.
//
// Errors:
//   - The cause of ctx: ctx ended before the loop had begun.
//   - [ErrNotDrained]: see above.
//   - [ErrProxyRunning]: a proxy runs on one of the streams.
//   - What ended a stream: io.EOF after its Close.
//   - [ErrInvalidArgument]: ctx is nil.
//   - [ErrWouldDeadlock]: the caller is the loop goroutine.
//   - [ErrLoopClosed]: the loop is closed.
//
// libzmq: zmq_proxy
func (p *Proxy) Run(ctx context.Context) error {
	loop := p.streams[0].t.loop
	switch {
	case ctx == nil:
		return errNilContext("Proxy.Run")
	case loop.InLoop():
		return loop.refuse("Proxy.Run", ErrWouldDeadlock)
	}
	if err := loop.reactor.Do(ctx, p.begin); err != nil {
		return loop.refuse("Proxy.Run", err)
	}
	defer p.end()
	select {
	case <-ctx.Done():
		return p.drain()
	case <-p.over(0):
	case <-p.over(1):
	case <-p.over(2):
	}
	return p.ended()
}

// over returns a channel that closes when stream i ends, or nil if there is no stream i.
func (p *Proxy) over(i int) <-chan struct{} {
	if i >= len(p.streams) {
		return nil
	}
	return p.streams[i].mailbox.over
}

// ended returns why a stream has ended, or nil.
func (p *Proxy) ended() error {
	for i, role := range roles[:len(p.streams)] {
		if err := p.streams[i].Err(); err != nil {
			return fmt.Errorf("proxy: the %s stream has ended: %w", role, err)
		}
	}
	return nil
}

// begin takes over the streams. Loop goroutine only.
func (p *Proxy) begin() error {
	if err := p.ended(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, s := range p.streams {
		if !s.join(p) {
			for _, s := range p.streams[:i] {
				s.leave()
			}
			return fmt.Errorf("proxy: %s %v: %w", roles[i], s, ErrProxyRunning)
		}
	}
	p.running = true
	for _, w := range p.passages {
		w.begin()
	}
	p.pauseLocked()
	return nil
}

// join makes p the proxy of s, and reports whether s had none.
func (s *Stream) join(p *Proxy) bool {
	s.t.sockMu.Lock()
	defer s.t.sockMu.Unlock()
	if s.proxy != nil {
		return false
	}
	s.proxy = p
	return true
}

// leave ends join.
func (s *Stream) leave() {
	s.t.sockMu.Lock()
	defer s.t.sockMu.Unlock()
	s.proxy = nil
}

// end gives the streams back.
func (p *Proxy) end() {
	loop := p.streams[0].t.loop
	err := loop.Do(context.Background(), func() error {
		for _, w := range p.passages {
			w.end()
		}
		return nil
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = false
	for _, s := range p.streams {
		s.leave()
		if err == nil { // a closed loop has nothing left to read
			s.t.readAgain(proxyPaused)
			s.t.readAgain(proxyFull)
		}
	}
}

// drain waits until the proxy has forwarded everything that has come, or until DrainTimeout.
func (p *Proxy) drain() error {
	p.draining.Store(true)
	defer p.draining.Store(false)
	ctx, cancel := context.WithTimeout(context.Background(), p.cfg.DrainTimeout)
	defer cancel()
	loop := p.streams[0].t.loop
	for {
		drained := false
		err := loop.reactor.Do(ctx, func() error {
			drained = p.drained()
			return nil
		})
		switch ended := p.ended(); {
		case ended != nil:
			return ended
		case drained:
			return nil
		case err != nil && ctx.Err() == nil:
			return loop.refuse("Proxy.Run", err)
		}
		select {
		case <-p.progress:
		case <-p.over(0):
		case <-p.over(1):
		case <-p.over(2):
		case <-ctx.Done():
			return ErrNotDrained
		}
	}
}

// drained reports whether nothing is left to forward. Loop goroutine only.
func (p *Proxy) drained() bool {
	for _, s := range p.streams {
		if !s.t.isFlushed() {
			return false
		}
	}
	for _, w := range p.passages {
		if w != nil && !w.isEmpty() {
			return false
		}
	}
	return true
}

// madeProgress wakes drain.
func (p *Proxy) madeProgress() {
	if p.draining.Load() {
		select {
		case p.progress <- struct{}{}:
		default:
		}
	}
}

// Pause stops forwarding, until Resume. Messages wait in libzmq and, at its high-water marks,
// with the peers. The proxy still forwards the batch that it has begun, a few hundred messages
// at most. Pause may be called before Run, and may be repeated.
//
// libzmq: PAUSE of zmq_proxy_steerable
func (p *Proxy) Pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = true
	p.pauseLocked()
}

// pauseLocked stops reading if the proxy runs and is paused. Caller holds p.mu.
func (p *Proxy) pauseLocked() {
	if !p.running || !p.paused {
		return
	}
	for _, w := range p.passages {
		if w != nil {
			w.from.t.status.Or(proxyPaused)
		}
	}
}

// Resume ends what Pause began. Resume may be repeated.
//
// libzmq: RESUME of zmq_proxy_steerable
func (p *Proxy) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = false
	if p.running { // else another proxy may have the streams
		for _, s := range p.streams {
			s.t.readAgain(proxyPaused)
		}
	}
}

// Stats returns the figures of the proxy. It never waits for the loop.
//
// libzmq: STATISTICS of zmq_proxy_steerable
func (p *Proxy) Stats() ProxyStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return ProxyStats{
		ToBack: p.passages[FrontToBack].stats(), ToFront: p.passages[BackToFront].stats(),
		Captured: p.captured.Load(), Paused: p.paused,
	}
}
