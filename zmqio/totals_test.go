package zmqio

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"runtime"
	"sync"
	"testing"
	"time"
	"weak"

	"github.com/zmqio/zmq"
)

// total returns the total of a kind of transports, or the zero TransportTotal.
func total(typ zmq.SocketType, name string) TransportTotal {
	for _, total := range TransportTotals() {
		if total.Type == typ && total.Name == name {
			return total
		}
	}
	return TransportTotal{}
}

// freshTotals empties totals for the duration of a test.
func freshTotals(t *testing.T) {
	t.Helper()
	totals.mu.Lock()
	defer totals.mu.Unlock()
	before, names := totals.groups, totals.names
	totals.groups, totals.names = make(map[kind]*group), maps.Clone(names)
	t.Cleanup(func() {
		totals.mu.Lock()
		defer totals.mu.Unlock()
		totals.groups, totals.names = before, names
	})
}

func called(name string, cfg ConnectionConfig) ConnectionConfig {
	cfg.Name = name
	return cfg
}

// TransportTotals sums up transports of one type and name. Counts stay after the end of the
// transports and their loop; present values do not.
func TestTransportTotals(t *testing.T) {
	leakCheck(t)
	const name = "total"
	freshTotals(t)
	start := time.Now()
	l := newLoop(t)
	var pushes []*Transport
	for range 2 {
		cfg := called(name, bindTo(anyPort))
		cfg.MaxWriteBuffer = 3
		push := create(t, l, watching{}, zmq.PUSH, cfg)
		must(t, push.SetWriteBufferLimits(0, 0))
		must(t, push.Write(msg("abc")))
		if push.Write(msg("d")) == nil {
			t.Error("the buffer is not full")
		}
		pushes = append(pushes, push)
	}
	if pushes[0].Name() != name || pushes[0].String()[:len(`<Transport PUSH "total" bound [`)] != `<Transport PUSH "total" bound [` {
		t.Errorf("called %q: %v", pushes[0].Name(), pushes[0])
	}
	create(t, l, BaseProtocol{}, zmq.PULL, called(name, ConnectionConfig{Bind: []string{}}))
	got := total(zmq.PUSH, name)
	if got.Open != 2 || got.PausedNow != 2 || !got.IsPaused || got.Refused != 2 || got.Pauses != 2 || got.Connections != nil {
		t.Errorf("%+v", got)
	}
	wantTraffic(t, "buffered", got.Buffered, 2, 6)
	must(t, pushes[0].EnableMonitor(zmq.EVENT_ALL))
	pull := openStream(t, zmq.PULL, StreamConfig{Loop: l, Name: name, Connect: pushes[0].Listeners()})
	passUntil(t, l, func() bool {
		in, out := total(zmq.PULL, name), total(zmq.PUSH, name)
		return in.Unread.Messages == 1 && in.Connections.Open == 1 && out.Connections.Handshakes == 1 && out.PausedNow == 1
	})
	if s := total(zmq.PULL, name); s.Open != 2 || s.LastReceived.Before(start) || time.Now().Before(s.LastReceived) || s.Connections.Connects != 1 {
		t.Errorf("%+v", s)
	}
	if s := total(zmq.PUSH, name); s.Connections.Open != -1 || !s.IsPaused {
		t.Errorf("%+v, with %+v", s, s.Connections)
	}
	before := total(zmq.PULL, name)
	must(t, pull.Abort())
	if err := l.Close(); !errors.Is(err, ErrUndelivered) {
		t.Errorf("Close, which drops a message: %v", err)
	}
	end := total(zmq.PULL, name)
	wantTraffic(t, "received, at the end", end.Received, 1, 3)
	wantTraffic(t, "unread, at the end", end.Unread, 0, 0)
	wantTraffic(t, "dropped, at the end", end.Dropped.Unread, 1, 3)
	if end.Open != 0 || end.Connections == nil || end.Connections.Open != 0 || end.Connections.Connects != 1 ||
		!end.LastReceived.Equal(before.LastReceived) {
		t.Errorf("at the end %+v", end)
	}
	end = total(zmq.PUSH, name)
	wantTraffic(t, "sent, at the end", end.Sent, 1, 3)
	wantTraffic(t, "unsent, at the end", end.Dropped.Unsent, 1, 3)
	if end.Open != 0 || end.IsPaused || end.PausedNow != 0 || end.Pauses != 2 || end.Paused <= 0 || end.Refused != 2 {
		t.Errorf("at the end %+v", end)
	}
}

// again calls look on a goroutine of its own, until it returns false or stop is called. stop waits for
// the end of the goroutine.
func again(look func() bool) (stop func()) {
	done := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		for look() {
			select {
			case <-done:
				return
			default:
				runtime.Gosched() // with one processor the test would wait a whole turn at each step
			}
		}
	})
	return func() {
		close(done)
		looking.Wait()
	}
}

