package conformance

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

func nothing() {}

// wantError fails the test unless err is want.
func wantError(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func wantBool(t testing.TB, what string, got, want bool) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %t, want %t", what, got, want)
	}
}

// calls notes what is called, in order.
type calls []string

func (c *calls) add(s string) func() { return func() { *c = append(*c, s) } }

// take returns what has been called since it was asked last.
func (c *calls) take() []string {
	got := *c
	*c = nil
	return got
}

func (c *calls) want(t testing.TB, want ...string) {
	t.Helper()
	if got := c.take(); !slices.Equal(got, want) {
		t.Errorf("called %q, want %q", got, want)
	}
}

// pipe returns the descriptors of a pipe, which the test may close itself.
func pipe(t testing.TB) (r, w int) {
	t.Helper()
	var p [2]int
	must(t, syscall.Pipe(p[:]))
	return own(t, p[0]), own(t, p[1])
}

// pair returns two connected sockets.
func pair(t testing.TB) (a, b int) {
	t.Helper()
	p, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	must(t, err)
	return own(t, p[0]), own(t, p[1])
}

// closers holds what own is to close: closing a number twice would close another's.
var closers = make(map[int]func())

func own(t testing.TB, fd int) int {
	open := true
	release := func() {
		if open {
			open = false
			must(t, syscall.Close(fd))
		}
	}
	closers[fd] = release
	t.Cleanup(release)
	return fd
}

// shut closes a descriptor of pipe or pair.
func shut(fd int) { closers[fd]() }

// pipeNumbered returns a pipe whose reading end has the number fd, which is free. It
// has data.
func pipeNumbered(t testing.TB, fd int) {
	t.Helper()
	for range 1000 {
		r, w := pipe(t)
		if r == fd {
			put(t, w, "x")
			return
		}
		if w == fd { // it is to be the other end
			shut(w)
		}
	}
	t.Fatalf("number %d is not used again", fd)
}

func put(t testing.TB, fd int, s string) {
	t.Helper()
	_, err := syscall.Write(fd, []byte(s))
	must(t, err)
}

// get reads up to n bytes.
func get(t testing.TB, fd, n int) string {
	t.Helper()
	buf := make([]byte, n)
	n, err := syscall.Read(fd, buf)
	must(t, err)
	return string(buf[:n])
}

// readable returns a descriptor that has data, and one to write more.
func readable(t testing.TB) (r, w int) {
	t.Helper()
	r, w = pipe(t)
	put(t, w, "x")
	return r, w
}

func TestReaderCallback(t *testing.T) {
	l := newLoop(t, nil)
	r, w := pipe(t)
	var got []string
	must(t, l.AddReader(r, func() {
		s := get(t, r, 1024)
		got = append(got, s)
		switch s {
		case "abc":
			put(t, w, "def")
		case "def":
			shut(w)
		case "":
			wantBool(t, "remove", l.RemoveReader(r), true)
			l.Stop()
		}
	}))
	soon(t, l, func() { put(t, w, "abc") })
	run(t, l)
	if want := []string{"abc", "def", ""}; !slices.Equal(got, want) {
		t.Errorf("read %q, want %q", got, want)
	}
}

func TestWriterCallback(t *testing.T) {
	l := newLoop(t, nil)
	r, w := pipe(t)
	must(t, l.AddWriter(w, func() {
		put(t, w, "abc")
		wantBool(t, "first remove", l.RemoveWriter(w), true)
		wantBool(t, "second remove", l.RemoveWriter(w), false)
		l.Stop()
	}))
	run(t, l)
	if got := get(t, r, 1024); got != "abc" {
		t.Errorf("wrote %q", got)
	}
}

// A writer of a full pipe is called when there is room, and not before.
func TestWriterWaitsForRoom(t *testing.T) {
	l := newLoop(t, nil)
	a, b := pair(t)
	must(t, syscall.SetNonblock(a, true))
	for full := false; !full; {
		_, err := syscall.Write(a, make([]byte, 4096))
		if full = errors.Is(err, syscall.EAGAIN); !full {
			must(t, err)
		}
	}
	var got calls
	must(t, l.AddWriter(a, got.add("writer")))
	pass(t, l)
	got.want(t)
	must(t, syscall.SetNonblock(b, true))
	for {
		if _, err := syscall.Read(b, make([]byte, 1<<20)); err != nil {
			break
		}
	}
	pass(t, l)
	got.want(t, "writer")
}

