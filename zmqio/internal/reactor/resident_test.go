package reactor

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// A tenant is a Resident that logs the calls of its methods.
type tenant struct {
	name   string
	log    *[]string
	place  *Residence
	onEnd  func()
	lost   error
	rested atomic.Int64
	needed bool
}

func (x *tenant) String() string { return x.name }

func (x *tenant) Close() error {
	*x.log = append(*x.log, x.name+" close")
	x.leaveSoon()
	return nil
}

func (x *tenant) End(time.Time) error {
	*x.log = append(*x.log, x.name+" end")
	x.leaveSoon()
	if x.onEnd != nil {
		x.onEnd()
	}
	return x.lost
}

func (x *tenant) leaveSoon() {
	x.place.Post(NewHandle(func() {
		*x.log = append(*x.log, x.name+" lost")
		x.place.Leave()
	}, nil))
}

func (x *tenant) Rest() bool {
	x.rested.Add(1)
	return x.needed
}

func enter(t *testing.T, l *Loop, x *tenant) *tenant {
	t.Helper()
	if x.log == nil {
		x.log = new([]string)
	}
	x.place = l.NewResidence(x)
	must(t, x.place.Enter())
	return x
}

// Close ends residents, oldest first, and then runs what they post. It drops callbacks.
func TestCloseEndsResidents(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	var log []string
	mine := errors.New("mine")
	a := enter(t, l, &tenant{name: "a", log: &log, lost: mine})
	enter(t, l, &tenant{name: "b", log: &log})
	gone := enter(t, l, &tenant{name: "gone", log: &log})
	gone.place.Leave()
	soon(t, l, func() { t.Error("a callback ran") })
	later(t, l, 0, func() { t.Error("a timer ran") })
	a.place.Post(NewHandle(func() { log = append(log, "posted before") }, nil))
	if got := l.Residents(); len(got) != 2 || got[0] != a.place {
		t.Errorf("residents: %v", got)
	}
	lost, err := l.Close(time.Hour, func() { log = append(log, "first") })
	if err != nil || len(lost) != 1 || lost[0] != mine {
		t.Errorf("lost %v, %v", lost, err)
	}
	want := []string{"first", "a end", "b end", "posted before", "a lost", "b lost"}
	if !slices.Equal(log, want) {
		t.Errorf("got %q, want %q", log, want)
	}
	if a.place.Post(NewHandle(func() { t.Error("posted after the end") }, nil)) {
		t.Error("posted after the end")
	}
	if err := l.NewResidence(a).Enter(); err != ErrClosed {
		t.Errorf("enter: %v", err)
	}
	if _, err := l.Close(0, func() { t.Error("closed twice") }); err != ErrClosed {
		t.Errorf("again: %v", err)
	}
}

// Residents of SetLast end after the others, and are due when the others have left.
func TestLastResidents(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	var log []string
	guard := enter(t, l, &tenant{name: "guard", log: &log})
	a := enter(t, l, &tenant{name: "a", log: &log})
	again := enter(t, l, &tenant{name: "again", log: &log})
	b := enter(t, l, &tenant{name: "b", log: &log})
	departing := func(due int, want ...*tenant) {
		t.Helper()
		order, n := l.Departing()
		same := slices.EqualFunc(order, want, func(p *Residence, x *tenant) bool { return p == x.place })
		if n != due || !same {
			t.Errorf("%d of %v are due, want %d of %v", n, order, due, want)
		}
	}
	departing(4, guard, a, again, b)
	changed := l.Changed()
	guard.place.SetLast(true)
	again.place.SetLast(true)
	<-changed
	departing(2, a, b, guard, again)
	if got := l.Residents(); len(got) != 4 || got[0] != guard.place {
		t.Errorf("residents: %v", got)
	}
	again.place.SetLast(false)
	departing(3, a, again, b, guard)
	again.place.Leave()
	changed = l.Changed()
	b.place.Leave()
	select {
	case <-changed:
		t.Error("changed while there is one that is not last")
	default:
	}
	departing(1, a, guard)
	must(t, closeLoop(l))
	if want := []string{"a end", "guard end", "a lost", "guard lost"}; !slices.Equal(log, want) {
		t.Errorf("got %q, want %q", log, want)
	}
}

