package conformance

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/subprocess"
)

// These tests are about children and the loop, about the rest of the program, and about protocols
// that fail.

// Close of the loop kills its children. It returns after every ConnectionLost.
func TestSubprocessLoopCloses(t *testing.T) {
	defer noChildren(t)
	l := newLoop(t, nil)
	tr, o := echo(t, l)
	_, stubborn := shell(t, l, subprocess.Config{}, "trap '' TERM HUP; read x")
	must(t, tr.Pipe(0).SetWriteBufferLimits(1<<20, zmqio.DefaultLimit))
	must(t, tr.Pipe(1).PauseReading())
	fillPipe(t, tr.Pipe(0))
	if err := l.Close(); !errors.Is(err, zmqio.ErrUndelivered) {
		t.Errorf("Close: %v", err) // what cat has not read
	}
	for _, o := range [...]*offspring{o, stubborn} {
		o.saw("made", "exited", "lost")
		o.ends(-int(syscall.SIGKILL))
	}
	_, _, err := subprocess.Exec(bounded(t), l, func() *offspring { t.Error("factory called"); return nil }, subprocess.Config{}, "true")
	wants(t, err, zmqio.ErrLoopClosed)
}

// Shutdown closes children and waits for them.
func TestSubprocessLoopShutsDown(t *testing.T) {
	l := childLoop(t)
	_, o := echo(t, l)
	must(t, l.Shutdown(bounded(t)))
	o.saw("made", "exited", "lost")
	o.ends(-int(syscall.SIGKILL))
	if n := len(l.Residents()); n != 0 {
		t.Errorf("%d residents are left", n)
	}
}

// While no goroutine runs the loop, Exec calls ConnectionMade itself. The loop reaps the child when
// it runs.
func TestSubprocessIdleLoop(t *testing.T) {
	defer noChildren(t)
	l := newLoop(t, nil)
	o := newOffspring(t, l)
	o.onExited = l.Stop
	tr := execute(t, l, o, inherited, "/bin/sh", "-c", "exit 4")
	awaitDeath(t, tr.PID())
	if _, ok := tr.ReturnCode(); ok {
		t.Error("the loop does not run, and knows")
	}
	run(t, l)
	pass(t, l)
	o.ends(4)
}

// Exec works in callbacks. The loop waits while the program starts.
func TestSubprocessInCallback(t *testing.T) {
	l := childLoop(t)
	o := newOffspring(t, l)
	onPipeLoop(t, l, func() {
		tr, _, err := subprocess.Exec(context.Background(), l, func() *offspring { return o }, inherited, "/bin/sh", "-c", "exit 9")
		if err != nil || tr != o.tr {
			t.Errorf("Exec in a callback: %v", err)
		}
		o.saw("made")
	})
	o.ends(9)
}

// SetProtocol replaces a protocol, and ignores nil.
func TestSubprocessSetProtocol(t *testing.T) {
	l := childLoop(t)
	tr, first := echo(t, l)
	second := newOffspring(t, l)
	onPipeLoop(t, l, func() { second.ConnectionMade(tr) })
	tr.SetProtocol(nil)
	var none *offspring
	tr.SetProtocol(none)
	if tr.Protocol() != subprocess.Protocol(first) || tr.Loop() != l {
		t.Error("a nil protocol has replaced the first")
	}
	tr.SetProtocol(second)
	feed(t, tr, "text")
	second.ends(0)
	second.wrote(1, "text")
	first.saw("made")
	if first.hasEnded("lost") {
		t.Error("the first protocol was told of the end")
	}
}

// A child costs no goroutine and no thread while it runs, where the system has pidfds.
func TestSubprocessCostsNoGoroutine(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs pidfds")
	}
	l := childLoop(t)
	echo(t, l)
	before, threads := runtime.NumGoroutine(), threadCount()
	for range 60 {
		echo(t, l)
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, %d before", n, before)
	}
	if n := threadCount(); n > threads+10 {
		t.Errorf("%d threads, %d before", n, threads)
	}
}

func threadCount() int {
	tasks, _ := os.ReadDir("/proc/self/task")
	return len(tasks)
}

