package zmqio

import (
	"errors"
	"strconv"
	"strings"
)

// An OpError is the error of an operation of a Transport, as net.OpError is that of a
// connection. It wraps one of the Err variables, or the *os.SyscallError of a call of libzmq.
// errors.Is and errors.As see through it.
type OpError struct {
	// Op is the operation: "bind", "connect", "unbind", "disconnect", "resolve", "write" or
	// "monitor".
	Op string
	// Endpoint is the endpoint that the caller gave. It is empty for an operation without one.
	Endpoint string
	// Err is the cause.
	Err error
}

// Error returns the operation, the endpoint in quotes and the text of Err.
func (e *OpError) Error() string {
	s := e.Op
	if e.Op != "write" && e.Op != "monitor" { // the caller's endpoint is quoted, even an empty one
		s += " " + strconv.Quote(e.Endpoint)
	}
	return s + ": " + e.Err.Error()
}

// Unwrap returns Err.
func (e *OpError) Unwrap() error { return e.Err }

// Timeout reports whether the operation took too long: ETIMEDOUT, EAGAIN and others, as Timeout
// of zmq.Errno says.
func (e *OpError) Timeout() bool {
	var t interface{ Timeout() bool }
	return errors.As(e.Err, &t) && t.Timeout()
}

// Temporary reports whether the same operation may succeed later. A full write buffer is
// temporary, and so are the error numbers for which Temporary of zmq.Errno says so.
func (e *OpError) Temporary() bool {
	var t interface{ Temporary() bool }
	return errors.Is(e.Err, ErrBufferFull) || errors.As(e.Err, &t) && t.Temporary()
}

// opError returns the OpError of a libzmq call with an endpoint.
func opError(call, endpoint string, err error) error {
	return &OpError{Op: strings.TrimPrefix(call, "zmq_"), Endpoint: endpoint, Err: err}
}
