package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
)

// mailPair returns two mailboxes that know each other's address. With connected, the second is the
// peer of the first.
func mailPair(t *testing.T, l *zmqio.EventLoop, network string, connected bool) (a, b *mailbox) {
	t.Helper()
	b = endpoint(t, l, network, netio.DatagramConfig{Local: anyEndpoint(t, network)})
	cfg := netio.DatagramConfig{Local: anyEndpoint(t, network)}
	if connected {
		cfg.Remote = b.tr.LocalAddr().String()
	}
	return endpoint(t, l, network, cfg), b
}

// unread returns a Unix socket of package net that has room for a few datagrams.
func unread(t *testing.T) net.PacketConn {
	return packetConn(t, "unixgram", anyEndpoint(t, "unixgram"))
}

// stuffed returns a transport that has sent "0", "1" and so on to peer, which does not read. It
// stops when n are buffered, and returns the number sent.
func stuffed(t *testing.T, l *zmqio.EventLoop, peer net.PacketConn, connected bool, n int) (m *mailbox, sent int) {
	t.Helper()
	cfg := netio.DatagramConfig{}
	var to net.Addr
	if connected {
		cfg.Remote = peer.LocalAddr().String()
	} else {
		to = peer.LocalAddr()
	}
	m = endpoint(t, l, "unixgram", cfg)
	for items := 0; items < n; items, _ = m.tr.Undelivered() {
		must(t, m.tr.SendTo(fmt.Append(nil, sent), to))
		sent++
	}
	return m, sent
}

// readNumbers reads "0", "1" and so on.
func readNumbers(t *testing.T, c net.PacketConn, n int) {
	t.Helper()
	for i := range n {
		if got := readPacket(t, c); got != fmt.Sprint(i) {
			t.Fatalf("datagram %d is %q", i, got)
		}
	}
}

func TestDatagramReadReady(t *testing.T) {
	for _, network := range datagramNetworks[1:] {
		t.Run(network, func(t *testing.T) {
			l := endpointLoop(t)
			a, b := mailPair(t, l, network, false)
			for range 300 { // one by one, and many at once
				must(t, a.tr.SendTo([]byte("ping"), b.tr.LocalAddr()))
			}
			b.await(func() bool { return len(b.data) > 0 })
			must(t, b.tr.SendTo([]byte("pong"), a.tr.LocalAddr()))
			a.wants("pong")
			if got := a.from[0].String(); got != b.tr.LocalAddr().String() {
				t.Errorf("the sender is %s, want %v", got, b.tr.LocalAddr())
			}
		})
	}
}

// A delivered datagram is lent. Its address may be kept: it does not change with the next sender.
func TestDatagramFromSeveral(t *testing.T) {
	l := endpointLoop(t)
	b := endpoint(t, l, "udp4", netio.DatagramConfig{Local: "127.0.0.1:0"})
	var want []string
	for i := range 6 {
		c := packetConn(t, "udp4", "127.0.0.1:0")
		_, err := c.WriteTo(fmt.Append(nil, i), b.tr.LocalAddr())
		must(t, err)
		want = append(want, c.LocalAddr().String())
		b.await(func() bool { return len(b.data) == i+1 })
	}
	for i, from := range b.from {
		if from.String() != want[i] {
			t.Errorf("datagram %d is from %v, want %s", i, from, want[i])
		}
	}
}

// A datagram can come from a Unix socket without a name.
func TestDatagramFromNone(t *testing.T) {
	l := endpointLoop(t)
	b := endpoint(t, l, "unixgram", netio.DatagramConfig{Local: anyEndpoint(t, "unixgram")})
	a := endpoint(t, l, "unixgram", netio.DatagramConfig{Remote: b.tr.LocalAddr().String()})
	must(t, a.tr.SendTo([]byte("guess who"), nil))
	b.wants("guess who")
	if from, ok := b.from[0].(*net.UnixAddr); !ok || from.Name != "" {
		t.Errorf("from %#v", b.from[0])
	}
}

// An IPv6 socket for all addresses serves IPv4 as well.
func TestDatagramDualStack(t *testing.T) {
	l := endpointLoop(t)
	b := endpoint(t, l, "udp", netio.DatagramConfig{Local: ":0"})
	_, port, err := net.SplitHostPort(b.tr.LocalAddr().String())
	must(t, err)
	c := packetConn(t, "udp4", "127.0.0.1:0")
	to, err := net.ResolveUDPAddr("udp4", "127.0.0.1:"+port)
	must(t, err)
	_, err = c.WriteTo([]byte("over IPv4"), to)
	must(t, err)
	b.wants("over IPv4")
	if got := b.from[0].String(); got != c.LocalAddr().String() {
		t.Errorf("from %s, want %v", got, c.LocalAddr())
	}
	must(t, b.tr.SendTo([]byte("back"), b.from[0]))
	if got := readPacket(t, c); got != "back" {
		t.Errorf("got %q", got)
	}
}

