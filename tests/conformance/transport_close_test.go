package conformance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// shutDown calls Close and Abort in the order of a text such as "close abort".
func shutDown(t testing.TB, tr *zmqio.Transport, order string) {
	t.Helper()
	for call := range strings.FieldsSeq(order) {
		var err error
		if call == "close" {
			err = tr.Close()
		} else {
			err = tr.Abort()
		}
		if err != nil || !tr.IsClosing() {
			t.Errorf("%s of %q: %v, closing %t", call, order, err, tr.IsClosing())
		}
	}
}

var orders = []string{"close", "abort", "close close", "close abort", "abort close", "abort abort", "close abort close abort"}

// places are those from which Close and Abort may be called: while no goroutine runs the loop, in a
// callback, and on another goroutine.
var places = map[string]func(testing.TB, *zmqio.EventLoop, func()){
	"idle": func(_ testing.TB, _ *zmqio.EventLoop, fn func()) { fn() },
	"callback": func(t testing.TB, l *zmqio.EventLoop, fn func()) {
		soon(t, l, fn)
		pass(t, l)
	},
	"elsewhere": func(t testing.TB, l *zmqio.EventLoop, fn func()) {
		soon(t, l, func() { onGoroutine(fn) })
		pass(t, l)
	},
}

// ConnectionLost(nil) comes once, with any order, place and state of the calls. It comes after the
// call, and after Close has sent everything.
func TestCloseAndAbort(t *testing.T) {
	for place, at := range places {
		for _, order := range orders {
			for _, state := range []string{"empty", "buffered", "paused"} {
				t.Run(fmt.Sprintf("%s/%s/%s", place, order, state), func(t *testing.T) {
					l := newLoop(t, nil)
					reported := caught(l)
					p := &recorder{}
					tr := blocked(t, l, p)
					want := "made"
					var sent []string
					if state == "paused" {
						must(t, tr.SetWriteBufferLimits(0, 0))
						want += " pause"
					}
					if state != "empty" {
						sent = []string{"first", "second"}
						writeAll(t, tr, sent...)
					}
					endpoint := tr.Listeners()[0]
					at(t, l, func() {
						shutDown(t, tr, order)
						p.wants(t, want)
					})
					pass(t, l)
					if state != "empty" && !strings.Contains(order, "abort") {
						p.wants(t, want) // the message waits for a peer
						pull := &recorder{}
						create(t, l, pull, zmq.PULL, connectTo(endpoint))
						await(t, l, func() bool { return pull.has(2)() && p.did("lost")() })
						pull.wants(t, "made", sent...)
					}
					shutDown(t, tr, order) // further calls have no effect
					pass(t, l)
					p.wants(t, want+" lost")
					if p.err != nil || tr.WriteBufferSize() != 0 || len(*reported) != 0 {
						t.Errorf("lost with %v, %d bytes, reported %v", p.err, tr.WriteBufferSize(), *reported)
					}
					wantSocketClosed(t, tr)
				})
			}
		}
	}
}

// Close and Abort may be called in each callback, in ConnectionLost too.
func TestCloseInCallbacks(t *testing.T) {
	for _, order := range orders {
		for callback, want := range map[string]string{
			"ConnectionMade": "made lost",
			"MsgReceived":    "made lost",
			"PauseWriting":   "made pause lost",
			"ResumeWriting":  "made pause resume lost",
			"ConnectionLost": "made lost",
		} {
			t.Run(callback+"/"+order, func(t *testing.T) {
				l := newLoop(t, nil)
				reported := caught(l)
				var tr *zmqio.Transport
				p := &recorder{}
				end := func() { shutDown(t, tr, order) }
				switch callback {
				case "ConnectionMade":
					p.onMade = func(made *zmqio.Transport) { tr = made; end() }
				case "MsgReceived":
					p.onMsg = func([][]byte) { end() }
				case "PauseWriting":
					p.onPause = end
				case "ResumeWriting":
					p.onResume = end
				case "ConnectionLost":
					p.onLost = func(error) { end() }
				}
				tr = create(t, l, p, zmq.DEALER, zmqio.ConnectionConfig{Bind: []string{}})
				if callback != "ConnectionMade" {
					_, err := tr.Bind("inproc://callbacks")
					must(t, err)
					must(t, tr.SetWriteBufferLimits(0, 0))
				}
				switch callback {
				case "MsgReceived":
					writeAll(t, create(t, l, &recorder{}, zmq.DEALER, connectTo("inproc://callbacks")), "a", "b", "c")
				case "PauseWriting":
					writeAll(t, tr, "a")
					create(t, l, &recorder{}, zmq.DEALER, connectTo("inproc://callbacks"))
				case "ResumeWriting":
					writeAll(t, tr, "a")
					create(t, l, &recorder{}, zmq.DEALER, connectTo("inproc://callbacks"))
				case "ConnectionLost":
					must(t, tr.Close())
				}
				await(t, l, p.did("lost"))
				pass(t, l)
				if got := strings.Join(p.happened(), " "); got != want || p.err != nil {
					t.Errorf("called %q, lost with %v", got, p.err)
				}
				if n := len(p.got()); n > 1 {
					t.Errorf("%d messages after it closed", n)
				}
				if len(*reported) != 0 {
					t.Errorf("reported: %+v", *reported)
				}
				wantSocketClosed(t, tr)
			})
		}
	}
}

