package proc

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// SchedBatch is the system's scheduling policy for threads that do not preempt others.
const SchedBatch = unix.SCHED_BATCH

// IsRealtime reports whether threads of a scheduling policy have a static priority.
func IsRealtime(policy int) bool { return policy == unix.SCHED_FIFO || policy == unix.SCHED_RR }

// maxCPU is what a unix.CPUSet, and libzmq's cpu_set_t, can hold.
const maxCPU = 1023

// PlaceThread keeps the calling goroutine on its thread, and that thread on cpus, until
// restore is called on the same goroutine. The error is EINVAL where the process may use
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

// TryAffinity returns the error that a thread would get that is to run on cpus.
func TryAffinity(cpus []int) error {
	return onScratchThread(func() error { return setAffinity(cpus) })
}

// TryScheduler returns the error that a thread would get that is to have a scheduling
// policy, with a static priority.
func TryScheduler(policy, priority int) error {
	return onScratchThread(func() error {
		attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: uint32(policy), Priority: uint32(priority)}
		return os.NewSyscallError("sched_setscheduler", unix.SchedSetAttr(0, &attr, 0))
	})
}

// TryNice returns the error that a thread would get that is to have a nice value.
func TryNice(nice int) error {
	return onScratchThread(func() error {
		return os.NewSyscallError("setpriority", unix.Setpriority(unix.PRIO_PROCESS, 0, nice))
	})
}

// onScratchThread calls fn on a thread that ends afterwards.
func onScratchThread(fn func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // and not unlocked: the thread ends with the goroutine
		result <- fn()
	}()
	return <-result
}
