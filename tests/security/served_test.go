package security

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zap"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// A gate is a handler of package zap that a test controls.
type gate struct {
	condition
	asked []zap.Request
	next  zap.Handler
}

func (g *gate) Authenticate(ctx context.Context, r zap.Request) (zap.Identity, error) {
	var next zap.Handler
	g.Change(func() {
		g.asked = append(g.asked, r)
		next = g.next
	})
	return next(ctx, r)
}

func (g *gate) become(next zap.Handler) { g.Change(func() { g.next = next }) }

// errs returns a handler that returns err, and an identity that must not count.
func errs(err error) zap.Handler {
	return func(context.Context, zap.Request) (zap.Identity, error) {
		return zap.Identity{UserID: "ann"}, err
	}
}

// zap.Serve turns the answers of a handler into admissions and refusals, which the monitors report.
// After any answer the handler is asked about the next client.
func TestServed(t *testing.T) {
	needs(t, handshakes)
	since(t, "4.3.3", stuckPeersTakeMessages)
	checkLeaks(t)
	stuck := make(chan struct{})
	t.Cleanup(func() { close(stuck) })
	// A handler that answers has time to do so on a busy machine too.
	served(t, zmqiotest.Patience, []answer{
		{"denied", errs(zap.ErrDenied), auth(400), auth(400)},
		{"denied by network", zap.Deny(zap.Anyone, netip.MustParsePrefix("127.0.0.0/8")), auth(400), auth(400)},
		{"temporary failure", errs(zap.ErrTemporary), auth(300), noDetail},
		{"error", errs(errors.New("broken")), auth(500), auth(500)},
		{"panic", func(context.Context, zap.Request) (zap.Identity, error) { panic("in a handler") }, auth(500), auth(500)},
		{"invalid identity", func(context.Context, zap.Request) (zap.Identity, error) {
			return zap.Identity{UserID: "\x00"}, nil
		}, auth(500), auth(500)},
	})
	served(t, unhurried, []answer{
		{"no answer", func(ctx context.Context, _ zap.Request) (zap.Identity, error) {
			<-stuck
			return zap.Identity{}, nil
		}, auth(500), auth(500)},
		{"an answer at the end of the context", func(ctx context.Context, _ zap.Request) (zap.Identity, error) {
			<-ctx.Done()
			return zap.Identity{}, ctx.Err()
		}, auth(500), auth(500)},
	})
}

// An answer is a handler's, and what the monitors report.
type answer struct {
	name           string
	handler        zap.Handler
	server, client verdict
}

// served tests answers on a server with that Timeout.
func served(t *testing.T, timeout time.Duration, answers []answer) {
	loop := newLoop(t, nil)
	loop.SetExceptionHandler(func(*zmqio.EventLoop, zmqio.ExceptionContext) {}) // tested in package zap
	g := new(gate)
	server, err := zap.Config{Requests: 1, Timeout: timeout}.Serve(loop, g.Authenticate)
	must(t, err)
	t.Cleanup(func() { must(t, server.Close()) })
	allow := zap.Allow(zap.Anyone, netip.MustParsePrefix("127.0.0.1/32"))
	for _, c := range answers {
		for _, a := range askers(t) {
			t.Run(a.name+"/"+c.name, func(t *testing.T) {
				g.become(c.handler)
				server := bind(t, loop, a.server)
				within := handshakeWithin(zmqiotest.Patience)
				if c.client == noDetail {
					within = handshakeWithin(unhurried)
				}
				client := connect(t, loop, server, a.client, within)
				refusal{server: c.server, client: c.client}.check(t, server, client, func() *party {
					g.become(allow)
					return connect(t, loop, server, a.client)
				})
			})
		}
	}
}

