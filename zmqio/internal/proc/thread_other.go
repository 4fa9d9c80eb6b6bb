//go:build !linux

package proc

import (
	"errors"
	"os"
)

// SchedBatch is no policy on this system: only Linux has it.
const SchedBatch = -1

// IsRealtime returns false.
func IsRealtime(policy int) bool { return false }

// PlaceThread returns errors.ErrUnsupported.
func PlaceThread([]int) (restore func(), err error) { return nil, unsupported("sched_setaffinity") }

// TryAffinity returns errors.ErrUnsupported.
func TryAffinity([]int) error { return unsupported("sched_setaffinity") }

// TryScheduler returns nil: libzmq's own thread meets the error.
func TryScheduler(policy, priority int) error { return nil }

// TryNice returns nil: libzmq's own thread meets the error.
func TryNice(nice int) error { return nil }

func unsupported(call string) error { return os.NewSyscallError(call, errors.ErrUnsupported) }
