package conformance

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/subprocess"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// An offspring is the protocol of a child that records its callbacks. It fails its test if one
// comes outside the loop goroutine or out of order.
type offspring struct {
	zmqiotest.Condition
	t      testing.TB
	loop   *zmqio.EventLoop
	log    []string // the callbacks; several "data 1" in a row count as one
	got    [3][]byte
	errs   [3]error // errors of PipeConnectionLost
	paused int

	onMade   func(*subprocess.Transport)
	onExited func()
	tr       *subprocess.Transport
}

func (o *offspring) note(event string) {
	if o.loop.IsRunning() && zmqio.RunningLoop() != o.loop && !o.loop.IsClosed() {
		o.t.Errorf("%s outside the loop", event)
	}
	o.Change(func() {
		data := strings.HasPrefix(event, "data")
		switch {
		case (event == "made") != (len(o.log) == 0):
			o.t.Errorf("%s after %q", event, o.log)
		case slices.Contains(o.log, "lost"), !data && slices.Contains(o.log, event):
			o.t.Errorf("%s after %q", event, o.log)
		case data && slices.Contains(o.log, strings.Replace(event, "data", "end", 1)):
			o.t.Errorf("%s after the end of that pipe", event)
		}
		if !slices.Contains(o.log, event) {
			o.log = append(o.log, event)
		}
	})
}

func (o *offspring) ConnectionMade(tr *subprocess.Transport) {
	o.tr = tr
	o.note("made")
	if o.onMade != nil {
		o.onMade(tr)
	}
}

func (o *offspring) PipeDataReceived(fd int, b []byte) {
	o.note(fmt.Sprint("data ", fd))
	o.Change(func() { o.got[fd] = append(o.got[fd], b...) })
}

func (o *offspring) PipeConnectionLost(fd int, err error) {
	o.note(fmt.Sprint("end ", fd))
	o.Change(func() { o.errs[fd] = err })
}

func (o *offspring) ProcessExited() {
	if _, ok := o.tr.ReturnCode(); !ok {
		o.t.Error("ProcessExited, and there is no return code")
	}
	o.note("exited")
	if o.onExited != nil {
		o.onExited()
	}
}

func (o *offspring) PauseWriting()  { o.Change(func() { o.paused++ }) }
func (o *offspring) ResumeWriting() { o.Change(func() { o.paused-- }) }

func (o *offspring) ConnectionLost(err error) {
	if err != nil {
		o.t.Errorf("ConnectionLost(%v)", err)
	}
	o.note("lost")
}

func (o *offspring) until(what string, cond func() bool) {
	o.t.Helper()
	if err := o.Until(bounded(o.t), cond); err != nil {
		o.t.Fatalf("waited for %s: %v; there was %q", what, err, o.log)
	}
}

func (o *offspring) awaits(event string) {
	o.t.Helper()
	o.until(event, func() bool { return slices.Contains(o.log, event) })
}

// receives waits until the child has written want, and no more.
func (o *offspring) receives(fd int, want string) {
	o.t.Helper()
	o.until("data", func() bool { return len(o.got[fd]) >= len(want) })
	o.wrote(fd, want)
}

// wrote checks what the child has written.
func (o *offspring) wrote(fd int, want string) {
	o.t.Helper()
	o.Change(func() {
		if got := string(o.got[fd]); got != want {
			o.t.Errorf("descriptor %d: received %q, want %q", fd, got, want)
		}
	})
}

// ends waits for the end of the child and its pipes, and checks the return code.
func (o *offspring) ends(code int) {
	o.t.Helper()
	o.awaits("lost")
	<-o.tr.Closed()
	if got, ok := o.tr.ReturnCode(); got != code || !ok {
		o.t.Errorf("return code %d, %t; want %d", got, ok, code)
	}
	if got, err := o.tr.Wait(bounded(o.t)); got != code || err != nil {
		o.t.Errorf("Wait: %d, %v; want %d", got, err, code)
	}
}

// saw checks that these callbacks came, in this order. Others may come between.
func (o *offspring) saw(want ...string) {
	o.t.Helper()
	o.Change(func() {
		seen := slices.DeleteFunc(slices.Clone(o.log), func(e string) bool { return !slices.Contains(want, e) })
		if !slices.Equal(seen, want) {
			o.t.Errorf("callbacks %q, want %q among them", o.log, want)
		}
	})
}

func (o *offspring) hasEnded(event string) (ended bool) {
	o.Change(func() { ended = slices.Contains(o.log, event) })
	return ended
}

// childLoop is pipeLoop, and its end checks that no child is left.
func childLoop(t testing.TB) *zmqio.EventLoop {
	t.Helper()
	t.Cleanup(func() { noChildren(t) })
	return pipeLoop(t)
}

// noChildren checks that the process has no child, alive or not yet reaped.
func noChildren(t testing.TB) {
	t.Helper()
	if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err != syscall.ECHILD {
		t.Errorf("a child is left behind: %d, %v", pid, err)
	}
}

func newOffspring(t testing.TB, l *zmqio.EventLoop) *offspring { return &offspring{t: t, loop: l} }

// execute starts a program. The end of the test kills it.
func execute(t testing.TB, l *zmqio.EventLoop, o *offspring, cfg subprocess.Config, name string, args ...string) *subprocess.Transport {
	t.Helper()
	tr, got, err := subprocess.Exec(bounded(t), l, func() *offspring { return o }, cfg, name, args...)
	must(t, err)
	t.Cleanup(func() {
		must(t, tr.Abort())
		if l.IsClosed() {
			return
		}
		<-tr.Closed()
	})
	if got != o || o.tr != tr || tr.Protocol() != subprocess.Protocol(o) || tr.PID() <= 0 {
		t.Error("Exec did not return the protocol, or ConnectionMade not the transport")
	}
	return tr
}

// shell starts a command. The end of the test kills it.
func shell(t testing.TB, l *zmqio.EventLoop, cfg subprocess.Config, command string) (*subprocess.Transport, *offspring) {
	t.Helper()
	o := newOffspring(t, l)
	return execute(t, l, o, cfg, "/bin/sh", "-c", command), o
}

// echo starts a program that writes what it reads.
func echo(t testing.TB, l *zmqio.EventLoop) (*subprocess.Transport, *offspring) {
	t.Helper()
	o := newOffspring(t, l)
	return execute(t, l, o, subprocess.Config{}, "cat"), o
}

// inherited gives the child this process's standard streams, as None does in asyncio.
var inherited = subprocess.Config{Stdin: subprocess.Inherit, Stdout: subprocess.Inherit, Stderr: subprocess.Inherit}

// feed writes text to the standard input of the child, and closes it.
func feed(t testing.TB, tr *subprocess.Transport, text string) {
	t.Helper()
	must(t, tr.Pipe(0).Write([]byte(text)))
	must(t, tr.Pipe(0).Close())
}
