package security

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// Without a ZAP handler CURVE, and NULL with a domain, let every client in, and PLAIN none.
func TestNoHandler(t *testing.T) {
	needs(t, handshakes)
	since(t, "4.3.3", stuckPeersTakeMessages)
	checkLeaks(t)
	loop := newLoop(t, &zmqio.LoopConfig{Logger: slog.New(&journal{})})
	for _, a := range askers(t) {
		t.Run(a.name, func(t *testing.T) {
			server := bind(t, loop, a.server)
			client := connect(t, loop, server, a.client)
			if a.name != "PLAIN" {
				talk(t, server, client)
				return
			}
			refusal{server: noDetail, client: noDetail}.check(t, server, client, func() *party {
				newHandler(t, loop, allow)
				return connect(t, loop, server, a.client)
			})
		})
	}
}

// With ZAP_ENFORCE_DOMAIN and a domain nothing is let in without a handler.
func TestNoHandlerEnforced(t *testing.T) {
	needs(t, handshakes)
	since(t, "4.3.3", stuckPeersTakeMessages)
	checkLeaks(t)
	j := &journal{}
	loop := newLoop(t, &zmqio.LoopConfig{Logger: slog.New(j)})
	enforce := func(o zmq.Sockopts) error { return o.SetZAPEnforceDomain(true) }
	for _, a := range askers(t) {
		t.Run(a.name, func(t *testing.T) {
			server := bind(t, loop, a.server, enforce)
			client := connect(t, loop, server, a.client, handshakeWithin(impatient))
			var h *handler
			refusal{server: noDetail, client: noDetail}.check(t, server, client, func() *party {
				h = newHandler(t, loop, allow)
				return connect(t, loop, server, a.client)
			})
			must(t, h.tr.Unbind(zapEndpoint))
			must(t, h.tr.Abort())
		})
	}
	if logged := j.take(); len(logged) > 0 {
		t.Errorf("logged %q", logged)
	}
}

// A CURVE server that binds without a ZAP handler in its context logs a warning, once. No other
// server does.
func TestWarnsOfNoHandler(t *testing.T) {
	needs(t, handshakes, zmq.CapabilityCurve)
	checkLeaks(t)
	j := &journal{}
	shared, err := zmq4.NewContext()
	must(t, err)
	defer func() { must(t, shared.Term()) }()
	own, client := newPair(t), newPair(t)
	server := inOrder(curveServer(true), secret(own.secret))
	t.Run("", func(t *testing.T) {
		loop := newLoop(t, &zmqio.LoopConfig{Logger: slog.New(j), Context: shared})
		logs := func(what string, want int, cfg zmqio.ConnectionConfig, set setter) *party {
			t.Helper()
			p, err := create(t, loop, cfg, set)
			must(t, err)
			logged := j.take()
			if len(logged) != want || want > 0 && !strings.HasPrefix(logged[0], "WARN zmqio: CURVE server without a ZAP handler") {
				t.Errorf("%s: logged %q, want %d entries", what, logged, want)
			}
			return p
		}
		bound := zmqio.ConnectionConfig{Bind: []string{anyPort}}
		p := logs("a CURVE server", 1, zmqio.ConnectionConfig{Bind: []string{anyPort, anyPort}}, server)
		if _, err := p.tr.Bind(anyPort); err != nil || len(j.take()) > 0 {
			t.Errorf("bound again: %v, or warned again", err)
		}
		logs("NULL", 0, bound, inOrder())
		logs("NULL with a domain", 0, bound, domain("test"))
		logs("PLAIN, which lets no client in", 0, bound, plainServer(true))
		logs("a CURVE client that binds", 0, bound, curveClient(client, own.public))
		logs("a CURVE server that connects", 0, zmqio.ConnectionConfig{Connect: []string{"tcp://127.0.0.1:9"}}, server)
		logs("inproc, which has no mechanism", 0, zmqio.ConnectionConfig{Bind: []string{"inproc://warns"}}, server)

		// A bind that fails logs no warning, and the next one does.
		late := logs("no endpoint", 0, zmqio.ConnectionConfig{Bind: []string{}}, server)
		if _, err := late.tr.Bind(p.tr.Listeners()[0]); err == nil || len(j.take()) > 0 {
			t.Errorf("bound what is taken: %v, or warned", err)
		}
		if _, err := late.tr.Bind(anyPort); err != nil || len(j.take()) != 1 {
			t.Errorf("bound: %v, or not warned", err)
		}

		// A REP of pebbe/zmq4 is a handler as well.
		rep, err := shared.NewSocket(zmq4.REP)
		must(t, err)
		must(t, rep.Bind(zapEndpoint))
		logs("a CURVE server with a handler", 0, bound, server)
		must(t, rep.Unbind(zapEndpoint))
		logs("a handler that has gone", 1, bound, server)
		must(t, rep.Close())

		// The socket that looked for a handler has been closed, so a handler can be bound.
		h := newHandler(t, loop, allow)
		checked := logs("a CURVE server with zmqio's handler", 0, bound, server)
		talk(t, checked, connect(t, loop, checked, curveClient(client, own.public)))
		if len(h.asked()) == 0 {
			t.Error("the handler was not asked")
		}
	})
}

// A transport can bind as the handler, however many CURVE servers look for one meanwhile.
func TestHandlerAmidLooks(t *testing.T) {
	needs(t, 0, zmq.CapabilityCurve)
	t.Setenv("TMPDIR", t.TempDir()) // for ipc://*; libzmq before 4.3.3 leaves its directories there
	checkLeaks(t)
	loop := newLoop(t, &zmqio.LoopConfig{Logger: slog.New(&journal{})})
	server := inOrder(curveServer(true), secret(newPair(t).secret))
	p := idle(t, loop)
	looks := make(chan error, 1)
	go func() {
		defer close(looks)
		for range 300 {
			s, err := create(t, loop, zmqio.ConnectionConfig{Bind: []string{"ipc://*"}}, server)
			if err == nil {
				err = s.tr.Abort()
			}
			if err != nil {
				looks <- err
				return
			}
		}
	}()
	binds := 0
	for looking := true; looking; binds++ {
		select {
		case err := <-looks:
			must(t, err)
			looking = false
		default:
		}
		if _, err := p.tr.Bind(zapEndpoint); err != nil {
			t.Errorf("bind %d: %v", binds, err)
			return
		}
		must(t, p.tr.Unbind(zapEndpoint))
	}
	t.Logf("%d binds", binds)
	if got := p.tr.Listeners(); slices.Contains(got, zapEndpoint) {
		t.Errorf("bound to %v", got)
	}
}
