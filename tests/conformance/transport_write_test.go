package conformance

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

func TestEmptyWrite(t *testing.T) {
	l := newLoop(t, nil)
	push := blocked(t, l, &recorder{})
	pull := pullFrom(t, l, push)
	must(t, push.Write([][]byte{{}}))
	must(t, push.Write([][]byte{nil}))
	must(t, push.Write(msg("", "", "x", "")))
	await(t, l, pull.has(3))
	pull.wants(t, "made", "", "", "||x|")
	for i, frames := range []int{1, 1, 4} {
		if got := len(pull.msgs[i]); got != frames {
			t.Errorf("message %d has %d frames", i, got)
		}
	}
}

// Write sends before the loop runs again.
func TestWrite(t *testing.T) {
	ctx, l := newContext(t)
	pull := rawSocket(t, ctx, zmq4.PULL)
	must(t, pull.Bind("inproc://write"))
	p := &recorder{}
	push := create(t, l, p, zmq.PUSH, connectTo("inproc://write"))
	write := func() {
		must(t, push.Write(msg("a", "b")))
		got, err := pull.RecvMessageBytes(zmq4.DONTWAIT)
		if err != nil || text(got) != "a|b" || push.WriteBufferSize() != 0 {
			t.Errorf("%q, %v, %d bytes buffered", got, err, push.WriteBufferSize())
		}
	}
	write()
	soon(t, l, write)
	pass(t, l)
	p.wants(t, "made")
}

// Write does not keep the frames of its caller.
func TestWriteCopies(t *testing.T) {
	l := newLoop(t, nil)
	push := blocked(t, l, &recorder{})
	m := msg("mine", "too")
	must(t, push.Write(m))
	copy(m[0], "XXXX")
	m[1] = nil
	pull := pullFrom(t, l, push)
	await(t, l, pull.has(1))
	pull.wants(t, "made", "mine|too")
}

func TestPartialWrite(t *testing.T) {
	l := newLoop(t, nil)
	p := &recorder{}
	push := blocked(t, l, p)
	must(t, push.Write(msg("a", "b")))
	if n := push.WriteBufferSize(); n != 2 {
		t.Errorf("%d bytes buffered", n)
	}
	pull := pullFrom(t, l, push)
	await(t, l, pull.has(1))
	pull.wants(t, "made", "a|b")
	p.wants(t, "made")
}

func TestPartialDoubleWrite(t *testing.T) {
	l := newLoop(t, nil)
	push := blocked(t, l, &recorder{})
	must(t, push.Write(msg("a", "b")))
	must(t, push.Write(msg("c")))
	if n := push.WriteBufferSize(); n != 3 {
		t.Errorf("%d bytes buffered", n)
	}
	pull := pullFrom(t, l, push)
	await(t, l, pull.has(2))
	pull.wants(t, "made", "a|b", "c")
	if n := push.WriteBufferSize(); n != 0 {
		t.Errorf("%d bytes left", n)
	}
}

// The transport sends buffered messages whole and in order. Later messages follow them.
func TestWriteReady(t *testing.T) {
	l := newLoop(t, nil)
	push := blocked(t, l, &recorder{})
	const n = 3000 // more than a batch
	all := numbers(2 * n)
	writeAll(t, push, all[:n]...)
	if got, want := push.WriteBufferSize(), len(strings.Join(all[:n], "")); got != want {
		t.Errorf("%d bytes buffered, want %d", got, want)
	}
	pull := pullFrom(t, l, push)
	await(t, l, pull.has(n))
	writeAll(t, push, all[n:]...)
	await(t, l, pull.has(2*n))
	pull.wants(t, "made", all...)
}

// With room for one message libzmq refuses again and again.
func TestWriteReadyRaisesEAGAIN(t *testing.T) {
	l := newLoop(t, nil)
	push := create(t, l, &recorder{}, zmq.PUSH, zmqio.ConnectionConfig{
		Bind: []string{"inproc://small"}, Configure: func(o zmq.Sockopts) error { return o.SetSndHWM(1) },
	})
	pull := &recorder{}
	create(t, l, pull, zmq.PULL, zmqio.ConnectionConfig{
		Connect: []string{"inproc://small"}, Configure: func(o zmq.Sockopts) error { return o.SetRcvHWM(1) },
	})
	all := numbers(1000)
	writeAll(t, push, all...)
	if push.WriteBufferSize() == 0 {
		t.Fatal("libzmq refused nothing")
	}
	await(t, l, pull.has(len(all)))
	pull.wants(t, "made", all...)
}

