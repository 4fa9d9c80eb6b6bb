package zmq

import (
	"fmt"
	"slices"
	"syscall"

	"github.com/pebbe/zmq4"
)

// An Errno is an error number of libzmq: one of its own, or one of the system's. The
// numbers are those of the platform the program is built for.
//
// It is what every error of a libzmq call comes down to: errors.As finds it. errors.Is holds
// for the constant and for the syscall.Errno of the same number. It also holds for the
// standard sentinel of the number's class, and for the class that PEP 3151 gives the number in
// Python.
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

// Timeout reports what os.IsTimeout and net.Error ask, as syscall.Errno does: EAGAIN and
// ETIMEDOUT are timeouts.
func (e Errno) Timeout() bool { return syscall.Errno(e).Timeout() }

// Temporary reports whether trying again may help, as syscall.Errno does.
func (e Errno) Temporary() bool { return syscall.Errno(e).Temporary() }
