package conformance

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/subprocess"
)

// SubprocessTestsMixin of test_events.

func TestSubprocessExec(t *testing.T) {
	l := childLoop(t)
	tr, o := echo(t, l)
	o.saw("made")
	must(t, tr.Pipe(0).Write([]byte("Python The Winner")))
	o.receives(1, "Python The Winner")
	must(t, tr.Close())
	o.ends(-int(syscall.SIGKILL))
	o.saw("made", "data 1", "exited", "lost")
	o.saw("made", "end 0", "lost")
	o.saw("made", "end 1", "lost")
	o.saw("made", "end 2", "lost")
}

func TestSubprocessInteractive(t *testing.T) {
	l := childLoop(t)
	tr, o := echo(t, l)
	must(t, tr.Pipe(0).Write([]byte("Python ")))
	o.receives(1, "Python ")
	must(t, tr.Pipe(0).Write([]byte("The Winner")))
	o.receives(1, "Python The Winner")
	must(t, tr.Close())
	o.ends(-int(syscall.SIGKILL))
}

func TestSubprocessShell(t *testing.T) {
	l := childLoop(t)
	o := newOffspring(t, l)
	tr, _, err := subprocess.Shell(bounded(t), l, func() *offspring { return o }, subprocess.Config{}, `echo "$1"; echo "$0 $2" >&2`, "Go 'n' Python", "*")
	must(t, err)
	must(t, tr.Pipe(0).Close())
	o.ends(0)
	o.saw("end 0", "lost")
	o.saw("data 1", "end 1", "lost")
	o.saw("data 2", "end 2", "lost")
	o.wrote(1, "Go 'n' Python\n")
	o.wrote(2, "sh *\n")
	for _, err := range o.errs {
		must(t, err)
	}
	must(t, tr.Close())
}

func TestSubprocessExitcode(t *testing.T) {
	l := childLoop(t)
	tr, o := shell(t, l, inherited, "exit 7")
	o.ends(7)
	o.saw("made", "exited", "lost")
	must(t, tr.Close())
}

func TestSubprocessCloseAfterFinish(t *testing.T) {
	l := childLoop(t)
	tr, o := shell(t, l, inherited, "exit 7")
	for fd := -1; fd <= 3; fd++ {
		if tr.Pipe(fd) != nil {
			t.Errorf("descriptor %d is a pipe", fd)
		}
	}
	o.ends(7)
	if tr.IsClosing() {
		t.Error("closing without Close")
	}
	must(t, tr.Close())
	must(t, tr.Abort())
	o.ends(7)
}

func TestSubprocessKill(t *testing.T) {
	l := childLoop(t)
	tr, o := echo(t, l)
	must(t, tr.Kill())
	o.ends(-int(syscall.SIGKILL))
	must(t, tr.Close())
}

func TestSubprocessTerminate(t *testing.T) {
	l := childLoop(t)
	tr, o := echo(t, l)
	must(t, tr.Terminate())
	o.ends(-int(syscall.SIGTERM))
	must(t, tr.Close())
}

func TestSubprocessSendSignal(t *testing.T) {
	shield(t, syscall.SIGHUP) // nohup ignores it
	l := childLoop(t)
	tr, o := echo(t, l)
	must(t, tr.Signal(syscall.SIGHUP))
	o.ends(-int(syscall.SIGHUP))
	must(t, tr.Close())
}

// echo2 reads once, and writes the data to its standard output and error.
const echo2 = `x=$(dd bs=1024 count=1 2>/dev/null); printf 'OUT:%s' "$x"; printf 'ERR:%s' "$x" >&2`

func TestSubprocessStderr(t *testing.T) {
	l := childLoop(t)
	tr, o := shell(t, l, subprocess.Config{}, echo2)
	must(t, tr.Pipe(0).Write([]byte("test")))
	o.ends(0)
	must(t, tr.Close())
	o.wrote(1, "OUT:test")
	o.wrote(2, "ERR:test")
}

func TestSubprocessStderrRedirectToStdout(t *testing.T) {
	l := childLoop(t)
	tr, o := shell(t, l, subprocess.Config{Stderr: subprocess.ToStdout}, echo2)
	if tr.Pipe(1) == nil || tr.Pipe(2) != nil {
		t.Error("the standard error has a pipe of its own, or the output has none")
	}
	must(t, tr.Pipe(0).Write([]byte("test")))
	o.ends(0)
	o.wrote(1, "OUT:testERR:test")
	o.wrote(2, "")
	must(t, tr.Close())
}