// The frames of a message stay together if libzmq refuses later messages.
func TestWriteReadyMultipart(t *testing.T) {
	l := newLoop(t, nil)
	push := create(t, l, &recorder{}, zmq.PUSH, zmqio.ConnectionConfig{
		Bind: []string{"inproc://parts"}, Configure: func(o zmq.Sockopts) error { return o.SetSndHWM(2) },
	})
	var all []string
	for _, s := range numbers(500) {
		m := msg(s, "", strings.Repeat(s, 100))
		all = append(all, text(m))
		must(t, push.Write(m))
	}
	pull := &recorder{}
	create(t, l, pull, zmq.PULL, zmqio.ConnectionConfig{
		Connect: []string{"inproc://parts"}, Configure: func(o zmq.Sockopts) error { return o.SetRcvHWM(2) },
	})
	await(t, l, pull.has(len(all)))
	pull.wants(t, "made", all...)
}

func TestWriteNone(t *testing.T) {
	l := newLoop(t, nil)
	p := &recorder{}
	push := blocked(t, l, p)
	must(t, push.SetWriteBufferLimits(0, 0))
	must(t, push.Write(nil))
	must(t, push.Write([][]byte{}))
	p.wants(t, "made") // and not paused, as the smallest message would
	pull := pullFrom(t, l, push)
	must(t, push.Write(msg("x")))
	await(t, l, pull.has(1))
	pull.wants(t, "made", "x")
}

// Every call that libzmq may interrupt is made while signals come.
func TestEINTR(t *testing.T) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	defer signal.Stop(c)
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-done:
				return
			default:
				_ = syscall.Kill(syscall.Getpid(), syscall.SIGUSR1)
				runtime.Gosched()
			}
		}
	}()
	defer func() { close(done); <-stopped }()

	l := newLoop(t, nil)
	push := blocked(t, l, &recorder{})
	pull := pullFrom(t, l, push)
	other := blocked(t, l, &recorder{})
	const n = 200
	for range n {
		must(t, push.Write(msg("x")))
		must(t, other.Setsockopt(zmq.SNDHWM, 1000))
		_, err := other.Getsockopt(zmq.SNDHWM)
		must(t, err)
		bound, err := other.Bind("inproc://interrupted")
		must(t, err)
		must(t, other.Unbind(bound))
		connected, err := other.Connect("ipc:///nobody")
		must(t, err)
		must(t, other.Disconnect(connected))
	}
	await(t, l, pull.has(n))
}

// An error of libzmq that Write meets goes to the caller alone.
func TestWriteCommonError(t *testing.T) {
	l := newLoop(t, nil)
	reported := caught(l)
	for _, typ := range []zmq.SocketType{zmq.PULL, zmq.SUB} {
		p := &recorder{}
		tr := create(t, l, p, typ, bindTo(anyPort))
		err := tr.Write(msg("x"))
		for _, want := range []error{zmq.ENOTSUP, syscall.ENOTSUP, errors.ErrUnsupported} {
			wants(t, err, want)
		}
		var call *os.SyscallError
		if !errors.As(err, &call) || !strings.HasPrefix(call.Syscall, "zmq_") {
			t.Errorf("%v", err)
		}
		pass(t, l)
		p.wants(t, "made")
		if tr.IsClosing() || tr.WriteBufferSize() != 0 {
			t.Errorf("%v with %d bytes", tr, tr.WriteBufferSize())
		}
		must(t, tr.Close())
	}
	if len(*reported) != 0 {
		t.Errorf("reported: %+v", *reported)
	}
}

// Messages of many writers are whole, and each writer's are in order.
func TestWriteFromManyGoroutines(t *testing.T) {
	l := newLoop(t, nil)
	push := blocked(t, l, zmqio.BaseProtocol{})
	const writers, each = 20, 200
	next := make(map[string]int)
	received := make(chan struct{})
	n := 0
	create(t, l, receiver{received: func(m [][]byte) {
		if who := string(m[0]); len(m) != 3 || string(m[1]) != numbersUpTo[next[who]] || string(m[2]) != who {
			t.Errorf("got %q, want message %d of that writer", m, next[who])
		}
		next[string(m[0])]++
		if n++; n == writers*each {
			close(received)
		}
	}}, zmq.PULL, connectTo(push.Listeners()...))
	must(t, l.Run(bounded(t), func(ctx context.Context) error {
		for w := range writers {
			go func() {
				who := "writer" + numbersUpTo[w]
				for i := range each {
					if err := push.Write(msg(who, numbersUpTo[i], who)); err != nil {
						t.Error(err)
					}
				}
			}()
		}
		select {
		case <-received:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}))
}

var numbersUpTo = numbers(1000)
