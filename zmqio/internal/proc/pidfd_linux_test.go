package proc

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"github.com/zmqio/zmq/zmqio/internal/testkit"
)

var must = testkit.Must

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	must(t, err)
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

func TestPidfd(t *testing.T) {
	must(t, CheckPidfd())
	r, w := pipe(t)
	child, err := os.StartProcess("/bin/sh", []string{"sh", "-c", "read x; exit 3"}, &os.ProcAttr{Files: []*os.File{r}})
	must(t, err)
	p, err := OpenPidfd(child.Pid)
	must(t, err)
	defer p.Close()
	if ended, err := p.Ended(); ended || err != nil {
		t.Errorf("alive: %t, %v", ended, err)
	}
	waited := make(chan error)
	go func() { waited <- p.Wait() }()
	must(t, w.Close())
	must(t, <-waited)
	if ended, err := p.Ended(); !ended || err != nil {
		t.Errorf("dead: %t, %v", ended, err)
	}
	state, err := child.Wait() // Ended has not reaped the child
	must(t, err)
	if state.ExitCode() != 3 {
		t.Errorf("exit code %d", state.ExitCode())
	}
	must(t, p.Wait())
	if ended, err := p.Ended(); ended || !errors.Is(err, syscall.ECHILD) {
		t.Errorf("reaped: %t, %v", ended, err)
	}
	if _, err := OpenPidfd(child.Pid); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("opened after it was reaped: %v", err)
	}
}

func TestPidfdCloseEndsWait(t *testing.T) {
	r, w := pipe(t)
	child, err := os.StartProcess("/bin/sh", []string{"sh", "-c", "read x"}, &os.ProcAttr{Files: []*os.File{r}})
	must(t, err)
	p, err := OpenPidfd(child.Pid)
	must(t, err)
	waited := make(chan error)
	go func() { waited <- p.Wait() }()
	must(t, p.Close())
	if <-waited == nil {
		t.Error("Wait says that the child has ended")
	}
	if ended, err := p.Ended(); ended || err == nil {
		t.Errorf("Ended after Close: %t, %v", ended, err)
	}
	must(t, w.Close())
	_, err = child.Wait()
	must(t, err)
}