// Close closes the socket at once, and ConnectionLost comes in the next iteration.
func TestCloseWithEmptyBuffer(t *testing.T) {
	l := newLoop(t, nil)
	p := &recorder{}
	tr := blocked(t, l, p)
	var order calls
	p.onLost = func(error) { order.add("lost")() }
	soon(t, l, func() {
		must(t, tr.Close())
		order.add("close")()
		soon(t, l, order.add("soon"))
	})
	soon(t, l, order.add("same iteration"))
	pass(t, l)
	pass(t, l)
	order.want(t, "close", "same iteration", "lost", "soon")
}

// A transport whose socket was closed elsewhere does not close it again, and ends.
func TestCloseAlreadyClosedSocket(t *testing.T) {
	for _, order := range orders {
		l := newLoop(t, nil)
		p := &recorder{}
		tr := create(t, l, p, zmq.PULL, bindTo(anyPort))
		must(t, tr.ExtraInfo("zmq_socket", nil).(*zmq4.Socket).Close())
		shutDown(t, tr, order)
		await(t, l, p.did("lost"))
		pass(t, l)
		p.wants(t, "made lost")
		must(t, l.Close())
	}
}

// After Close the transport sends all its messages, and then ends.
func TestCloseOnLastWriteReady(t *testing.T) {
	l := newLoop(t, nil)
	p := &recorder{}
	tr := blocked(t, l, p)
	p.onLost = func(error) {
		if n := tr.WriteBufferSize(); n != 0 {
			t.Errorf("lost with %d bytes in the buffer", n)
		}
	}
	all := numbers(1000)
	writeAll(t, tr, all...)
	pull := pullFrom(t, l, tr)
	must(t, tr.Close())
	await(t, l, func() bool { return p.did("lost")() && pull.has(len(all))() })
	p.wants(t, "made lost")
	pull.wants(t, "made", all...)
}

// Close may come while reading is paused. No message comes after it.
func TestClosePaused(t *testing.T) {
	for _, order := range orders {
		l := newLoop(t, nil)
		push := blocked(t, l, zmqio.BaseProtocol{})
		p := &recorder{}
		var pull *zmqio.Transport
		p.onMsg = func([][]byte) {
			must(t, pull.PauseReading())
			shutDown(t, pull, order)
		}
		writeAll(t, push, "a", "b")
		pull = create(t, l, p, zmq.PULL, connectTo(push.Listeners()...))
		await(t, l, p.did("lost"))
		must(t, pull.ResumeReading())
		pass(t, l)
		p.wants(t, "made lost", "a")
		must(t, push.Abort())
		must(t, l.Close())
	}
}

// Close and Abort run concurrently with one another and with writers. Messages that Write has
// accepted need not arrive, because one call aborts.
func TestCloseFromManyGoroutines(t *testing.T) {
	l := newLoop(t, nil)
	reported := caught(l)
	p := &recorder{live: true}
	tr := blocked(t, l, p)
	must(t, l.Run(bounded(t), func(ctx context.Context) error {
		start := make(chan struct{})
		for i := range 50 {
			go func() {
				<-start
				shutDown(t, tr, orders[i%len(orders)])
				if err := tr.Write(msg("x")); !errors.Is(err, zmqio.ErrTransportClosed) {
					t.Errorf("Write: %v", err)
				}
			}()
			go func() {
				<-start
				if err := tr.Write(msg("x")); err != nil {
					wants(t, err, zmqio.ErrTransportClosed)
				}
			}()
		}
		close(start)
		return p.until(ctx, p.did("lost"))
	}))
	pass(t, l)
	p.wants(t, "made lost")
	if p.err != nil || len(*reported) != 0 {
		t.Errorf("lost with %v, reported %v", p.err, *reported)
	}
}

