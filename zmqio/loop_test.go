package zmqio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/testkit"
)

func newLoop(t testing.TB) *EventLoop {
	t.Helper()
	l, err := NewEventLoop(&LoopConfig{Linger: time.Minute}) // a busy machine may take longer than DefaultLinger
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil && !errors.Is(err, ErrUndelivered) {
			t.Error(err)
		}
	})
	return l
}

// Short names for functions of package testkit.
var (
	must      = testkit.Must
	leakCheck = testkit.CheckLeaks
)

// bounded returns a context that fails a test that hangs.
func bounded(t testing.TB) context.Context {
	t.Helper()
	return testkit.Bounded(t, 2*time.Minute)
}

func soon(t testing.TB, l *EventLoop, fn func()) *Handle {
	t.Helper()
	h, err := l.CallSoon(fn)
	must(t, err)
	return h
}

// pass runs one iteration of the loop.
func pass(t testing.TB, l *EventLoop) {
	t.Helper()
	l.Stop()
	must(t, l.RunForever(bounded(t)))
}

func countFDs(t testing.TB) int { return len(testkit.Descriptors(t)) }

func TestOrderOfAnIteration(t *testing.T) {
	l := newLoop(t)
	var got []string
	add := func(s string) func() { return func() { got = append(got, s) } }
	for _, when := range []time.Duration{-1, -2, -3, 0} {
		_, err := l.CallAt(when, add(fmt.Sprint(int(when))))
		must(t, err)
	}
	soon(t, l, add("soon"))
	soon(t, l, func() { soon(t, l, add("next")) })
	l.Stop()
	must(t, l.RunForever(bounded(t)))
	if want := []string{"soon", "-3", "-2", "-1", "0"}; !slices.Equal(got, want) {
		t.Errorf("first run: %v, want %v", got, want)
	}
	got = nil
	soon(t, l, l.Stop)
	must(t, l.RunForever(bounded(t)))
	if want := []string{"next"}; !slices.Equal(got, want) {
		t.Errorf("second run: %v, want %v", got, want)
	}
}

func TestEqualTimersComeInOrder(t *testing.T) {
	l := newLoop(t)
	var got, want []int
	when := l.Time() + time.Millisecond
	for i := range 100 {
		want = append(want, i)
		_, err := l.CallAt(when, func() {
			if now := l.Time(); now < when {
				t.Errorf("timer %v early", when-now)
			}
			if got = append(got, i); len(got) == 100 {
				l.Stop()
			}
		})
		must(t, err)
	}
	must(t, l.RunForever(bounded(t)))
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestCancelledTimersLeave(t *testing.T) {
	l := newLoop(t)
	for range 100_000 {
		h, err := l.CallLater(time.Hour, func() { t.Error("called") })
		must(t, err)
		h.Cancel()
		h.Cancel()
		if !h.Cancelled() {
			t.Fatal("not cancelled")
		}
	}
	if _, timers := l.reactor.Queued(); timers != 0 {
		t.Errorf("%d timers left", timers)
	}
}

func TestCancelledHandleDoesNotRun(t *testing.T) {
	l := newLoop(t)
	var second *Handle
	soon(t, l, func() { second.Cancel(); l.Stop() })
	second = soon(t, l, func() { t.Error("called") })
	timer, err := l.CallLater(0, func() { t.Error("timer called") })
	must(t, err)
	soon(t, l, timer.Cancel)
	must(t, l.RunForever(bounded(t)))
}

func TestStopFromAnotherGoroutineWakes(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	running := make(chan struct{})
	soon(t, l, func() { close(running) })
	go func() { <-running; l.Stop() }()
	must(t, l.RunForever(bounded(t)))
	if l.IsRunning() {
		t.Error("still running")
	}
}

func TestContextEndsARun(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	cause := errors.New("the cause")
	ctx, cancel := context.WithCancelCause(bounded(t))
	soon(t, l, func() { cancel(cause) })
	if err := l.RunForever(ctx); err != cause {
		t.Errorf("got %v", err)
	}
	go cancel(nil)
	ctx, cancel = context.WithCancelCause(bounded(t))
	go cancel(cause) // while the loop sleeps
	if err := l.RunForever(ctx); err != cause {
		t.Errorf("got %v", err)
	}
	if _, err := RunUntilComplete(ctx, l, NewFuture[int](l)); err != cause {
		t.Errorf("got %v", err)
	}
}

func TestRunsDoNotNest(t *testing.T) {
	leakCheck(t)
	l, other := newLoop(t), newLoop(t)
	soon(t, l, func() {
		for _, loop := range []*EventLoop{l, other} {
			if err := loop.RunForever(context.Background()); !errors.Is(err, ErrLoopRunning) {
				t.Errorf("nested: %v", err)
			}
		}
		if err := l.Close(); !errors.Is(err, ErrLoopRunning) {
			t.Errorf("closed while it runs: %v", err)
		}
		if RunningLoop() != l {
			t.Error("not the running loop")
		}
		done := make(chan error)
		go func() { done <- l.RunForever(context.Background()) }()
		if err := <-done; !errors.Is(err, ErrLoopRunning) {
			t.Errorf("from another goroutine: %v", err)
		}
		l.Stop()
	})
	must(t, l.RunForever(bounded(t)))
	if RunningLoop() != nil {
		t.Error("a loop still runs")
	}
}

func TestRunUntilComplete(t *testing.T) {
	l, other := newLoop(t), newLoop(t)
	f := NewFuture[int](l)
	_, err := l.CallLater(time.Millisecond, func() { must(t, f.SetResult(42)) })
	must(t, err)
	if v, err := RunUntilComplete(bounded(t), l, f); v != 42 || err != nil {
		t.Errorf("got %v, %v", v, err)
	}
	ran := false // a future that is done still costs an iteration
	soon(t, l, func() { ran = true })
	if v, err := RunUntilComplete(bounded(t), l, f); v != 42 || err != nil || !ran {
		t.Errorf("got %v, %v, ran %t", v, err, ran)
	}
	soon(t, l, l.Stop)
	if _, err := RunUntilComplete(bounded(t), l, NewFuture[int](l)); !errors.Is(err, ErrLoopStopped) {
		t.Errorf("stopped: %v", err)
	}
	for _, f := range []*Future[int]{nil, NewFuture[int](other)} {
		if _, err := RunUntilComplete(bounded(t), l, f); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("got %v", err)
		}
	}
}

