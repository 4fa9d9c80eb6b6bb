package conformance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/subprocess"
)

// test_subprocess.

// count writes how many bytes it has read.
const count = "wc -c | tr -d ' \n'"

func TestSubprocessStdinStdout(t *testing.T) {
	l := childLoop(t)
	tr, o := shell(t, l, subprocess.Config{Stderr: subprocess.Inherit}, "cat")
	must(t, tr.Pipe(0).WriteContext(bounded(t), []byte("some data")))
	must(t, tr.Pipe(0).WriteEOF())
	o.ends(0)
	o.wrote(1, "some data")
}

// All data goes in and out at the same time, although neither direction fits into a pipe.
func TestSubprocessCommunicate(t *testing.T) {
	l := childLoop(t)
	tr, o := shell(t, l, subprocess.Config{Stderr: subprocess.Null}, "cat")
	data := strings.Repeat("some data ", 100_000)
	feed(t, tr, data)
	o.ends(0)
	if o.paused > 1 || string(o.got[1]) != data { // the end of the pipe ends a pause
		t.Errorf("%d bytes of %d, %d pauses", len(o.got[1]), len(data), o.paused)
	}
}

// Many at once: each gets what its own child has written.
func TestSubprocessCommunicateStdout(t *testing.T) {
	l := childLoop(t)
	children := make([]*offspring, 10)
	for i := range children {
		_, children[i] = shell(t, l, subprocess.Config{Stdin: subprocess.Null}, fmt.Sprintf("printf foo%d", i))
	}
	for i, o := range children {
		o.ends(0)
		o.wrote(1, fmt.Sprint("foo", i))
	}
}

// Kill ends the shell, and not the programs that it has started.
func TestSubprocessKillShell(t *testing.T) {
	l := childLoop(t)
	tr, o := shell(t, l, subprocess.Config{}, "cat; cat")
	must(t, tr.Kill())
	code, err := tr.Wait(bounded(t))
	if code != -int(syscall.SIGKILL) || err != nil {
		t.Errorf("Wait: %d, %v", code, err)
	}
	must(t, tr.Pipe(0).Close())
	o.ends(-int(syscall.SIGKILL))
}

func TestSubprocessSignalWhenReady(t *testing.T) {
	shield(t, syscall.SIGHUP) // nohup ignores it
	l := childLoop(t)
	tr, o := shell(t, l, subprocess.Config{}, "echo sleeping; exec cat")
	o.receives(1, "sleeping\n")
	must(t, tr.Signal(syscall.SIGHUP))
	o.ends(-int(syscall.SIGHUP))
}

// A write to a child that has gone ends the pipe with an error, and does not end the transport.
func TestSubprocessStdinBrokenPipe(t *testing.T) {
	l := childLoop(t)
	large := make([]byte, 4<<20)
	t.Run("before", func(t *testing.T) {
		o := newOffspring(t, l)
		o.onMade = func(tr *subprocess.Transport) {
			if err := tr.Pipe(0).Write(large); err != nil {
				t.Error(err)
			}
		}
		tr := execute(t, l, o, subprocess.Config{}, "sleep", "1000") // reads nothing
		must(t, tr.Terminate())
		o.ends(-int(syscall.SIGTERM))
		wants(t, o.errs[0], syscall.EPIPE)
		must(t, errors.Join(o.errs[1:]...))
		if o.paused != 1 {
			t.Errorf("paused %d times", o.paused)
		}
	})
	t.Run("after", func(t *testing.T) {
		tr, o := shell(t, l, subprocess.Config{}, "true")
		o.ends(0)
		must(t, o.errs[0])
		wants(t, tr.Pipe(0).Write(large), zmqio.ErrTransportClosed)
	})
	t.Run("writer that waits", func(t *testing.T) {
		tr, o := shell(t, l, subprocess.Config{}, "dd bs=1 count=1 of=/dev/null 2>/dev/null")
		for {
			if err := tr.Pipe(0).WriteContext(bounded(t), large[:60_000]); err != nil {
				if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, zmqio.ErrTransportClosed) {
					t.Errorf("WriteContext: %v", err)
				}
				break
			}
		}
		o.ends(0)
	})
}