func TestRemoveFDsAfterClosing(t *testing.T) {
	l := newLoop(t, nil)
	a, _ := pair(t)
	must(t, l.AddReader(a, nothing))
	must(t, l.AddWriter(a, nothing))
	must(t, l.Close())
	wantBool(t, "RemoveReader", l.RemoveReader(a), false)
	wantBool(t, "RemoveWriter", l.RemoveWriter(a), false)
}

func TestAddFDsAfterClosing(t *testing.T) {
	l := newLoop(t, nil)
	a, _ := pair(t)
	must(t, l.Close())
	wantError(t, "AddReader", l.AddReader(a, nothing), zmqio.ErrLoopClosed)
	wantError(t, "AddWriter", l.AddWriter(a, nothing), zmqio.ErrLoopClosed)
}

func TestAddReader(t *testing.T) {
	l := newLoop(t, nil)
	a, b := pair(t)
	var got calls
	must(t, l.AddReader(a, got.add("reader")))
	pass(t, l) // it can be written, which is of no interest
	got.want(t)
	put(t, b, "x")
	pass(t, l)
	got.want(t, "reader")
	wantBool(t, "RemoveWriter", l.RemoveWriter(a), false)
}

func TestAddReaderExisting(t *testing.T) {
	l := newLoop(t, nil)
	a, b := pair(t)
	put(t, b, "x")
	var got calls
	must(t, l.AddReader(a, got.add("old")))
	must(t, l.AddWriter(a, got.add("writer")))
	must(t, l.AddReader(a, got.add("new")))
	pass(t, l)
	got.want(t, "new", "writer")
	wantBool(t, "first remove", l.RemoveReader(a), true)
	wantBool(t, "second remove", l.RemoveReader(a), false)
}

func TestAddReaderExistingWriter(t *testing.T) {
	l := newLoop(t, nil)
	a, b := pair(t)
	put(t, b, "x")
	var got calls
	must(t, l.AddWriter(a, got.add("writer")))
	must(t, l.AddReader(a, got.add("reader")))
	pass(t, l)
	got.want(t, "reader", "writer")
}

func TestAddWriter(t *testing.T) {
	l := newLoop(t, nil)
	a, b := pair(t)
	put(t, b, "x")
	var got calls
	must(t, l.AddWriter(a, got.add("writer")))
	pass(t, l) // it can be read, which is of no interest
	got.want(t, "writer")
	wantBool(t, "RemoveReader", l.RemoveReader(a), false)
}

func TestAddWriterExisting(t *testing.T) {
	l := newLoop(t, nil)
	a, b := pair(t)
	put(t, b, "x")
	var got calls
	must(t, l.AddWriter(a, got.add("old")))
	must(t, l.AddReader(a, got.add("reader")))
	must(t, l.AddWriter(a, got.add("new")))
	pass(t, l)
	got.want(t, "reader", "new")
	wantBool(t, "first remove", l.RemoveWriter(a), true)
	wantBool(t, "second remove", l.RemoveWriter(a), false)
}

func TestAddWriterExistingReader(t *testing.T) {
	l := newLoop(t, nil)
	a, b := pair(t)
	put(t, b, "x")
	var got calls
	must(t, l.AddReader(a, got.add("reader")))
	must(t, l.AddWriter(a, got.add("writer")))
	pass(t, l)
	got.want(t, "reader", "writer")
}

func TestRemoveReader(t *testing.T) {
	l := newLoop(t, nil)
	r, _ := readable(t)
	var got calls
	must(t, l.AddReader(r, got.add("reader")))
	wantBool(t, "RemoveWriter", l.RemoveWriter(r), false)
	wantBool(t, "first remove", l.RemoveReader(r), true)
	wantBool(t, "second remove", l.RemoveReader(r), false)
	pass(t, l)
	got.want(t)
}

func TestRemoveReaderReadWrite(t *testing.T) {
	l := newLoop(t, nil)
	a, b := pair(t)
	put(t, b, "x")
	var got calls
	must(t, l.AddReader(a, got.add("reader")))
	must(t, l.AddWriter(a, got.add("writer")))
	wantBool(t, "RemoveReader", l.RemoveReader(a), true)
	pass(t, l)
	got.want(t, "writer")
	wantBool(t, "RemoveWriter", l.RemoveWriter(a), true)
}