func TestRunRunsABody(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	want := errors.New("from the body")
	err := l.Run(bounded(t), func(ctx context.Context) error {
		called := make(chan struct{})
		soon(t, l, func() { close(called) })
		<-called
		return want
	})
	if err != want {
		t.Errorf("got %v", err)
	}
	ended := make(chan error, 1)
	err = l.Run(bounded(t), func(ctx context.Context) error {
		l.Stop()
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return nil
	})
	if !errors.Is(err, ErrLoopStopped) || !errors.Is(<-ended, ErrLoopStopped) {
		t.Errorf("stopped: %v", err)
	}
	if err := l.Run(bounded(t), func(context.Context) error { runtime.Goexit(); return nil }); err != ErrGoexit {
		t.Errorf("Goexit: %v", err)
	}
	if err := l.Run(bounded(t), nil); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("nil: %v", err)
	}
}

func TestGoexitLeavesTheLoopUsable(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	left := false
	soon(t, l, runtime.Goexit)
	soon(t, l, func() { left = true; l.Stop() })
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = l.RunForever(context.Background())
	}()
	<-done
	if left || l.IsRunning() {
		t.Fatal("the loop went on")
	}
	must(t, l.RunForever(bounded(t)))
	if !left {
		t.Error("the rest of the batch was lost")
	}
}

