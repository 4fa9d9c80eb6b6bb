package conformance

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

func TestRunUntilCompleteNesting(t *testing.T) {
	l := newLoop(t, nil)
	f := zmqio.NewFuture[string](l)
	soon(t, l, func() {
		if !l.IsRunning() {
			t.Error("not running")
		}
		_, err := zmqio.RunUntilComplete(context.Background(), l, zmqio.NewFuture[int](l))
		wants(t, err, zmqio.ErrLoopRunning)
		wants(t, l.RunForever(context.Background()), zmqio.ErrLoopRunning)
		if !l.IsRunning() {
			t.Error("the outer run did not survive")
		}
		must(t, f.SetResult("outer"))
	})
	if v, err := zmqio.RunUntilComplete(bounded(t), l, f); v != "outer" || err != nil {
		t.Errorf("%q, %v", v, err)
	}
}

func TestRunUntilComplete(t *testing.T) {
	l := newLoop(t, nil)
	const delay = 10 * time.Millisecond
	f := zmqio.NewFuture[int](l)
	start := l.Time()
	later(t, l, delay, func() { must(t, f.SetResult(42)) })
	v, err := zmqio.RunUntilComplete(bounded(t), l, f)
	if took := l.Time() - start; v != 42 || err != nil || took < delay {
		t.Errorf("%v, %v after %v", v, err, took)
	}
}

func TestRunUntilCompleteStopped(t *testing.T) {
	l := newLoop(t, nil)
	soon(t, l, l.Stop)
	_, err := zmqio.RunUntilComplete(bounded(t), l, zmqio.NewFuture[int](l))
	wants(t, err, zmqio.ErrLoopStopped)
}

func TestRunUntilCompleteTypeError(t *testing.T) {
	_, err := zmqio.RunUntilComplete[int](bounded(t), newLoop(t, nil), nil)
	wants(t, err, zmqio.ErrInvalidArgument)
}

func TestRunUntilCompleteLoop(t *testing.T) {
	l, other := newLoop(t, nil), newLoop(t, nil)
	_, err := zmqio.RunUntilComplete(bounded(t), l, zmqio.NewFuture[int](other))
	wants(t, err, zmqio.ErrInvalidArgument)
}

// A run can end abnormally by runtime.Goexit. This covers test_run_forever_keyboard_interrupt too.
func TestRunUntilCompleteLoopOrphanFutureCloseLoop(t *testing.T) {
	l := newLoop(t, nil)
	l.SetExceptionHandler(func(_ *zmqio.EventLoop, c zmqio.ExceptionContext) { t.Errorf("reported: %+v", c) })
	orphan := zmqio.NewFuture[int](l)
	soon(t, l, runtime.Goexit)
	onGoroutine(func() { _, _ = zmqio.RunUntilComplete(context.Background(), l, orphan) })
	must(t, orphan.SetResult(1)) // ends no later run
	f := zmqio.NewFuture[int](l)
	soon(t, l, func() { soon(t, l, func() { must(t, f.SetResult(2)) }) })
	if v, err := zmqio.RunUntilComplete(bounded(t), l, f); v != 2 || err != nil {
		t.Errorf("%v, %v", v, err)
	}
}

func TestRunUntilCompleteBaseexception(t *testing.T) {
	l := newLoop(t, nil)
	soon(t, l, func() { l.Stop(); runtime.Goexit() })
	onGoroutine(func() { _ = l.RunForever(context.Background()) })
	passes := 0
	soon(t, l, func() {
		passes++
		soon(t, l, func() { passes++; l.Stop() })
	})
	run(t, l)
	if passes != 2 {
		t.Errorf("%d passes: the Stop of the last run was left behind", passes)
	}
}

func TestCallSoon(t *testing.T) {
	l := newLoop(t, nil)
	calls := 0
	soon(t, l, func() { calls++ })
	if calls != 0 {
		t.Error("called inside CallSoon")
	}
	pass(t, l)
	pass(t, l)
	if calls != 1 {
		t.Errorf("%d calls", calls)
	}
}

