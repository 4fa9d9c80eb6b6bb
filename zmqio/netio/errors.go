package netio

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/zmqio/zmq/zmqio"
)

// These errors are netio's own. They come inside a *net.OpError, or for a pipe inside an
// *os.PathError. Compare with errors.Is. Other errors are those of package zmqio, of package
// net and of the system.
var (
	// ErrWriteEOF refuses to write after WriteEOF.
	ErrWriteEOF = errors.New("netio: write after WriteEOF")
	// ErrSendFile refuses to write while SendFile is in progress.
	ErrSendFile = errors.New("netio: SendFile is in progress")
	// ErrServerClosed is the error of a server after Close. It is also net.ErrClosed.
	ErrServerClosed error = &sentinel{"netio: server is closed", net.ErrClosed}
)

// A sentinel is an error with its own text that wraps another error.
type sentinel struct {
	text string
	also error
}

func (e *sentinel) Error() string { return e.text }
func (e *sentinel) Unwrap() error { return e.also }

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{zmqio.ErrInvalidArgument}, args...)...)
}

// refused returns err, a variable of package zmqio, with the call that it refuses.
func refused(call string, err error) error { return fmt.Errorf("netio.%s: %w", call, err) }

// opError returns the error of an operation of t in the form of package net, or for a pipe in that
// of package os.
func (t *socket) opError(op string, err error) error {
	if t.pipe != nil {
		return &os.PathError{Op: op, Path: t.pipe.name, Err: err}
	}
	return &net.OpError{Op: op, Net: t.local.Network(), Source: t.local, Addr: t.remote, Err: err}
}

func (t *socket) errClosed(op string) error { return t.opError(op, zmqio.ErrTransportClosed) }

// syscallError returns the *os.SyscallError of a call, or nil if err is nil.
func syscallError(call string, err error) error { return os.NewSyscallError(call, err) }