func TestRemoveReaderUnknown(t *testing.T) {
	l := newLoop(t, nil)
	a, _ := pair(t)
	for _, fd := range []int{a, -1, math.MinInt, math.MaxInt} {
		wantBool(t, "RemoveReader", l.RemoveReader(fd), false)
	}
}

func TestRemoveWriter(t *testing.T) {
	l := newLoop(t, nil)
	_, w := pipe(t)
	var got calls
	must(t, l.AddWriter(w, got.add("writer")))
	wantBool(t, "RemoveReader", l.RemoveReader(w), false)
	wantBool(t, "first remove", l.RemoveWriter(w), true)
	wantBool(t, "second remove", l.RemoveWriter(w), false)
	pass(t, l)
	got.want(t)
}

func TestRemoveWriterReadWrite(t *testing.T) {
	l := newLoop(t, nil)
	a, b := pair(t)
	put(t, b, "x")
	var got calls
	must(t, l.AddReader(a, got.add("reader")))
	must(t, l.AddWriter(a, got.add("writer")))
	wantBool(t, "RemoveWriter", l.RemoveWriter(a), true)
	pass(t, l)
	got.want(t, "reader")
	wantBool(t, "RemoveReader", l.RemoveReader(a), true)
}

func TestRemoveWriterUnknown(t *testing.T) {
	l := newLoop(t, nil)
	a, _ := pair(t)
	for _, fd := range []int{a, -1, math.MinInt, math.MaxInt} {
		wantBool(t, "RemoveWriter", l.RemoveWriter(fd), false)
	}
}

// Readiness is a level: the reader is called once in an iteration for as long as
// there is something to read.
func TestProcessEventsRead(t *testing.T) {
	l := newLoop(t, nil)
	r, w := readable(t)
	put(t, w, "y")
	var got calls
	must(t, l.AddReader(r, func() { got.add(get(t, r, 1))() }))
	pass(t, l)
	got.want(t, "x")
	pass(t, l)
	got.want(t, "y")
	pass(t, l)
	got.want(t)
}

func TestProcessEventsWrite(t *testing.T) {
	l := newLoop(t, nil)
	_, w := pipe(t)
	var got calls
	must(t, l.AddWriter(w, got.add("writer")))
	for range 3 {
		pass(t, l)
		got.want(t, "writer")
	}
}

// A callback that is cancelled is taken off the loop, by whichever way.
func TestProcessEventsReadCancelled(t *testing.T) {
	r, _ := readable(t)
	testCancelled(t, func(l *zmqio.EventLoop, fn func()) error { return l.AddReader(r, fn) },
		func(l *zmqio.EventLoop) bool { return l.RemoveReader(r) })
}

func TestProcessEventsWriteCancelled(t *testing.T) {
	_, w := pipe(t)
	testCancelled(t, func(l *zmqio.EventLoop, fn func()) error { return l.AddWriter(w, fn) },
		func(l *zmqio.EventLoop) bool { return l.RemoveWriter(w) })
}

func testCancelled(t *testing.T, add func(*zmqio.EventLoop, func()) error, remove func(*zmqio.EventLoop) bool) {
	t.Helper()
	l := newLoop(t, nil)
	var got calls
	must(t, add(l, got.add("removed")))
	soon(t, l, func() { wantBool(t, "remove", remove(l), true) }) // runs first in the same batch
	pass(t, l)
	got.want(t)

	must(t, add(l, got.add("replaced")))
	soon(t, l, func() { must(t, add(l, got.add("new"))) })
	pass(t, l)
	got.want(t)
	pass(t, l)
	got.want(t, "new")

	l.SetExceptionHandler(func(_ *zmqio.EventLoop, ctx zmqio.ExceptionContext) {
		got.add("handler")()
		ctx.Handle.Cancel()
	})
	must(t, add(l, func() { panic("cancel me") }))
	pass(t, l)
	got.want(t, "handler")
	pass(t, l)
	got.want(t)
	wantBool(t, "remove after Cancel", remove(l), false)
}

