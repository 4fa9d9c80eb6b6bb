package security

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// handshakes are the events that report the end of a handshake.
const handshakes = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL |
	zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH

// A verdict is a monitor's event about a handshake.
type verdict struct {
	event zmq.Event
	value int32
}

func (v verdict) String() string { return zmq.MonitorEvent{Event: v.event, Value: v.value}.String() }

// The errno of a failure without detail has no meaning, and neither has the value of a success.
var (
	succeeded = verdict{event: zmq.EVENT_HANDSHAKE_SUCCEEDED}
	noDetail  = verdict{event: zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL}
)

func auth(status int32) verdict { return verdict{zmq.EVENT_HANDSHAKE_FAILED_AUTH, status} }

func broke(e zmq.ProtocolError) verdict {
	return verdict{zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, int32(e)}
}

// A setter sets an option, or several in order.
type setter = func(zmq.Sockopts) error

func inOrder(setters ...setter) setter {
	return func(o zmq.Sockopts) error {
		for _, set := range setters {
			if err := set(o); err != nil {
				return err
			}
		}
		return nil
	}
}

func domain(name string) setter { return func(o zmq.Sockopts) error { return o.SetZAPDomain(name) } }

func plainServer(on bool) setter {
	return func(o zmq.Sockopts) error { return o.SetPlainServer(on) }
}

func username(s string) setter { return func(o zmq.Sockopts) error { return o.SetPlainUsername(s) } }

func password(s string) setter { return func(o zmq.Sockopts) error { return o.SetPlainPassword(s) } }

func curveServer(on bool) setter {
	return func(o zmq.Sockopts) error { return o.SetCurveServer(on) }
}

func public(k zmq.CurveKey) setter {
	return func(o zmq.Sockopts) error { return o.SetCurvePublicKey(k) }
}

func secret(k zmq.CurveKey) setter {
	return func(o zmq.Sockopts) error { return o.SetCurveSecretKey(k) }
}

func serverKey(k zmq.CurveKey) setter {
	return func(o zmq.Sockopts) error { return o.SetCurveServerKey(k) }
}

// handshakeWithin bounds how long a handshake may take.
func handshakeWithin(d time.Duration) setter {
	return func(o zmq.Sockopts) error { return o.SetHandshakeInterval(d) }
}

// curveClient configures a client with the keys own. to is the public key of its server.
func curveClient(own pair, to zmq.CurveKey) setter {
	return inOrder(serverKey(to), public(own.public), secret(own.secret))
}

// A party is a DEALER, with its received messages and the events of its monitor.
type party struct {
	zmqio.BaseProtocol
	t  testing.TB
	tr *zmqio.Transport
	condition
	got      []string // with | between frames
	verdicts []verdict
	events   zmq.Event // all events
}

func (p *party) ConnectionMade(tr *zmqio.Transport) {
	p.tr = tr
	if err := tr.EnableMonitor(zmq.EVENT_ALL); err != nil {
		p.t.Error(err)
	}
}

func (p *party) MsgReceived(msg [][]byte) {
	p.Change(func() { p.got = append(p.got, string(bytes.Join(msg, []byte("|")))) })
}

func (p *party) EventReceived(ev zmq.MonitorEvent) {
	p.Change(func() {
		p.events |= ev.Event
		if ev.Event&handshakes == 0 {
			return
		}
		v := verdict{ev.Event, ev.Value}
		if v.event == succeeded.event || v.event == noDetail.event {
			v.value = 0
		}
		p.verdicts = append(p.verdicts, v)
	})
}

// create makes a party. Its error is that of the creation.
func create(t testing.TB, loop *zmqio.EventLoop, cfg zmqio.ConnectionConfig, configure ...setter) (*party, error) {
	t.Helper()
	cfg.Configure = inOrder(append([]setter{func(o zmq.Sockopts) error { return o.SetLinger(0) }}, configure...)...)
	_, p, err := zmqio.CreateZmqConnection(bounded(t), loop, func() *party { return &party{t: t} }, zmq.DEALER, cfg)
	return p, err
}

func bind(t testing.TB, loop *zmqio.EventLoop, configure ...setter) *party {
	t.Helper()
	p, err := create(t, loop, zmqio.ConnectionConfig{Bind: []string{anyPort}}, configure...)
	must(t, err)
	return p
}

func connect(t testing.TB, loop *zmqio.EventLoop, to *party, configure ...setter) *party {
	t.Helper()
	p, err := create(t, loop, zmqio.ConnectionConfig{Connect: to.tr.Listeners()}, configure...)
	must(t, err)
	return p
}

