package zmqio

import (
	"errors"
	"fmt"
	"os"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/proc"
	"github.com/zmqio/zmq/zmqio/internal/sock"
)

// checkPlacement returns the kernel's error for a thread on c.CPUs or with SchedBatch. libzmq would
// end the process when it starts its first thread.
func (c LoopConfig) checkPlacement() error {
	for _, cpu := range c.CPUs { // one by one, because the kernel ignores those that it lacks
		if err := proc.TryAffinity([]int{cpu}); err != nil {
			return invalid("LoopConfig.CPUs is %d: processor %d: %w", c.CPUs, cpu, err)
		}
	}
	if c.SchedBatch {
		if err := proc.TryScheduler(proc.SchedBatch, 0); err != nil {
			return invalid("LoopConfig.SchedBatch: %w", err)
		}
	}
	return nil
}

// place sets the options of the loop's own context for libzmq's I/O threads.
func (c LoopConfig) place(opts zmq.Contextopts) error {
	for _, cpu := range c.CPUs {
		if err := opts.SetThreadAffinityCPUAdd(cpu); err != nil {
			return fmt.Errorf("LoopConfig.CPUs is %d: %w", c.CPUs, err)
		}
	}
	if c.SchedBatch {
		if err := opts.SetThreadSchedPolicy(proc.SchedBatch); err != nil {
			return fmt.Errorf("LoopConfig.SchedBatch: %w", err)
		}
	}
	return nil
}

// enterRun places the loop goroutine's thread when a run begins, and leave undoes it.
func (c LoopConfig) enterRun() (leave func(), err error) {
	if len(c.CPUs) == 0 {
		return func() {}, nil
	}
	return proc.PlaceThread(c.CPUs)
}

// checkThreadOption returns the kernel's error for an option of I/O threads. libzmq accepts any
// value, and ends the process when it starts the first thread.
func (r rawContext) checkThreadOption(opt zmq.ContextOption, value int) error {
	err := r.tryThreadOption(opt, value)
	var failed *os.SyscallError
	if errors.As(err, &failed) { // converts to the errors of package zmq
		return zmq.Translate(failed.Syscall, failed.Err)
	}
	return err
}

// tryThreadOption is checkThreadOption with the errors of package syscall.
func (r rawContext) tryThreadOption(opt zmq.ContextOption, value int) error {
	switch {
	case value < 0: // libzmq refuses it itself
	case opt == zmq.THREAD_AFFINITY_CPU_ADD:
		return proc.TryAffinity([]int{value})
	case opt == zmq.THREAD_SCHED_POLICY && proc.IsRealtime(value):
		return proc.TryScheduler(value, 1)
	case opt == zmq.THREAD_SCHED_POLICY:
		return proc.TryScheduler(value, 0)
	case opt == zmq.THREAD_PRIORITY:
		// Releases that cannot read the policy return an error.
		if policy, err := sock.GetContext(r.ctx, int(zmq.THREAD_SCHED_POLICY)); err == nil && proc.IsRealtime(policy) {
			return proc.TryScheduler(policy, value)
		}
		return proc.TryNice(libzmqNice)
	}
	return nil
}

// libzmqNice is the nice value that libzmq sets for any THREAD_PRIORITY, unless the policy is a
// real-time one.
const libzmqNice = -20
