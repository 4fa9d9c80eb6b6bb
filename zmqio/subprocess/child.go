package subprocess

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// A child is a process that has started and has no transport yet.
type child struct {
	cmd    *exec.Cmd
	pidfd  int         // of the process; -1: none
	ours   [3]*os.File // this process's ends of the pipes; nil: no pipe
	theirs [3]*os.File // the child's files; nil: /dev/null
	lent   []*os.File  // files of theirs that this process closes after the start
}

// start starts cmd. After an error no descriptor and no child is left.
func start(cmd *exec.Cmd, cfg Config) (*child, error) {
	c := &child{cmd: cmd, pidfd: -1}
	started := false
	defer func() { // runs even if Setup panics
		closeAll(c.lent)
		switch {
		case started:
		case cmd.Process != nil: // Setup has started the child
			c.abandon()
		default:
			closeAll(c.ours[:])
		}
	}()
	for fd, s := range [...]Stdio{cfg.Stdin, cfg.Stdout, cfg.Stderr} {
		if s == nil {
			s = Pipe
		}
		var err error
		if c.theirs[fd], err = s.open(c, fd); err != nil {
			return nil, err
		}
	}
	if err := c.setUp(cfg.Setup); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	started = true
	return c, nil
}

// pipe makes a pipe and returns the child's end.
func (c *child) pipe(fd int) (theirs *os.File, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	theirs, c.ours[fd] = r, w
	if fd != 0 {
		theirs, c.ours[fd] = w, r
	}
	c.lent = append(c.lent, theirs)
	return theirs, nil
}

// setUp prepares the command, and then calls setup.
func (c *child) setUp(setup func(*exec.Cmd) error) error {
	var in io.Reader
	if c.theirs[0] != nil {
		in = c.theirs[0]
	}
	var out, errs io.Writer
	if c.theirs[1] != nil {
		out = c.theirs[1]
	}
	if c.theirs[2] != nil {
		errs = c.theirs[2]
	}
	cmd := c.cmd
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, errs
	if setup != nil {
		if err := setup(cmd); err != nil {
			return fmt.Errorf("subprocess: Config.Setup: %w", err)
		}
	}
	switch {
	case cmd.Stdin != in:
		return invalid("Config.Setup has changed Stdin; set Config.Stdin instead")
	case cmd.Stdout != out:
		return invalid("Config.Setup has changed Stdout; set Config.Stdout instead")
	case cmd.Stderr != errs:
		return invalid("Config.Setup has changed Stderr; set Config.Stderr instead")
	case cmd.Process != nil:
		return invalid("Config.Setup has started the command")
	}
	var attr syscall.SysProcAttr // a copy: the caller's may serve several children
	if cmd.SysProcAttr != nil {
		attr = *cmd.SysProcAttr
	}
	c.askForPidfd(&attr)
	cmd.SysProcAttr = &attr
	return nil
}

// abandon kills and reaps a child that gets no transport.
func (c *child) abandon() {
	closeAll(c.ours[:])
	c.closePidfd()
	_ = c.cmd.Process.Kill()
	go func() {
		_, _ = c.cmd.Process.Wait()
		_ = c.cmd.Process.Release() // needed if it was reaped elsewhere
	}()
}

func (c *child) closePidfd() {
	if c.pidfd >= 0 {
		_ = syscall.Close(c.pidfd)
		c.pidfd = -1
	}
}

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
}
