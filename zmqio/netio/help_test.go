package netio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/zmqio/zmq/zmqio"
)

// patience is the time after which a test that hangs fails. No test depends on it.
const patience = 2 * time.Minute

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func bounded(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(context.Background(), patience, errors.New("the test took too long"))
	t.Cleanup(cancel)
	return ctx
}

// wait waits for an event.
func wait[T any](t testing.TB, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(patience):
		t.Fatal("waited for too long")
	}
	return v
}

// newLoop returns a loop that runs until the test ends. Exceptions go to a channel of the test.
func newLoop(t testing.TB) (*zmqio.EventLoop, <-chan zmqio.ExceptionContext) {
	t.Helper()
	l, exceptions := newIdleLoop(t)
	must(t, l.Start())
	return l, exceptions
}

// newIdleLoop returns a loop that does not run.
func newIdleLoop(t testing.TB) (*zmqio.EventLoop, <-chan zmqio.ExceptionContext) {
	t.Helper()
	l, err := zmqio.NewEventLoop(&zmqio.LoopConfig{Linger: patience, Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	exceptions := make(chan zmqio.ExceptionContext, 100)
	l.SetExceptionHandler(func(_ *zmqio.EventLoop, ctx zmqio.ExceptionContext) { exceptions <- ctx })
	t.Cleanup(func() {
		if err := l.Close(); err != nil && !errors.Is(err, zmqio.ErrUndelivered) {
			t.Error(err)
		}
		if len(exceptions) > 0 {
			e := <-exceptions
			t.Errorf("an exception that the test did not take: %s: %v\n%s", e.Message, e.Err, e.Stack)
		}
	})
	return l, exceptions
}

// do calls fn on the loop.
func do(t testing.TB, l *zmqio.EventLoop, fn func()) {
	t.Helper()
	must(t, l.Do(bounded(t), func() error { fn(); return nil }))
}

// A recorder logs the callbacks of a transport, and calls functions of the test.
type recorder struct {
	made   chan *Transport
	lost   chan error
	eof    chan struct{}
	pauses chan bool // true for PauseWriting
	data   chan []byte

	onMade func(*Transport)
	onData func(*Transport, []byte)
	onEOF  func() bool
	onLost func()

	mu    sync.Mutex
	log   []string
	t     *Transport
	bytes bytes.Buffer
}

func newRecorder() *recorder {
	return &recorder{
		made: make(chan *Transport, 1), lost: make(chan error, 1), eof: make(chan struct{}, 1),
		pauses: make(chan bool, 1000), data: make(chan []byte, 100_000),
	}
}

func (r *recorder) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, fmt.Sprintf(format, args...))
}

// events returns the callbacks so far, with repeated data as one.
func (r *recorder) events() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Compact(slices.Clone(r.log))
}

func (r *recorder) received() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.bytes.Bytes())
}

func (r *recorder) ConnectionMade(t *Transport) {
	r.note("made")
	r.t = t
	if r.onMade != nil {
		r.onMade(t)
	}
	r.made <- t
}

func (r *recorder) DataReceived(b []byte) {
	r.note("data")
	r.mu.Lock()
	r.bytes.Write(b)
	r.mu.Unlock()
	if r.onData != nil {
		r.onData(r.t, b)
	}
	r.data <- bytes.Clone(b)
}

func (r *recorder) EOFReceived() bool {
	r.note("eof")
	defer func() { r.eof <- struct{}{} }()
	return r.onEOF != nil && r.onEOF()
}

func (r *recorder) PauseWriting()  { r.note("pause"); r.pauses <- true }
func (r *recorder) ResumeWriting() { r.note("resume"); r.pauses <- false }

func (r *recorder) ConnectionLost(err error) {
	r.note("lost %v", err)
	if r.onLost != nil {
		r.onLost()
	}
	r.lost <- err
}

// await waits until n bytes have come, and returns them.
func (r *recorder) await(t testing.TB, n int) []byte {
	t.Helper()
	for len(r.received()) < n {
		wait(t, r.data)
	}
	return r.received()
}

// A network is a kind of socket that tests run over.
type network struct {
	name    string
	address func(t testing.TB) string
}

var networks = []network{
	{"tcp", func(testing.TB) string { return "127.0.0.1:0" }},
	{"unix", func(t testing.TB) string { return filepath.Join(t.TempDir(), "socket") }},
}

// onEach runs a test over each kind of socket.
func onEach(t *testing.T, test func(t *testing.T, n network)) {
	for _, n := range networks {
		t.Run(n.name, func(t *testing.T) { test(t, n) })
	}
}

// listen returns a plain listener.
func (n network) listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen(n.name, n.address(t))
	must(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

// connect returns a transport on l and the plain connection at its other end.
func (n network) connect(t testing.TB, l *zmqio.EventLoop, r *recorder, cfg Config) (*Transport, net.Conn) {
	t.Helper()
	listener := n.listen(t)
	peers := make(chan net.Conn, 1)
	go func() {
		c, err := listener.Accept()
		if err != nil {
			t.Error(err)
		}
		peers <- c
	}()
	made, _, err := CreateConnection(bounded(t), l, func() *recorder { return r }, n.name, listener.Addr().String(), cfg)
	must(t, err)
	peer := wait(t, peers)
	must(t, peer.SetDeadline(time.Now().Add(patience)))
	if tcp, ok := peer.(*net.TCPConn); ok { // else the kernel may be set to hold any number of bytes
		must(t, tcp.SetReadBuffer(256<<10))
	}
	t.Cleanup(func() { peer.Close() })
	return made, peer
}

// serve returns a server on l and its address. Its clients have protocols of factory.
func (n network) serve(t testing.TB, l *zmqio.EventLoop, factory func() *recorder, cfg ServerConfig) (*Server, string) {
	t.Helper()
	s, err := CreateServer(bounded(t), l, factory, n.name, []string{n.address(t)}, cfg)
	must(t, err)
	return s, s.Addrs()[0].String()
}

// dialTo returns a plain connection.
func (n network) dialTo(t testing.TB, address string) net.Conn {
	t.Helper()
	c, err := net.Dial(n.name, address)
	must(t, err)
	must(t, c.SetDeadline(time.Now().Add(patience)))
	t.Cleanup(func() { c.Close() })
	return c
}

// readN reads n bytes.
func readN(t testing.TB, r io.Reader, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	must(t, err)
	return b
}

func send(t testing.TB, w io.Writer, text string) {
	t.Helper()
	_, err := io.WriteString(w, text)
	must(t, err)
}

// pattern returns n bytes in which neighbouring parts differ.
func pattern(n int) []byte {
	b := make([]byte, n)
	const period = 65_521
	for i := range min(n, period) {
		b[i] = byte(i*7 + i>>8)
	}
	for done := period; done < n; done *= 2 {
		copy(b[done:], b[:done])
	}
	return b
}

func wantEvents(t testing.TB, r *recorder, want ...string) {
	t.Helper()
	if got := r.events(); !slices.Equal(got, want) {
		t.Errorf("called: %q, want %q", got, want)
	}
}