// The handler gets the request of libzmq.
func TestServedRequests(t *testing.T) {
	needs(t, handshakes)
	checkLeaks(t)
	loop := newLoop(t, nil)
	for _, a := range askers(t) {
		t.Run(a.name, func(t *testing.T) {
			g := &gate{next: zap.Anyone}
			asked, err := zap.Serve(loop, g.Authenticate)
			must(t, err)
			defer func() { must(t, asked.Close()) }()
			server := bind(t, loop, a.server, func(o zmq.Sockopts) error { return o.SetRoutingID([]byte("me")) })
			talk(t, server, connect(t, loop, server, a.client))
			g.Lock()
			defer g.Unlock()
			for _, r := range g.asked {
				var got []string
				switch r.Mechanism {
				case zmq.PLAIN:
					got = []string{r.Username, r.Password}
				case zmq.CURVE:
					got = []string{string(r.PublicKey[:])}
				}
				if r.Domain != "test" || r.Address != netip.MustParseAddr("127.0.0.1") || r.Peer != "127.0.0.1" || string(r.RoutingID) != "me" ||
					r.Mechanism.String() != a.name || strings.Join(got, "|") != strings.Join(a.credentials, "|") {
					t.Errorf("asked %+v", r)
				}
			}
			if len(g.asked) == 0 {
				t.Error("the handler was not asked")
			}
		})
	}
}

