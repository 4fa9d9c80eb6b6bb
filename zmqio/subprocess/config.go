package subprocess

import (
	"fmt"
	"os"
	"os/exec"

	"github.com/zmqio/zmq/zmqio"
)

// A Config configures a child. The zero value gives it three pipes.
type Config struct {
	// Stdin, Stdout and Stderr are the child's standard streams; nil means Pipe.
	//
	// asyncio: stdin, stdout, stderr
	Stdin, Stdout, Stderr Stdio
	// Setup, if not nil, is called before the child is started, on the caller's goroutine. It
	// may set the working directory, the environment, more files and system attributes. It must
	// not start the command or change its standard streams. If Setup returns an error, the
	// child is not started.
	//
	// asyncio: the other keyword arguments, which are those of subprocess.Popen
	Setup func(cmd *exec.Cmd) error
}

// A Stdio is a standard stream of a child: Pipe, Null, Inherit, ToStdout or a File.
type Stdio interface {
	// open returns the child's file for its descriptor fd. nil is /dev/null.
	open(c *child, fd int) (*os.File, error)
}

// streams names the standard streams.
var streams = [...]string{"Stdin", "Stdout", "Stderr"}

// A Mode is a Stdio that is not a file of the caller's.
type Mode int

// The modes are those of subprocess.Popen.
const (
	// Pipe is a pipe to the loop: see Transport.Pipe.
	//
	// asyncio: PIPE
	Pipe Mode = iota
	// Null is /dev/null.
	//
	// asyncio: DEVNULL
	Null
	// Inherit is the same stream of this process.
	//
	// asyncio: None
	Inherit
	// ToStdout, for Stderr, is what Stdout is.
	//
	// asyncio: STDOUT
	ToStdout
)

func (m Mode) open(c *child, fd int) (*os.File, error) {
	switch {
	case m == Pipe:
		return c.pipe(fd)
	case m == Null:
		return nil, nil
	case m == Inherit:
		return [...]*os.File{os.Stdin, os.Stdout, os.Stderr}[fd], nil
	case m == ToStdout && fd == 2:
		return c.theirs[1], nil
	}
	if m == ToStdout {
		return nil, invalid("Config.%s cannot be ToStdout, which is for Stderr", streams[fd])
	}
	return nil, invalid("Config.%s cannot be mode %d", streams[fd], m)
}

// File makes the child use f. f stays open and the caller's.
func File(f *os.File) Stdio { return file{f} }

type file struct{ f *os.File }

func (s file) open(_ *child, fd int) (*os.File, error) {
	if s.f == nil {
		return nil, invalid("Config.%s is a nil file", streams[fd])
	}
	if _, err := s.f.Stat(); err != nil { // f is closed: the child would lack the descriptor
		return nil, err
	}
	return s.f, nil
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: subprocess."+format, append([]any{zmqio.ErrInvalidArgument}, args...)...)
}
