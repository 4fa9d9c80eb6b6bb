package conformance

import (
	"context"
	"errors"
	"math"
	"slices"
	"syscall"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

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

// A writer of a full pipe is called only when there is room.
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
	pass(t, l) // it can be written, and has no writer
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
	pass(t, l) // it can be read, and has no reader
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

// The loop calls a reader once in each iteration for as long as there is data.
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

// Cancel and Remove both take a callback off the loop.
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
	soon(t, l, func() { wantBool(t, "remove", remove(l), true) }) // this call runs first in the same batch
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

// The first of two readers removes the other in the same batch.
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

// A transport may get the number of a descriptor that was closed before its reader was removed. The
// loop then no longer calls that reader.
func TestTransportReusesNumber(t *testing.T) {
	l := newLoop(t, nil)
	var numbers []int
	for range 20 { // libzmq takes several descriptors, the lowest first
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