func TestCallSoonThreadsafe(t *testing.T) {
	l := newLoop(t, nil)
	var got []string
	onGoroutine(func() {
		_, err := l.CallSoonThreadsafe(func() { got = append(got, "hello") })
		must(t, err)
	})
	soon(t, l, func() { got = append(got, "world"); l.Stop() })
	run(t, l)
	if !slices.Equal(got, []string{"hello", "world"}) {
		t.Errorf("%v", got)
	}
	// Stop also wakes a loop that waits.
	later(t, l, time.Hour, func() {})
	soon(t, l, func() {
		go func() {
			_, err := l.CallSoonThreadsafe(l.Stop)
			must(t, err)
		}()
	})
	run(t, l)
}

func TestCallSoonThreadsafeSameThread(t *testing.T) {
	l := newLoop(t, nil)
	var got []string
	_, err := l.CallSoonThreadsafe(func() { got = append(got, "hello") })
	must(t, err)
	soon(t, l, func() { got = append(got, "world") })
	pass(t, l)
	if !slices.Equal(got, []string{"hello", "world"}) {
		t.Errorf("%v", got)
	}
}

func TestCloseRunningEventLoop(t *testing.T) {
	l := newLoop(t, nil)
	soon(t, l, func() { wants(t, l.Close(), zmqio.ErrLoopRunning); l.Stop() })
	run(t, l)
	if l.IsClosed() {
		t.Error("closed")
	}
}

// This covers test_close of test_events and of test_base_events.
func TestClose(t *testing.T) {
	l := newLoop(t, nil)
	soon(t, l, func() { t.Error("called after Close") })
	later(t, l, 0, func() { t.Error("timer called after Close") })
	if l.IsClosed() {
		t.Error("closed before Close")
	}
	for range 3 {
		must(t, l.Close())
	}
	if !l.IsClosed() || l.IsRunning() {
		t.Error("not closed")
	}
	fn := func() {}
	_, untilErr := zmqio.RunUntilComplete(bounded(t), l, zmqio.NewFuture[int](l))
	_, soonErr := l.CallSoon(fn)
	_, safeErr := l.CallSoonThreadsafe(fn)
	_, laterErr := l.CallLater(0, fn)
	_, atErr := l.CallAt(0, fn)
	_, goErr := zmqio.Go(bounded(t), l, func(context.Context) (int, error) { t.Error("called"); return 0, nil }).Result()
	runErr := l.Run(bounded(t), func(context.Context) error { return nil })
	for _, err := range []error{l.RunForever(bounded(t)), untilErr, soonErr, safeErr, laterErr, atErr, goErr, runErr} {
		wants(t, err, zmqio.ErrLoopClosed)
	}
	l.Stop()
	if l.Time() <= 0 {
		t.Error("Time")
	}
}

func TestInternalFds(t *testing.T) {
	ctx := bounded(t)
	before := countFDs(t)
	l := newLoop(t, nil)
	if countFDs(t) == before {
		t.Fatal("a loop without descriptors")
	}
	must(t, l.Close())
	for countFDs(t) > before {
		must(t, ctx.Err())
		runtime.Gosched() // libzmq's threads end with a delay
	}
}

func TestAddCallbackHandle(t *testing.T) {
	l := newLoop(t, nil)
	called := false
	soon(t, l, func() { called = true })
	pass(t, l)
	if !called {
		t.Error("not called")
	}
}

func TestAddCallbackCancelledHandle(t *testing.T) {
	l := newLoop(t, nil)
	soon(t, l, func() { t.Error("called") }).Cancel()
	var second *zmqio.Handle
	soon(t, l, func() { second.Cancel() })
	second = soon(t, l, func() { t.Error("called after a Cancel in the same batch") })
	pass(t, l)
}

func TestCallSoonNonCallable(t *testing.T) {
	l := newLoop(t, nil)
	_, soonErr := l.CallSoon(nil)
	_, safeErr := l.CallSoonThreadsafe(nil)
	_, laterErr := l.CallLater(0, nil)
	_, atErr := l.CallAt(0, nil)
	_, goErr := zmqio.Go[int](bounded(t), l, nil).Result()
	for _, err := range []error{soonErr, safeErr, laterErr, atErr, goErr, l.Run(bounded(t), nil)} {
		wants(t, err, zmqio.ErrInvalidArgument)
	}
}

