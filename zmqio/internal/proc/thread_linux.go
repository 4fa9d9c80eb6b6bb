package proc

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// SchedBatch is the kernel's scheduling policy for threads that do not preempt others.
const SchedBatch = unix.SCHED_BATCH

// IsRealtime reports whether threads of a scheduling policy have a static priority.
func IsRealtime(policy int) bool { return policy == unix.SCHED_FIFO || policy == unix.SCHED_RR }

// maxCPU is the highest number in a unix.CPUSet, and in libzmq's cpu_set_t.
const maxCPU = 1023

// PlaceThread locks the calling goroutine to its thread, and limits the thread to cpus. restore
// undoes both, and must be called on the same goroutine. The error is EINVAL if the process may use
// none of cpus.
func PlaceThread(cpus []int) (restore func(), err error) {
	runtime.LockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		runtime.UnlockOSThread()
		return nil, os.NewSyscallError("sched_getaffinity", err)
	}
	if err := setAffinity(cpus); err != nil {
		runtime.UnlockOSThread()
		return nil, err
	}
	return func() {
		if unix.SchedSetaffinity(0, &before) == nil {
			runtime.UnlockOSThread() // else the thread ends with its goroutine
		}
	}, nil
}

func setAffinity(cpus []int) error {
	var set unix.CPUSet
	for _, cpu := range cpus {
		if cpu < 0 || cpu > maxCPU {
			return os.NewSyscallError("sched_setaffinity", unix.EINVAL)
		}
		set.Set(cpu)
	}
	return os.NewSyscallError("sched_setaffinity", unix.SchedSetaffinity(0, &set))
}

// TryAffinity returns the error that a thread gets when it limits itself to cpus.
func TryAffinity(cpus []int) error {
	return onScratchThread(func() error { return setAffinity(cpus) })
}

// TryScheduler returns the error that a thread gets when it sets a scheduling policy and a static
// priority.
func TryScheduler(policy, priority int) error {
	return onScratchThread(func() error {
		attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: uint32(policy), Priority: uint32(priority)}
		return os.NewSyscallError("sched_setscheduler", unix.SchedSetAttr(0, &attr, 0))
	})
}

// TryNice returns the error that a thread gets when it sets its nice value.
func TryNice(nice int) error {
	return onScratchThread(func() error {
		return os.NewSyscallError("setpriority", unix.Setpriority(unix.PRIO_PROCESS, 0, nice))
	})
}

// onScratchThread calls fn on a new thread, which ends after the call.
func onScratchThread(fn func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // stays locked, so that the thread ends with the goroutine
		result <- fn()
	}()
	return <-result
}