func TestCallSoonFromManyGoroutines(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	const goroutines, calls = 100, 10_000
	var next [goroutines]int
	left := goroutines * calls
	var group sync.WaitGroup
	for g := range goroutines {
		group.Go(func() {
			for i := range calls {
				_, err := l.CallSoonThreadsafe(func() {
					if next[g] != i {
						t.Errorf("goroutine %d: call %d came as number %d", g, i, next[g])
					}
					next[g]++
					if left--; left == 0 {
						l.Stop()
					}
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	must(t, l.RunForever(bounded(t)))
	group.Wait()
}

func TestClosedLoop(t *testing.T) {
	leakCheck(t)
	l, err := NewEventLoop(nil)
	must(t, err)
	soon(t, l, func() { t.Error("called after Close") })
	for range 3 {
		must(t, l.Close())
	}
	fn := func() {}
	_, soonErr := l.CallSoon(fn)
	_, laterErr := l.CallLater(1, fn)
	_, atErr := l.CallAt(1, fn)
	_, futErr := RunUntilComplete(bounded(t), l, NewFuture[int](l))
	_, _, createErr := l.CreateZmqConnection(bounded(t), func() Protocol { return BaseProtocol{} }, zmq.PULL, ConnectionConfig{Bind: []string{}})
	for i, err := range []error{soonErr, laterErr, atErr, futErr, createErr, l.RunForever(bounded(t)), l.Run(bounded(t), func(context.Context) error { return nil })} {
		if !errors.Is(err, ErrLoopClosed) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if !l.IsClosed() || l.Time() <= 0 {
		t.Error("IsClosed or Time")
	}
	l.Stop()
}

func TestArguments(t *testing.T) {
	l := newLoop(t)
	_, soonErr := l.CallSoon(nil)
	_, laterErr := l.CallLater(1, nil)
	_, atErr := l.CallAt(1, nil)
	_, threads := NewEventLoop(&LoopConfig{IOThreads: -1})
	_, sockets := NewEventLoop(&LoopConfig{MaxSockets: -1})
	_, linger := NewEventLoop(&LoopConfig{Linger: -1})
	_, long := NewEventLoop(&LoopConfig{Linger: math.MaxInt64})
	_, both := NewEventLoop(&LoopConfig{Context: l.context, IOThreads: 1})
	for i, err := range []error{soonErr, laterErr, atErr, threads, sockets, linger, long, both} {
		if !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func TestLoopContext(t *testing.T) {
	leakCheck(t)
	l, err := NewEventLoop(&LoopConfig{IOThreads: 3, MaxSockets: 17})
	must(t, err)
	defer l.Close()
	threads, err := l.context.GetIoThreads()
	must(t, err)
	sockets, err := l.context.GetMaxSockets()
	must(t, err)
	if threads != 3 || sockets != 17 {
		t.Errorf("%d threads, %d sockets", threads, sockets)
	}
	shared, err := NewEventLoop(&LoopConfig{Context: l.context})
	must(t, err)
	must(t, shared.Close())
	z, err := l.context.NewSocket(0)
	if err != nil {
		t.Fatalf("a shared context was terminated: %v", err)
	}
	z.Close()
}

func TestPanicsGoToTheHandler(t *testing.T) {
	var log bytes.Buffer // gets the log of the handler's own panic
	l, err := NewEventLoop(&LoopConfig{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	must(t, err)
	defer l.Close()
	var got []ExceptionContext
	l.SetExceptionHandler(func(loop *EventLoop, ctx ExceptionContext) {
		if loop != l {
			t.Error("another loop")
		}
		got = append(got, ctx)
		if len(got) == 3 {
			l.Stop()
			panic("the handler itself")
		}
	})
	cause := errors.New("cause")
	h := soon(t, l, func() { panic(cause) })
	soon(t, l, func() { panic("text") })
	_, err = l.CallLater(0, func() { var none []int; none[len(got)] = 1 })
	must(t, err)
	must(t, l.RunForever(bounded(t)))
	if len(got) != 3 || got[0].Handle != h || !errors.Is(got[0].Err, cause) || !strings.Contains(string(got[0].Stack), "TestPanics") {
		t.Fatalf("got %+v", got)
	}
	var p *PanicError
	if !errors.As(got[1].Err, &p) || p.Value != "text" {
		t.Errorf("got %v", got[1].Err)
	}
	for _, want := range []string{"level=ERROR", "unhandled error in exception handler", "the handler itself", "index out of range"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q: %s", want, log.String())
		}
	}
}

func TestDefaultHandlerLogs(t *testing.T) {
	leakCheck(t)
	var log bytes.Buffer
	l, err := NewEventLoop(&LoopConfig{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	must(t, err)
	defer l.Close()
	create(t, l, &recorder{onMade: func(*Transport) { panic("in the callback") }}, zmq.PULL, bindTo(anyPort))
	for _, want := range []string{"ConnectionMade panicked", "in the callback", "<Transport PULL", "TestDefaultHandlerLogs"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q: %s", want, log.String())
		}
	}
}

// A future that is done when its run has ended calls back in a later run.
func TestCallbackOfAnEarlierRun(t *testing.T) {
	l := newLoop(t)
	f := NewFuture[int](l)
	ctx, cancel := context.WithCancel(bounded(t))
	soon(t, l, func() { cancel(); must(t, f.SetResult(1)) })
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		for l.RunForever(ctx) != context.Canceled {
		}
	}()
	_, _ = RunUntilComplete(ctx, l, f)
	<-ran
}