// While transports come and go, no total falls, and no transport counts twice.
func TestTransportTotalsAmidEnds(t *testing.T) {
	leakCheck(t)
	const name, rounds = "coming and going", 100
	freshTotals(t)
	l := newLoop(t)
	runAside(t, l)
	last := TransportTotal{}
	stop := again(func() bool {
		got := total(zmq.PUSH, name)
		dropped := got.Buffered.Messages + got.Dropped.Unsent.Messages
		if got.Dropped.Unsent.Messages < last.Dropped.Unsent.Messages || dropped > 3*rounds {
			t.Errorf("%+v after %+v", got, last)
			return false
		}
		last = got
		return true
	})
	for range rounds {
		tr := create(t, l, BaseProtocol{}, zmq.PUSH, called(name, bindTo(anyPort)))
		for range 3 {
			must(t, tr.Write(msg("x")))
		}
		must(t, tr.Abort())
	}
	stop()
	for ctx := bounded(t); total(zmq.PUSH, name).Open > 0; runtime.Gosched() {
		must(t, ctx.Err())
	}
	wantTraffic(t, "unsent", total(zmq.PUSH, name).Dropped.Unsent, 3*rounds, 3*rounds)
}

// A stream that drops messages after the end of its transport adds them to the total, which never
// falls.
func TestTransportTotalsAfterTheEnd(t *testing.T) {
	leakCheck(t)
	const name, rounds = "dropping late", 200
	freshTotals(t)
	l := newLoop(t)
	runAside(t, l)
	var last uint64
	stop := again(func() bool {
		dropped := total(zmq.PULL, name).Dropped.Unread.Messages
		if dropped < last {
			t.Errorf("%d after %d", dropped, last)
		}
		last = dropped
		return true
	})
	for i := range rounds {
		at := fmt.Sprintf("inproc://late-%d", i) // a PUSH of its own: another might still send to the last PULL
		push := create(t, l, BaseProtocol{}, zmq.PUSH, bindTo(at))
		pull := openStream(t, zmq.PULL, StreamConfig{Loop: l, Name: name, Connect: []string{at}})
		must(t, push.Write(msg("abc")))
		for ctx := bounded(t); pull.t.Stats().Unread.Messages == 0; runtime.Gosched() {
			must(t, ctx.Err())
		}
		must(t, pull.Close())
		must(t, pull.Abort())
		must(t, push.Abort())
	}
	stop()
	wantTraffic(t, "dropped unread", total(zmq.PULL, name).Dropped.Unread, rounds, 3*rounds)
}

// totals keeps no forgotten transport.
func TestTransportTotalsForget(t *testing.T) {
	const name = "forgotten"
	freshTotals(t)
	w := func() weak.Pointer[Transport] {
		tr := &Transport{typ: zmq.PULL, label: name, loop: new(EventLoop)}
		tr.enlist()
		if total(zmq.PULL, name).Open != 1 {
			t.Error("the transport is not open")
		}
		return weak.Make(tr)
	}()
	for ctx := bounded(t); w.Value() != nil; runtime.GC() {
		must(t, ctx.Err())
	}
	if got := total(zmq.PULL, name); got.Open != 0 || len(totals.groups[kind{zmq.PULL, name}].open) != 0 {
		t.Errorf("%+v", got)
	}
}

// number sets the numbers in the struct v to those after n, in order.
func number(v reflect.Value, n *int64) {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		*n++
		v.Set(reflect.ValueOf(time.Unix(*n, 0)))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			number(v.Field(i), n)
		}
	case v.CanInt():
		*n++
		v.SetInt(*n)
	case v.CanUint():
		*n++
		v.SetUint(uint64(*n))
	}
}

// numbers returns a T whose numbers are those after n, in order.
func numbers[T any](n int64) (v T) {
	number(reflect.ValueOf(&v).Elem(), &n)
	return v
}

// A sum has each figure once, and the greatest of Longest, Current and LastReceived.
func TestSums(t *testing.T) {
	var loop LoopStats
	a, b := numbers[LoopStats](100), numbers[LoopStats](0)
	for _, s := range []LoopStats{a, b} {
		loop.count(s)
		loop.measure(s)
	}
	want := LoopStats{102, 104, 106, 104, 110, 112, 107, 116, 118, 120, 122, 124}
	if loop != want {
		t.Errorf("loops: %+v, want %+v", loop, want)
	}
	var sum Stats
	c, d := numbers[ConnectionStats](200), numbers[ConnectionStats](0)
	for _, s := range []struct {
		n int64
		c *ConnectionStats
	}{{100, &c}, {0, &d}, {0, nil}} {
		one := numbers[Stats](s.n)
		one.Connections = s.c
		sum.count(one)
		sum.measure(one)
	}
	two := func(n uint64) Traffic { return Traffic{100 + 3*n, 100 + 3*n + 3} }
	connections := ConnectionStats{202, 204, 206, 208, 210, 212, 214, HandshakeFailures{216, 218, 220, 222, 224, 226, 228, 230}}
	if got := *sum.Connections; got != connections {
		t.Errorf("connections: %+v, want %+v", got, connections)
	}
	sum.Connections = nil
	if want := (Stats{
		Sent: two(1), Received: two(3), Buffered: two(5), Unread: two(7),
		Dropped: Drops{two(9), two(11), two(13), 145}, Refused: 148, Pauses: 151, Paused: 154, Waits: 157, Waiters: 160,
		LastReceived: time.Unix(121, 0),
	}); sum != want {
		t.Errorf("transports: %+v, want %+v", sum, want)
	}
}
