package errors_test

import (
	"context"
	"errors"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// badLoop returns the provocation of an invalid configuration of a loop.
func badLoop(cfg zmqio.LoopConfig) func(t *testing.T) error {
	return func(*testing.T) error {
		_, err := zmqio.NewEventLoop(&cfg)
		return err
	}
}

// running returns a loop that has begun to run.
func running(t *testing.T) *zmqio.EventLoop {
	t.Helper()
	loop := zmqiotest.RunLoop(t, nil)
	zmqiotest.Soon(t, loop, func() {})
	return loop
}

func closedLoop(t *testing.T) *zmqio.EventLoop {
	t.Helper()
	loop := zmqiotest.NewLoop(t, nil)
	zmqiotest.Must(t, loop.Close())
	return loop
}

var loopCases = []provocation{
	{"LoopConfig.IOThreads negative", zmqio.ErrInvalidArgument, says{"IOThreads", "-1"}, badLoop(zmqio.LoopConfig{IOThreads: -1})},
	{"LoopConfig.MaxSockets negative", zmqio.ErrInvalidArgument, says{"MaxSockets", "-1"}, badLoop(zmqio.LoopConfig{MaxSockets: -1})},
	{"LoopConfig.Linger negative", zmqio.ErrInvalidArgument, says{"Linger", "-1s"}, badLoop(zmqio.LoopConfig{Linger: -time.Second})},
	{"LoopConfig.ExecutorLimit negative", zmqio.ErrInvalidArgument, says{"ExecutorLimit", "-1"}, badLoop(zmqio.LoopConfig{ExecutorLimit: -1})},
	{"LoopConfig.Name too long", zmqio.ErrInvalidArgument, says{"Name"}, badLoop(zmqio.LoopConfig{Name: string(make([]byte, 65))})},
	{"LoopConfig.Name not printable", zmqio.ErrInvalidArgument, says{"Name", `"a\nb"`}, badLoop(zmqio.LoopConfig{Name: "a\nb"})},
	{"LoopConfig.CPUs that the machine has not", zmqio.ErrInvalidArgument, says{"CPUs"}, badLoop(zmqio.LoopConfig{CPUs: []int{100000}})},
	{"LoopConfig.IOThreads and Context", zmqio.ErrInvalidArgument, says{"IOThreads", "Context"}, func(t *testing.T) error {
		z, err := zmq4.NewContext()
		zmqiotest.Must(t, err)
		defer z.Term()
		_, err = zmqio.NewEventLoop(&zmqio.LoopConfig{Context: z, IOThreads: 2})
		return err
	}},
	{"RunForever, nil context", zmqio.ErrInvalidArgument, says{"RunForever"}, func(t *testing.T) error {
		return zmqiotest.NewLoop(t, nil).RunForever(noContext)
	}},
	{"RunForever, ended context", context.Canceled, nil, func(t *testing.T) error {
		return zmqiotest.NewLoop(t, nil).RunForever(ended())
	}},
	{"RunForever, running loop", zmqio.ErrLoopRunning, nil, func(t *testing.T) error {
		loop := zmqiotest.NewLoop(t, nil)
		return loop.Run(bounded(t), func(ctx context.Context) error { return loop.RunForever(ctx) })
	}},
	{"RunForever, closed loop", zmqio.ErrLoopClosed, nil, func(t *testing.T) error {
		return closedLoop(t).RunForever(context.Background())
	}},
	{"RunForever inside another loop", zmqio.ErrLoopRunning, says{"another one"}, func(t *testing.T) error {
		inner := zmqiotest.NewLoop(t, nil)
		return onLoop(t, zmqiotest.RunLoop(t, nil), func() error { return inner.RunForever(context.Background()) })
	}},
	{"Run, nil context", zmqio.ErrInvalidArgument, says{"Run"}, func(t *testing.T) error {
		return zmqiotest.NewLoop(t, nil).Run(noContext, func(context.Context) error { return nil })
	}},
	{"Run, nil function", zmqio.ErrInvalidArgument, says{"Run"}, func(t *testing.T) error {
		return zmqiotest.NewLoop(t, nil).Run(context.Background(), nil)
	}},
	{"Run, Stop", zmqio.ErrLoopStopped, nil, func(t *testing.T) error {
		loop := zmqiotest.NewLoop(t, nil)
		over := make(chan struct{})
		defer func() { <-over }()
		return loop.Run(context.Background(), func(ctx context.Context) error {
			defer close(over)
			loop.Stop()
			<-ctx.Done()
			return nil
		})
	}},
	{"Run, panic", errBoom, says{"boom"}, func(t *testing.T) error {
		return zmqiotest.NewLoop(t, nil).Run(context.Background(), func(context.Context) error { panic(errBoom) })
	}},
	{"Run, Goexit", zmqio.ErrGoexit, nil, func(t *testing.T) error {
		return zmqiotest.NewLoop(t, nil).Run(context.Background(), func(context.Context) error {
			runtime.Goexit()
			return nil
		})
	}},
	{"RunUntilComplete, nil context", zmqio.ErrInvalidArgument, says{"RunUntilComplete"}, func(t *testing.T) error {
		loop := zmqiotest.NewLoop(t, nil)
		_, err := zmqio.RunUntilComplete(noContext, loop, zmqio.NewFuture[int](loop))
		return err
	}},
	{"RunUntilComplete, future of another loop", zmqio.ErrInvalidArgument, says{"RunUntilComplete"}, func(t *testing.T) error {
		_, err := zmqio.RunUntilComplete(context.Background(), zmqiotest.NewLoop(t, nil), zmqio.NewFuture[int](zmqiotest.NewLoop(t, nil)))
		return err
	}},
	{"RunUntilComplete, Stop", zmqio.ErrLoopStopped, nil, func(t *testing.T) error {
		loop := zmqiotest.NewLoop(t, nil)
		loop.Stop()
		_, err := zmqio.RunUntilComplete(context.Background(), loop, zmqio.NewFuture[int](loop))
		return err
	}},
	{"Start, running loop", zmqio.ErrLoopRunning, nil, func(t *testing.T) error { return running(t).Start() }},
	{"Start, closed loop", zmqio.ErrLoopClosed, nil, func(t *testing.T) error { return closedLoop(t).Start() }},
	{"Close, running loop", zmqio.ErrLoopRunning, says{"EventLoop.Close", "Stop"}, func(t *testing.T) error { return running(t).Close() }},
	{"Close, callback of a loop in the background", zmqio.ErrLoopRunning, says{"EventLoop.Close", "Stop"}, func(t *testing.T) error {
		loop := zmqiotest.NewLoop(t, nil)
		zmqiotest.Must(t, loop.Start())
		return onLoop(t, loop, loop.Close)
	}},
	{"Close, function that works in the loop's place", zmqio.ErrWouldDeadlock, says{"EventLoop.Close", "call from another"}, func(t *testing.T) error {
		loop := zmqiotest.NewLoop(t, nil)
		return loop.Do(bounded(t), loop.Close)
	}},
	{"Close, what was not delivered", zmqio.ErrUndelivered, says{"PUSH", "1 message, 1 byte"}, func(t *testing.T) error {
		loop, err := zmqio.NewEventLoop(&zmqio.LoopConfig{Linger: time.Millisecond})
		zmqiotest.Must(t, err)
		tr := zmqiotest.Create(t, loop, zmqio.BaseProtocol{}, zmq.PUSH, zmqio.ConnectionConfig{Bind: []string{"tcp://127.0.0.1:*"}})
		zmqiotest.Must(t, tr.Write(frames("x")))
		return loop.Close()
	}},
	{"Shutdown, nil context", zmqio.ErrInvalidArgument, says{"Shutdown"}, func(t *testing.T) error {
		return zmqiotest.NewLoop(t, nil).Shutdown(noContext)
	}},
	{"Shutdown, closed loop", zmqio.ErrLoopClosed, nil, func(t *testing.T) error { return closedLoop(t).Shutdown(context.Background()) }},
	{"Shutdown, loop's own goroutine", zmqio.ErrWouldDeadlock, nil, func(t *testing.T) error {
		loop := zmqiotest.RunLoop(t, nil)
		return onLoop(t, loop, func() error { return loop.Shutdown(context.Background()) })
	}},
	{"ShutdownDefault, nil context", zmqio.ErrInvalidArgument, says{"ShutdownDefault"}, func(*testing.T) error {
		return zmqio.ShutdownDefault(noContext)
	}},
	{"CallSoon, nil function", zmqio.ErrInvalidArgument, says{"CallSoon"}, func(t *testing.T) error {
		_, err := zmqiotest.NewLoop(t, nil).CallSoon(nil)
		return err
	}},
	{"CallSoon, closed loop", zmqio.ErrLoopClosed, nil, func(t *testing.T) error {
		_, err := closedLoop(t).CallSoon(func() {})
		return err
	}},
	{"CallSoon, closed loop with a name", zmqio.ErrLoopClosed, says{"CallSoon", `"orders"`}, func(t *testing.T) error {
		loop := zmqiotest.NewLoop(t, &zmqio.LoopConfig{Name: "orders"})
		zmqiotest.Must(t, loop.Close())
		_, err := loop.CallSoon(func() {})
		return err
	}},
	{"CallSoonThreadsafe, nil function", zmqio.ErrInvalidArgument, says{"CallSoonThreadsafe"}, func(t *testing.T) error {
		_, err := zmqiotest.NewLoop(t, nil).CallSoonThreadsafe(nil)
		return err
	}},
	{"CallSoonThreadsafe, closed loop", zmqio.ErrLoopClosed, says{"CallSoonThreadsafe"}, func(t *testing.T) error {
		_, err := closedLoop(t).CallSoonThreadsafe(func() {})
		return err
	}},
	{"CallLater, nil function", zmqio.ErrInvalidArgument, says{"CallLater"}, func(t *testing.T) error {
		_, err := zmqiotest.NewLoop(t, nil).CallLater(time.Second, nil)
		return err
	}},
	{"CallAt, nil function", zmqio.ErrInvalidArgument, says{"CallAt"}, func(t *testing.T) error {
		_, err := zmqiotest.NewLoop(t, nil).CallAt(time.Second, nil)
		return err
	}},
	{"CallAt, closed loop", zmqio.ErrLoopClosed, nil, func(t *testing.T) error {
		_, err := closedLoop(t).CallAt(time.Second, func() {})
		return err
	}},
	{"Do, nil context", zmqio.ErrInvalidArgument, says{"Do"}, func(t *testing.T) error {
		return zmqiotest.NewLoop(t, nil).Do(noContext, func() error { return nil })
	}},
	{"Do, nil function", zmqio.ErrInvalidArgument, says{"Do"}, func(t *testing.T) error {
		return zmqiotest.NewLoop(t, nil).Do(context.Background(), nil)
	}},
	{"Do, closed loop", zmqio.ErrLoopClosed, nil, func(t *testing.T) error {
		return closedLoop(t).Do(context.Background(), func() error { return nil })
	}},
	{"AddSignalHandler, nil function", zmqio.ErrInvalidArgument, says{"AddSignalHandler"}, func(t *testing.T) error {
		return zmqiotest.NewLoop(t, nil).AddSignalHandler(syscall.SIGUSR1, nil)
	}},
	{"AddSignalHandler, no signal", zmqio.ErrInvalidArgument, says{"AddSignalHandler", "4711"}, func(t *testing.T) error {
		return zmqiotest.NewLoop(t, nil).AddSignalHandler(syscall.Signal(4711), func() {})
	}},
	{"AddSignalHandler, SIGKILL", zmqio.ErrInvalidArgument, says{"AddSignalHandler", "9", "killed"}, func(t *testing.T) error {
		return zmqiotest.NewLoop(t, nil).AddSignalHandler(syscall.SIGKILL, func() {})
	}},
	{"AddSignalHandler, closed loop", zmqio.ErrLoopClosed, nil, func(t *testing.T) error {
		return closedLoop(t).AddSignalHandler(syscall.SIGUSR1, func() {})
	}},
	{"Adopt, nil resident", zmqio.ErrInvalidArgument, says{"Adopt"}, func(t *testing.T) error {
		_, err := zmqiotest.NewLoop(t, nil).Adopt(nil)
		return err
	}},
	{"ContextOptions, nil context", zmqio.ErrInvalidArgument, says{"ContextOptions"}, func(*testing.T) error {
		_, err := zmqio.ContextOptions(nil)
		return err
	}},
	{"ContextOptions, out of range", zmq.EINVAL, says{"MAX_SOCKETS"}, func(t *testing.T) error {
		z, err := zmq4.NewContext()
		zmqiotest.Must(t, err)
		defer z.Term()
		opts, err := zmqio.ContextOptions(z)
		zmqiotest.Must(t, err)
		return opts.SetMaxSockets(-1)
	}},
	{"Check, misspelt method", zmqio.ErrInvalidArgument, says{"misspelt", "MsgRecieved", "MsgReceived"}, func(*testing.T) error {
		return zmqio.Check(misspelt{})
	}},
	{"Check, other parameters", zmqio.ErrInvalidArgument, says{"mistaken", "EventReceived", "MonitorEvent"}, func(*testing.T) error {
		return zmqio.Check(mistaken{})
	}},
	{"Check, nil protocol", zmqio.ErrInvalidArgument, says{"Check"}, func(*testing.T) error { return zmqio.Check(nil) }},
}

type misspelt struct{ zmqio.BaseProtocol }

func (misspelt) MsgRecieved([][]byte) {}

type mistaken struct{ zmqio.BaseProtocol }

func (mistaken) EventReceived(string) {}

// done returns a future that has a result.
func done(t *testing.T) *zmqio.Future[int] {
	t.Helper()
	f := zmqio.NewFuture[int](zmqiotest.NewLoop(t, nil))
	zmqiotest.Must(t, f.SetResult(1))
	return f
}

// goes returns the error of a function of Go.
func goes(t *testing.T, ctx context.Context, loop *zmqio.EventLoop, fn func(context.Context) (int, error)) error {
	t.Helper()
	_, err := zmqio.RunUntilComplete(bounded(t), loop, zmqio.Go(ctx, loop, fn))
	return err
}

var futureCases = []provocation{
	{"Result before there is one", zmqio.ErrInvalidState, nil, func(t *testing.T) error {
		_, err := zmqio.NewFuture[int](zmqiotest.NewLoop(t, nil)).Result()
		return err
	}},
	{"SetResult twice", zmqio.ErrInvalidState, nil, func(t *testing.T) error { return done(t).SetResult(2) }},
	{"SetError after SetResult", zmqio.ErrInvalidState, nil, func(t *testing.T) error { return done(t).SetError(errBoom) }},
	{"SetError, nil error", zmqio.ErrInvalidArgument, says{"SetError"}, func(t *testing.T) error {
		return zmqio.NewFuture[int](zmqiotest.NewLoop(t, nil)).SetError(nil)
	}},
	{"Result of one that was cancelled", zmqio.ErrCancelled, nil, func(t *testing.T) error {
		f := zmqio.NewFuture[int](zmqiotest.NewLoop(t, nil))
		f.Cancel()
		_, err := f.Result()
		return err
	}},
	{"Wait, nil context", zmqio.ErrInvalidArgument, says{"Wait"}, func(t *testing.T) error {
		_, err := zmqio.NewFuture[int](zmqiotest.NewLoop(t, nil)).Wait(noContext)
		return err
	}},
	{"Wait, ended context", context.Canceled, nil, func(t *testing.T) error {
		_, err := zmqio.NewFuture[int](zmqiotest.NewLoop(t, nil)).Wait(ended())
		return err
	}},
	{"Wait, loop's own goroutine", zmqio.ErrWouldDeadlock, nil, func(t *testing.T) error {
		loop := zmqiotest.RunLoop(t, nil)
		return onLoop(t, loop, func() error {
			_, err := zmqio.NewFuture[int](loop).Wait(context.Background())
			return err
		})
	}},
	{"Go, nil context", zmqio.ErrInvalidArgument, says{"Go"}, func(t *testing.T) error {
		return goes(t, noContext, zmqiotest.NewLoop(t, nil), func(context.Context) (int, error) { return 0, nil })
	}},
	{"Go, nil function", zmqio.ErrInvalidArgument, says{"Go"}, func(t *testing.T) error {
		return goes(t, context.Background(), zmqiotest.NewLoop(t, nil), nil)
	}},
	{"Go, panic", errBoom, says{"boom"}, func(t *testing.T) error {
		return goes(t, context.Background(), zmqiotest.NewLoop(t, nil), func(context.Context) (int, error) { panic(errBoom) })
	}},
	{"Go, Goexit", zmqio.ErrGoexit, nil, func(t *testing.T) error {
		return goes(t, context.Background(), zmqiotest.NewLoop(t, nil), func(context.Context) (int, error) {
			runtime.Goexit()
			return 0, nil
		})
	}},
	{"Go, executor that was shut down", zmqio.ErrExecutorShutdown, nil, func(t *testing.T) error {
		loop := zmqiotest.NewLoop(t, nil)
		zmqiotest.Must(t, loop.Run(bounded(t), loop.ShutdownDefaultExecutor))
		return goes(t, context.Background(), loop, func(context.Context) (int, error) { return 0, nil })
	}},
	{"Go, closed loop", zmqio.ErrLoopClosed, nil, func(t *testing.T) error {
		_, err := zmqio.Go(context.Background(), closedLoop(t), func(context.Context) (int, error) { return 0, nil }).Result()
		return err
	}},
	{"SetDefaultExecutor, nil executor", zmqio.ErrInvalidArgument, says{"SetDefaultExecutor"}, func(t *testing.T) error {
		return zmqiotest.NewLoop(t, nil).SetDefaultExecutor(nil)
	}},
	{"ShutdownDefaultExecutor, nil context", zmqio.ErrInvalidArgument, says{"ShutdownDefaultExecutor"}, func(t *testing.T) error {
		return zmqiotest.NewLoop(t, nil).ShutdownDefaultExecutor(noContext)
	}},
	{"ShutdownDefaultExecutor, loop's own goroutine", zmqio.ErrWouldDeadlock, nil, func(t *testing.T) error {
		loop := zmqiotest.RunLoop(t, nil)
		release := make(chan struct{})
		f := zmqio.Go(context.Background(), loop, func(context.Context) (int, error) { <-release; return 0, nil })
		err := onLoop(t, loop, func() error { return loop.ShutdownDefaultExecutor(context.Background()) })
		close(release)
		_, _ = f.Wait(bounded(t))
		return err
	}},
}

var policyCases = []provocation{
	{"GetEventLoop, goroutine without one", zmqio.ErrNoEventLoop, nil, func(*testing.T) error {
		_, err := zmqio.GetEventLoop()
		return err
	}},
	{"SetEventLoop, closed loop", zmqio.ErrLoopClosed, nil, func(t *testing.T) error { return zmqio.SetEventLoop(closedLoop(t)) }},
	{"SetChildWatcher, nil pointer", zmqio.ErrInvalidArgument, says{"SetChildWatcher", "*zmqio.SafeChildWatcher"}, func(*testing.T) error {
		return zmqio.NewPolicy(nil).SetChildWatcher((*zmqio.SafeChildWatcher)(nil))
	}},
	{"AddChildHandler, no process id", zmqio.ErrInvalidArgument, says{"AddChildHandler", "-1"}, func(t *testing.T) error {
		return watcher(t).AddChildHandler(-1, func(int, int) {})
	}},
	{"AddChildHandler, nil function", zmqio.ErrInvalidArgument, says{"AddChildHandler"}, func(t *testing.T) error {
		return watcher(t).AddChildHandler(1, nil)
	}},
	{"AddChildHandler, zero watcher", zmqio.ErrInvalidArgument, says{"NewSafeChildWatcher"}, func(*testing.T) error {
		return new(zmqio.SafeChildWatcher).AddChildHandler(1, func(int, int) {})
	}},
	{"AddChildHandler, closed watcher", zmqio.ErrWatcherClosed, nil, func(t *testing.T) error {
		w := watcher(t)
		zmqiotest.Must(t, w.Close())
		return w.AddChildHandler(1, func(int, int) {})
	}},
	{"AddChildHandler, process that is not there", syscall.ESRCH, says{"process 2147483647"}, func(t *testing.T) error {
		w, err := zmqio.NewPidfdChildWatcher()
		if errors.Is(err, errors.ErrUnsupported) {
			t.Skip(err)
		}
		zmqiotest.Must(t, err)
		defer w.Close()
		return w.AddChildHandler(1<<31-1, func(int, int) {})
	}},
	{"AttachLoop, closed watcher", zmqio.ErrWatcherClosed, nil, func(t *testing.T) error {
		w := watcher(t)
		zmqiotest.Must(t, w.Close())
		return w.AttachLoop(zmqiotest.NewLoop(t, nil))
	}},
	{"AttachLoop, closed loop", zmqio.ErrLoopClosed, nil, func(t *testing.T) error { return watcher(t).AttachLoop(closedLoop(t)) }},
}

func watcher(t *testing.T) *zmqio.SafeChildWatcher {
	t.Helper()
	w := zmqio.NewSafeChildWatcher()
	t.Cleanup(func() { _ = w.Close() })
	return w
}
