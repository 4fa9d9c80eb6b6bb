package conformance

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

func init() { // goroutines that package signal keeps are no leak
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR2)
	signal.Stop(c)
}

// raise sends the process a signal, which must be handled.
func raise(t testing.TB, sig syscall.Signal) {
	t.Helper()
	must(t, syscall.Kill(syscall.Getpid(), sig))
}

// shield keeps a signal from ending the process, and returns a channel that gets it.
func shield(t testing.TB, sig os.Signal) <-chan os.Signal {
	t.Helper()
	c := make(chan os.Signal, 10)
	signal.Notify(c, sig)
	t.Cleanup(func() { signal.Stop(c) })
	return c
}

type notASignal struct{}

func (notASignal) String() string { return "not a signal" }
func (notASignal) Signal()        {}

// badSignals are signals for which AddSignalHandler fails.
func badSignals() []os.Signal {
	bad := []os.Signal{nil, notASignal{}, syscall.SIGKILL, syscall.SIGSTOP}
	for _, n := range []int{0, -1, 65, 1000} {
		bad = append(bad, syscall.Signal(n))
	}
	if runtime.GOOS == "linux" {
		for n := 32; n <= 34; n++ { // reserved by the C library
			bad = append(bad, syscall.Signal(n))
		}
	}
	return bad
}

func TestAddSignalHandler(t *testing.T) {
	l := newLoop(t, nil)
	wantError(t, "nil function", l.AddSignalHandler(os.Interrupt, nil), zmqio.ErrInvalidArgument)
	wantBool(t, "remove without a handler", l.RemoveSignalHandler(os.Interrupt), false)
	must(t, l.AddSignalHandler(os.Interrupt, func() {
		if zmqio.RunningLoop() != l {
			t.Error("not on the loop")
		}
		l.Stop()
	}))
	raise(t, syscall.SIGINT)
	run(t, l)
	wantBool(t, "first remove", l.RemoveSignalHandler(syscall.SIGINT), true)
	wantBool(t, "second remove", l.RemoveSignalHandler(syscall.SIGINT), false)
	must(t, l.Close())
	wantError(t, "closed", l.AddSignalHandler(os.Interrupt, nothing), zmqio.ErrLoopClosed)
	wantBool(t, "remove when closed", l.RemoveSignalHandler(syscall.SIGINT), false)
}

func TestCheckSignal(t *testing.T) {
	l := newLoop(t, nil)
	for _, sig := range badSignals() {
		wantError(t, "add", l.AddSignalHandler(sig, nothing), zmqio.ErrInvalidArgument)
		wantBool(t, "remove", l.RemoveSignalHandler(sig), false)
	}
	good := []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGCHLD, syscall.SIGWINCH}
	if runtime.GOOS == "linux" {
		good = append(good, 35, 64) // real-time signals
	}
	for _, sig := range good {
		must(t, l.AddSignalHandler(sig, l.Stop))
		raise(t, sig)
		run(t, l)
		wantBool(t, "remove", l.RemoveSignalHandler(sig), true)
	}
}

func TestSignalHandlingWhileSelecting(t *testing.T) {
	l := newLoop(t, nil)
	must(t, l.AddSignalHandler(syscall.SIGALRM, l.Stop))
	r, w := pipe(t)
	must(t, l.AddReader(r, func() { // the loop does nothing else from here on
		l.RemoveReader(r)
		go raise(t, syscall.SIGALRM)
	}))
	put(t, w, "x")
	run(t, l)
}

func TestSignalHandlingArgs(t *testing.T) {
	l := newLoop(t, nil)
	const arg = "some arg"
	var got calls
	must(t, l.AddSignalHandler(syscall.SIGUSR1, func() { got.add(arg)(); l.Stop() }))
	raise(t, syscall.SIGUSR1)
	run(t, l)
	for range 3 {
		pass(t, l)
	}
	got.want(t, arg)
}

func TestEachSignalCounts(t *testing.T) {
	l := newLoop(t, nil)
	left := 20
	must(t, l.AddSignalHandler(syscall.SIGUSR1, func() {
		if left--; left == 0 {
			l.Stop()
			return
		}
		raise(t, syscall.SIGUSR1)
	}))
	raise(t, syscall.SIGUSR1)
	run(t, l)
}

// A signal that arrived before the removal of its handler is dropped.
func TestHandleSignalNoHandler(t *testing.T) {
	l := newLoop(t, nil)
	came := shield(t, syscall.SIGUSR1)
	must(t, l.AddSignalHandler(syscall.SIGUSR1, func() { t.Error("called after it was removed") }))
	raise(t, syscall.SIGUSR1)
	<-came
	wantBool(t, "remove", l.RemoveSignalHandler(syscall.SIGUSR1), true)
	raise(t, syscall.SIGUSR1)
	<-came
	for range 3 {
		pass(t, l)
	}
}

func TestHandleSignalCancelledHandler(t *testing.T) {
	l := newLoop(t, nil)
	came := shield(t, syscall.SIGUSR1)
	failed := errors.New("handler failed")
	called := 0
	l.SetExceptionHandler(func(_ *zmqio.EventLoop, ctx zmqio.ExceptionContext) {
		called++
		wantError(t, "exception", ctx.Err, failed)
		ctx.Handle.Cancel()
		l.Stop()
	})
	must(t, l.AddSignalHandler(syscall.SIGUSR1, func() { panic(failed) }))
	raise(t, syscall.SIGUSR1)
	run(t, l)
	<-came
	raise(t, syscall.SIGUSR1)
	<-came
	for range 3 {
		pass(t, l)
	}
	l.RemoveSignalHandler(syscall.SIGUSR1) // unless the callback of the signal was cancelled
	wantBool(t, "remove", l.RemoveSignalHandler(syscall.SIGUSR1), false)
	if called != 1 {
		t.Errorf("called %d times", called)
	}
}