// zmqio has no thread checks: every goroutine may call every method, in debug mode too.
func TestCheckThread(t *testing.T) {
	for _, debug := range []bool{false, true} {
		l, other := newLoop(t, nil), newLoop(t, nil)
		l.SetDebug(debug)
		calls := 0
		schedule := func() {
			soon(t, l, func() { calls++ })
			later(t, l, 0, func() { calls++ })
			_, err := l.CallAt(0, func() { calls++ })
			must(t, err)
		}
		onGoroutine(schedule)
		soon(t, other, func() { schedule(); other.Stop() })
		run(t, other)
		pass(t, l)
		if calls != 6 {
			t.Errorf("debug %t: %d calls", debug, calls)
		}
	}
}

// counter is a protocol that counts its messages.
type counter struct {
	zmqio.BaseProtocol
	msgs int
}

func (c *counter) MsgReceived([][]byte) { c.msgs++ }

// ready makes a socket of l with a message to receive.
func ready(t testing.TB, l *zmqio.EventLoop) *counter {
	t.Helper()
	push, _, err := l.CreateZmqConnection(bounded(t), func() zmqio.Protocol { return zmqio.BaseProtocol{} },
		zmq.PUSH, zmqio.ConnectionConfig{Bind: []string{"inproc://ready"}})
	must(t, err)
	_, c, err := zmqio.CreateZmqConnection(bounded(t), l, func() *counter { return &counter{} },
		zmq.PULL, zmqio.ConnectionConfig{Connect: []string{"inproc://ready"}})
	must(t, err)
	must(t, push.Write([][]byte{[]byte("x")}))
	return c
}

func TestSingleSelecterEventCallbackAfterStopping(t *testing.T) {
	l := newLoop(t, nil)
	c := ready(t, l)
	for range 3 {
		pass(t, l)
	}
	if c.msgs != 1 {
		t.Errorf("%d messages", c.msgs)
	}
}

func TestRunOnce(t *testing.T) {
	l := newLoop(t, nil)
	calls := 0
	soon(t, l, func() { calls++ })
	soon(t, l, l.Stop)
	soon(t, l, func() { calls++; soon(t, l, func() { calls += 10 }) })
	run(t, l)
	if calls != 2 {
		t.Errorf("%d", calls)
	}
}

// One pass serves ready I/O and due timers, and does not wait.
func TestRunForeverPreStopped(t *testing.T) {
	l := newLoop(t, nil)
	later(t, l, time.Hour, func() { t.Error("an hour has passed") })
	due := false
	later(t, l, -1, func() { due = true })
	c := ready(t, l)
	pass(t, l)
	if !due || c.msgs != 1 {
		t.Errorf("timer %t, %d messages", due, c.msgs)
	}
}

func TestRunOnceScheduleHandle(t *testing.T) {
	l := newLoop(t, nil)
	var got []string
	later(t, l, 0, func() {
		got = append(got, "timer")
		soon(t, l, func() { got = append(got, "next") })
	})
	pass(t, l)
	if !slices.Equal(got, []string{"timer"}) {
		t.Errorf("first pass: %v", got)
	}
	pass(t, l)
	if !slices.Equal(got, []string{"timer", "next"}) {
		t.Errorf("second pass: %v", got)
	}
}

func TestRunningLoopWithinALoop(t *testing.T) {
	l, other := newLoop(t, nil), newLoop(t, nil)
	soon(t, l, func() {
		wants(t, other.RunForever(context.Background()), zmqio.ErrLoopRunning)
		if zmqio.RunningLoop() != l {
			t.Error("the running loop has changed")
		}
		l.Stop()
	})
	run(t, l)
	pass(t, other)
}

// A chain of CallSoon does not delay messages or timers.
func TestCallSoonChainDelaysNothingElse(t *testing.T) {
	l := newLoop(t, nil)
	c := ready(t, l)
	due := false
	later(t, l, time.Millisecond, func() { due = true })
	var again func()
	again = func() {
		if c.msgs > 0 && due {
			l.Stop()
			return
		}
		soon(t, l, again)
	}
	soon(t, l, again)
	run(t, l)
}
