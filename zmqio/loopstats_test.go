package zmqio

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zmqio/zmq"
)

// spin keeps the loop in a callback for d.
func spin(l *EventLoop, d time.Duration) {
	for end := l.Time() + d; l.Time() < end; {
	}
}

// LoopStats counts callbacks and iterations, and their time.
func TestLoopStats(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	if s := l.Stats(); s != (LoopStats{}) {
		t.Errorf("at first %+v", s)
	}
	const long, short = 3 * time.Millisecond, time.Millisecond
	l.SetSlowCallbackDuration(long)
	soon(t, l, func() { spin(l, long) })
	cancelled := soon(t, l, func() {})
	cancelled.Cancel()
	before := l.Time()
	pass(t, l)
	l.SetSlowCallbackDuration(time.Hour)
	soon(t, l, func() { spin(l, short) })
	soon(t, l, func() {})
	pass(t, l)
	took := l.Time() - before
	s := l.Stats()
	if s.Busy < long+short || s.Busy > took || s.Longest < long || s.Longest > s.Busy-short {
		t.Errorf("%+v in %v", s, took)
	}
	if s.Iterations < 2 || s.Slow < 1 || s.Slow >= s.Iterations {
		t.Errorf("%d iterations, %d of them slow", s.Iterations, s.Slow)
	}
	if s.Callbacks != 3 {
		t.Errorf("%d callbacks", s.Callbacks)
	}
	for range 10 {
		soon(t, l, func() {})
	}
	pass(t, l)
	if n := l.Stats().Callbacks; n != 13 {
		t.Errorf("%d callbacks with ten more", n)
	}
	if again := l.Stats(); again.Longest < long || again.Longest > s.Busy {
		t.Errorf("the longest took %v", again.Longest)
	}
}

// Current is the time of the running callbacks, and 0 while the loop waits.
func TestLoopStatsCurrent(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	runAside(t, l)
	begun, end := make(chan time.Duration), make(chan struct{})
	soon(t, l, func() {
		begun <- l.Time()
		<-end
	})
	start := <-begun
	for l.Stats().Current < time.Millisecond {
	}
	now := l.Time()
	if s := l.Stats(); s.Current < now-start {
		t.Errorf("the callback has run for %v, not for %v only", now-start, s.Current)
	}
	close(end)
	for ctx := bounded(t); l.Stats().Current != 0; {
		must(t, ctx.Err())
	}
	if s := l.Stats(); s.Busy < now-start {
		t.Errorf("busy for %v, want %v or more", s.Busy, now-start)
	}
}

// LoopStats has the present numbers.
func TestLoopStatsNow(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	first := l.Stats()
	soon(t, l, func() {})
	soon(t, l, func() {})
	timer, err := l.CallLater(time.Hour, func() {})
	must(t, err)
	if s := l.Stats(); s.Ready != first.Ready+2 || s.Timers != 1 {
		t.Errorf("%+v", s)
	}
	timer.Cancel()
	tr := create(t, l, BaseProtocol{}, zmq.PULL, bindTo(anyPort))
	place, err := l.Adopt(stayer{})
	must(t, err)
	defer place.Leave()
	if s := l.Stats(); s.Timers != 0 || s.Transports != 1 || s.Residents != 2 || s.Descriptors != first.Descriptors+1 {
		t.Errorf("with a transport %+v", s)
	}
	must(t, tr.Abort())
	passUntil(t, l, func() bool { return l.Stats().Residents == 1 })
	if s := l.Stats(); s.Transports != 0 || s.Descriptors != first.Descriptors || s.Ready != 0 {
		t.Errorf("without it %+v", s)
	}
}

// A stayer is a resident that does nothing.
type stayer struct{}

func (stayer) Close() error            { return nil }
func (stayer) Abort() error            { return nil }
func (stayer) Undelivered() (int, int) { return 0, 0 }
func (stayer) String() string          { return "guest" }

// A panic counts as an exception, and its callback as a call.
func TestLoopStatsExceptions(t *testing.T) {
	l := newLoop(t)
	l.SetExceptionHandler(func(*EventLoop, ExceptionContext) {})
	soon(t, l, func() { panic("no") })
	pass(t, l)
	l.CallExceptionHandler(ExceptionContext{Message: "an error without a caller"})
	if s := l.Stats(); s.Exceptions != 2 {
		t.Errorf("%+v", s)
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{strings.Repeat("x", 65), "a\nb", "\xff", "\x00"} {
		if _, err := NewEventLoop(&LoopConfig{Name: name}); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("a loop called %q: %v", name, err)
		}
		if err := (ConnectionConfig{Name: name, Bind: []string{}}).check(); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("a transport called %q: %v", name, err)
		}
		if err := (StreamConfig{Name: name, Bind: []string{}}).check(); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("a stream called %q: %v", name, err)
		}
	}
	n := make(names)
	for i := range maxNames {
		for range 2 {
			if name := fmt.Sprint(i); n.of(name) != name {
				t.Errorf("%q is %q", name, n.of(name))
			}
		}
	}
	if n.of("one more") != OtherName || n.of("99") != "99" || len(n) != maxNames {
		t.Errorf("%q, %q, %d names", n.of("one more"), n.of("99"), len(n))
	}
}

// loopTotal returns the total of the loops with a name, or the zero LoopTotal.
func loopTotal(name string) LoopTotal {
	for _, total := range LoopTotals() {
		if total.Name == name {
			return total
		}
	}
	return LoopTotal{}
}

// LoopTotals sums up the loops of one name, including closed ones.
func TestLoopTotals(t *testing.T) {
	leakCheck(t)
	const name = "total of loops"
	defer func() { // for the next run of the test
		loops.mu.Lock()
		defer loops.mu.Unlock()
		delete(loops.ended, name)
	}()
	var loops []*EventLoop
	var want, last LoopStats
	for i := range 2 {
		l, err := NewEventLoop(&LoopConfig{Name: name})
		must(t, err)
		if l.Name() != name {
			t.Errorf("the name is %q", l.Name())
		}
		l.SetExceptionHandler(func(*EventLoop, ExceptionContext) {})
		l.SetSlowCallbackDuration(0)
		l.CallExceptionHandler(ExceptionContext{})
		soon(t, l, func() { spin(l, time.Duration(i+1)*time.Millisecond) })
		_, err = l.CallLater(time.Hour, func() {})
		must(t, err)
		pass(t, l)
		loops = append(loops, l)
		last = l.Stats()
		want.count(last)
		want.measure(last)
	}
	if want.Longest < 2*time.Millisecond || want.Timers != 2 || want.Exceptions != 2 || want.Slow < 2 {
		t.Errorf("the sum is %+v", want)
	}
	if got := loopTotal(name); got.Open != 2 || got.LoopStats != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	must(t, loops[0].Close())
	must(t, loops[1].Close())
	want.Timers = 0
	got := loopTotal(name)
	if got.Open != 0 || got.LoopStats != want {
		t.Errorf("closed: %+v, want %+v", got, want)
	}
	if s := loops[1].Stats(); s.Longest != last.Longest || s.Busy != last.Busy {
		t.Errorf("after Close: %+v", s)
	}
}
