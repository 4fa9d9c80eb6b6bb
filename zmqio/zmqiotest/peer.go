package zmqiotest

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// A Peer is a protocol that a test asks for what it received. All methods are safe for
// concurrent use.
type Peer struct {
	zmqio.BaseProtocol
	t         testing.TB
	transport *zmqio.Transport
	probe     []byte // begins the messages with which Pair finds out that a subscription has arrived

	cond   Condition
	queue  [][][]byte
	probes int
	paused bool
	lost   bool
	err    error
}

// NewPeer returns a Peer with a transport of its own on loop, which must run. The transport is
// aborted when the test ends.
func NewPeer(t testing.TB, loop *zmqio.EventLoop, typ zmq.SocketType, cfg zmqio.ConnectionConfig) *Peer {
	t.Helper()
	return newPeer(t, loop, typ, cfg, nil)
}

func newPeer(t testing.TB, loop *zmqio.EventLoop, typ zmq.SocketType, cfg zmqio.ConnectionConfig, probe []byte) *Peer {
	t.Helper()
	p := &Peer{t: t, probe: probe}
	p.transport = Create(t, loop, p, typ, cfg)
	t.Cleanup(func() { _ = p.transport.Abort() }) // returns nil
	return p
}

// Transport returns the peer's transport.
func (p *Peer) Transport() *zmqio.Transport { return p.transport }

// MsgReceived implements zmqio.Protocol. It keeps msg for Recv.
func (p *Peer) MsgReceived(msg [][]byte) {
	p.cond.Change(func() {
		if p.probe != nil && bytes.Equal(msg[0], p.probe) {
			p.probes++
			return
		}
		p.queue = append(p.queue, msg)
	})
}

// PauseWriting implements zmqio.Protocol. Paused then returns true.
func (p *Peer) PauseWriting() { p.cond.Change(func() { p.paused = true }) }

// ResumeWriting implements zmqio.Protocol. Paused then returns false.
func (p *Peer) ResumeWriting() { p.cond.Change(func() { p.paused = false }) }

// ConnectionLost implements zmqio.Protocol. It ends Recv and Lost.
func (p *Peer) ConnectionLost(err error) {
	p.cond.Change(func() { p.lost, p.err = true, err })
}

// Paused reports whether the transport has paused the peer.
func (p *Peer) Paused() (paused bool) {
	p.cond.Change(func() { paused = p.paused })
	return paused
}

// Send writes a message of frames, and fails the test if that fails.
func (p *Peer) Send(frames ...string) {
	p.t.Helper()
	if err := p.transport.Write(message(frames)); err != nil {
		p.t.Errorf("%v: %v", p.transport, err)
	}
}

// Recv returns the next message as text. If none comes within Patience, or the transport ends
// first, it fails the test and returns nil.
func (p *Peer) Recv() (frames []string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	err := p.cond.Until(ctx, func() bool {
		if len(p.queue) > 0 {
			for _, f := range p.queue[0] {
				frames = append(frames, string(f))
			}
			p.queue = p.queue[1:]
		}
		return frames != nil || p.lost
	})
	if frames == nil {
		p.t.Errorf("%v received nothing: %v", p.transport, err)
	}
	return frames
}

// Want receives a message, and fails the test unless it has these frames.
func (p *Peer) Want(frames ...string) {
	p.t.Helper()
	if got := p.Recv(); got != nil && fmt.Sprintf("%q", got) != fmt.Sprintf("%q", frames) {
		p.t.Errorf("%v received %q, want %q", p.transport, got, frames)
	}
}

// Lost waits until the transport has ended, and returns the error that ConnectionLost got. If
// ctx ends first, the error is its cause.
func (p *Peer) Lost(ctx context.Context) error {
	if err := p.cond.Until(ctx, func() bool { return p.lost }); err != nil {
		return fmt.Errorf("no ConnectionLost: %w", err)
	}
	return p.err
}

func message(frames []string) [][]byte {
	msg := make([][]byte, len(frames))
	for i, f := range frames {
		msg[i] = []byte(f)
	}
	return msg
}

// probes counts the probes of the process: each Pair has its own.
var probes atomic.Uint64

// Pair returns two peers on loop, which must run. The types bound and connected must talk to
// each other. The first peer is bound, the second connected to it, over inproc. A message that
// the first writes then arrives: a SUB and an XSUB have subscribed to everything, and the
// publisher knows that.
func Pair(t testing.TB, loop *zmqio.EventLoop, bound, connected zmq.SocketType) (*Peer, *Peer) {
	t.Helper()
	if !bound.CompatibleWith(connected) {
		t.Fatalf("a %v does not talk to a %v", bound, connected)
	}
	number := probes.Add(1)
	endpoint := fmt.Sprintf("inproc://zmqiotest-%d", number)
	probe := fmt.Appendf(nil, "probe of %s", endpoint)
	first := newPeer(t, loop, bound, zmqio.ConnectionConfig{Bind: []string{endpoint}, Configure: everything(bound)}, probe)
	second := newPeer(t, loop, connected, zmqio.ConnectionConfig{Connect: []string{endpoint}, Configure: everything(connected)}, probe)
	for _, p := range [][2]*Peer{{first, second}, {second, first}} {
		if subscribes(p[1]) {
			awaitSubscription(t, p[0], p[1])
		}
	}
	return first, second
}

// everything returns a Configure that subscribes a SUB to all messages.
func everything(typ zmq.SocketType) func(zmq.Sockopts) error {
	if typ != zmq.SUB {
		return nil
	}
	return func(o zmq.Sockopts) error { return o.SetSubscribe(nil) }
}

func subscribes(p *Peer) bool {
	typ := p.transport.ExtraInfo("zmq_type", nil).(zmq.SocketType)
	if typ == zmq.XSUB {
		p.Send("\x01")
	}
	return typ == zmq.SUB || typ == zmq.XSUB
}

// awaitSubscription sends probes until one arrives, because a publisher cannot tell. It receives
// the subscription that an XPUB gets as a message.
func awaitSubscription(t testing.TB, publisher, subscriber *Peer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if typ := publisher.transport.ExtraInfo("zmq_type", nil); typ == zmq.XPUB {
		publisher.Want("\x01")
	}
	for sent := 1; ; sent++ {
		publisher.Send(string(subscriber.probe))
		soon, stop := context.WithTimeout(ctx, time.Millisecond<<min(sent, 8))
		err := subscriber.cond.Until(soon, func() bool { return subscriber.probes > 0 })
		stop()
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("%v never got a message of %v", subscriber.transport, publisher.transport)
		}
	}
}