// Whichever of two readers comes first removes the other in the same batch.
func TestRemoveEachOther(t *testing.T) {
	l := newLoop(t, nil)
	a, _ := readable(t)
	b, _ := readable(t)
	var got calls
	must(t, l.AddReader(a, func() { got.add("one")(); l.RemoveReader(b) }))
	must(t, l.AddReader(b, func() { got.add("one")(); l.RemoveReader(a) }))
	pass(t, l)
	got.want(t, "one")
}

func TestAddReaderInvalidArgument(t *testing.T) {
	l := newLoop(t, nil)
	a, _ := pair(t)
	for _, fd := range []int{-1, math.MinInt, math.MaxInt32 + 1} {
		wantError(t, "AddReader", l.AddReader(fd, nothing), zmqio.ErrInvalidArgument)
		wantError(t, "AddWriter", l.AddWriter(fd, nothing), zmqio.ErrInvalidArgument)
	}
	wantError(t, "AddReader", l.AddReader(a, nil), zmqio.ErrInvalidArgument)
	wantError(t, "AddWriter", l.AddWriter(a, nil), zmqio.ErrInvalidArgument)
}

type receiver struct {
	zmqio.BaseProtocol
	received func([][]byte)
}

func (r receiver) MsgReceived(msg [][]byte) { r.received(msg) }

func TestAddReaderOrWriterTransportFD(t *testing.T) {
	l := newLoop(t, nil)
	var got calls
	pull, _, err := zmqio.CreateZmqConnection(context.Background(), l, func() receiver {
		return receiver{received: func(msg [][]byte) { got.add(string(msg[0]))(); l.Stop() }}
	}, zmq.PULL, zmqio.ConnectionConfig{Bind: []string{"tcp://127.0.0.1:*"}})
	must(t, err)
	push, _, err := zmqio.CreateZmqConnection(context.Background(), l, func() receiver { return receiver{} },
		zmq.PUSH, zmqio.ConnectionConfig{Connect: pull.Listeners()})
	must(t, err)
	zmqFD, err := pull.Sockopts().FD()
	must(t, err)
	fd := int(zmqFD)
	wantError(t, "AddReader", l.AddReader(fd, nothing), zmqio.ErrInvalidArgument)
	wantError(t, "AddWriter", l.AddWriter(fd, nothing), zmqio.ErrInvalidArgument)
	wantBool(t, "RemoveReader", l.RemoveReader(fd), false)
	wantBool(t, "RemoveWriter", l.RemoveWriter(fd), false)
	must(t, push.Write([][]byte{[]byte("still works")}))
	run(t, l)
	got.want(t, "still works")

	must(t, pull.Abort())
	r, _ := readable(t)
	must(t, l.AddReader(r, got.add("reader")))
	wantBool(t, "RemoveReader", l.RemoveReader(r), true)
	if err := l.AddReader(fd, nothing); errors.Is(err, zmqio.ErrInvalidArgument) {
		t.Errorf("the descriptor of a closed transport: %v", err)
	}
	l.RemoveReader(fd)
}

// A transport may get the number of a descriptor that was closed before its reader
// was removed, which then has no part in it any more.
func TestTransportReusesNumber(t *testing.T) {
	l := newLoop(t, nil)
	var numbers []int
	for range 20 { // libzmq takes several, from the lowest
		r, w := pipe(t)
		must(t, l.AddReader(r, nothing))
		must(t, l.AddWriter(w, nothing))
		numbers = append(numbers, r, w)
	}
	for _, fd := range numbers {
		shut(fd)
	}
	var got calls
	pull, _, err := zmqio.CreateZmqConnection(context.Background(), l, func() receiver {
		return receiver{received: func(msg [][]byte) { got.add(string(msg[0]))(); l.Stop() }}
	}, zmq.PULL, zmqio.ConnectionConfig{Bind: []string{"tcp://127.0.0.1:*"}})
	must(t, err)
	zmqFD, err := pull.Sockopts().FD()
	must(t, err)
	if !slices.Contains(numbers, int(zmqFD)) {
		t.Fatalf("the transport's descriptor is %d, none of %v", zmqFD, numbers)
	}
	for _, fd := range numbers {
		l.RemoveReader(fd)
		l.RemoveWriter(fd)
	}
	push, _, err := zmqio.CreateZmqConnection(context.Background(), l, func() receiver { return receiver{} },
		zmq.PUSH, zmqio.ConnectionConfig{Connect: pull.Listeners()})
	must(t, err)
	must(t, push.Write([][]byte{[]byte("still works")}))
	run(t, l)
	got.want(t, "still works")
}

