package main

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// startProxy starts a proxy that binds as many sockets as there are, and returns their
// endpoints in the order of the flags' names in args.
func startProxy(t *testing.T, sockets int, args ...string) (p *process, endpoints []string) {
	t.Helper()
	p = start(t, append([]string{"proxy"}, args...)...)
	text := p.stderr.await(t, func(s string) bool { return strings.Count(s, boundPrefix) == sockets && strings.HasSuffix(s, "\n") })
	for line := range strings.Lines(text) {
		endpoints = append(endpoints, strings.TrimSpace(strings.TrimPrefix(line, boundPrefix)))
	}
	return p, endpoints
}

// stopProxy ends the proxy, and checks its figures.
func stopProxy(t *testing.T, p *process, figures string) {
	t.Helper()
	p.stop(signalled{2})
	if got := p.wait(); got != exitSignal+2 {
		t.Errorf("exit status %d", got)
	}
	if !regexp.MustCompile(`\nzmqcat: ` + regexp.QuoteMeta(figures) + `, \d+\.\d{3} seconds\n$`).MatchString(p.stderr.String()) {
		t.Errorf("standard error says %q, want %s", p.stderr, figures)
	}
}

func TestProxyRequests(t *testing.T) {
	leakCheck(t)
	p, endpoints := startProxy(t, 2, "router", "dealer", "--front-bind", anyPort, "--back-bind", anyPort)
	server := newPeer(t, zmq.REP, connectTo(endpoints[1]))
	client := newPeer(t, zmq.REQ, connectTo(endpoints[0]))
	for range 3 {
		client.send("question", "!")
		server.receives("question|!")
		server.send("answer")
		client.receives("answer")
	}
	// Of each message the routing id of 5 bytes counts as well.
	stopProxy(t, p, "to back 3 messages (42 bytes), to front 3 (33 bytes)")
}

// TestProxyCapture forwards one way, and copies.
func TestProxyCapture(t *testing.T) {
	leakCheck(t)
	copies := newPeer(t, zmq.PULL, bindTo(anyPort))
	sink := newPeer(t, zmq.PULL, bindTo(anyPort))
	p, endpoints := startProxy(t, 1, "PULL", "push", "--front-bind", anyPort, "--back-connect", sink.transport.Listeners()[0],
		"--capture", "push", "--capture-connect", copies.transport.Listeners()[0])
	source := newPeer(t, zmq.PUSH, connectTo(endpoints[0]))
	source.send("a", "b")
	source.send("c")
	copies.receives("a|b", "c")
	sink.receives("a|b", "c")
	stopProxy(t, p, "to back 2 messages (3 bytes), to front 0 (0 bytes), 2 captured")
}

// TestProxyUndelivered ends a proxy whose receiver has not come.
func TestProxyUndelivered(t *testing.T) {
	leakCheck(t)
	giveUpSoon(t)
	copies := newPeer(t, zmq.PULL, bindTo(anyPort))
	endpoint := socketFile(t)
	p, endpoints := startProxy(t, 1, "PULL", "push", "--front-bind", anyPort, "--back-connect", endpoint,
		"--capture", "push", "--capture-connect", copies.transport.Listeners()[0])
	newPeer(t, zmq.PUSH, connectTo(endpoints[0])).send("x")
	copies.receives("x")
	p.stop(signalled{2})
	if got := p.wait(); got != exitSignal+2 || !strings.Contains(p.stderr.String(), "\nzmqcat: "+errUndelivered.Error()) {
		t.Errorf("exit status %d, standard error says %q", got, p.stderr)
	}
	// A process would be gone by now. This one lets libzmq come to its end.
	newPeer(t, zmq.PULL, bindUnlimited(endpoint)).receives("x")
}

// TestProxySubscriptions has them go one way and what is published the other.
func TestProxySubscriptions(t *testing.T) {
	leakCheck(t)
	p, endpoints := startProxy(t, 3, "xsub", "xpub", "--front-bind", anyPort, "--back-bind", anyPort, "--capture-bind", socketFile(t))
	all := newPeer(t, zmq.XSUB, connectTo(endpoints[2]))
	all.send("\x01")
	source := newPeer(t, zmq.XPUB, connectTo(endpoints[0]))
	sink := newPeer(t, zmq.XSUB, connectTo(endpoints[1]))
	sink.send("\x01b")
	source.receives("\x01b")
	source.send("a")
	source.send("b", "1")
	sink.receives("b|1")
	stopProxy(t, p, "to back 1 message (2 bytes), to front 1 (2 bytes), 2 captured")
}