// Over ipc a peer has no address. On Linux libzmq tells its process.
func TestServedOverIPC(t *testing.T) {
	needs(t, handshakes)
	checkLeaks(t)
	loop := newLoop(t, nil)
	g := &gate{next: zap.Deny(zap.Anyone, netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0"))}
	asked, err := zap.Serve(loop, g.Authenticate)
	must(t, err)
	defer func() { must(t, asked.Close()) }()
	server, err := create(t, loop, zmqio.ConnectionConfig{Bind: []string{"ipc://" + socketPath(t)}}, domain("test"))
	must(t, err)
	talk(t, server, connect(t, loop, server))
	g.Lock()
	defer g.Unlock()
	want := ""
	if runtime.GOOS == "linux" {
		want = fmt.Sprintf(":%d:%d:%d", os.Getuid(), os.Getgid(), os.Getpid())
	}
	for _, r := range g.asked {
		if r.Address.IsValid() || !strings.HasSuffix(r.Peer, want) {
			t.Errorf("asked about %v, %q, want one that ends in %q", r.Address, r.Peer, want)
		}
		if _, err := zap.Allow(zap.Anyone, netip.MustParsePrefix("0.0.0.0/0"))(t.Context(), r); !errors.Is(err, zap.ErrDenied) {
			t.Errorf("Allow: %v", err)
		}
	}
}

// A handler on one loop serves the servers of another loop, in a context that both share and that
// was made elsewhere.
func TestServedContext(t *testing.T) {
	needs(t, handshakes, zmq.CapabilityCurve)
	since(t, "4.3.3", stuckPeersTakeMessages)
	checkLeaks(t)
	shared, err := zmq4.NewContext()
	must(t, err)
	defer func() { must(t, shared.Term()) }()
	t.Run("", func(t *testing.T) {
		j := &journal{}
		own, client := zap.NewCertificate(nil), zap.NewCertificate(nil)
		keys := new(zap.Keys)
		keys.Add(client.Public, zap.Identity{})
		asked, err := zap.Serve(newLoop(t, &zmqio.LoopConfig{Context: shared}), keys.Authenticate)
		must(t, err)
		defer func() { must(t, asked.Close()) }()
		loop := newLoop(t, &zmqio.LoopConfig{Context: shared, Logger: slog.New(j)})
		server := bind(t, loop, own.AsServer)
		refused := connect(t, loop, server, zap.NewCertificate(nil).AsClient(own.Public))
		refusal{server: auth(400), client: auth(400)}.check(t, server, refused, func() *party {
			return connect(t, loop, server, client.AsClient(own.Public))
		})
		if logged := j.take(); len(logged) > 0 {
			t.Errorf("logged %q", logged)
		}
	})
}

// A garbage request gets no reply that admits a client. Later clients are admitted.
func TestServedGarbage(t *testing.T) {
	needs(t, handshakes, zmq.CapabilityCurve)
	since(t, "4.3.3", stuckPeersTakeMessages)
	checkLeaks(t)
	loop := newLoop(t, nil)
	loop.SetExceptionHandler(func(*zmqio.EventLoop, zmqio.ExceptionContext) {})
	keys := new(zap.Keys)
	asked, err := zap.Serve(loop, keys.Authenticate)
	must(t, err)
	defer func() { must(t, asked.Close()) }()
	own, client, other := zap.NewCertificate(nil), zap.NewCertificate(nil), zap.NewCertificate(nil)
	keys.Add(client.Public, zap.Identity{})
	garbage, err := create(t, loop, zmqio.ConnectionConfig{Connect: []string{zapEndpoint}})
	must(t, err)
	server := bind(t, loop, own.AsServer)
	for _, msg := range [][][]byte{frames(""), frames("x"), frames("", "1.0"), frames("", "1.0", "1"), frames("", "1.0", "1", "", "", "", "CURVE", "k")} {
		must(t, garbage.tr.Write(msg))
	}
	garbage.wait(func() bool { return len(garbage.got) == 2 })
	garbage.wantGot("|1.0|1|400|denied||", "|1.0|1|400|denied||")
	refused := connect(t, loop, server, other.AsClient(own.Public))
	refusal{server: auth(400), client: auth(400)}.check(t, server, refused, func() *party {
		return connect(t, loop, server, client.AsClient(own.Public))
	})
}

// A CURVE server warns only while no handler serves.
func TestServedWarnsOfNothing(t *testing.T) {
	needs(t, 0, zmq.CapabilityCurve)
	checkLeaks(t)
	j := &journal{}
	loop := newLoop(t, &zmqio.LoopConfig{Logger: slog.New(j)})
	own := zap.NewCertificate(nil)
	server, err := zap.Serve(loop, zap.Anyone)
	must(t, err)
	bind(t, loop, own.AsServer)
	if logged := j.take(); len(logged) > 0 {
		t.Errorf("logged %q", logged)
	}
	must(t, server.Close())
	bind(t, loop, own.AsServer)
	if logged := j.take(); len(logged) != 1 {
		t.Errorf("logged %q after the handler was closed", logged)
	}
}

// A certificate without its secret key makes neither a server nor a client.
func TestPublicCertificate(t *testing.T) {
	needs(t, 0, zmq.CapabilityCurve)
	checkLeaks(t)
	loop := newLoop(t, nil)
	c := zap.NewCertificate(nil)
	c.Secret = zmq.CurveKey{}
	for _, set := range []setter{c.AsServer, c.AsClient(c.Public)} {
		if _, err := create(t, loop, zmqio.ConnectionConfig{Bind: []string{anyPort}}, set); !errors.Is(err, zap.ErrCertificate) {
			t.Errorf("the error is %v", err)
		}
	}
}

// A server with IPV6 has peers of both address families, and Allow compares their own addresses.
func TestServedOverIPv6(t *testing.T) {
	needs(t, handshakes)
	since(t, "4.3.3", stuckPeersTakeMessages)
	if l, err := net.Listen("tcp6", "[::1]:0"); err != nil {
		t.Skip(err)
	} else {
		must(t, l.Close())
	}
	checkLeaks(t)
	loop := newLoop(t, nil)
	g := new(gate)
	asked, err := zap.Serve(loop, g.Authenticate)
	must(t, err)
	defer func() { must(t, asked.Close()) }()
	six := func(o zmq.Sockopts) error { return o.SetIPv6(true) }
	server, err := create(t, loop, zmqio.ConnectionConfig{Bind: []string{"tcp://[::]:*"}}, domain("test"), six)
	must(t, err)
	url := server.tr.Listeners()[0]
	port := url[strings.LastIndex(url, ":"):]
	dial := func(host string) *party {
		t.Helper()
		p, err := create(t, loop, zmqio.ConnectionConfig{Connect: []string{"tcp://" + host + port}}, six, handshakeWithin(impatient))
		must(t, err)
		return p
	}
	for host, network := range map[string]string{"127.0.0.1": "127.0.0.0/8", "[::1]": "::1/128"} {
		t.Run(host, func(t *testing.T) {
			within := netip.MustParsePrefix(network)
			g.become(zap.Deny(zap.Anyone, within))
			denied := dial(host)
			denied.waitVerdict(auth(400))
			denied.abort()
			g.become(zap.Allow(zap.Anyone, within))
			p := dial(host)
			p.write(host)
			server.wait(func() bool { return slices.Contains(server.got, host) })
			p.abort()
		})
	}
}