// The exception handler gets a panic of a protocol. The child and its other pipes go on.
func TestSubprocessPanics(t *testing.T) {
	for _, goexit := range []bool{false, true} {
		for _, method := range []string{"ConnectionMade", "PipeDataReceived", "PipeConnectionLost", "ProcessExited", "ConnectionLost"} {
			t.Run(method, func(t *testing.T) {
				l := childLoop(t)
				var mu sync.Mutex
				var complaints []zmqio.ExceptionContext
				l.SetExceptionHandler(func(_ *zmqio.EventLoop, c zmqio.ExceptionContext) {
					mu.Lock()
					defer mu.Unlock()
					complaints = append(complaints, c)
				})
				o := newOffspring(t, l)
				tr, _, err := subprocess.Exec(bounded(t), l, func() *thrower { return &thrower{o, method, goexit} }, subprocess.Config{}, "/bin/sh", "-c", "echo x; read y; exit 2")
				if goexit && method == "ConnectionMade" {
					wants(t, err, zmqio.ErrGoexit)
					tr = o.tr
				} else {
					must(t, err)
					o.awaits("data 1")
					must(t, tr.Pipe(0).Close())
				}
				o.awaits("exited")
				o.awaits("end 1")
				<-tr.Closed()
				want := map[bool]int{false: 2, true: -int(syscall.SIGKILL)}[goexit && method == "ConnectionMade"]
				if code, _ := tr.ReturnCode(); code != want {
					t.Errorf("return code %d, want %d", code, want)
				}
				if method == "PipeDataReceived" {
					var p *zmqio.PanicError
					if err := o.errs[1]; goexit && !errors.Is(err, zmqio.ErrGoexit) || !goexit && !errors.As(err, &p) {
						t.Errorf("the pipe ended with %v", err)
					}
				}
				mu.Lock()
				defer mu.Unlock()
				if told := slices.ContainsFunc(complaints, func(c zmqio.ExceptionContext) bool { return c.Stack != nil }); told == goexit {
					t.Errorf("the exception handler got %v", complaints)
				}
			})
		}
	}
}

// A thrower panics in one of its methods, or calls runtime.Goexit, after it has recorded the call.
type thrower struct {
	*offspring
	method string
	goexit bool
}

func (p *thrower) throw(method string) {
	switch {
	case p.method != method:
	case p.goexit:
		runtime.Goexit()
	default:
		panic(method)
	}
}

func (p *thrower) ConnectionMade(tr *subprocess.Transport) {
	p.offspring.ConnectionMade(tr)
	p.throw("ConnectionMade")
}

func (p *thrower) PipeDataReceived(fd int, b []byte) {
	p.offspring.PipeDataReceived(fd, b)
	p.throw("PipeDataReceived")
}

func (p *thrower) PipeConnectionLost(fd int, err error) {
	p.offspring.PipeConnectionLost(fd, err)
	p.throw("PipeConnectionLost")
}

func (p *thrower) ProcessExited() {
	p.offspring.ProcessExited()
	p.throw("ProcessExited")
}

func (p *thrower) ConnectionLost(err error) {
	p.offspring.ConnectionLost(err)
	p.throw("ConnectionLost")
}

// A factory that panics, or calls runtime.Goexit, leaves no child.
func TestSubprocessFactoryFails(t *testing.T) {
	l := childLoop(t)
	l.SetExceptionHandler(func(*zmqio.EventLoop, zmqio.ExceptionContext) {})
	var p *zmqio.PanicError
	_, _, err := subprocess.Exec(bounded(t), l, func() *offspring { panic("factory") }, subprocess.Config{}, "sleep", "1000")
	if !errors.As(err, &p) {
		t.Errorf("a factory that panics: %v", err)
	}
	_, _, err = subprocess.Exec(bounded(t), l, func() *offspring { runtime.Goexit(); return nil }, subprocess.Config{}, "sleep", "1000")
	wants(t, err, zmqio.ErrGoexit)
	onGoroutine(func() {
		_, _, _ = subprocess.Exec(bounded(t), l, func() *offspring { return nil }, subprocess.Config{Setup: func(*exec.Cmd) error { runtime.Goexit(); return nil }}, "sleep", "1000")
	})
}
