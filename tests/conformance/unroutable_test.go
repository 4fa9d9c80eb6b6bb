package conformance

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// unrouted records the calls of Unroutable, and checks that the transport is alive.
type unrouted struct {
	recorder
	t       *testing.T
	router  *zmqio.Transport
	dropped []string
	then    func() // called with each message
}

// route makes a ROUTER with ROUTER_MANDATORY.
func (u *unrouted) route(l *zmqio.EventLoop, unroutable func([][]byte, error)) {
	u.t.Helper()
	u.router = create(u.t, l, u, zmq.ROUTER, zmqio.ConnectionConfig{
		Bind: []string{"inproc://router"}, Unroutable: unroutable,
		Configure: func(o zmq.Sockopts) error { return errors.Join(o.SetRouterMandatory(true), o.SetSndHWM(1)) },
	})
}

func (u *unrouted) unroutable(m [][]byte, err error) {
	wantNumber(u.t, err, zmq.EHOSTUNREACH)
	if u.did("lost")() {
		u.t.Errorf("%.50q after ConnectionLost", text(m))
	}
	u.dropped = append(u.dropped, text(m))
	for _, f := range m {
		clear(f) // the callee owns the frames
	}
	defer u.tell()
	if u.then != nil {
		u.then()
	}
}

func (u *unrouted) has(n int) func() bool { return func() bool { return len(u.dropped) >= n } }

// dealer connects to the router a DEALER for which libzmq keeps at most one message.
func (u *unrouted) dealer(l *zmqio.EventLoop, id string) (*zmqio.Transport, *recorder) {
	u.t.Helper()
	r := &recorder{}
	return create(u.t, l, r, zmq.DEALER, zmqio.ConnectionConfig{
		Connect: []string{"inproc://router"}, Configure: func(o zmq.Sockopts) error {
			return errors.Join(o.SetRoutingID([]byte(id)), o.SetRcvHWM(1))
		},
	}), r
}

// A buffered message that cannot be routed goes to Unroutable, whole and in order, whether short or
// in libzmq's memory. The messages behind it are sent. A panic is reported.
func TestUnroutable(t *testing.T) {
	l := newLoop(t, nil)
	reported := caught(l)
	u := &unrouted{t: t}
	u.route(l, u.unroutable)
	large := strings.Repeat("large", 20<<10)
	u.onMsg = func(m [][]byte) { // written in a callback, so that it is sent after it
		must(t, u.router.Write(msg("nobody", "in", "", "parts")))
		must(t, u.router.Write(m))
		must(t, u.router.Write(msg("nobody", large, large)))
		must(t, u.router.Write(msg("nobody", "x")))
	}
	u.then = func() {
		if len(u.dropped) == 2 {
			panic("no")
		}
	}
	dealer, d := u.dealer(l, "me")
	must(t, dealer.Write(msg("ping")))
	await(t, l, func() bool { return d.has(1)() && u.has(3)() })
	d.wants(t, "made", "ping")
	if want := []string{"nobody|in||parts", "nobody|" + large + "|" + large, "nobody|x"}; !slices.Equal(u.dropped, want) {
		t.Errorf("dropped %.100q", u.dropped)
	}
	var panicked *zmqio.PanicError
	if len(*reported) != 1 || !errors.As((*reported)[0].Err, &panicked) || (*reported)[0].Transport != u.router {
		t.Errorf("reported %+v", *reported)
	}
	if u.router.IsClosing() || u.router.WriteBufferSize() != 0 {
		t.Errorf("%v with %d bytes", u.router, u.router.WriteBufferSize())
	}
}

// A peer goes for which messages wait. Unroutable gets each one that libzmq has not taken, also
// while the transport closes, and before ConnectionLost.
func TestUnroutablePeerGone(t *testing.T) {
	for name, end := range map[string]func(*zmqio.Transport) error{
		"open":    func(*zmqio.Transport) error { return nil },
		"closing": (*zmqio.Transport).Close,
	} {
		t.Run(name, func(t *testing.T) {
			l := newLoop(t, nil)
			reported := caught(l)
			u := &unrouted{t: t}
			u.route(l, u.unroutable)
			u.onMsg = func([][]byte) {
				for i := range 20 {
					must(t, u.router.Write(msg("me", fmt.Sprint(i))))
				}
			}
			dealer, d := u.dealer(l, "me")
			must(t, dealer.PauseReading())
			must(t, dealer.Write(msg("go on")))
			await(t, l, u.recorder.has(1))
			pass(t, l) // libzmq has as many messages as it takes
			must(t, end(u.router))
			must(t, dealer.Abort())
			await(t, l, func() bool { return len(u.dropped) > 0 && u.dropped[len(u.dropped)-1] == "me|19" })
			for i, m := range slices.Backward(u.dropped) {
				if want := fmt.Sprint("me|", 20-len(u.dropped)+i); m != want {
					t.Errorf("%q was dropped, want %q", m, want)
				}
			}
			if len(u.dropped) < 10 { // libzmq takes one or two
				t.Errorf("%d messages were dropped: %q", len(u.dropped), u.dropped)
			}
			must(t, u.router.Close())
			await(t, l, u.did("lost"))
			if len(*reported) != 0 || u.lostWith() != nil || !d.did("lost")() {
				t.Errorf("reported %+v, %v", *reported, u.lostWith())
			}
		})
	}
}

