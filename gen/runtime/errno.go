package zmq

import (
	"fmt"
	"slices"
	"syscall"

	"github.com/pebbe/zmq4"
)

// An Errno is an error number of libzmq: one of its own, or one of the system's. The numbers
// are those of the platform for which the program is built.
//
// Every error of a libzmq call holds an Errno, which errors.As finds. errors.Is is true for:
//   - the constant, and the syscall.Errno of the same number;
//   - the standard library's error of that class, fs.ErrPermission for example;
//   - the class of PEP 3151, one of the Err variables of this package.
type Errno int

type errnoEntry struct {
	errno      Errno
	name, text string
	is         []*error // pointers are data that the linker lays out
}

func (e Errno) entry() *errnoEntry {
	i := slices.IndexFunc(errnoTable, func(entry errnoEntry) bool { return entry.errno == e })
	if i < 0 {
		return nil
	}
	return &errnoTable[i]
}

// Errnos returns every error number of the spec.
func Errnos() []Errno {
	list := make([]Errno, len(errnoTable))
	for i, e := range errnoTable {
		list[i] = e.errno
	}
	return list
}

// Name returns the name of the constant, as in "EAGAIN", and "Errno(n)" for a number
// that the spec does not have.
func (e Errno) Name() string {
	if entry := e.entry(); entry != nil {
		return entry.name
	}
	return fmt.Sprintf("Errno(%d)", int(e))
}

// Error returns the text of zmq_strerror.
func (e Errno) Error() string {
	if entry := e.entry(); entry != nil {
		return entry.text
	}
	return zmq4.Error(int(e))
}

// Is makes errors.Is hold for the same number in another package's type and for the
// classes of the number.
func (e Errno) Is(target error) bool {
	switch t := target.(type) {
	case syscall.Errno:
		return int(t) == int(e)
	case zmq4.Errno:
		return int(t) == int(e)
	}
	entry := e.entry()
	return entry != nil && slices.ContainsFunc(entry.is, func(is *error) bool { return *is == target })
}

// As makes errors.As give the number as a syscall.Errno or a zmq4.Errno too.
func (e Errno) As(target any) bool {
	switch t := target.(type) {
	case *syscall.Errno:
		*t = syscall.Errno(e)
	case *zmq4.Errno:
		*t = zmq4.Errno(e)
	default:
		return false
	}
	return true
}

// Timeout reports whether the error is a timeout, EAGAIN or ETIMEDOUT, for os.IsTimeout and
// net.Error.
func (e Errno) Timeout() bool { return syscall.Errno(e).Timeout() }

// Temporary reports whether a second try may succeed, as that of syscall.Errno does.
func (e Errno) Temporary() bool { return syscall.Errno(e).Temporary() }
