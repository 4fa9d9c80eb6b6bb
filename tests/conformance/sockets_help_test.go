package conformance

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// A recorder is a protocol that records its callbacks in order. Each callback makes await and until
// check their conditions again.
type recorder struct {
	onMade            func(*zmqio.Transport)
	onLost            func(error)
	onPause, onResume func()
	onMsg             func([][]byte)
	live              bool // the loop runs by itself, and must not be stopped

	mu      sync.Mutex
	loop    *zmqio.EventLoop
	changed chan struct{}
	events  []string // the callbacks, except MsgReceived at a time when it may come
	msgs    [][][]byte
	err     error // the error of ConnectionLost
}

func (r *recorder) note(event string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, event)
}

// tell makes every waiter check its condition again.
func (r *recorder) tell() {
	r.mu.Lock()
	loop, changed := r.loop, r.watchLocked()
	r.mu.Unlock()
	if r.live {
		select {
		case changed <- struct{}{}:
		default:
		}
		return
	}
	loop.Stop()
}

func (r *recorder) watchLocked() chan struct{} {
	if r.changed == nil {
		r.changed = make(chan struct{}, 1)
	}
	return r.changed
}

func (r *recorder) ConnectionMade(t *zmqio.Transport) {
	r.mu.Lock()
	r.loop = t.Loop()
	r.mu.Unlock()
	r.note("made")
	defer r.tell()
	if r.onMade != nil {
		r.onMade(t)
	}
}

func (r *recorder) ConnectionLost(err error) {
	r.mu.Lock()
	r.err = err
	r.mu.Unlock()
	r.note("lost")
	defer r.tell()
	if r.onLost != nil {
		r.onLost(err)
	}
}

func (r *recorder) PauseWriting() {
	r.note("pause")
	defer r.tell()
	if r.onPause != nil {
		r.onPause()
	}
}

func (r *recorder) ResumeWriting() {
	r.note("resume")
	defer r.tell()
	if r.onResume != nil {
		r.onResume()
	}
}

func (r *recorder) MsgReceived(msg [][]byte) {
	r.mu.Lock()
	if n := len(r.events); n == 0 || r.events[n-1] == "lost" {
		r.events = append(r.events, "message")
	}
	r.msgs = append(r.msgs, msg)
	r.mu.Unlock()
	defer r.tell()
	if r.onMsg != nil {
		r.onMsg(msg)
	}
}

// happened returns the callbacks, except MsgReceived.
func (r *recorder) happened() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// got returns the messages, with | between frames.
func (r *recorder) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, m := range r.msgs {
		all = append(all, text(m))
	}
	return all
}

// has returns a condition: n messages have come.
func (r *recorder) has(n int) func() bool {
	return func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.msgs) >= n
	}
}

// did returns a condition: the last callback is event.
func (r *recorder) did(event string) func() bool {
	return func() bool {
		events := r.happened()
		return len(events) > 0 && events[len(events)-1] == event
	}
}

// lostWith returns the error that ConnectionLost got.
func (r *recorder) lostWith() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// wants fails the test unless these are the callbacks and the messages.
func (r *recorder) wants(t testing.TB, events string, msgs ...string) {
	t.Helper()
	if got := strings.Join(r.happened(), " "); got != events {
		t.Errorf("called %q, want %q", got, events)
	}
	if got := r.got(); !slices.Equal(got, msgs) {
		t.Errorf("received %.200q, want %.200q", got, msgs)
	}
}

// until waits, off the loop goroutine, for a condition of a live recorder.
func (r *recorder) until(ctx context.Context, done func() bool) error {
	r.mu.Lock()
	changed := r.watchLocked()
	r.mu.Unlock()
	for !done() {
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("after %v: %w", r.happened(), context.Cause(ctx))
		}
	}
	return nil
}

// await runs the loop until done returns true. It calls done after each callback of a recorder.
func await(t testing.TB, l *zmqio.EventLoop, done func() bool) {
	t.Helper()
	for ctx := bounded(t); !done(); {
		must(t, l.RunForever(ctx))
	}
}

// blocked returns a transport without a peer, so that libzmq takes no message from it.
func blocked(t testing.TB, l *zmqio.EventLoop, p zmqio.Protocol) *zmqio.Transport {
	t.Helper()
	return create(t, l, p, zmq.PUSH, bindTo(anyPort))
}

// pullFrom connects a PULL to the endpoint of tr, and returns its protocol.
func pullFrom(t testing.TB, l *zmqio.EventLoop, tr *zmqio.Transport) *recorder {
	t.Helper()
	r := &recorder{}
	create(t, l, r, zmq.PULL, connectTo(tr.Listeners()...))
	return r
}

// newContext returns a context, and a loop that uses it. The end of the test ends both.
func newContext(t testing.TB) (*zmq4.Context, *zmqio.EventLoop) {
	t.Helper()
	ctx, err := zmq4.NewContext()
	must(t, err)
	l := newLoop(t, &zmqio.LoopConfig{Context: ctx})
	t.Cleanup(func() {
		must(t, l.Close())
		_ = ctx.Term() // the test may have terminated it
	})
	return ctx, l
}

// rawSocket returns a socket that no transport has. The end of the test closes it.
func rawSocket(t testing.TB, ctx *zmq4.Context, typ zmq4.Type) *zmq4.Socket {
	t.Helper()
	z, err := ctx.NewSocket(typ)
	must(t, err)
	t.Cleanup(func() { _ = z.Close() }) // the test may have closed it
	return z
}

// wantSocketClosed fails the test unless tr has closed its socket.
func wantSocketClosed(t testing.TB, tr *zmqio.Transport) {
	t.Helper()
	z := tr.ExtraInfo("zmq_socket", nil).(*zmq4.Socket)
	if _, err := z.GetType(); err != zmq4.ErrorSocketClosed {
		t.Errorf("the socket is open: %v", err)
	}
}

func msg(frames ...string) [][]byte {
	m := make([][]byte, len(frames))
	for i, f := range frames {
		m[i] = []byte(f)
	}
	return m
}

func text(m [][]byte) string { return string(bytes.Join(m, []byte("|"))) }

// numbers returns "0", "1" and so on, n of them.
func numbers(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint(i)
	}
	return all
}

// writeAll writes a message of one frame for each text.
func writeAll(t testing.TB, tr *zmqio.Transport, all ...string) {
	t.Helper()
	for _, s := range all {
		must(t, tr.Write(msg(s)))
	}
}
