package conformance

import (
	"errors"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// While reading is paused nothing is received or lost. It may be paused and resumed again. The
// errors are those of aiozmq.
func TestPauseResumeReading(t *testing.T) {
	l := newLoop(t, nil)
	push := blocked(t, l, zmqio.BaseProtocol{})
	p := &recorder{}
	pull := create(t, l, p, zmq.PULL, connectTo(push.Listeners()...))
	all := numbers(6)
	for i := 0; i < len(all); i += 2 {
		wants(t, pull.ResumeReading(), zmqio.ErrNotPaused)
		must(t, pull.PauseReading())
		wants(t, pull.PauseReading(), zmqio.ErrAlreadyPaused)
		writeAll(t, push, all[i:i+2]...)
		other := pullAlong(t, l)
		await(t, l, other.has(1)) // the loop goes on
		p.wants(t, "made", all[:i]...)
		must(t, pull.ResumeReading())
		await(t, l, p.has(i+2))
		p.wants(t, "made", all[:i+2]...)
	}
}

// pullAlong returns the protocol of another pair of sockets, with a message on its way.
func pullAlong(t testing.TB, l *zmqio.EventLoop) *recorder {
	t.Helper()
	push := blocked(t, l, zmqio.BaseProtocol{})
	writeAll(t, push, "along")
	return pullFrom(t, l, push)
}

// PauseReading in MsgReceived takes effect before the next message of the batch. Messages of other
// sockets go on.
func TestPauseReadingWithinABatch(t *testing.T) {
	l := newLoop(t, nil)
	push := blocked(t, l, zmqio.BaseProtocol{})
	all := numbers(20)
	writeAll(t, push, all...)
	p := &recorder{}
	var pull *zmqio.Transport
	p.onMsg = func([][]byte) { must(t, pull.PauseReading()) }
	pull = create(t, l, p, zmq.PULL, connectTo(push.Listeners()...))
	for i := range all {
		await(t, l, p.has(i+1))
		await(t, l, pullAlong(t, l).has(1))
		p.wants(t, "made", all[:i+1]...)
		must(t, pull.ResumeReading())
	}
}

// A transport that has paused reading may write, and be closed.
func TestPauseClosing(t *testing.T) {
	l := newLoop(t, nil)
	tr := blocked(t, l, zmqio.BaseProtocol{})
	writeAll(t, tr, "x") // without a peer the transport keeps it, and stays closing
	must(t, tr.Close())
	wants(t, tr.PauseReading(), zmqio.ErrTransportClosed)
	must(t, tr.ResumeReading())
	must(t, tr.Abort())
	wants(t, tr.PauseReading(), zmqio.ErrTransportClosed)
	must(t, tr.ResumeReading())
}

func TestIsReading(t *testing.T) {
	l := newLoop(t, nil)
	tr := blocked(t, l, zmqio.BaseProtocol{})
	is := func(want bool) {
		t.Helper()
		if tr.IsReading() != want {
			t.Errorf("reading: %t", !want)
		}
	}
	is(true)
	must(t, tr.PauseReading())
	is(false)
	must(t, tr.ResumeReading())
	is(true)
	writeAll(t, tr, "x") // without a peer the transport keeps it, and stays closing
	must(t, tr.Close())
	is(false)
	must(t, tr.ResumeReading())
	is(false)
	must(t, tr.Abort())
	pass(t, l)
	is(false)
}

// If ZMQ_FD is readable and no message has come, the protocol is not called.
func TestReadReadyGotEAGAIN(t *testing.T) {
	l := newLoop(t, nil)
	reported := caught(l)
	push := blocked(t, l, zmqio.BaseProtocol{})
	p := &recorder{}
	pull := create(t, l, p, zmq.PULL, connectTo(push.Listeners()...))
	for range 100 {
		events, err := pull.Sockopts().Events() // makes the loop look for messages
		if must(t, err); events&zmq.POLLIN != 0 {
			t.Fatalf("events %v", events)
		}
		pass(t, l)
	}
	p.wants(t, "made")
	writeAll(t, push, "x")
	await(t, l, p.has(1))
	if len(*reported) != 0 {
		t.Errorf("reported: %+v", *reported)
	}
}

// A fatal error of a receive ends the transport. The exception handler gets message, error,
// transport and protocol, and then ConnectionLost comes.
func TestReadReadyFatalError(t *testing.T) {
	ctx, l := newContext(t)
	p := &recorder{}
	var order calls
	var reported zmqio.ExceptionContext
	l.SetExceptionHandler(func(_ *zmqio.EventLoop, c zmqio.ExceptionContext) {
		reported = c
		order.add("handler")()
	})
	p.onLost = func(error) { order.add("lost")() }
	pull := create(t, l, p, zmq.PULL, bindTo(anyPort))
	term := make(chan error)
	soon(t, l, func() { go func() { term <- ctx.Term() }() })
	await(t, l, p.did("lost"))
	must(t, <-term)
	pass(t, l)
	order.want(t, "handler", "lost")
	wants(t, p.err, zmq.ETERM)
	wants(t, reported.Err, zmq.ETERM)
	if reported.Message == "" || reported.Transport != pull || reported.Protocol != zmqio.Protocol(p) || !pull.IsClosing() {
		t.Errorf("reported %+v", reported)
	}
	wantSocketClosed(t, pull)
}

// The protocol owns its frames: changing or growing one changes no other.
func TestReceivedFramesAreOwned(t *testing.T) {
	l := newLoop(t, nil)
	push := blocked(t, l, zmqio.BaseProtocol{})
	for range 10 {
		must(t, push.Write(msg("aaaa", "bbbb")))
	}
	var kept [][][]byte
	p := &recorder{onMsg: func(m [][]byte) {
		if text(m) != "aaaa|bbbb" {
			t.Errorf("got %q", text(m))
		}
		m[0] = append(m[0], "XXXXXXXXXXXX"...)
		copy(m[1], "cccc")
		kept = append(kept, m)
	}}
	create(t, l, p, zmq.PULL, connectTo(push.Listeners()...))
	await(t, l, p.has(10))
	for _, m := range kept {
		if text(m) != "aaaaXXXXXXXXXXXX|cccc" {
			t.Errorf("kept %q", text(m))
		}
	}
}

// A panic in a callback goes to the handler, and the transport lives on.
func TestPanicsInCallbacks(t *testing.T) {
	l := newLoop(t, nil)
	reported := caught(l)
	broken := errors.New("broken")
	push := blocked(t, l, zmqio.BaseProtocol{})
	p := &recorder{
		onMade: func(*zmqio.Transport) { panic(broken) },
		onMsg:  func([][]byte) { panic(broken) },
		onLost: func(error) { panic(broken) },
	}
	pull := create(t, l, p, zmq.PULL, connectTo(push.Listeners()...))
	writeAll(t, push, "a", "b")
	await(t, l, p.has(2))
	if pull.IsClosing() {
		t.Error("the transport is lost")
	}
	must(t, pull.Close())
	await(t, l, p.did("lost"))
	p.wants(t, "made lost", "a", "b")
	var messages []string
	for _, c := range *reported {
		messages = append(messages, c.Message)
		if !errors.Is(c.Err, broken) || c.Transport != pull || c.Protocol != zmqio.Protocol(p) {
			t.Errorf("reported %+v", c)
		}
	}
	got := calls(messages)
	got.want(t, "ConnectionMade panicked", "MsgReceived panicked", "MsgReceived panicked", "ConnectionLost panicked")
}

// SetProtocol gives later messages to the new protocol.
func TestSetProtocol(t *testing.T) {
	l := newLoop(t, nil)
	push := blocked(t, l, zmqio.BaseProtocol{})
	second := &recorder{}
	first := &recorder{}
	var pull *zmqio.Transport
	first.onMsg = func([][]byte) {
		pull.SetProtocol(second)
		pull.SetProtocol(nil) // to no effect
		if pull.Protocol() != zmqio.Protocol(second) {
			t.Error("not the new protocol")
		}
	}
	pull = create(t, l, first, zmq.PULL, connectTo(push.Listeners()...))
	second.loop = l
	if pull.Protocol() != zmqio.Protocol(first) {
		t.Error("not the protocol it was made with")
	}
	writeAll(t, push, "a", "b", "c")
	await(t, l, second.has(2))
	must(t, pull.Close())
	await(t, l, second.did("lost"))
	first.wants(t, "made", "a")
	if got := second.got(); len(got) != 2 || got[0] != "b" || got[1] != "c" {
		t.Errorf("the second protocol got %q", got)
	}
}

func TestExtraInfo(t *testing.T) {
	l := newLoop(t, nil)
	tr := blocked(t, l, zmqio.BaseProtocol{})
	if tr.ExtraInfo("zmq_type", nil) != zmq.PUSH {
		t.Errorf("zmq_type: %v", tr.ExtraInfo("zmq_type", nil))
	}
	if tr.ExtraInfo("zmq_socket", nil) == nil {
		t.Error("no zmq_socket")
	}
	for _, name := range []string{"", "peername", "ZMQ_TYPE"} {
		if got := tr.ExtraInfo(name, "default"); got != "default" {
			t.Errorf("%q: %v", name, got)
		}
		if got := tr.ExtraInfo(name, nil); got != nil {
			t.Errorf("%q: %v", name, got)
		}
	}
}

// While reading is paused, the end of a peer without messages still frees its descriptors.
func TestPeerGoesWhilePaused(t *testing.T) {
	l := newLoop(t, nil)
	p := &recorder{}
	pull := create(t, l, p, zmq.PULL, bindTo("inproc://paused"))
	must(t, pull.PauseReading())
	fds := countFDs(t)
	push := create(t, l, &recorder{}, zmq.PUSH, connectTo("inproc://paused"))
	must(t, push.Close())
	passes(t, l, func() bool { return countFDs(t) <= fds })
	if pull.IsClosing() {
		t.Error("the transport that is paused ended")
	}
}
