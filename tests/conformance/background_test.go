package conformance

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// Start runs the loop in the background until Close, which waits for its end.
func TestStart(t *testing.T) {
	l := newLoop(t, nil)
	must(t, l.Start())
	if !l.IsRunning() {
		t.Error("the loop does not run")
	}
	wants(t, l.Start(), zmqio.ErrLoopRunning)
	wants(t, l.RunForever(bounded(t)), zmqio.ErrLoopRunning)
	called := make(chan error)
	soon(t, l, func() {
		if zmqio.RunningLoop() != l {
			t.Error("not the running loop")
		}
		called <- l.Close()
	})
	wants(t, <-called, zmqio.ErrLoopRunning)
	soon(t, l, runtime.Goexit) // ends only the goroutine
	soon(t, l, func() { called <- nil })
	<-called
	must(t, l.Close())
	if l.IsRunning() {
		t.Error("the loop runs")
	}
	wants(t, l.Start(), zmqio.ErrLoopClosed)
}

// After Stop the loop can be started again.
func TestStartAgain(t *testing.T) {
	l := newLoop(t, nil)
	for range 3 {
		must(t, l.Start())
		called := make(chan struct{})
		soon(t, l, func() { close(called) })
		<-called
		l.Stop()
		for l.IsRunning() {
			runtime.Gosched()
		}
	}
}

// While ConnectionMade runs in the place of the loop, Start fails.
func TestStartInConnectionMade(t *testing.T) {
	l := newLoop(t, nil)
	_, _, err := l.CreateZmqConnection(bounded(t), func() zmqio.Protocol { return made(func() { wants(t, l.Start(), zmqio.ErrWouldDeadlock) }) },
		zmq.PULL, zmqio.ConnectionConfig{Bind: []string{}})
	must(t, err)
}

// made is a protocol with ConnectionMade alone.
type made func()

func (m made) ConnectionMade(*zmqio.Transport) { m() }
func (made) ConnectionLost(error)              {}
func (made) PauseWriting()                     {}
func (made) ResumeWriting()                    {}
func (made) MsgReceived([][]byte)              {}

// Loops returns the open loops, oldest first.
func TestLoops(t *testing.T) {
	before := zmqio.Loops()
	a, b := newLoop(t, nil), newLoop(t, nil)
	ours := func() []*zmqio.EventLoop {
		return slices.DeleteFunc(zmqio.Loops(), func(l *zmqio.EventLoop) bool { return slices.Contains(before, l) })
	}
	if got := ours(); !slices.Equal(got, []*zmqio.EventLoop{a, b}) {
		t.Errorf("loops: %v, want %v, %v", got, a, b)
	}
	must(t, a.Close())
	if got := ours(); !slices.Equal(got, []*zmqio.EventLoop{b}) {
		t.Errorf("loops: %v, want %v", got, b)
	}
}

// Context returns the context of the loop's sockets: the caller's, or the loop's own.
func TestContext(t *testing.T) {
	l := newLoop(t, nil)
	shared := newLoop(t, &zmqio.LoopConfig{Context: l.Context()})
	if l.Context() == nil || shared.Context() != l.Context() {
		t.Errorf("contexts: %v, %v", l.Context(), shared.Context())
	}
	must(t, shared.Close())
}

// DefaultLoop returns one running loop until that is closed, and then another.
func TestDefaultLoop(t *testing.T) {
	guard := newLoop(t, nil) // checks for leaks
	must(t, zmqio.ShutdownDefault(bounded(t)))
	l, err := zmqio.DefaultLoop()
	must(t, err)
	again, err := zmqio.DefaultLoop()
	must(t, err)
	if l != again || !l.IsRunning() {
		t.Errorf("%v, then %v", l, again)
	}
	l.Stop()
	for l.IsRunning() {
		runtime.Gosched()
	}
	again, err = zmqio.DefaultLoop()
	must(t, err)
	if l != again || !l.IsRunning() {
		t.Errorf("%v, after Stop %v", l, again)
	}
	called := make(chan error)
	soon(t, l, func() { called <- zmqio.ShutdownDefault(bounded(t)) })
	wants(t, <-called, zmqio.ErrWouldDeadlock)
	soon(t, guard, func() {
		wants(t, zmqio.ShutdownDefault(bounded(t)), zmqio.ErrLoopRunning)
		guard.Stop()
	})
	run(t, guard)

	x := adopt(t, l, &lodger{name: "x"})
	must(t, zmqio.ShutdownDefault(bounded(t)))
	wantLog(t, x, "close", "lost")
	if !l.IsClosed() {
		t.Error("the loop is open")
	}
	must(t, zmqio.ShutdownDefault(bounded(t)))
	next, err := zmqio.DefaultLoop()
	must(t, err)
	if next == l || !next.IsRunning() {
		t.Errorf("the next loop is %v", next)
	}
	must(t, next.Close())
	must(t, zmqio.ShutdownDefault(bounded(t)))
}

// A process ends while the default loop runs.
func TestDefaultLoopKeepsNoProcessAlive(t *testing.T) {
	const child = "ZMQIO_TEST_DEFAULT_LOOP"
	if os.Getenv(child) == "1" {
		_, err := zmqio.DefaultLoop()
		must(t, err)
		os.Stdout.WriteString("the loop runs\n")
		return
	}
	cmd := exec.CommandContext(bounded(t), os.Args[0], "-test.run=^TestDefaultLoopKeepsNoProcessAlive$")
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("the loop runs")) {
		t.Errorf("%v: %s", err, out)
	}
}

// The log reports a loop that has work and that no goroutine runs, outside debug mode too.
func TestForgottenRunIsLogged(t *testing.T) {
	records := make(chan slog.Record, 10)
	l := newLoop(t, &zmqio.LoopConfig{Logger: slog.New(forward{records})})
	soon(t, l, func() {})
	select {
	case r := <-records:
		if r.Level != slog.LevelWarn || r.Message != "zmqio: event loop has something to do, and no goroutine runs it" {
			t.Errorf("logged %v", r)
		}
	case <-bounded(t).Done():
		t.Error("nothing was logged")
	}
}

// forward is a slog.Handler that sends its records.
type forward struct{ to chan slog.Record }

func (f forward) Enabled(context.Context, slog.Level) bool { return true }
func (f forward) WithAttrs([]slog.Attr) slog.Handler       { return f }
func (f forward) WithGroup(string) slog.Handler            { return f }
func (f forward) Handle(_ context.Context, r slog.Record) error {
	f.to <- r.Clone()
	return nil
}
