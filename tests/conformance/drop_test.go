package conformance

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// A ROUTER drops messages for an unknown peer or over a peer's mark. An XPUB drops those over a
// subscriber's mark. Write returns nil for them, and no handler is told. With ROUTER_MANDATORY or
// XPUB_NODROP the socket keeps messages over the mark. An unknown peer is then an error.
func TestWriteDropsSilently(t *testing.T) {
	for name, c := range map[string]struct {
		from, to zmq.SocketType
		option   func(zmq.Sockopts) error
		keeps    bool
	}{
		"ROUTER":           {zmq.ROUTER, zmq.DEALER, nil, false},
		"ROUTER_MANDATORY": {zmq.ROUTER, zmq.DEALER, func(s zmq.Sockopts) error { return s.SetRouterMandatory(true) }, true},
		"XPUB":             {zmq.XPUB, zmq.XSUB, nil, false},
		"XPUB_NODROP":      {zmq.XPUB, zmq.XSUB, func(s zmq.Sockopts) error { return s.SetXPubNoDrop(true) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLoop(t, nil)
			reported := caught(l)
			p, q := &recorder{}, &recorder{}
			out := create(t, l, p, c.from, zmqio.ConnectionConfig{Bind: []string{"inproc://drops"}, Configure: func(s zmq.Sockopts) error {
				if c.option != nil {
					must(t, c.option(s))
				}
				return s.SetSndHWM(1)
			}})
			in := create(t, l, q, c.to, zmqio.ConnectionConfig{Connect: []string{"inproc://drops"}, Configure: func(s zmq.Sockopts) error {
				if c.to == zmq.DEALER {
					must(t, s.SetRoutingID([]byte("me")))
				}
				return s.SetRcvHWM(1)
			}})
			must(t, in.PauseReading())
			must(t, in.Write(msg("\x01"))) // subscribes to everything
			await(t, l, p.has(1))

			to := func(text string) [][]byte { return msg(text) }
			if c.from == zmq.ROUTER {
				to = func(text string) [][]byte { return msg("me", text) }
				err := out.Write(msg("nobody", "x"))
				if c.keeps {
					wantNumber(t, err, zmq.EHOSTUNREACH)
				} else if err != nil {
					t.Errorf("for an unknown peer: %v", err)
				}
			}
			const n = 50
			for i := range n {
				must(t, out.Write(to(fmt.Sprint(i))))
			}
			if kept := out.WriteBufferSize() > 0; kept != c.keeps {
				t.Errorf("%d bytes are buffered", out.WriteBufferSize())
			}
			must(t, in.ResumeReading())
			last := fmt.Sprint(n - 1)
			if !c.keeps { // the next message comes after all that are left
				last = "end"
			}
			passes(t, l, func() bool {
				if !c.keeps {
					must(t, out.Write(to(last)))
				}
				return slices.Contains(q.got(), last)
			})
			if got := q.got(); c.keeps && !slices.Equal(got, numbers(n)) || !c.keeps && slices.Contains(got, fmt.Sprint(n-1)) {
				t.Errorf("%d of %d messages came", len(got), n)
			}
			if len(*reported) != 0 {
				t.Errorf("reported: %+v", *reported)
			}
		})
	}
}

// Unbind ends the connections that came through the endpoint, except over inproc. The peers connect
// again when it is bound again.
func TestUnbindDisconnects(t *testing.T) {
	for _, endpoint := range []string{anyPort, "ipc://" + t.TempDir() + "/s", "inproc://unbound"} {
		name, _, _ := strings.Cut(endpoint, ":")
		t.Run(name, func(t *testing.T) {
			l := newLoop(t, nil)
			inBackground(t, l)
			p := &recorder{live: true}
			pull := create(t, l, p, zmq.PULL, bindTo(endpoint))
			bound := pull.Listeners()[0]
			w := newWatcher(t, zmq.EVENT_CONNECTED|zmq.EVENT_DISCONNECTED)
			push := watch(l, w, zmq.PUSH, zmqio.ConnectionConfig{Connect: []string{bound}, Configure: func(s zmq.Sockopts) error {
				return errors.Join(s.SetReconnectInterval(time.Millisecond), s.SetImmediate(true))
			}})
			must(t, push.Write(msg("before")))
			must(t, p.until(bounded(t), p.has(1)))
			must(t, pull.Unbind(bound))
			if endpoint == "inproc://unbound" {
				must(t, push.Write(msg("after")))
				must(t, p.until(bounded(t), p.has(2)))
				return
			}
			w.wait(zmq.EVENT_DISCONNECTED)
			bindSoon(t, pull, bound)
			w.wait(zmq.EVENT_CONNECTED)
			must(t, push.Write(msg("after")))
			must(t, p.until(bounded(t), p.has(2)))
		})
	}
}