// aiozmq's selectors_test

func TestSelect(t *testing.T) {
	l := newLoop(t, nil)
	var got calls
	a, _ := readable(t)
	idle, _ := pipe(t)
	_, w := pipe(t)
	must(t, l.AddReader(a, got.add("readable")))
	must(t, l.AddReader(idle, got.add("idle")))
	must(t, l.AddWriter(w, got.add("writable")))
	pass(t, l)
	list := got.take()
	slices.Sort(list)
	if want := []string{"readable", "writable"}; !slices.Equal(list, want) {
		t.Errorf("ready: %q, want %q", list, want)
	}
}

func TestSelector(t *testing.T) {
	l := newLoop(t, nil)
	const pairs = 12
	left := pairs
	for range pairs {
		r, w := pipe(t)
		must(t, l.AddReader(r, func() {
			if got := get(t, r, 100); got != "This is a test." {
				t.Errorf("read %q", got)
			}
			wantBool(t, "RemoveReader", l.RemoveReader(r), true)
			if left--; left == 0 {
				l.Stop()
			}
		}))
		must(t, l.AddWriter(w, func() {
			put(t, w, "This is a test.")
			wantBool(t, "RemoveWriter", l.RemoveWriter(w), true)
		}))
	}
	run(t, l)
}

func TestUnregisterAfterFDClose(t *testing.T) {
	l := newLoop(t, nil)
	r, w := pipe(t)
	must(t, l.AddReader(r, nothing))
	must(t, l.AddWriter(w, nothing))
	shut(r)
	shut(w)
	wantBool(t, "RemoveReader", l.RemoveReader(r), true)
	wantBool(t, "RemoveWriter", l.RemoveWriter(w), true)
}

func TestUnregisterAfterFDCloseAndReuse(t *testing.T) {
	l := newLoop(t, nil)
	var got calls
	r, w := pipe(t)
	must(t, l.AddReader(r, got.add("old")))
	shut(r)
	shut(w)
	pipeNumbered(t, r)
	wantBool(t, "RemoveReader", l.RemoveReader(r), true)
	pass(t, l)
	got.want(t)
	must(t, l.AddReader(r, got.add("new")))
	pass(t, l)
	got.want(t, "new")
}

// The number of a descriptor that was closed without a word is good for another.
func TestReplaceAfterFDCloseAndReuse(t *testing.T) {
	l := newLoop(t, nil)
	var got calls
	r, w := pipe(t)
	must(t, l.AddReader(r, got.add("old")))
	shut(r)
	shut(w)
	pipeNumbered(t, r)
	must(t, l.AddReader(r, got.add("new")))
	pass(t, l)
	got.want(t, "new")
}

func TestReuseAfterRemove(t *testing.T) {
	l := newLoop(t, nil)
	var got calls
	for range 3 {
		r, w := readable(t)
		must(t, l.AddReader(r, got.add("reader")))
		pass(t, l)
		got.want(t, "reader")
		wantBool(t, "RemoveReader", l.RemoveReader(r), true)
		shut(r)
		shut(w)
	}
}

// More descriptors than select(2) and one wait of the loop can take.
func TestAboveFDSetSize(t *testing.T) {
	var limit syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	if limit.Cur < 1500 {
		t.Skipf("only %d descriptors are allowed", limit.Cur)
	}
	l := newLoop(t, nil)
	const pipes = 600
	left, highest := pipes, 0
	for range pipes {
		r, w := readable(t)
		highest = max(highest, r)
		must(t, l.AddReader(r, func() {
			wantBool(t, "RemoveReader", l.RemoveReader(r), true)
			if left--; left == 0 {
				l.Stop()
			}
		}))
		_ = w
	}
	if highest <= 1024 {
		t.Fatalf("the highest descriptor is %d", highest)
	}
	run(t, l)
}

