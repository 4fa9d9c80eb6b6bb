package subprocess

import (
	"fmt"
	"os"
	"os/exec"

	"github.com/zmqio/zmq/zmqio"
)

// A Config says what a child is made of. The zero value gives it three pipes.
type Config struct {
	// Stdin, Stdout and Stderr are the child's standard streams; nil is Pipe.
	Stdin, Stdout, Stderr Stdio
	// Setup, if not nil, is called before the child is started, on the goroutine that called
	// Exec or Shell. It may set the working directory, the environment, more files and system
	// attributes. It must not start the command nor change its standard streams. The child is
	// not started if Setup returns an error.
	//
	// asyncio: the other keyword arguments, which are those of subprocess.Popen
	Setup func(cmd *exec.Cmd) error
}

// A Stdio is what a standard stream of a child is: Pipe, Null, Inherit, ToStdout or a File.
type Stdio interface {
	// open returns the child's end for its descriptor fd; nil is /dev/null.
	open(c *child, fd int) (*os.File, error)
}

// streams names the standard streams.
var streams = [...]string{"Stdin", "Stdout", "Stderr"}

// A Mode is a Stdio that is not a file of the caller's.
type Mode int

// The modes are those of subprocess.Popen.
const (
	Pipe     Mode = iota // a pipe to the loop: see Transport.Pipe. asyncio: PIPE
	Null                 // /dev/null. asyncio: DEVNULL
	Inherit              // that of this process. asyncio: None
	ToStdout             // for Stderr: what Stdout is. asyncio: STDOUT
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

// File has the child use f, which stays the caller's.
func File(f *os.File) Stdio { return file{f} }

type file struct{ f *os.File }

func (s file) open(_ *child, fd int) (*os.File, error) {
	if s.f == nil {
		return nil, invalid("Config.%s is a nil file", streams[fd])
	}
	if _, err := s.f.Stat(); err != nil { // closed: the child would have no such descriptor
		return nil, err
	}
	return s.f, nil
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: subprocess."+format, append([]any{zmqio.ErrInvalidArgument}, args...)...)
}
