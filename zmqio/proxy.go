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

// A ProxyDirection says which way a message goes through a Proxy.
type ProxyDirection int

// The directions of a Proxy.
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

// ProxyConfig says what a Proxy does beside forwarding. The zero value is fine.
type ProxyConfig struct {
	// Capture gets a copy of each message that is forwarded, as it is forwarded: a PUB, an
	// XPUB, a PUSH, a DEALER or a PAIR. Answers of Filter are not captured. While Capture has
	// no room, the proxy forwards nothing, so that no copy is lost. A PUB and an XPUB drop
	// instead of having no room.
	Capture *Stream
	// Filter is called with each message, in order, on the loop's goroutine; nil forwards
	// all as they are. What it returns as forward goes on in the message's direction, and a
	// nil forward drops the message. What it returns as answer goes back to where the
	// message came from; nil is no answer. On a ROUTER an answer begins with the routing id,
	// as the message does. An answer to a PULL or a SUB, which cannot send, is dropped.
	//
	// msg has the metadata that StreamConfig.Metadata of its stream asks for. Its frames are
	// the filter's to change, and to return.
	//
	// A message whose Filter panics is dropped. The exception handler is told, and the proxy
	// goes on. A REP that Filter neither forwards a request of nor answers takes no other
	// request; one whose Filter panics ends, as Protocol.MsgReceived says.
	//
	// With a Filter each message is copied to memory of Go's and back.
	Filter func(d ProxyDirection, msg Message) (forward, answer [][]byte)
	// DrainTimeout bounds how long Run forwards, after its context has ended, what has
	// already come; 0 is DefaultDrainTimeout.
	DrainTimeout time.Duration
}

// ProxyStats are figures of a Proxy, over all its runs. They grow batch by batch.
type ProxyStats struct {
	ToBack, ToFront ProxyFlow
	Captured        uint64 // messages that Capture has accepted
	Paused          bool   // by Pause
}

// A ProxyFlow counts the messages of one direction.
type ProxyFlow struct {
	Traffic // received
	// Dropped are messages that Filter dropped, that had several frames for a socket with
	// CONFLATE, or that had no peer to go to (EHOSTUNREACH). Messages of the caller and
	// answers of Filter that have no peer count as well. So does a message that Filter returns
	// when the other stream has ended.
	Dropped uint64
	// Answered are answers of Filter to messages of this direction.
	Answered uint64
}

// A Proxy forwards the messages of two streams to one another. It forwards in each direction
// in which one stream receives and the other sends: a PULL and a PUSH have one, a ROUTER and a
// DEALER both. Without Filter messages stay in libzmq's memory.
//
// A message is collected whole before its first frame is sent. Messages of one direction keep
// their order. A stream that has no room keeps those that come after waiting in the other, and
// behind its high-water marks with the senders. What the caller has sent to a stream before
// goes first. A caller may also send while the proxy runs, and what waits to be sent then goes
// before what is forwarded.
//
// Its methods may be called from every goroutine.
type Proxy struct {
	cfg      ProxyConfig
	streams  []*Stream // front, back, and Capture if there is one
	passages []*passage
	captured atomic.Uint64

	draining atomic.Bool
	progress chan struct{} // while draining: a source or an outbox has become empty

	mu      sync.Mutex // its place among the locks: mailbox
	running bool       // it has its streams
	paused  bool
}

// NewProxy returns a proxy between two streams on one loop, which are the caller's until Run.
// A nil cfg is the zero value.
//
// The error is ErrInvalidArgument for streams that are nil, the same, or on different loops;
// for types between which no message can go, or of which Capture cannot be; for a REQ or a REP
// unless the other one, of another type, both sends and receives; and for a negative
// DrainTimeout.
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
func RunProxy(ctx context.Context, front, back, capture *Stream) error {
	p, err := NewProxy(front, back, &ProxyConfig{Capture: capture})
	if err != nil {
		return err
	}
	return p.Run(ctx)
}

