package conformance

import (
	"cmp"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// A party is a netio.Protocol that records its callbacks. It fails the test if one comes out of
// order, or on another goroutine than the loop's.
type party struct {
	zmqiotest.Condition
	t testing.TB
	l *zmqio.EventLoop

	tr      *netio.Transport // set by ConnectionMade
	data    []byte
	chunks  int
	eof     bool
	paused  bool
	pauses  int
	lost    bool
	lostErr error

	keepOpen bool
	onMade   func(*netio.Transport)
	onData   func([]byte)
	onEOF    func()
	onPause  func()
	onLost   func(error)
}

func newParty(t testing.TB, l *zmqio.EventLoop) *party { return &party{t: t, l: l} }

// note changes the party for a callback called event. may reports whether the callback may come
// now.
func (p *party) note(event string, may func() bool, change func()) {
	if !p.l.InLoop() {
		p.t.Errorf("%s: not on the loop", event)
	}
	p.Change(func() {
		if p.lost || !may() {
			p.t.Errorf("%s out of turn: made %t, eof %t, paused %t, lost %t", event, p.tr != nil, p.eof, p.paused, p.lost)
		}
		change()
	})
}

func (p *party) made() bool { return p.tr != nil }

func (p *party) ConnectionMade(tr *netio.Transport) {
	p.note("ConnectionMade", func() bool { return !p.made() }, func() { p.tr = tr })
	if p.onMade != nil {
		p.onMade(tr)
	}
}

func (p *party) DataReceived(data []byte) {
	p.note("DataReceived", func() bool { return p.made() && !p.eof && len(data) > 0 }, func() {
		p.data = append(p.data, data...)
		p.chunks++
	})
	if p.onData != nil {
		p.onData(data)
	}
}

func (p *party) EOFReceived() bool {
	p.note("EOFReceived", func() bool { return p.made() && !p.eof }, func() { p.eof = true })
	if p.onEOF != nil {
		p.onEOF()
	}
	return p.keepOpen
}

// PauseWriting runs on the writer's goroutine.
func (p *party) PauseWriting() {
	p.Change(func() {
		if !p.made() || p.paused || p.lost {
			p.t.Errorf("PauseWriting out of turn: made %t, paused %t, lost %t", p.made(), p.paused, p.lost)
		}
		p.paused = true
		p.pauses++
	})
	if p.onPause != nil {
		p.onPause()
	}
}

func (p *party) ResumeWriting() {
	p.note("ResumeWriting", func() bool { return p.paused }, func() { p.paused = false })
}

func (p *party) ConnectionLost(err error) {
	p.note("ConnectionLost", p.made, func() { p.lost, p.lostErr = true, err })
	if p.onLost != nil {
		p.onLost(err)
	}
}

// await waits until fn returns true. It calls fn with the party's lock held.
func (p *party) await(fn func() bool) {
	p.t.Helper()
	if err := p.Until(bounded(p.t), fn); err != nil {
		p.Lock()
		defer p.Unlock()
		p.t.Fatalf("%v: made %t, %d bytes, eof %t, pauses %d, lost %t (%v)", err, p.made(), len(p.data), p.eof, p.pauses, p.lost, p.lostErr)
	}
}

// awaitData waits for n bytes, and returns all bytes.
func (p *party) awaitData(n int) string {
	p.t.Helper()
	p.await(func() bool { return len(p.data) >= n })
	p.Lock()
	defer p.Unlock()
	return string(p.data)
}

// awaitLost waits for ConnectionLost, and returns its error.
func (p *party) awaitLost() error {
	p.t.Helper()
	p.await(func() bool { return p.lost })
	return p.lostErr
}

// is returns the result of fn, which it calls with the party's lock held.
func (p *party) is(fn func() bool) bool {
	p.Lock()
	defer p.Unlock()
	return fn()
}

// startLoop returns a loop that runs in the background until the test ends. Anything that reaches
// its exception handler fails the test.
func startLoop(t testing.TB) *zmqio.EventLoop {
	t.Helper()
	l := newLoop(t, nil)
	l.SetExceptionHandler(func(_ *zmqio.EventLoop, c zmqio.ExceptionContext) {
		t.Errorf("exception handler: %s: %v\n%s", c.Message, c.Err, c.Stack)
	})
	must(t, l.Start())
	return l
}

// A complaints is an exception handler that records its calls.
type complaints struct {
	zmqiotest.Condition
	all []zmqio.ExceptionContext
}

// collect makes a new complaints the exception handler of l.
func collect(l *zmqio.EventLoop) *complaints {
	c := &complaints{}
	l.SetExceptionHandler(func(_ *zmqio.EventLoop, e zmqio.ExceptionContext) {
		c.Change(func() { c.all = append(c.all, e) })
	})
	return c
}

// only waits for the first complaint, and returns it.
func (c *complaints) only(t testing.TB) zmqio.ExceptionContext {
	t.Helper()
	must(t, c.Until(bounded(t), func() bool { return len(c.all) > 0 }))
	c.Lock()
	defer c.Unlock()
	if len(c.all) > 1 {
		t.Errorf("%d complaints: %+v", len(c.all), c.all)
	}
	return c.all[0]
}

// networks are the networks of most tests of connections.
var networks = []string{"tcp4", "tcp6", "unix"}

// anyAddress returns an address to listen on.
func anyAddress(t testing.TB, network string) string {
	t.Helper()
	switch network {
	case "unix":
		return filepath.Join(zmqiotest.SocketDir(t), "s")
	case "tcp6":
		return "[::1]:0"
	}
	return "127.0.0.1:0"
}

// listen returns a listener of package net. The end of the test closes it. Without IPv6 it skips a
// test of IPv6.
func listen(t testing.TB, network string) net.Listener {
	t.Helper()
	ln, err := tightListener.Listen(bounded(t), network, anyAddress(t, network))
	if err != nil && network == "tcp6" {
		t.Skip(err)
	}
	must(t, err)
	t.Cleanup(func() { ln.Close() })
	return ln
}

// tight gives a socket small buffers of a fixed size, so that a peer that does not read soon fills
// them.
func tight(_, _ string, c syscall.RawConn) error {
	var err error
	failed := c.Control(func(fd uintptr) {
		err = errors.Join(syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, 64<<10),
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 64<<10))
	})
	return errors.Join(failed, err)
}