// The end of the last resident but those of SetLast closes the channel of Changed.
func TestOnlyLastResidents(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	guard, a := enter(t, l, &tenant{name: "guard"}), enter(t, l, &tenant{name: "a"})
	guard.place.SetLast(true)
	changed := l.Changed()
	a.place.Leave()
	<-changed
	if order, due := l.Departing(); due != 1 || order[0] != guard.place {
		t.Errorf("%d of %v are due", due, order)
	}
	must(t, closeLoop(l))
}

// Close ends every resident and runs every posted callback, even if any of them calls
// runtime.Goexit.
func TestCloseSurvivesGoexit(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	var log []string
	const n = 4
	for i := range n {
		x := enter(t, l, &tenant{name: fmt.Sprint(i), log: &log})
		if i%2 == 0 {
			x.onEnd = runtime.Goexit
		}
		x.place.Post(NewHandle(runtime.Goexit, nil))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = l.Close(time.Hour, func() {})
		t.Error("Close returned although Goexit was called")
	}()
	<-done
	ended, lost := 0, 0
	for i := range n {
		if slices.Contains(log, fmt.Sprint(i, " end")) {
			ended++
		}
		if slices.Contains(log, fmt.Sprint(i, " lost")) {
			lost++
		}
	}
	if ended != n || lost != n || len(l.Residents()) != 0 {
		t.Errorf("%d ended, %d lost: %q", ended, lost, log)
	}
	if err := l.CallSoon(NewHandle(func() {}, nil)); err != ErrClosed || l.owner.Load() != 0 {
		t.Errorf("not closed: %v", err)
	}
}

// Close waits for residents that leave late, and runs what other goroutines post meanwhile.
func TestCloseWaitsForResidents(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	x := &silent{ended: make(chan struct{})}
	x.place = l.NewResidence(x)
	must(t, x.place.Enter())
	ran := false
	go func() {
		<-x.ended
		x.place.Post(NewHandle(func() { ran = true }, nil))
		x.place.Post(NewHandle(x.place.Leave, nil))
	}()
	_, err := l.Close(time.Hour, func() {})
	if must(t, err); !ran {
		t.Error("the posted function did not run")
	}
}

// Close waits no longer than linger.
func TestCloseDoesNotWaitForEver(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	x := &silent{ended: make(chan struct{})}
	x.place = l.NewResidence(x)
	must(t, x.place.Enter())
	_, err := l.Close(time.Millisecond, func() {})
	must(t, err)
	if len(l.Residents()) != 1 {
		t.Error("the resident has left")
	}
}

// A silent Resident never leaves.
type silent struct {
	place *Residence
	ended chan struct{}
}

func (x *silent) Close() error        { return nil }
func (x *silent) End(time.Time) error { close(x.ended); return nil }
func (x *silent) Rest() bool          { return false }
func (x *silent) String() string      { return "silent" }

// At the end of a run a resident with a queued task gets a call of Rest. Nothing else causes one.
func TestRest(t *testing.T) {
	l := newLoop(t)
	x := enter(t, l, &tenant{name: "x"})
	y := enter(t, l, &tenant{name: "y"})
	idle := y.place.NewTask(func() {}, nil)
	idle.Schedule()
	pass(t, l)
	task := x.place.NewTask(func() {}, nil)
	soon(t, l, func() {
		l.Stop()
		task.Schedule()
		soon(t, l, func() {})
	})
	run(t, l)
	if x.rested.Load() != 1 || y.rested.Load() != 0 {
		t.Errorf("rested: x %d, y %d", x.rested.Load(), y.rested.Load())
	}
	if !task.Queued() {
		t.Error("the task has left the queue")
	}
}