func (p *party) write(text string) {
	p.t.Helper()
	must(p.t, p.tr.Write([][]byte{[]byte(text)}))
}

// wait waits until fn returns true.
func (p *party) wait(fn func() bool) {
	p.t.Helper()
	if err := p.Until(bounded(p.t), fn); err != nil {
		p.t.Fatalf("%v: %v", err, p)
	}
}

// waitGot waits until n messages have arrived, and compares them.
func (p *party) waitGot(want ...string) {
	p.t.Helper()
	p.wait(func() bool { return len(p.got) >= len(want) })
	p.wantGot(want...)
}

func (p *party) wantGot(want ...string) {
	p.t.Helper()
	p.Lock()
	defer p.Unlock()
	if !slices.Equal(p.got, want) {
		p.t.Errorf("%v: got %q, want %q", p.tr, p.got, want)
	}
}

// waitVerdict waits until the monitor has reported v.
func (p *party) waitVerdict(v verdict) {
	p.t.Helper()
	p.wait(func() bool { return slices.Contains(p.verdicts, v) })
}

// wantVerdicts checks that the monitor has reported no verdict that is not in want.
func (p *party) wantVerdicts(want ...verdict) {
	p.t.Helper()
	p.Lock()
	defer p.Unlock()
	if slices.ContainsFunc(p.verdicts, func(v verdict) bool { return !slices.Contains(want, v) }) {
		p.t.Errorf("%v: the monitor said %v, want %v", p.tr, p.verdicts, want)
	}
}

func (p *party) said(v verdict) bool {
	p.Lock()
	defer p.Unlock()
	return slices.Contains(p.verdicts, v)
}

// abort aborts p, and waits until libzmq has closed its socket. Until then p may connect again.
func (p *party) abort() {
	p.t.Helper()
	closed := p.tr.Closed()
	must(p.t, p.tr.Abort())
	select {
	case <-closed:
	case <-bounded(p.t).Done():
		p.t.Fatalf("not closed: %v", p)
	}
}

// talk makes two parties write to one another, and waits until both messages have arrived.
func talk(t testing.TB, server, client *party) {
	t.Helper()
	server.write("from the server")
	client.write("from the client")
	server.waitGot("from the client")
	client.waitGot("from the server")
	for _, p := range []*party{server, client} {
		p.waitVerdict(succeeded) // the event may come after the message
		p.wantVerdicts(succeeded)
	}
}

// A refusal is a client that a server does not talk to, and the verdicts of their monitors.
type refusal struct {
	server, client verdict
	// either says that one of the two breaks the connection off, with its verdict. The other
	// may find it gone before it comes to its own.
	either bool
}

// check has server and client write to one another, and waits for the verdicts. Then what
// the server wrote arrives at an allowed client, what that writes arrives at the server,
// and nothing else arrives anywhere.
//
// A client tries again after a failure. The next try can be cut short by the client's end, or
// by its HANDSHAKE_IVL on a busy machine. So there may be failures without detail as well.
func (r refusal) check(t testing.TB, server, client *party, right func() *party) {
	t.Helper()
	server.write("from the server")
	client.write("from the client")
	if r.either {
		for _, p := range []*party{server, client} {
			p.wait(func() bool { return len(p.verdicts) > 0 })
		}
		if !server.said(r.server) && !client.said(r.client) {
			t.Errorf("neither said its verdict: %v, %v", server, client)
		}
	} else {
		server.waitVerdict(r.server)
		client.waitVerdict(r.client)
	}
	server.wantVerdicts(r.server, noDetail)
	client.abort()
	allowed := right()
	allowed.write("from the allowed client")
	server.waitGot("from the allowed client")
	allowed.waitGot("from the server")
	server.waitVerdict(succeeded)
	server.wantVerdicts(r.server, noDetail, succeeded)
	client.wantGot()
	client.wantVerdicts(r.client, noDetail)
	allowed.abort()
	server.abort()
}

// String returns the received messages and the verdicts.
func (p *party) String() string {
	p.Lock()
	defer p.Unlock()
	return fmt.Sprintf("%v got %q, its monitor said %v, all events were %v", p.tr, p.got, p.verdicts, p.events)
}

// rawAddr is where a plain TCP connection reaches a party.
func rawAddr(p *party) string { return strings.TrimPrefix(p.tr.Listeners()[0], "tcp://") }

// saw reports whether the monitor has reported an event.
func (p *party) saw(e zmq.Event) bool {
	p.Lock()
	defer p.Unlock()
	return p.events&e != 0
}
