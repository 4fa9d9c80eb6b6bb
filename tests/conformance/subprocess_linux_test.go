package conformance

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/zmqio/zmq/zmqio/subprocess"
)

// Data that the child has written before it exits is read afterwards.
func TestSubprocessReadStdoutAfterProcessExit(t *testing.T) {
	l := childLoop(t)
	const size = 256 << 10
	cfg := subprocess.Config{Setup: func(cmd *exec.Cmd) error {
		_, err := unix.FcntlInt(uintptr(fdOf(t, cmd.Stdout.(*os.File))), unix.F_SETPIPE_SZ, size)
		return err
	}}
	o := newOffspring(t, l)
	o.onMade = func(tr *subprocess.Transport) {
		awaitDeath(t, tr.PID()) // all is in the pipe
		if err := tr.Pipe(1).PauseReading(); err != nil {
			t.Error(err)
		}
	}
	o.onExited = func() {
		if err := o.tr.Pipe(1).ResumeReading(); err != nil {
			t.Error(err)
		}
	}
	execute(t, l, o, cfg, "/bin/sh", "-c", "head -c 262144 /dev/zero; exit 1")
	o.ends(1)
	o.saw("exited", "data 1", "end 1", "lost")
	o.wrote(1, strings.Repeat("\x00", size))
}

// A child can have a terminal: the master is on the loop, in both directions.
func TestSubprocessOnATerminal(t *testing.T) {
	l := childLoop(t)
	master, slave := openPty(t)
	in, out := dup(t, master), master
	cfg := subprocess.Config{Stdin: subprocess.File(slave), Stdout: subprocess.File(slave), Stderr: subprocess.ToStdout}
	_, reader := readPipe(t, l, out)
	writer, _ := writePipe(t, l, in)
	_, o := shell(t, l, cfg, "test -t 0 && test -t 1 && test -t 2 && exec cat")
	must(t, slave.Close())
	must(t, writer.Write([]byte("to and fro\n")))
	reader.receives("to and fro\n")
	must(t, o.tr.Kill())
	o.ends(-int(unix.SIGKILL))
	must(t, reader.ends())
	reader.saw("made data eof lost")
	must(t, writer.Abort())
}

// If the loop gets no pidfd, a goroutine waits for the child. Here the caller takes the descriptor
// of the process.
func TestSubprocessWithoutPidfd(t *testing.T) {
	var pidfd int
	cfg := subprocess.Config{Setup: func(cmd *exec.Cmd) error {
		cmd.SysProcAttr = &syscall.SysProcAttr{PidFD: &pidfd}
		return nil
	}}
	l := childLoop(t)
	tr, o := shell(t, l, cfg, "cat; exit 3")
	must(t, unix.PidfdSendSignal(pidfd, 0, nil, 0))
	must(t, tr.Pipe(0).Write([]byte("text")))
	o.receives(1, "text")
	must(t, tr.Pipe(0).Close())
	o.ends(3)
	must(t, unix.Close(pidfd))

	_, o = shell(t, l, cfg, "cat") // the caller's is not closed
	must(t, l.Close())             // nor does the end of the loop lose the child
	o.saw("made", "exited", "lost")
	o.ends(-int(syscall.SIGKILL))
	must(t, unix.Close(pidfd))
}
