package conformance

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// A mailbox is a netio.DatagramProtocol that records its callbacks. It fails the test if one comes
// out of order, or on another goroutine than the loop's.
type mailbox struct {
	zmqiotest.Condition
	t testing.TB
	l *zmqio.EventLoop

	tr      *netio.DatagramTransport // set by ConnectionMade
	data    []string
	from    []net.Addr
	errs    []error
	paused  bool
	pauses  int
	lost    bool
	lostErr error

	onMade func(*netio.DatagramTransport)
	onData func(data []byte, from net.Addr)
}

func newMailbox(t testing.TB, l *zmqio.EventLoop) *mailbox { return &mailbox{t: t, l: l} }

// note changes the mailbox for a callback called event. may reports whether the callback may come
// now.
func (m *mailbox) note(event string, may func() bool, change func()) {
	if !m.l.InLoop() {
		m.t.Errorf("%s: not on the loop", event)
	}
	m.Change(func() {
		if m.lost || !may() {
			m.t.Errorf("%s out of turn: made %t, paused %t, lost %t", event, m.tr != nil, m.paused, m.lost)
		}
		change()
	})
}

func (m *mailbox) made() bool { return m.tr != nil }

func (m *mailbox) ConnectionMade(tr *netio.DatagramTransport) {
	m.note("ConnectionMade", func() bool { return !m.made() }, func() { m.tr = tr })
	if m.onMade != nil {
		m.onMade(tr)
	}
}

func (m *mailbox) DatagramReceived(data []byte, from net.Addr) {
	m.note("DatagramReceived", m.made, func() {
		m.data = append(m.data, string(data))
		m.from = append(m.from, from)
	})
	if m.onData != nil {
		m.onData(data, from)
	}
}

func (m *mailbox) ErrorReceived(err error) {
	m.note("ErrorReceived", m.made, func() { m.errs = append(m.errs, err) })
}

// PauseWriting runs on the sender's goroutine.
func (m *mailbox) PauseWriting() {
	m.Change(func() {
		if !m.made() || m.paused || m.lost {
			m.t.Errorf("PauseWriting out of turn: made %t, paused %t, lost %t", m.made(), m.paused, m.lost)
		}
		m.paused = true
		m.pauses++
	})
}

func (m *mailbox) ResumeWriting() {
	m.note("ResumeWriting", func() bool { return m.paused }, func() { m.paused = false })
}

func (m *mailbox) ConnectionLost(err error) {
	m.note("ConnectionLost", m.made, func() { m.lost, m.lostErr = true, err })
}

// await waits until fn returns true. It calls fn with the mailbox's lock held.
func (m *mailbox) await(fn func() bool) {
	m.t.Helper()
	if err := m.Until(bounded(m.t), fn); err != nil {
		m.Lock()
		defer m.Unlock()
		m.t.Fatalf("%v: made %t, %.100q, errors %v, pauses %d, lost %t (%v)", err, m.made(), m.data, m.errs, m.pauses, m.lost, m.lostErr)
	}
}

// is returns the result of fn, which it calls with the mailbox's lock held.
func (m *mailbox) is(fn func() bool) bool {
	m.Lock()
	defer m.Unlock()
	return fn()
}

// wants waits for as many datagrams as want has, and compares them.
func (m *mailbox) wants(want ...string) {
	m.t.Helper()
	m.await(func() bool { return len(m.data) >= len(want) })
	m.Lock()
	defer m.Unlock()
	if got, want := fmt.Sprintf("%.50q", m.data), fmt.Sprintf("%.50q", want); got != want {
		m.t.Errorf("received %s, want %s", got, want)
	}
}

// nextError waits for n errors, and returns the last.
func (m *mailbox) nextError(n int) error {
	m.t.Helper()
	m.await(func() bool { return len(m.errs) >= n })
	m.Lock()
	defer m.Unlock()
	return m.errs[n-1]
}

// end closes the transport and waits for ConnectionLost, which must get no error.
func (m *mailbox) end() {
	m.t.Helper()
	must(m.t, m.tr.Close())
	<-m.tr.Closed()
	if !m.lost || m.lostErr != nil {
		m.t.Errorf("lost %t, %v", m.lost, m.lostErr)
	}
}

// endpointLoop returns a loop that runs until the test ends. Anything that reaches its exception
// handler fails the test.
func endpointLoop(t testing.TB) *zmqio.EventLoop {
	t.Helper()
	l := newLoop(t, nil)
	l.SetExceptionHandler(func(_ *zmqio.EventLoop, c zmqio.ExceptionContext) {
		t.Errorf("exception handler: %s: %v\n%s", c.Message, c.Err, c.Stack)
	})
	must(t, l.Start())
	return l
}

// endpoint returns a mailbox with an endpoint. The end of the test closes it.
func endpoint(t testing.TB, l *zmqio.EventLoop, network string, cfg netio.DatagramConfig) *mailbox {
	t.Helper()
	m := newMailbox(t, l)
	addEndpoint(t, m, network, cfg)
	return m
}

func addEndpoint(t testing.TB, m *mailbox, network string, cfg netio.DatagramConfig) {
	t.Helper()
	tr, p, err := netio.CreateDatagramEndpoint(bounded(t), m.l, func() *mailbox { return m }, network, cfg)
	if err != nil && strings.Contains(cfg.Local, "::1") {
		t.Skip(err)
	}
	must(t, err)
	if p != m || m.tr != tr {
		t.Errorf("the protocol is %p with transport %p, want %p and %p", p, m.tr, m, tr)
	}
	t.Cleanup(func() {
		must(t, tr.Abort())
		m.await(func() bool { return m.lost })
	})
}

// datagramNetworks are the networks of most tests of datagrams.
var datagramNetworks = []string{"udp4", "udp6", "unixgram"}

// anyEndpoint returns an address to bind to.
func anyEndpoint(t testing.TB, network string) string {
	t.Helper()
	switch network {
	case "unixgram":
		return filepath.Join(zmqiotest.SocketDir(t), "s")
	case "udp6":
		return "[::1]:0"
	}
	return "127.0.0.1:0"
}

// packetConn returns a socket of package net. The end of the test closes it.
func packetConn(t testing.TB, network, address string) net.PacketConn {
	t.Helper()
	c, err := net.ListenPacket(network, address)
	must(t, err)
	must(t, c.SetDeadline(time.Now().Add(zmqiotest.Patience)))
	t.Cleanup(func() { c.Close() })
	return c
}

// readPacket returns the next datagram of c.
func readPacket(t testing.TB, c net.PacketConn) string {
	t.Helper()
	b := make([]byte, 1<<17)
	n, _, err := c.ReadFrom(b)
	must(t, err)
	return string(b[:n])
}

// noMailbox is a protocol factory that fails the test.
func noMailbox(t testing.TB) func() *mailbox {
	return func() *mailbox {
		t.Error("a protocol was made")
		return newMailbox(t, nil)
	}
}