// When the system call fails, nothing has changed.
func TestModifyWithError(t *testing.T) {
	l := newLoop(t, nil)
	a, _ := pair(t)
	shut(a)
	wantError(t, "AddReader", l.AddReader(a, nothing), syscall.EBADF)
	wantError(t, "AddWriter", l.AddWriter(a, nothing), syscall.EBADF)
	wantBool(t, "RemoveReader", l.RemoveReader(a), false)
	wantBool(t, "RemoveWriter", l.RemoveWriter(a), false)

	b, _ := pair(t)
	must(t, l.AddReader(b, nothing))
	shut(b)
	wantError(t, "AddWriter", l.AddWriter(b, nothing), syscall.EBADF)
	wantBool(t, "RemoveWriter", l.RemoveWriter(b), false)
	wantBool(t, "RemoveReader", l.RemoveReader(b), true)
}

func TestRegularFile(t *testing.T) {
	l := newLoop(t, nil)
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	must(t, err)
	defer f.Close()
	fd := int(f.Fd())
	var got calls
	must(t, l.AddReader(fd, got.add("reader")))
	must(t, l.AddWriter(fd, got.add("writer")))
	for range 3 {
		pass(t, l)
		got.want(t, "reader", "writer")
	}
	wantBool(t, "RemoveReader", l.RemoveReader(fd), true)
	pass(t, l)
	got.want(t, "writer")
	wantBool(t, "RemoveWriter", l.RemoveWriter(fd), true)
	pass(t, l)
	got.want(t)
}

// Calls that were queued come before readers and writers, these before timers.
func TestOrderWithinIteration(t *testing.T) {
	l := newLoop(t, nil)
	a, b := pair(t)
	put(t, b, "x")
	var got calls
	_, err := l.CallLater(0, got.add("timer"))
	must(t, err)
	must(t, l.AddWriter(a, got.add("writer")))
	must(t, l.AddReader(a, got.add("reader")))
	soon(t, l, got.add("soon"))
	pass(t, l)
	got.want(t, "soon", "reader", "writer", "timer")
}

// A stopped loop polls once, and what that finds runs once.
func TestReaderRunsOnceAfterStopping(t *testing.T) {
	l := newLoop(t, nil)
	r, _ := readable(t)
	var got calls
	must(t, l.AddReader(r, func() { got.add("reader")(); l.RemoveReader(r) }))
	pass(t, l)
	pass(t, l)
	got.want(t, "reader")
}

// A callback that ends the run early leaves the readers of its batch queued, once.
func TestReaderAfterGoexit(t *testing.T) {
	l := newLoop(t, nil)
	r, _ := readable(t)
	var got calls
	must(t, l.AddReader(r, got.add("reader")))
	soon(t, l, runtime.Goexit)
	onGoroutine(func() { _ = l.RunForever(bounded(t)) })
	got.want(t)
	pass(t, l)
	got.want(t, "reader")
}

func TestReaderPanics(t *testing.T) {
	l := newLoop(t, nil)
	r, _ := readable(t)
	failed := errors.New("reader failed")
	var got []error
	l.SetExceptionHandler(func(_ *zmqio.EventLoop, ctx zmqio.ExceptionContext) { got = append(got, ctx.Err) })
	must(t, l.AddReader(r, func() { panic(failed) }))
	pass(t, l)
	pass(t, l)
	if len(got) != 2 || !errors.Is(got[0], failed) {
		t.Errorf("the exception handler got %v", got)
	}
}

// Debug mode knows a reader by the function that was given to AddReader.
func TestLogSlowReader(t *testing.T) {
	for _, begin := range []string{"before", "after"} {
		j, l := newJournal(t)
		l.SetSlowCallbackDuration(0)
		r, _ := readable(t)
		l.SetDebug(begin == "before")
		must(t, l.AddReader(r, slowFunction))
		l.SetDebug(true)
		pass(t, l)
		onlySlow(t, j, "slowFunction", "debug_test.go")
	}
}

// All of it may be called from every goroutine, while the loop waits or not.
func TestAddAndRemoveFromOtherGoroutines(t *testing.T) {
	l := newLoop(t, nil)
	const goroutines, rounds = 8, 50
	var left atomic.Int32
	left.Store(goroutines)
	for range goroutines {
		r, _ := readable(t)
		go func() {
			for range rounds {
				called := make(chan struct{})
				once := func() {
					l.RemoveReader(r)
					close(called)
				}
				if err := l.AddReader(r, once); err != nil {
					t.Error(err)
					break
				}
				<-called
			}
			if left.Add(-1) == 0 {
				l.Stop()
			}
		}()
	}
	run(t, l)
}
