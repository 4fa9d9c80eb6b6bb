package conformance

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// A filter that answers each request leaves libzmq's turns correct: the REP has replied, and the
// REQ has sent no request.
func TestProxyFilterTakesTurns(t *testing.T) {
	p := newProxy(t, zmq.REP, zmq.REQ, &zmqio.ProxyConfig{
		Filter: func(_ zmqio.ProxyDirection, msg zmqio.Message) (forward, answer [][]byte) { return nil, msg.Frames },
	})
	end := p.run()
	client, server := p.peer(zmq.REQ, p.front), p.peer(zmq.REP, p.back)
	client.send("question")
	client.want("question")
	must(t, end())
	client.send("another question")
	for p.front.Transport().Stats().Unread.Messages == 0 { // libzmq would take a reply
		must(t, p.ctx.Err())
	}
	if err := p.front.TrySend([]byte("out of turn")); !errors.Is(err, zmq.EFSM) {
		t.Errorf("out of turn: %v", err)
	}
	must(t, p.back.TrySend([]byte("by hand")))
	server.want("by hand")
	server.send("reply")
	if got := receives(p.ctx, t, p.back); !slices.Equal(got, []string{"reply"}) {
		t.Errorf("got %q", got)
	}
}

// A stream ends while the filter has a batch. The other stream keeps the messages that the filter
// has not seen.
func TestProxyFilterAndEnd(t *testing.T) {
	for _, ends := range []string{"back", "capture"} {
		t.Run(ends, func(t *testing.T) {
			p := newProxy(t, zmq.PULL, zmq.PUSH, nil)
			capture := p.bind(zmq.PUSH)
			ending := map[string]*zmqio.Stream{"back": p.back, "capture": capture}[ends]
			var err error
			p.Proxy, err = zmqio.NewProxy(p.front, p.back, &zmqio.ProxyConfig{
				Capture: capture,
				Filter: func(_ zmqio.ProxyDirection, msg zmqio.Message) (forward, answer [][]byte) {
					must(t, ending.Abort())
					return msg.Frames, nil
				},
			})
			must(t, err)
			push := p.peer(zmq.PUSH, p.front)
			const n = 100
			for i := range n {
				push.send(fmt.Sprint(i))
			}
			for p.front.Transport().Stats().Unread.Messages < n { // so that one batch has all of them
				must(t, p.ctx.Err())
			}
			wants(t, p.Run(p.ctx), zmqio.ErrTransportClosed)
			if dropped := p.Stats().ToBack.Dropped; (dropped == 1) != (ends == "back") || dropped > 1 {
				t.Errorf("%d messages were dropped", dropped)
			}
			for i := 1; i < n; i++ {
				if got := receives(p.ctx, t, p.front); got[0] != fmt.Sprint(i) {
					t.Fatalf("got %q, want %d", got, i)
				}
			}
		})
	}
}

// If the other stream has ended before, the proxy does not call the filter.
func TestProxyFilterBehindEnd(t *testing.T) {
	p := newProxy(t, zmq.PULL, zmq.PUSH, nil)
	var err error
	p.Proxy, err = zmqio.NewProxy(p.front, p.back, &zmqio.ProxyConfig{
		Filter: func(_ zmqio.ProxyDirection, msg zmqio.Message) (forward, answer [][]byte) {
			t.Errorf("the filter got %q", msg.Frames)
			return nil, nil
		},
	})
	must(t, err)
	p.Pause()
	p.peer(zmq.PUSH, p.front).send("stays")
	done := make(chan error)
	go func() { done <- p.Run(p.ctx) }()
	for p.front.Transport().IsReading() { // until the proxy runs
		must(t, p.ctx.Err())
	}
	zmqiotest.Soon(t, p.loop, func() {
		must(t, p.back.Abort())
		p.Resume() // the loop receives before Run ends the proxy
	})
	wants(t, <-done, zmqio.ErrTransportClosed)
	if got := receives(p.ctx, t, p.front); got[0] != "stays" {
		t.Errorf("got %q", got)
	}
}

// A filter may use its proxy and the streams. An answer to a PULL is dropped, and does not count.
func TestProxyFilterUsesItsProxy(t *testing.T) {
	p := newProxy(t, zmq.PULL, zmq.PUSH, nil)
	var err error
	p.Proxy, err = zmqio.NewProxy(p.front, p.back, &zmqio.ProxyConfig{
		Filter: func(_ zmqio.ProxyDirection, msg zmqio.Message) (forward, answer [][]byte) {
			p.Pause()
			if s := p.Stats(); !s.Paused {
				t.Errorf("%+v", s)
			}
			p.Resume()
			_, _, _ = p.front.Transport().Stats(), p.loop.Stats(), zmqio.TransportTotals()
			wants(t, p.Run(p.ctx), zmqio.ErrWouldDeadlock)
			must(t, p.back.TrySend([]byte("before")))
			return msg.Frames, [][]byte{[]byte("answer")}
		},
	})
	must(t, err)
	end := p.run()
	push, pull := p.peer(zmq.PUSH, p.front), p.peer(zmq.PULL, p.back)
	const n = 100
	for i := range n {
		push.send(fmt.Sprint(i))
	}
	for i := range n {
		pull.want("before")
		pull.want(fmt.Sprint(i))
	}
	must(t, end())
	p.wantStats(zmqio.ProxyStats{ToBack: zmqio.ProxyFlow{Traffic: zmqio.Traffic{Messages: n, Bytes: 190}}})
	if err := p.front.Err(); err != nil {
		t.Errorf("the PULL has ended: %v", err)
	}
}