// roles names the streams of a proxy, in their order.
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
			return invalid("proxy: %s is the stream that another side is", roles[i])
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

// Run forwards messages until ctx ends or one of the streams does. Messages that the streams
// have received before go first. Meanwhile Recv of a stream that is forwarded from gets nothing.
//
// When ctx has ended, Run goes on until it finds nothing more that has come, and all that it
// took is with libzmq. It then returns nil. Where that does not happen within DrainTimeout, it
// returns ErrNotDrained. A Filter that blocks the loop keeps Run waiting. While the proxy is
// paused, and of a stream whose reading is paused, what has come stays where it is. In each
// case the streams are the caller's again: Recv returns what was not forwarded, and Close of a
// stream sends what it has accepted. So nothing is lost, and nothing is doubled.
//
// ErrInvalidArgument means a nil ctx, and ErrWouldDeadlock a call on the loop's own goroutine.
// ErrProxyRunning means that a proxy has one of the streams. The other errors are
// ErrLoopClosed, and what ended a stream: io.EOF after Close. Where ctx ends before the loop
// has begun, the error is its cause. Run may be called again.
func (p *Proxy) Run(ctx context.Context) error {
	loop := p.streams[0].t.loop
	switch {
	case ctx == nil:
		return errNilContext("Proxy.Run")
	case loop.InLoop():
		return ErrWouldDeadlock
	}
	if err := loop.Do(ctx, p.begin); err != nil {
		return err
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

// over returns a channel that is closed when stream i ends, or nil where there is none.
func (p *Proxy) over(i int) <-chan struct{} {
	if i >= len(p.streams) {
		return nil
	}
	return p.streams[i].mailbox.over
}

// ended returns what ended one of the streams, or nil.
func (p *Proxy) ended() error {
	for i, role := range roles[:len(p.streams)] {
		if err := p.streams[i].Err(); err != nil {
			return fmt.Errorf("proxy: the %s stream has ended: %w", role, err)
		}
	}
	return nil
}

// begin takes the streams over. Loop goroutine only.
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

// join makes p the stream's proxy, and reports whether the stream had none.
func (s *Stream) join(p *Proxy) bool {
	s.t.sockMu.Lock()
	defer s.t.sockMu.Unlock()
	if s.proxy != nil {
		return false
	}
	s.proxy = p
	return true
}

// leave ends what join began.
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
		if err == nil { // on a closed loop there is nothing left to read
			s.t.readAgain(proxyPaused)
			s.t.readAgain(proxyFull)
		}
	}
}

// drain waits until the proxy has forwarded all that has come, or DrainTimeout is over.
func (p *Proxy) drain() error {
	p.draining.Store(true)
	defer p.draining.Store(false)
	ctx, cancel := context.WithTimeout(context.Background(), p.cfg.DrainTimeout)
	defer cancel()
	for {
		drained := false
		err := p.streams[0].t.loop.Do(ctx, func() error {
			drained = p.drained()
			return nil
		})
		switch ended := p.ended(); {
		case ended != nil:
			return ended
		case drained:
			return nil
		case err != nil && ctx.Err() == nil:
			return err
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

// drained reports whether nothing is to be forwarded. Loop goroutine only.
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

// Pause stops forwarding, until Resume. Messages wait in libzmq, and behind its high-water
// marks with the senders. A batch that is being forwarded still goes: a few hundred messages at
// most. Pause may be called before Run, and be repeated.
func (p *Proxy) Pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = true
	p.pauseLocked()
}

// pauseLocked stops reading where the proxy runs and is paused. Caller holds p.mu.
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

// Resume ends what Pause began. It may be repeated.
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

// Stats returns the figures of the proxy.
func (p *Proxy) Stats() ProxyStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return ProxyStats{
		ToBack: p.passages[FrontToBack].stats(), ToFront: p.passages[BackToFront].stats(),
		Captured: p.captured.Load(), Paused: p.paused,
	}
}
