package errors_test

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/subprocess"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

func parent() *subprocess.BaseProtocol { return new(subprocess.BaseProtocol) }

// executes returns the provocation of a child that cannot be started.
func executes(cfg subprocess.Config, name string) func(t *testing.T) error {
	return func(t *testing.T) error {
		_, _, err := subprocess.Exec(bounded(t), zmqiotest.RunLoop(t, nil), parent, cfg, name)
		return err
	}
}

var subprocessCases = []provocation{
	{"Exec, nil context", zmqio.ErrInvalidArgument, says{"Exec"}, func(t *testing.T) error {
		_, _, err := subprocess.Exec(noContext, zmqiotest.NewLoop(t, nil), parent, subprocess.Config{}, "true")
		return err
	}},
	{"Exec, nil loop", zmqio.ErrInvalidArgument, says{"Exec"}, func(*testing.T) error {
		_, _, err := subprocess.Exec(context.Background(), nil, parent, subprocess.Config{}, "true")
		return err
	}},
	{"Exec, nil factory", zmqio.ErrInvalidArgument, says{"Exec"}, func(t *testing.T) error {
		_, _, err := subprocess.Exec[subprocess.Protocol](context.Background(), zmqiotest.NewLoop(t, nil), nil, subprocess.Config{}, "true")
		return err
	}},
	{"Exec, closed loop", zmqio.ErrLoopClosed, nil, func(t *testing.T) error {
		_, _, err := subprocess.Exec(bounded(t), closedLoop(t), parent, subprocess.Config{}, "true")
		return err
	}},
	{"Exec, no such program", exec.ErrNotFound, says{`"no-such-program"`}, executes(subprocess.Config{}, "no-such-program")},
	{"Exec, path that is not there", fs.ErrNotExist, says{"/no/such/program"}, executes(subprocess.Config{}, "/no/such/program")},
	{"Exec, no program", fs.ErrPermission, says{"errors_test.go"}, executes(subprocess.Config{}, "./errors_test.go")},
	{"Config, unknown mode", zmqio.ErrInvalidArgument, says{"Stdin", "9"}, executes(subprocess.Config{Stdin: subprocess.Mode(9)}, "true")},
	{"Config, ToStdout for Stdin", zmqio.ErrInvalidArgument, says{"Stdin", "ToStdout"}, executes(subprocess.Config{Stdin: subprocess.ToStdout}, "true")},
	{"Config, nil file", zmqio.ErrInvalidArgument, says{"Stdout", "file"}, executes(subprocess.Config{Stdout: subprocess.File(nil)}, "true")},
	{"Config, Setup fails", errBoom, says{"Setup"}, executes(subprocess.Config{Setup: func(*exec.Cmd) error { return errBoom }}, "true")},
	{"Config, Setup changes a stream", zmqio.ErrInvalidArgument, says{"Setup", "Stdin"}, executes(subprocess.Config{Setup: func(c *exec.Cmd) error {
		c.Stdin = strings.NewReader("x")
		return nil
	}}, "true")},
	{"Wait, nil context", zmqio.ErrInvalidArgument, says{"Wait"}, func(t *testing.T) error {
		_, err := child(t).Wait(noContext)
		return err
	}},
	{"Wait, ended context", context.Canceled, nil, func(t *testing.T) error {
		_, err := child(t).Wait(ended())
		return err
	}},
	{"Wait, loop's own goroutine", zmqio.ErrWouldDeadlock, nil, func(t *testing.T) error {
		c := child(t)
		return onLoop(t, c.Loop(), func() error {
			_, err := c.Wait(context.Background())
			return err
		})
	}},
	{"Signal, child that has exited", os.ErrProcessDone, nil, func(t *testing.T) error {
		c := child(t)
		zmqiotest.Must(t, c.Kill())
		_, err := c.Wait(bounded(t))
		zmqiotest.Must(t, err)
		return c.Signal(syscall.SIGTERM)
	}},
}

// child returns a child that reads until the test ends.
func child(t *testing.T) *subprocess.Transport {
	t.Helper()
	c, _, err := subprocess.Exec(bounded(t), zmqiotest.RunLoop(t, nil), parent, subprocess.Config{}, "cat")
	zmqiotest.Must(t, err)
	t.Cleanup(func() {
		_ = c.Abort()
		<-c.Closed()
	})
	return c
}