// A child that writes to a pipe that its parent has closed gets EPIPE.
func TestSubprocessCloseClientStream(t *testing.T) {
	l := childLoop(t)
	tr, o := shell(t, l, subprocess.Config{}, `trap '' PIPE
		while x=$(dd bs=1024 count=1 2>/dev/null) && test -n "$x"
		do printf 'OUT:%s' "$x" 2>/dev/null || printf 'ERR:EPIPE' >&2
		done`)
	must(t, tr.Pipe(0).Write([]byte("test")))
	o.receives(1, "OUT:test")
	must(t, tr.Pipe(1).Close())
	o.awaits("end 1")
	must(t, tr.Pipe(0).Write([]byte("xxx")))
	o.receives(2, "ERR:EPIPE")
	must(t, tr.Close())
	o.ends(-int(syscall.SIGKILL))
}

func TestSubprocessWaitNoSameGroup(t *testing.T) {
	l := childLoop(t)
	cfg := inherited
	attr := &syscall.SysProcAttr{Setsid: true}
	cfg.Setup = func(cmd *exec.Cmd) error { cmd.SysProcAttr = attr; return nil }
	_, o := shell(t, l, cfg, "exit 7")
	o.ends(7)
	_, o = shell(t, l, cfg, "exit 8") // Exec does not change the caller's attributes
	o.ends(8)
}

// These are invalid arguments that the compiler accepts, for Exec and Shell.
func TestSubprocessInvalidArgs(t *testing.T) {
	l := childLoop(t)
	setup := func(fn func(cmd *exec.Cmd)) subprocess.Config {
		return subprocess.Config{Setup: func(cmd *exec.Cmd) error { fn(cmd); return nil }}
	}
	configs := map[string]subprocess.Config{
		"stdin to stdout":  {Stdin: subprocess.ToStdout},
		"stdout to stdout": {Stdout: subprocess.ToStdout},
		"no such mode":     {Stdin: subprocess.Mode(17)},
		"negative mode":    {Stderr: subprocess.Mode(-1)},
		"nil file":         {Stdout: subprocess.File(nil)},
		"other stdin":      setup(func(cmd *exec.Cmd) { cmd.Stdin = nil }),
		"other stdout":     setup(func(cmd *exec.Cmd) { cmd.Stdout = io.Discard }),
		"other stderr":     setup(func(cmd *exec.Cmd) { cmd.Stderr = os.Stdout }),
		"started":          setup(func(cmd *exec.Cmd) { must(t, cmd.Start()); must(t, cmd.Wait()) }),
	}
	factory := func() *offspring { t.Error("factory called"); return nil }
	for name, cfg := range configs {
		t.Run(name, func(t *testing.T) {
			_, _, err := subprocess.Exec(bounded(t), l, factory, cfg, "true")
			wants(t, err, zmqio.ErrInvalidArgument)
			_, _, err = subprocess.Shell(bounded(t), l, factory, cfg, "true")
			wants(t, err, zmqio.ErrInvalidArgument)
		})
	}
	var none context.Context
	_, _, err := subprocess.Exec(none, l, factory, subprocess.Config{}, "true")
	wants(t, err, zmqio.ErrInvalidArgument)
	_, _, err = subprocess.Exec(bounded(t), nil, factory, subprocess.Config{}, "true")
	wants(t, err, zmqio.ErrInvalidArgument)
	_, _, err = subprocess.Exec[*offspring](bounded(t), l, nil, subprocess.Config{}, "true")
	wants(t, err, zmqio.ErrInvalidArgument)
	_, _, err = subprocess.Exec(bounded(t), l, func() *offspring { return nil }, subprocess.Config{}, "sleep", "1000")
	wants(t, err, zmqio.ErrInvalidArgument) // and the child is killed
	_, o := shell(t, l, inherited, "exit 0")
	o.ends(0)
	refused := errors.New("refused")
	_, _, err = subprocess.Exec(bounded(t), l, factory, subprocess.Config{Setup: func(*exec.Cmd) error { return refused }}, "true")
	wants(t, err, refused)
	_, err = o.tr.Wait(none)
	wants(t, err, zmqio.ErrInvalidArgument)
}

// A child that Setup has started, against the rules, is killed, however Setup ends.
func TestSubprocessStartedBySetup(t *testing.T) {
	l := childLoop(t)
	refused := errors.New("refused")
	for name, end := range map[string]func() error{
		"returns": func() error { return nil },
		"refuses": func() error { return refused },
		"panics":  func() error { panic(refused) },
	} {
		t.Run(name, func(t *testing.T) {
			pid := 0
			cfg := subprocess.Config{Setup: func(cmd *exec.Cmd) error {
				must(t, cmd.Start())
				pid = cmd.Process.Pid
				return end()
			}}
			func() {
				defer func() { _ = recover() }()
				_, _, err := subprocess.Exec(bounded(t), l, func() *offspring { t.Error("factory called"); return nil }, cfg, "sleep", "1000")
				if err == nil {
					t.Error("no error")
				}
			}()
			for ctx := bounded(t); syscall.Kill(pid, 0) == nil; { // a zombie counts
				must(t, ctx.Err())
				onPipeLoop(t, l, func() {})
			}
		})
	}
}