func TestSignalHandlerPanics(t *testing.T) {
	l := newLoop(t, nil)
	failed := errors.New("handler failed")
	left := 3
	l.SetExceptionHandler(func(_ *zmqio.EventLoop, ctx zmqio.ExceptionContext) {
		wantError(t, "exception", ctx.Err, failed)
		if left--; left == 0 {
			l.Stop()
			return
		}
		raise(t, syscall.SIGUSR1)
	})
	must(t, l.AddSignalHandler(syscall.SIGUSR1, func() { panic(failed) }))
	raise(t, syscall.SIGUSR1)
	run(t, l)
}

// Debug mode knows a handler by the function that was given to AddSignalHandler.
func TestLogSlowSignalHandler(t *testing.T) {
	j, l := newJournal(t)
	l.SetSlowCallbackDuration(0)
	l.SetDebug(true)
	must(t, l.AddSignalHandler(syscall.SIGUSR1, slowFunction))
	came := shield(t, syscall.SIGUSR1)
	raise(t, syscall.SIGUSR1)
	<-came
	for end := time.Now().Add(zmqiotest.Patience); len(j.entries()) == 0 && time.Now().Before(end); {
		pass(t, l)
	}
	onlySlow(t, j, "slowFunction", "debug_test.go")
}

func TestAddSignalHandlerReplaces(t *testing.T) {
	l := newLoop(t, nil)
	came := shield(t, syscall.SIGUSR1)
	var got calls
	must(t, l.AddSignalHandler(syscall.SIGUSR1, got.add("old")))
	raise(t, syscall.SIGUSR1)
	<-came
	must(t, l.AddSignalHandler(syscall.SIGUSR1, func() { got.add("new")(); l.Stop() }))
	run(t, l) // the signal that has arrived is for the new handler
	got.want(t, "new")
	wantBool(t, "first remove", l.RemoveSignalHandler(syscall.SIGUSR1), true)
	wantBool(t, "second remove", l.RemoveSignalHandler(syscall.SIGUSR1), false)
}

// asyncio hooks signals on the main thread alone. Here every goroutine, and more than
// one loop, may have handlers for the same signal.
func TestSignalsFromAnyGoroutine(t *testing.T) {
	one, two := newLoop(t, nil), newLoop(t, nil)
	added := make(chan error)
	for _, l := range []*zmqio.EventLoop{one, two} {
		go func() { added <- l.AddSignalHandler(syscall.SIGUSR1, l.Stop) }()
		must(t, <-added)
	}
	raise(t, syscall.SIGUSR1)
	run(t, one)
	run(t, two)
	removed := make(chan bool)
	go func() { removed <- one.RemoveSignalHandler(syscall.SIGUSR1) }()
	wantBool(t, "remove", <-removed, true)
	raise(t, syscall.SIGUSR1)
	run(t, two)
}

func TestRemoveSignalHandler(t *testing.T) { testDefaultIsBack(t, "remove", syscall.SIGHUP) }

func TestRemoveSignalHandler2(t *testing.T) { testDefaultIsBack(t, "remove", syscall.SIGINT) }

func TestSignalClose(t *testing.T) { testDefaultIsBack(t, "close", syscall.SIGTERM) }

// childEnv makes TestDefaultDispositionChild a process that adds a signal handler, removes it, and
// then gets the signal.
const childEnv = "ZMQIO_TEST_SIGNAL"

func testDefaultIsBack(t *testing.T, how string, sig syscall.Signal) {
	t.Helper()
	shield(t, sig) // a signal that is caught is not ignored by a child, even if this process was started with it ignored
	exe, err := os.Executable()
	must(t, err)
	cmd := exec.Command(exe, "-test.run=^TestDefaultDispositionChild$", "-test.timeout=4m")
	cmd.Env = append(os.Environ(), childEnv+"="+how)
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	ready := make([]byte, 1)
	if _, err := out.Read(ready); err != nil || ready[0] != '.' {
		t.Errorf("the child said %q, %v", ready, err)
	}
	must(t, cmd.Process.Signal(sig))
	err = cmd.Wait()
	in.Close()
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != sig {
		t.Errorf("the child ended with %v, want %v", err, sig)
	}
}

func TestDefaultDispositionChild(t *testing.T) {
	how := os.Getenv(childEnv)
	if how == "" {
		t.Skip("a part of other tests")
	}
	l := newLoop(t, nil)
	signals := []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM}
	for _, sig := range signals {
		must(t, l.AddSignalHandler(sig, l.Stop))
		raise(t, sig)
		run(t, l)
		if how == "remove" {
			wantBool(t, "remove", l.RemoveSignalHandler(sig), true)
		}
	}
	if how == "close" {
		must(t, l.Close())
	}
	if t.Failed() {
		os.Exit(3)
	}
	os.Stdout.WriteString(".")
	_, _ = os.Stdin.Read(make([]byte, 1)) // until the signal comes, or the parent ends
	os.Exit(4)
}