// Abort drops what libzmq has not sent, so that it does not keep the context open.
func TestAbortDropsMessagesInLibzmq(t *testing.T) {
	ctx, l := newContext(t)
	late := "ipc://" + t.TempDir() + "/late"
	p := &recorder{}
	tr := create(t, l, p, zmq.PUSH, connectTo(late))
	writeAll(t, tr, "dropped", "dropped", "dropped")
	if n := tr.WriteBufferSize(); n != 0 {
		t.Fatalf("libzmq left %d bytes", n)
	}
	must(t, tr.Abort())
	await(t, l, p.did("lost"))
	term := make(chan error)
	go func() { term <- ctx.Term() }() // waits for each socket that has something to send
	pull := &recorder{}
	select {
	case err := <-term:
		must(t, err)
	case <-bounded(t).Done():
		create(t, newLoop(t, nil), pull, zmq.PULL, bindTo(late)) // lets Term end
		t.Fatal("libzmq has not dropped its messages")
	}
	other := newLoop(t, nil)
	create(t, other, pull, zmq.PULL, bindTo(late))
	writeAll(t, create(t, other, &recorder{}, zmq.PUSH, connectTo(late)), "marker")
	await(t, other, pull.has(1))
	pull.wants(t, "made", "marker")
}

// After ConnectionLost every call that needs the socket returns an error.
func TestAfterConnectionLost(t *testing.T) {
	l := newLoop(t, nil)
	p := &recorder{}
	tr := create(t, l, p, zmq.DEALER, bindTo(anyPort))
	must(t, tr.Abort())
	await(t, l, p.did("lost"))
	_, bind := tr.Bind(anyPort)
	_, connect := tr.Connect("inproc://x")
	_, get := tr.Getsockopt(zmq.SNDHWM)
	_, hwm := tr.Sockopts().SndHWM()
	for call, err := range map[string]error{
		"Write":        tr.Write(msg("x")),
		"Bind":         bind,
		"Unbind":       tr.Unbind(anyPort),
		"Connect":      connect,
		"Disconnect":   tr.Disconnect("inproc://x"),
		"Getsockopt":   get,
		"SndHWM":       hwm,
		"Setsockopt":   tr.Setsockopt(zmq.SNDHWM, 1),
		"PauseReading": tr.PauseReading(),
	} {
		wantError(t, call, err, zmqio.ErrTransportClosed)
		wantError(t, call, err, net.ErrClosed)
	}
	must(t, tr.ResumeReading())
	must(t, tr.SetWriteBufferLimits(10, 1))
	must(t, tr.Write(nil))
	if tr.ExtraInfo("zmq_type", nil) != zmq.DEALER || tr.Protocol() != zmqio.Protocol(p) || tr.Loop() != l || !tr.IsClosing() {
		t.Errorf("%v", tr)
	}
	if !strings.HasSuffix(tr.String(), "closed>") {
		t.Errorf("%v", tr)
	}
	pass(t, l)
	p.wants(t, "made lost")
}

// After an error has ended the transport, Close and Abort do nothing.
func TestCloseAfterFatalError(t *testing.T) {
	for _, order := range orders {
		ctx, l := newContext(t)
		reported := caught(l)
		p := &recorder{}
		tr := blocked(t, l, p)
		writeAll(t, tr, "x")
		term := make(chan error)
		go func() { term <- ctx.Term() }()
		await(t, l, p.did("lost"))
		must(t, <-term)
		shutDown(t, tr, order)
		pass(t, l)
		p.wants(t, "made lost")
		wants(t, p.err, zmq.ETERM)
		if len(*reported) != 1 || tr.WriteBufferSize() != 0 {
			t.Errorf("%d bytes left, reported %v", tr.WriteBufferSize(), *reported)
		}
		wantSocketClosed(t, tr)
	}
}