// A missing peer is an error of the next read, and the transport goes on.
func TestDatagramReadReadyOserr(t *testing.T) {
	l := endpointLoop(t)
	gone := packetConn(t, "udp4", "127.0.0.1:0")
	must(t, gone.Close())
	m := endpoint(t, l, "udp4", netio.DatagramConfig{Remote: gone.LocalAddr().String()})
	must(t, m.tr.SendTo([]byte("anyone?"), nil))
	err := m.nextError(1)
	wants(t, err, syscall.ECONNREFUSED)
	var op *net.OpError
	if !errors.As(err, &op) || op.Source != m.tr.LocalAddr() || op.Addr != m.tr.RemoteAddr() {
		t.Errorf("the error has no addresses: %#v", err)
	}
	back := packetConn(t, "udp4", gone.LocalAddr().String())
	must(t, m.tr.SendTo([]byte("again"), nil))
	if got := readPacket(t, back); got != "again" {
		t.Errorf("got %q", got)
	}
	m.end()
}

// A DatagramReceived that panics loses its datagram, and the transport goes on.
func TestDatagramReceivedPanics(t *testing.T) {
	l := newLoop(t, nil)
	told := make(chan zmqio.ExceptionContext, 10)
	l.SetExceptionHandler(func(_ *zmqio.EventLoop, c zmqio.ExceptionContext) { told <- c })
	must(t, l.Start())
	b := newMailbox(t, l)
	b.onData = func(data []byte, _ net.Addr) {
		if string(data) == "bad" {
			panic("cannot read that")
		}
	}
	addEndpoint(t, b, "unixgram", netio.DatagramConfig{Local: anyEndpoint(t, "unixgram")})
	a := endpoint(t, l, "unixgram", netio.DatagramConfig{Remote: b.tr.LocalAddr().String()})
	must(t, a.tr.SendTo([]byte("bad"), nil))
	must(t, a.tr.SendTo([]byte("good"), nil))
	b.wants("bad", "good")
	if c := <-told; c.Source != zmqio.Resident(b.tr) || c.SourceProtocol != any(b) {
		t.Errorf("the handler was told of %v and %v", c.Source, c.SourceProtocol)
	}
	b.end()
}

func TestSendto(t *testing.T) {
	l := endpointLoop(t)
	c := packetConn(t, "udp4", "127.0.0.1:0")
	m := endpoint(t, l, "udp4", netio.DatagramConfig{Local: "127.0.0.1:0"})
	data := []byte("data")
	must(t, m.tr.SendTo(data, c.LocalAddr())) // sent at once: the loop need not run
	copy(data, "xxxx")
	if got := readPacket(t, c); got != "data" {
		t.Errorf("got %q", got)
	}
	if n := m.tr.WriteBufferSize(); n != 0 {
		t.Errorf("%d bytes are buffered", n)
	}
}

func TestSendtoNoData(t *testing.T) {
	for _, network := range datagramNetworks {
		t.Run(network, func(t *testing.T) {
			l := endpointLoop(t)
			a, b := mailPair(t, l, network, true)
			must(t, a.tr.SendTo(nil, nil))
			must(t, a.tr.SendTo([]byte("more"), nil))
			must(t, a.tr.SendTo([]byte{}, a.tr.RemoteAddr()))
			b.wants("", "more", "")
			must(t, b.tr.SendTo(nil, a.tr.LocalAddr()))
			a.wants("")
		})
	}
}