// EventLoop.Close drops callbacks, but not calls of Unroutable.
func TestUnroutableLoopCloses(t *testing.T) {
	for name, told := range map[string]bool{"Unroutable": true, "exception handler": false} {
		t.Run(name, func(t *testing.T) {
			l := newLoop(t, nil)
			reported := caught(l)
			u := &unrouted{t: t}
			if told {
				u.route(l, u.unroutable)
			} else {
				u.route(l, nil)
			}
			u.onMsg = func([][]byte) {
				must(t, u.router.Write(msg("nobody", "a")))
				must(t, u.router.Write(msg("nobody", "b")))
				l.Stop() // Stop comes before the callback that calls Unroutable
			}
			dealer, _ := u.dealer(l, "me")
			must(t, dealer.Write(msg("ping")))
			await(t, l, u.recorder.has(1))
			if len(u.dropped)+len(*reported) > 0 {
				t.Fatal("the loop was not stopped in time")
			}
			must(t, l.Close())
			switch {
			case !u.did("lost")():
				t.Error("no ConnectionLost")
			case told && (!slices.Equal(u.dropped, []string{"nobody|a", "nobody|b"}) || len(*reported) > 0):
				t.Errorf("dropped %q, reported %+v", u.dropped, *reported)
			case !told && (len(*reported) != 1 || !strings.Contains((*reported)[0].Err.Error(), "2 messages")):
				t.Errorf("reported %+v", *reported)
			}
		})
	}
}

// A call that ends in runtime.Goexit costs neither the other messages nor ConnectionLost.
func TestUnroutableGoexit(t *testing.T) {
	for name, closed := range map[string]bool{"open": false, "closed": true} {
		t.Run(name, func(t *testing.T) {
			l := newLoop(t, nil)
			u := &unrouted{t: t}
			u.route(l, u.unroutable)
			u.onMsg = func([][]byte) {
				for i := range 3 {
					must(t, u.router.Write(msg("nobody", fmt.Sprint(i))))
				}
				if closed { // after the buffered messages
					soon(t, l, func() { must(t, u.router.Abort()) })
				}
			}
			u.then = runtime.Goexit
			dealer, _ := u.dealer(l, "me")
			must(t, dealer.Write(msg("ping")))
			for ctx := bounded(t); len(u.dropped) < 3 || closed && !u.did("lost")(); {
				onGoroutine(func() { _ = l.RunForever(ctx) })
				if ctx.Err() != nil {
					t.Fatalf("only %q", u.dropped)
				}
			}
			if want := []string{"nobody|0", "nobody|1", "nobody|2"}; !slices.Equal(u.dropped, want) {
				t.Errorf("dropped %q", u.dropped)
			}
		})
	}
}

// Without Unroutable the exception handler gets the number of messages, and the routing id of the
// last. That comes at once, then once a second, and before ConnectionLost. A machine that takes a
// second between the second report and Close does not show the last one, so the test tries again.
func TestUnroutableReports(t *testing.T) {
	for tries := 0; !unroutableReports(t); tries++ {
		if tries == 10 {
			t.Fatal("the last report always comes a second after the one before")
		}
	}
}

// unroutableReports reports whether the last report came within a second after the one before.
func unroutableReports(t *testing.T) (early bool) {
	t.Helper()
	l := newLoop(t, nil)
	var at []time.Duration
	var reports []zmqio.ExceptionContext
	u := &unrouted{t: t}
	l.SetExceptionHandler(func(_ *zmqio.EventLoop, c zmqio.ExceptionContext) {
		if u.did("lost")() {
			t.Error("told after ConnectionLost")
		}
		at, reports = append(at, l.Time()), append(reports, c)
		l.Stop()
	})
	u.route(l, nil)
	u.onMsg = func(m [][]byte) {
		for i := range 5 {
			must(t, u.router.Write(msg(fmt.Sprintf("\x00%s%d", m[1], i), "x")))
		}
	}
	dealer, _ := u.dealer(l, "me")
	for i := range 3 {
		must(t, dealer.Write(msg(fmt.Sprint("peer", i, "-"))))
		await(t, l, func() bool { return u.recorder.has(i+1)() && u.router.WriteBufferSize() == 0 })
		if i == 1 {
			await(t, l, func() bool { return len(reports) == 2 })
		}
	}
	pass(t, l)
	if len(reports) != 2 {
		if len(reports) == 3 && at[2]-at[1] >= time.Second {
			return false
		}
		t.Fatalf("%d reports before the end", len(reports))
	}
	must(t, u.router.Close())
	await(t, l, u.did("lost"))
	for i, want := range []string{`\x00peer0-4`, `\x00peer1-4`, `\x00peer2-4`} {
		if i >= len(reports) {
			t.Fatalf("%d reports", len(reports))
		}
		r := reports[i]
		wantNumber(t, r.Err, zmq.EHOSTUNREACH)
		if text := r.Err.Error(); !strings.Contains(text, "5 messages") || !strings.Contains(text, want) || r.Transport != u.router {
			t.Errorf("report %d: %q, %v; want 5 messages, the last one for %s", i, text, r.Transport, want)
		}
	}
	if wait := at[1] - at[0]; wait < time.Second {
		t.Errorf("the second report came after %v", wait)
	}
	return at[2]-at[1] <= time.Second
}