var (
	tightListener = &net.ListenConfig{Control: tight}
	tightDialer   = &net.Dialer{Control: tight}
)

// patient sets a deadline on c, for a test that could hang. The end of the test closes c.
func patient[C net.Conn](t testing.TB, c C) C {
	t.Helper()
	must(t, c.SetDeadline(time.Now().Add(zmqiotest.Patience)))
	t.Cleanup(func() { c.Close() })
	return c
}

// accept returns the next connection of ln.
func accept(t testing.TB, ln net.Listener) net.Conn {
	t.Helper()
	c, err := ln.Accept()
	must(t, err)
	return patient(t, c)
}

// dialNet returns a connection of package net to addr.
func dialNet(t testing.TB, addr net.Addr) net.Conn {
	t.Helper()
	c, err := tightDialer.DialContext(bounded(t), addr.Network(), addr.String())
	must(t, err)
	return patient(t, c)
}

// connect connects p to addr.
func connect(t testing.TB, l *zmqio.EventLoop, p netio.Protocol, addr net.Addr, cfg netio.Config) *netio.Transport {
	t.Helper()
	cfg.Dialer = cmp.Or(cfg.Dialer, tightDialer)
	tr, got, err := netio.CreateConnection(bounded(t), l, func() netio.Protocol { return p }, addr.Network(), addr.String(), cfg)
	must(t, err)
	if got != p {
		t.Errorf("the protocol is %v, not %v", got, p)
	}
	abortInTheEnd(t, tr)
	return tr
}

// abortInTheEnd aborts tr at the end of the test, and waits for its party.
func abortInTheEnd(t testing.TB, tr *netio.Transport) {
	t.Cleanup(func() {
		must(t, tr.Abort())
		if p, ok := tr.Protocol().(*party); ok {
			p.awaitLost()
		}
	})
}

// connected returns a transport of protocol p, and the connection of package net at its other end.
func connected(t testing.TB, l *zmqio.EventLoop, p netio.Protocol) (*netio.Transport, *net.TCPConn) {
	t.Helper()
	ln := listen(t, "tcp4")
	tr := connect(t, l, p, ln.Addr(), netio.Config{})
	return tr, accept(t, ln).(*net.TCPConn)
}

// serve returns a server of parties, and a channel that gets each party.
func serve(t testing.TB, l *zmqio.EventLoop, network string, cfg netio.ServerConfig, addresses ...string) (*netio.Server, <-chan *party) {
	t.Helper()
	if addresses == nil && cfg.Listener == nil {
		addresses = []string{anyAddress(t, network)}
	}
	if cfg.Listener == nil {
		cfg.ListenConfig = cmp.Or(cfg.ListenConfig, tightListener)
	}
	made := make(chan *party, 1000)
	s, err := netio.CreateServer(bounded(t), l, func() *party {
		p := newParty(t, l)
		p.onMade = func(*netio.Transport) { made <- p }
		return p
	}, network, addresses, cfg)
	if err != nil && network == "tcp6" {
		t.Skip(err)
	}
	must(t, err)
	t.Cleanup(func() {
		must(t, s.Close())
		s.AbortClients()
		must(t, s.Wait(bounded(t)))
	})
	return s, made
}

// next returns the next party of a server.
func next(t testing.TB, made <-chan *party) *party {
	t.Helper()
	select {
	case p := <-made:
		return p
	case <-bounded(t).Done():
		t.Fatal("no connection")
		return nil
	}
}

// onLoop calls fn on the loop, and waits until it has returned.
func onLoop(t testing.TB, l *zmqio.EventLoop, fn func()) {
	t.Helper()
	must(t, l.Do(bounded(t), func() error { fn(); return nil }))
}

// stuff writes to tr, whose peer does not read, until half a megabyte is buffered. It returns the
// data.
func stuff(t testing.TB, tr *netio.Transport) []byte {
	t.Helper()
	var all []byte
	for chunk := strings.Repeat("0123456789abcdef", 4<<10); tr.WriteBufferSize() < 512<<10; {
		must(t, tr.Write([]byte(chunk)))
		all = append(all, chunk...)
	}
	return all
}

// readString reads n bytes.
func readString(t testing.TB, r io.Reader, n int) string {
	t.Helper()
	b := make([]byte, n)
	n, err := io.ReadFull(r, b)
	if err != nil {
		t.Fatalf("%d of %d bytes: %v", n, len(b), err)
	}
	return string(b)
}

// readEnd fails the test unless r is at its end.
func readEnd(t testing.TB, r io.Reader) {
	t.Helper()
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("%d bytes and %v, want the end", n, err)
	}
}

func writeString(t testing.TB, w io.Writer, s string) {
	t.Helper()
	_, err := io.WriteString(w, s)
	must(t, err)
}

// noFactory is a protocol factory that fails the test.
func noFactory(t testing.TB) func() netio.Protocol {
	return func() netio.Protocol {
		t.Error("a protocol was made")
		return netio.BaseProtocol{}
	}
}

// failed fails the test if err is nil, or is the error of the test's own bound.
func failed(t testing.TB, err error) {
	t.Helper()
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("error: %v", err)
	}
}