// Empty datagrams are buffered like others.
func TestSendtoNoDataBuffered(t *testing.T) {
	l := endpointLoop(t)
	peer := unread(t)
	m, n := stuffed(t, l, peer, true, 1)
	for range 3 {
		must(t, m.tr.SendTo(nil, nil))
	}
	must(t, m.tr.SendTo([]byte("last"), nil))
	if items, _ := m.tr.Undelivered(); items != 5 {
		t.Errorf("%d wait", items)
	}
	readNumbers(t, peer, n)
	for _, want := range []string{"", "", "", "last"} {
		if got := readPacket(t, peer); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// The kernel tells a connected socket when there is room, and an unconnected one not.
func TestSendtoBuffer(t *testing.T) {
	for _, connected := range []bool{true, false} {
		t.Run(fmt.Sprintf("connected %t", connected), func(t *testing.T) {
			l := endpointLoop(t)
			peer := unread(t)
			m, n := stuffed(t, l, peer, connected, 1)
			var to net.Addr
			if !connected {
				to = peer.LocalAddr()
			}
			data := make([]byte, 10)
			for range 50 {
				data = fmt.Append(data[:0], n)
				must(t, m.tr.SendTo(data, to))
				n++
			}
			if items, size := m.tr.Undelivered(); items != 51 || size != m.tr.WriteBufferSize() || size < 51 {
				t.Errorf("%d datagrams and %d bytes wait, and WriteBufferSize is %d", items, size, m.tr.WriteBufferSize())
			}
			readNumbers(t, peer, n)
			must(t, l.Do(bounded(t), func() error { return nil })) // after the flush
			if items, size := m.tr.Undelivered(); items != 0 || size != 0 {
				t.Errorf("%d datagrams and %d bytes wait", items, size)
			}
		})
	}
}

// Far more datagrams than the kernel takes at once arrive in order, while the peer reads.
func TestSendtoReady(t *testing.T) {
	l := endpointLoop(t)
	peer := unread(t)
	m := endpoint(t, l, "unixgram", netio.DatagramConfig{Remote: peer.LocalAddr().String()})
	const n = 3000
	for i := range n {
		must(t, m.tr.SendTo(fmt.Append(nil, i), nil))
	}
	readNumbers(t, peer, n)
}

// A datagram that is too long is refused, on an unconnected transport too.
func TestSendtoErrorReceived(t *testing.T) {
	l := endpointLoop(t)
	a, b := mailPair(t, l, "udp4", false)
	err := a.tr.SendTo(make([]byte, 1<<16), b.tr.LocalAddr())
	wants(t, err, syscall.EMSGSIZE)
	var op *net.OpError
	if !errors.As(err, &op) || op.Addr.String() != b.tr.LocalAddr().String() {
		t.Errorf("the error has no address: %#v", err)
	}
	if told := a.nextError(1); told != err {
		t.Errorf("told %v, returned %v", told, err)
	}
	must(t, a.tr.SendTo([]byte("short"), b.tr.LocalAddr()))
	b.wants("short")
	a.end()
}

func TestSendtoErrorReceivedConnected(t *testing.T) {
	l := endpointLoop(t)
	peer := unread(t)
	m := endpoint(t, l, "unixgram", netio.DatagramConfig{Remote: peer.LocalAddr().String()})
	must(t, peer.Close())
	wants(t, m.tr.SendTo([]byte("data"), nil), syscall.ECONNREFUSED)
	wants(t, m.nextError(1), syscall.ECONNREFUSED)
	wants(t, m.tr.SendTo([]byte("data"), nil), syscall.ECONNREFUSED)
	must(t, os.Remove(peer.LocalAddr().String()))
	peer = packetConn(t, "unixgram", peer.LocalAddr().String()) // the peer is back
	must(t, m.tr.SendTo([]byte("data"), nil))
	if got := readPacket(t, peer); got != "data" {
		t.Errorf("got %q", got)
	}
	m.end()
}

func TestSendtoReadyErrorReceived(t *testing.T) {
	for _, connected := range []bool{true, false} {
		t.Run(fmt.Sprintf("connected %t", connected), func(t *testing.T) {
			l := endpointLoop(t)
			peer := unread(t)
			m, _ := stuffed(t, l, peer, connected, 3)
			must(t, peer.Close())
			for i := range 3 { // one for each callback
				err := m.nextError(i + 1)
				if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("error %d is %v", i, err)
				}
			}
			m.end()
		})
	}
}

func TestSendtoConnectedAddr(t *testing.T) {
	for _, network := range datagramNetworks {
		t.Run(network, func(t *testing.T) {
			l := endpointLoop(t)
			a, b := mailPair(t, l, network, true)
			wants(t, a.tr.SendTo([]byte("x"), a.tr.LocalAddr()), zmqio.ErrInvalidArgument)
			must(t, a.tr.SendTo([]byte("its own"), b.tr.LocalAddr()))
			must(t, a.tr.SendTo([]byte("its own"), a.tr.RemoteAddr()))
			must(t, a.tr.SendTo([]byte("none"), nil))
			b.wants("its own", "its own", "none")
			stranger := packetConn(t, network, anyEndpoint(t, network))
			if network != "unixgram" { // with unixgram a stranger gets an error instead
				_, err := stranger.WriteTo([]byte("a stranger's"), a.tr.LocalAddr())
				must(t, err)
			}
			must(t, b.tr.SendTo([]byte("the peer's"), a.tr.LocalAddr()))
			a.wants("the peer's")
		})
	}
}

func TestSendtoWrongAddr(t *testing.T) {
	l := endpointLoop(t)
	udp := func(s string) *net.UDPAddr {
		a, err := net.ResolveUDPAddr("udp", s)
		must(t, err)
		return a
	}
	path := &net.UnixAddr{Name: "/nowhere", Net: "unixgram"}
	for network, wrong := range map[string][]net.Addr{
		"udp4":     {nil, (*net.UDPAddr)(nil), path, udp("[::1]:9"), &net.UDPAddr{Port: 1 << 16}, &net.UDPAddr{IP: []byte{1}}, &net.TCPAddr{}},
		"udp6":     {nil, path, &net.UDPAddr{IP: net.IPv6loopback, Port: 9, Zone: "no such"}},
		"unixgram": {nil, (*net.UnixAddr)(nil), udp("127.0.0.1:9")},
	} {
		m := endpoint(t, l, network, netio.DatagramConfig{})
		for _, a := range wrong {
			if err := m.tr.SendTo([]byte("x"), a); !errors.Is(err, zmqio.ErrInvalidArgument) {
				t.Errorf("%s, %#v: %v", network, a, err)
			}
		}
		if m.is(func() bool { return len(m.errs) > 0 }) {
			t.Errorf("told %v", m.errs)
		}
	}
}

func TestSendtoClosing(t *testing.T) {
	l := endpointLoop(t)
	peer := unread(t)
	m, n := stuffed(t, l, peer, true, 2)
	must(t, m.tr.Close())
	wants(t, m.tr.SendTo([]byte("late"), nil), zmqio.ErrTransportClosed)
	if lost := m.is(func() bool { return m.lost }); lost || !m.tr.IsClosing() {
		t.Errorf("closing %t, lost %t", m.tr.IsClosing(), lost)
	}
	readNumbers(t, peer, n)
	m.await(func() bool { return m.lost })
	must(t, m.lostErr)
	wants(t, m.tr.SendTo([]byte("too late"), nil), zmqio.ErrTransportClosed)
}

func TestDatagramAbort(t *testing.T) {
	l := endpointLoop(t)
	m, _ := stuffed(t, l, unread(t), false, 5)
	_, size := m.tr.Undelivered()
	must(t, m.tr.Close())
	must(t, m.tr.Abort())
	must(t, m.tr.Abort())
	<-m.tr.Closed()
	if !m.lost || m.lostErr != nil {
		t.Errorf("lost %t, %v", m.lost, m.lostErr)
	}
	if items, bytes := m.tr.Undelivered(); items != 5 || bytes != size {
		t.Errorf("dropped %d datagrams and %d bytes, want 5 and %d", items, bytes, size)
	}
}

// ConnectionLost comes in a later iteration than Close.
func TestDatagramCloseOnTheLoop(t *testing.T) {
	l := endpointLoop(t)
	m := endpoint(t, l, "udp4", netio.DatagramConfig{})
	must(t, l.Do(bounded(t), func() error {
		must(t, m.tr.Close())
		if m.lost {
			t.Error("ConnectionLost came inside Close")
		}
		return nil
	}))
	m.await(func() bool { return m.lost })
}

// Close of the loop counts the datagrams that it drops.
func TestDatagramLoopClose(t *testing.T) {
	checkLeaks(t)
	l, err := zmqio.NewEventLoop(nil)
	must(t, err)
	must(t, l.Start())
	m, _ := stuffed(t, l, unread(t), true, 7)
	err = l.Close()
	wants(t, err, zmqio.ErrUndelivered)
	if text := err.Error(); !strings.Contains(text, "7") {
		t.Errorf("the error is %q", text)
	}
	if !m.lost {
		t.Error("no ConnectionLost")
	}
}

func TestDatagramFlowControl(t *testing.T) {
	l := endpointLoop(t)
	peer := unread(t)
	m, n := stuffed(t, l, peer, true, 1)
	wants(t, m.tr.SetWriteBufferLimits(1, 2), zmqio.ErrInvalidArgument)
	must(t, m.tr.SetWriteBufferLimits(100, 50))
	if high, low := m.tr.WriteBufferLimits(); high != 100 || low != 50 {
		t.Errorf("the marks are %d and %d", high, low)
	}
	for m.tr.WriteBufferSize() <= 100 {
		if m.is(func() bool { return m.paused }) {
			t.Fatal("paused at the mark")
		}
		must(t, m.tr.SendTo(fmt.Append(nil, n), nil))
		n++
	}
	if !m.is(func() bool { return m.paused && m.pauses == 1 }) { // PauseWriting ran in SendTo
		t.Fatalf("paused %d times", m.pauses)
	}
	readNumbers(t, peer, n)
	m.await(func() bool { return !m.paused })
	if size := m.tr.WriteBufferSize(); size > 50 {
		t.Errorf("resumed at %d", size)
	}
}

func TestDatagramMaxWriteBuffer(t *testing.T) {
	l := endpointLoop(t)
	peer := unread(t)
	m := endpoint(t, l, "unixgram", netio.DatagramConfig{MaxWriteBuffer: 20, Remote: peer.LocalAddr().String()})
	wants(t, m.tr.SendTo(make([]byte, 21), nil), zmqio.ErrBufferFull) // refused even alone
	var err error
	sent := 0
	for ; err == nil; sent++ {
		err = m.tr.SendTo(fmt.Append(nil, sent%10), nil)
	}
	wants(t, err, zmqio.ErrBufferFull)
	if items, size := m.tr.Undelivered(); items != 20 || size != 20 {
		t.Errorf("%d datagrams and %d bytes wait", items, size)
	}
	for i := range sent - 1 {
		if got := readPacket(t, peer); got != fmt.Sprint(i%10) {
			t.Fatalf("datagram %d is %q", i, got)
		}
	}
	for err, sent = nil, 0; err == nil; sent++ { // empty datagrams are bounded too
		err = m.tr.SendTo(nil, nil)
	}
	wants(t, err, zmqio.ErrBufferFull)
	if items, size := m.tr.Undelivered(); items != 20 || size != 0 {
		t.Errorf("%d datagrams and %d bytes wait", items, size)
	}
	if m.is(func() bool { return len(m.errs) > 0 }) {
		t.Errorf("told %v", m.errs)
	}
}

func TestDatagramSetProtocol(t *testing.T) {
	l := endpointLoop(t)
	a, b := mailPair(t, l, "unixgram", true)
	b.tr.SetProtocol(nil)
	b.tr.SetProtocol((*mailbox)(nil))
	if b.tr.Protocol() != netio.DatagramProtocol(b) {
		t.Errorf("the protocol is %v", b.tr.Protocol())
	}
	other := newMailbox(t, l)
	other.tr = b.tr
	b.tr.SetProtocol(other)
	must(t, a.tr.SendTo([]byte("to the other"), nil))
	other.wants("to the other")
	must(t, b.tr.Close())
	other.await(func() bool { return other.lost })
	b.lost = true // tells the cleanup
}

func TestDatagramString(t *testing.T) {
	l := endpointLoop(t)
	a, b := mailPair(t, l, "udp4", true)
	if got, want := a.tr.String(), fmt.Sprintf("<DatagramTransport udp %v->%v>", a.tr.LocalAddr(), b.tr.LocalAddr()); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	b.end()
	if got, want := b.tr.String(), fmt.Sprintf("<DatagramTransport udp %v closed>", b.tr.LocalAddr()); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if a.tr.Loop() != l || !slices.Contains(l.Residents(), zmqio.Resident(a.tr)) {
		t.Error("not at home")
	}
}

// BaseDatagramProtocol does nothing, and is a complete protocol.
func TestDatagramProtocol(t *testing.T) {
	l := endpointLoop(t)
	a, _, err := netio.CreateDatagramEndpoint(bounded(t), l, func() netio.BaseDatagramProtocol { return netio.BaseDatagramProtocol{} },
		"unixgram", netio.DatagramConfig{Local: anyEndpoint(t, "unixgram")})
	must(t, err)
	must(t, a.SendTo(bytes.Repeat([]byte("x"), 1000), a.LocalAddr()))
	must(t, a.Close())
	<-a.Closed()
}

// Datagrams of several goroutines are whole, and each goroutine's are in order.
func TestSendtoFromManyGoroutines(t *testing.T) {
	l := endpointLoop(t)
	a, b := mailPair(t, l, "unixgram", true)
	const writers, each = 8, 200
	for i := range writers {
		go func() {
			for j := range each {
				if err := a.tr.SendTo(fmt.Appendf(nil, "%d %d", i, j), nil); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	b.await(func() bool { return len(b.data) == writers*each })
	var next [writers]int
	for _, d := range b.data {
		var i, j int
		_, err := fmt.Sscan(d, &i, &j)
		must(t, err)
		if next[i] != j {
			t.Fatalf("writer %d: %d came, want %d", i, j, next[i])
		}
		next[i]++
	}
}