// A protocol that pauses a pipe gets no data until it resumes.
func TestSubprocessPauseReading(t *testing.T) {
	l := childLoop(t)
	o := newOffspring(t, l)
	o.onMade = func(tr *subprocess.Transport) {
		if err := tr.Pipe(1).PauseReading(); err != nil {
			t.Error(err)
		}
	}
	tr := execute(t, l, o, subprocess.Config{}, "echo", "text")
	o.awaits("exited")
	for range 10 {
		onPipeLoop(t, l, func() {})
	}
	if o.hasEnded("data 1") || o.hasEnded("end 1") || o.hasEnded("lost") {
		t.Errorf("while paused: %q", o.log)
	}
	must(t, tr.Pipe(1).ResumeReading())
	o.ends(0)
	o.wrote(1, "text\n")
}

// Another child must not hold the standard input of the first.
func TestSubprocessStdinNotInheritable(t *testing.T) {
	l := childLoop(t)
	tr, o := shell(t, l, subprocess.Config{}, count)
	other, _ := echo(t, l)
	feed(t, tr, "abc")
	o.ends(0)
	o.wrote(1, "3")
	must(t, other.Close())
}

func TestSubprocessEmptyInput(t *testing.T) {
	l := childLoop(t)
	tr, o := shell(t, l, subprocess.Config{}, count)
	feed(t, tr, "")
	o.ends(0)
	o.wrote(1, "0")
}

func TestSubprocessDevnull(t *testing.T) {
	l := childLoop(t)
	for fd, cfg := range []subprocess.Config{{Stdin: subprocess.Null}, {Stdout: subprocess.Null}, {Stderr: subprocess.Null}} {
		tr, o := shell(t, l, cfg, count+"; printf error >&2")
		if tr.Pipe(fd) != nil {
			t.Errorf("descriptor %d is a pipe", fd)
		}
		want := [3]string{1: "3", 2: "error"}
		if want[fd] = ""; fd == 0 {
			want[1] = "0"
		} else {
			feed(t, tr, "abc")
		}
		o.ends(0)
		o.wrote(1, want[1])
		o.wrote(2, want[2])
	}
}

func TestSubprocessDevstdinInput(t *testing.T) {
	if _, err := os.Stat("/dev/stdin"); err != nil {
		t.Skip(err)
	}
	l := childLoop(t)
	tr, o := shell(t, l, subprocess.Config{}, "cat /dev/stdin | "+count)
	feed(t, tr, "abc")
	o.ends(0)
	o.wrote(1, "3")
}

// The child gets files of the caller, which stay open.
func TestSubprocessFiles(t *testing.T) {
	l := childLoop(t)
	path := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(path, []byte("from a file"), 0o600))
	in, err := os.Open(path)
	must(t, err)
	defer in.Close()
	out, err := os.Create(path + ".out")
	must(t, err)
	defer out.Close()
	cfg := subprocess.Config{Stdin: subprocess.File(in), Stdout: subprocess.File(out), Stderr: subprocess.ToStdout}
	tr, o := shell(t, l, cfg, "cat; printf error >&2")
	for fd := range 3 {
		if tr.Pipe(fd) != nil {
			t.Errorf("descriptor %d is a pipe", fd)
		}
	}
	o.ends(0)
	_, err = out.WriteString(" and more")
	must(t, err)
	if got, err := os.ReadFile(path + ".out"); err != nil || string(got) != "from a fileerror and more" {
		t.Errorf("%q, %v", got, err)
	}
}

// The child gets the standard streams that this process has when Exec starts it.
func TestSubprocessInherit(t *testing.T) {
	l := childLoop(t)
	in, feeder := osPipe(t)
	out, stdout := osPipe(t)
	errs, stderr := osPipe(t)
	o := newOffspring(t, l)
	func() {
		defer func(in, out, errs *os.File) { os.Stdin, os.Stdout, os.Stderr = in, out, errs }(os.Stdin, os.Stdout, os.Stderr)
		os.Stdin, os.Stdout, os.Stderr = in, stdout, stderr
		execute(t, l, o, inherited, "/bin/sh", "-c", "cat; echo error >&2")
	}()
	for _, f := range [...]*os.File{in, stdout, stderr} { // the child has them
		must(t, f.Close())
	}
	puts(t, feeder, "text\n")
	must(t, feeder.Close())
	takes(t, out, "text\n")
	takes(t, errs, "error\n")
	o.ends(0)
	o.saw("made", "exited", "lost")
}