// A goroutine that schedules a task and then sees the loop run can rely on the loop: the task runs,
// or Rest is called.
func TestScheduleWhileTheLoopStops(t *testing.T) {
	l := newLoop(t)
	work := &worker{}
	work.place = l.NewResidence(work)
	must(t, work.place.Enter())
	task := work.place.NewTask(func() { work.do() }, nil)
	ctx := bounded(t)
	for range 2000 {
		start, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			close(start)
			_, _ = l.Run(ctx, func() bool { return true })
		}()
		<-start
		for range 3 {
			work.left.Add(1)
			task.Schedule()
			if !l.IsRunning() {
				work.do()
			}
		}
		<-stopped
		if n := work.left.Load(); n != 0 {
			t.Fatalf("%d left behind", n)
		}
	}
}

// A worker does all its work in its task and in Rest.
type worker struct {
	place *Residence
	left  atomic.Int64
}

func (w *worker) do()                 { w.left.Store(0) }
func (w *worker) Rest() bool          { w.do(); return false }
func (w *worker) Close() error        { return nil }
func (w *worker) End(time.Time) error { w.place.Leave(); return nil }
func (w *worker) String() string      { return "worker" }

// A Watch calls the wanted tasks, reserves its descriptor, and Stop leaves a newer watch alone.
func TestWatch(t *testing.T) {
	l := newLoop(t)
	fd := readable(t)
	x := enter(t, l, &tenant{name: "x"})
	must(t, l.AddReader(fd, func() { t.Error("the reader that was there before ran") }))
	reads := 0
	task := x.place.NewTask(func() { reads++ }, nil)
	w, err := x.place.Watch(fd, task, nil)
	must(t, err)
	if pass(t, l); reads != 0 {
		t.Error("the task ran before Want")
	}
	must(t, w.Want(true, false))
	must(t, w.Want(true, false))
	if pass(t, l); reads != 1 {
		t.Errorf("%d reads", reads)
	}
	if err := l.AddReader(fd, func() {}); err != ErrReserved {
		t.Errorf("AddReader: %v", err)
	}
	if err := l.AddWriter(fd, func() {}); err != ErrReserved || l.RemoveReader(fd) || l.RemoveWriter(fd) {
		t.Errorf("AddWriter: %v", err)
	}
	if _, err := enter(t, l, &tenant{name: "y"}).place.Watch(fd, task, nil); err != ErrReserved {
		t.Errorf("Watch: %v", err)
	}
	must(t, w.Want(false, false))
	if pass(t, l); reads != 1 {
		t.Error("the task ran although nothing is wanted")
	}
	w.Stop()
	w.Stop()
	if err := w.Want(true, false); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Want: %v", err)
	}
	second, err := x.place.Watch(fd, task, nil)
	must(t, err)
	must(t, second.Want(true, false))
	w.Stop() // w is no longer the watch of fd
	if pass(t, l); reads != 2 {
		t.Errorf("%d reads", reads)
	}
	must(t, closeLoop(l))
	if _, err := x.place.Watch(fd, task, nil); err != ErrClosed {
		t.Errorf("Watch: %v", err)
	}
	if err := second.Want(false, false); err != ErrClosed {
		t.Errorf("Want: %v", err)
	}
}

// An event that the poller took before a Want is dropped.
func TestWantDropsOldEvents(t *testing.T) {
	l := newLoop(t)
	fd := readable(t)
	x := enter(t, l, &tenant{name: "x"})
	task := x.place.NewTask(func() { t.Error("called") }, nil)
	w, err := x.place.Watch(fd, task, nil)
	must(t, err)
	must(t, w.Want(true, false))
	n, err := l.poller.Wait(l.events, -1)
	for err == nil && n == 0 { // with poll(2) the change may end the first Wait
		n, err = l.poller.Wait(l.events, -1)
	}
	must(t, err)
	must(t, w.Want(false, false))
	l.queueReadyLocked(l.events[0])
	if ready, _ := l.Queued(); ready != 0 {
		t.Error("an old event had the task queued")
	}
}