// TestProxySubscribes has the proxy itself subscribe, with both types.
func TestProxySubscribes(t *testing.T) {
	leakCheck(t)
	for _, typ := range []string{"sub", "xsub"} {
		sink := newPeer(t, zmq.PULL, bindTo(anyPort))
		source := newPeer(t, zmq.XPUB, bindTo(anyPort))
		p := start(t, "proxy", typ, "push", "--front-connect", source.transport.Listeners()[0], "--front-subscribe", "b",
			"--back-connect", sink.transport.Listeners()[0])
		source.receives("\x01b")
		source.send("a")
		source.send("b")
		sink.receives("b")
		p.stop(signalled{2})
		p.wait()
	}
}

// TestProxyCurve has clients of one certificate in front, and of another behind.
func TestProxyCurve(t *testing.T) {
	leakCheck(t)
	k, other := newKeys(t), newKeys(t)
	p, endpoints := startProxy(t, 2, "pull", "push", "--front-bind", anyPort, "--back-bind", anyPort,
		"--front-curve-cert", k.server+".key_secret", "--front-curve-allow", k.clients,
		"--back-curve-cert", other.server+".key_secret", "--back-curve-allow", other.clients)
	push := start(t, "push", "-c", endpoints[0], "--curve-cert", k.ann+".key_secret", "--curve-server-cert", k.server+".key")
	push.give("hello\n")
	push.endInput()
	wrong := start(t, "pull", "-c", endpoints[1], "--curve-cert", k.ann+".key_secret", "--curve-server-cert", other.server+".key")
	p.stderr.await(t, func(s string) bool { return strings.Contains(s, "zmqcat: refused 127.0.0.1 with the key ") })
	pull := start(t, "pull", "-n", "1", "-c", endpoints[1], "--curve-cert", other.ann+".key_secret", "--curve-server-cert", other.server+".key")
	pull.ends(exitOK)
	pull.prints("hello\n")
	wrong.prints("")
	push.ends(exitOK)
}

func TestProxyErrors(t *testing.T) {
	leakCheck(t)
	both := " --front-bind " + anyPort + " --back-bind " + anyPort
	for args, want := range map[string]string{
		"":                                       "proxy takes two types of sockets, FRONT and BACK, not 0",
		"router":                                 "proxy takes two types of sockets, FRONT and BACK, not 1",
		"router foo":                             `no socket type is named "foo": unknown name`,
		"router dealer":                          "no endpoint given: use --front-bind or --front-connect",
		"router dealer --front-bind x":           "no endpoint given: use --back-bind or --back-connect",
		"router dealer --capture foo" + both:     `--capture: no socket type is named "foo": unknown name`,
		"router dealer --back-set SNDHWM" + both: "--back-set SNDHWM: not of the form OPTION=VALUE",
		"router dealer --front-subscribe x" + both:        "--front-subscribe is for SUB and XSUB, not for ROUTER",
		"router dealer --front-curve-allow-any" + both:    "a CURVE server needs --front-curve-cert: zmqcat keygen makes one",
		"router dealer --front-connect ipc --back-bind x": `create ROUTER: connect "ipc": zmq_connect: Invalid argument (missing tcp:// or another transport)`,
		"push push" + both: "zmqio: invalid argument: proxy: no message can go between a PUSH and a PUSH",
		"router dealer --capture sub --capture-bind ipc:///tmp/zmqcat-none" + both: "zmqio: invalid argument: proxy: a SUB cannot capture; a PUB, XPUB, PUSH, DEALER or PAIR can",
	} {
		p := start(t, append([]string{"proxy"}, strings.Fields(args)...)...)
		p.ends(exitUsage, "zmqcat: "+want)
	}
}

// TestProxyProgress has the figures shown until it ends.
func TestProxyProgress(t *testing.T) {
	leakCheck(t)
	loop, err := zmqio.NewEventLoop(nil)
	must(t, err)
	must(t, loop.Start())
	defer loop.Close()
	r := &relay{front: socket{typ: zmq.PULL, bind: []string{anyPort}}, back: socket{typ: zmq.PUSH, bind: []string{anyPort}}}
	p, err := r.open(context.Background(), loop, newConsole(newTranscript()))
	must(t, err)
	text := newTranscript()
	stop := showProxy(p, time.Now(), newConsole(text))
	const line = "to back 0, 0 B, 0/s; to front 0, 0 B, 0/s; "
	text.await(t, func(s string) bool { return strings.Contains(s, line) })
	stop()
	if got := text.String(); !strings.HasSuffix(got, clearLine) {
		t.Errorf("%q", got)
	}
	if got, want := proxyFigures(zmqio.ProxyStats{ToBack: zmqio.ProxyFlow{Dropped: 2}, ToFront: zmqio.ProxyFlow{Traffic: zmqio.Traffic{Messages: 3, Bytes: 4}, Dropped: 1}}),
		"to back 0 messages (0 bytes), to front 3 (4 bytes), 3 dropped"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