func TestSubprocessCancelProcessWait(t *testing.T) {
	l := childLoop(t)
	tr, o := echo(t, l)
	ctx, cancel := context.WithCancel(context.Background())
	waited := make(chan error)
	go func() {
		_, err := tr.Wait(ctx)
		waited <- err
	}()
	cancel()
	wants(t, <-waited, context.Canceled)
	onPipeLoop(t, l, func() {
		_, err := tr.Wait(bounded(t))
		wants(t, err, zmqio.ErrWouldDeadlock)
	})
	must(t, tr.Kill())
	o.ends(-int(syscall.SIGKILL))
	onPipeLoop(t, l, func() {
		if code, err := tr.Wait(bounded(t)); code != -int(syscall.SIGKILL) || err != nil {
			t.Errorf("Wait: %d, %v", code, err)
		}
	})
}

// A creation that is cancelled, before or after the start, leaves nothing.
func TestSubprocessCancelCreation(t *testing.T) {
	l := childLoop(t)
	factory := func() *offspring { t.Error("factory called"); return nil }
	ctx, cancel := context.WithCancel(context.Background())
	busy, free := make(chan struct{}), make(chan struct{})
	soon(t, l, func() { close(busy); <-free })
	<-busy
	cfg := subprocess.Config{Setup: func(cmd *exec.Cmd) error { cancel(); return nil }}
	_, _, err := subprocess.Exec(ctx, l, factory, cfg, "sleep", "1000") // started, and then killed
	wants(t, err, context.Canceled)
	close(free)
	_, _, err = subprocess.Exec(ctx, l, factory, cfg, "sleep", "1000")
	wants(t, err, context.Canceled)
}

func TestSubprocessCloseKillRunning(t *testing.T) {
	l := childLoop(t)
	for name, end := range map[string]func(*subprocess.Transport) error{
		"Close": (*subprocess.Transport).Close, "Abort": (*subprocess.Transport).Abort,
	} {
		t.Run(name, func(t *testing.T) {
			tr, o := echo(t, l)
			must(t, tr.Pipe(0).SetWriteBufferLimits(1<<20, zmqio.DefaultLimit))
			must(t, tr.Pipe(1).PauseReading())
			fillPipe(t, tr.Pipe(0))
			onPipeLoop(t, l, func() {
				if _, ok := tr.ReturnCode(); ok {
					t.Error("a return code of a child that runs")
				}
				must(t, end(tr))
				must(t, end(tr))
				if !tr.IsClosing() || o.hasEnded("lost") {
					t.Error("Close waited, or did not close")
				}
			})
			o.ends(-int(syscall.SIGKILL))
		})
	}
}

// Close does not change the code of a child that has exited, even if the loop does not know yet.
func TestSubprocessCloseDontKillFinished(t *testing.T) {
	l := childLoop(t)
	o := newOffspring(t, l)
	o.onMade = func(tr *subprocess.Transport) {
		awaitDeath(t, tr.PID())
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	}
	execute(t, l, o, inherited, "/bin/sh", "-c", "exit 3")
	o.ends(3)
}

// A failed start leaves no descriptor: newLoop checks that.
func TestSubprocessPopenError(t *testing.T) {
	l := childLoop(t)
	factory := func() *offspring { t.Error("factory called"); return nil }
	for _, cfg := range []subprocess.Config{{}, inherited, {Stdin: subprocess.Null, Stderr: subprocess.ToStdout}} {
		before := countFDs(t)
		for range 20 {
			_, _, err := subprocess.Exec(bounded(t), l, factory, cfg, "/no/such/program")
			wants(t, err, os.ErrNotExist)
		}
		if after := countFDs(t); after != before {
			t.Errorf("%d descriptors, %d before", after, before)
		}
	}
}

func TestSubprocessProcExited(t *testing.T) {
	l := childLoop(t)
	tr, o := shell(t, l, inherited, "exit 6")
	o.ends(6)
	o.saw("made", "exited", "lost")
	for name, err := range map[string]error{
		"Signal": tr.Signal(syscall.SIGTERM), "Terminate": tr.Terminate(), "Kill": tr.Kill(),
	} {
		t.Run(name, func(t *testing.T) { wants(t, err, os.ErrProcessDone) })
	}
	if tr.IsClosing() {
		t.Error("closing without Close")
	}
	must(t, tr.Close())
}

func TestSubprocessRepr(t *testing.T) {
	l := childLoop(t)
	tr, o := shell(t, l, subprocess.Config{}, "read x; exit 6")
	check := func(state string) {
		t.Helper()
		if want := fmt.Sprintf("<Transport /bin/sh pid %d %s>", tr.PID(), state); tr.String() != want {
			t.Errorf("%s, want %s", tr, want)
		}
	}
	check("running")
	feed(t, tr, "")
	o.ends(6)
	check("returned 6")
	must(t, tr.Close())
	check("returned 6 closing")
}
