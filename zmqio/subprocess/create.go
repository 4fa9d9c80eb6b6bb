package subprocess

import (
	"context"
	"fmt"
	"os/exec"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
)

// Exec starts the program name with args, as exec.Command does, and makes a transport of the
// child, with the protocol that factory returns.
//
// The calling goroutine starts the program. Then the loop calls factory and ConnectionMade, and
// Exec returns. If it fails before, it makes no protocol. Exec waits for the loop, and ctx
// bounds that wait alone: the end of ctx does not end a child that Exec has returned. While no
// goroutine runs the loop, the calling goroutine works in its place. On the loop goroutine Exec
// holds up the loop while the program is started.
//
// Errors, after which a child that was started is killed:
//   - zmqio.ErrInvalidArgument: an argument is nil, or cfg has a value that it cannot have.
//   - zmqio.ErrLoopClosed: the loop is closed.
//   - The cause of ctx: ctx ended first.
//   - Those of Setup, os.Pipe and exec.Cmd.Start.
//   - A *zmqio.PanicError of factory.
//
// asyncio: subprocess_exec
func Exec[P Protocol](ctx context.Context, l *zmqio.EventLoop, factory func() P, cfg Config, name string, args ...string) (*Transport, P, error) {
	return typed(factory, func(factory func() Protocol) (*Transport, error) {
		return run(ctx, l, factory, cfg, exec.Command(name, args...))
	})
}

// Shell is Exec for a command that /bin/sh interprets. $1 in command is the first of args, and
// so on. args need no quoting.
//
// asyncio: subprocess_shell
func Shell[P Protocol](ctx context.Context, l *zmqio.EventLoop, factory func() P, cfg Config, command string, args ...string) (*Transport, P, error) {
	return Exec(ctx, l, factory, cfg, "/bin/sh", append([]string{"-c", command, "sh"}, args...)...)
}

// typed calls create with factory as a factory of Protocol, and returns the protocol with its own
// type.
func typed[P Protocol](factory func() P, create func(func() Protocol) (*Transport, error)) (*Transport, P, error) {
	var zero P
	var general func() Protocol
	p := new(P)
	if factory != nil {
		general = func() Protocol {
			*p = factory()
			return *p
		}
	}
	t, err := create(general)
	if err != nil {
		return nil, zero, err // p may still be in use
	}
	return t, *p, nil
}

func run(ctx context.Context, l *zmqio.EventLoop, factory func() Protocol, cfg Config, cmd *exec.Cmd) (t *Transport, err error) {
	switch {
	case ctx == nil:
		return nil, invalid("Exec: nil context")
	case l == nil:
		return nil, invalid("Exec: nil event loop")
	case factory == nil:
		return nil, invalid("Exec: nil protocol factory")
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case l.IsClosed():
		return nil, fmt.Errorf("subprocess.Exec: %w", zmqio.ErrLoopClosed)
	}
	c, err := start(cmd, cfg)
	if err != nil {
		return nil, err
	}
	taken := false
	err = l.Do(ctx, func() error {
		taken = true
		var err error
		t, err = c.create(l, factory)
		return err
	})
	if !taken {
		c.abandon()
	}
	return t, err
}

// create makes the transport of the child and calls ConnectionMade. After an error it kills the
// child. Loop goroutine only.
func (c *child) create(l *zmqio.EventLoop, factory func() Protocol) (*Transport, error) {
	t := &Transport{loop: l, child: c, pid: c.cmd.Process.Pid, exited: make(chan struct{})}
	made := false
	defer func() { // runs even after runtime.Goexit
		if !made {
			t.eachPipe((*netio.Transport).Abort)
			c.abandon()
		}
	}()
	p, err := produce(l, factory)
	if err != nil {
		return nil, err
	}
	t.SetProtocol(p)
	for fd, f := range c.ours {
		if f == nil {
			continue
		}
		connect := netio.ConnectReadPipe[*pipe]
		if fd == 0 {
			connect = netio.ConnectWritePipe[*pipe]
		}
		factory := func() *pipe { return &pipe{t: t, fd: fd} }
		if t.pipes[fd], _, err = connect(context.Background(), l, factory, f); err != nil {
			return nil, err
		}
		t.open++
	}
	if t.residence, err = l.Adopt(t); err != nil { // from here on the transport can be ended
		return nil, err
	}
	made = true
	returned := false
	defer func() {
		t.await()
		if !returned { // runtime.Goexit was called
			_ = t.Abort()
		}
	}()
	t.callback("ConnectionMade", p, func() { p.ConnectionMade(t) })
	returned = true
	return t, nil
}

// produce calls factory. A panic goes to the exception handler, and produce returns it as the
// error.
func produce(l *zmqio.EventLoop, factory func() Protocol) (p Protocol, err error) {
	defer func() {
		if v := recover(); v != nil {
			p := zmqio.NewPanicError(v)
			err = p
			l.CallExceptionHandler(zmqio.ExceptionContext{Message: "protocol factory panicked", Err: p, Stack: p.Stack})
		}
	}()
	if p = factory(); isNil(p) {
		return nil, invalid("Exec: the protocol factory returned a nil %T", p)
	}
	return p, nil
}
