package zmqio

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/pebbe/zmq4"
	"golang.org/x/sys/unix"

	"github.com/zmqio/zmq"
)

// ioThreads returns the numbers of libzmq's I/O threads.
func ioThreads(t *testing.T) (tids []int) {
	t.Helper()
	names, err := filepath.Glob("/proc/self/task/*/comm")
	must(t, err)
	for _, name := range names {
		comm, err := os.ReadFile(name)
		if err == nil && strings.Contains(string(comm), "/IO/") {
			tid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			must(t, err)
			tids = append(tids, tid)
		}
	}
	return tids
}

// cpusOf returns the processors that a thread may use. tid 0 is the calling thread.
func cpusOf(t *testing.T, tid int) (set unix.CPUSet) {
	t.Helper()
	must(t, unix.SchedGetaffinity(tid, &set))
	return set
}

// lastCPU returns the last processor that the process may use.
func lastCPU(t *testing.T) (cpu int) {
	t.Helper()
	set := cpusOf(t, 0)
	for i := range 1024 {
		if set.IsSet(i) {
			cpu = i
		}
	}
	return cpu
}

// The loop's thread is bound to its processor during a run, and free after it. libzmq's threads are
// on the same processor, with the configured policy.
func TestPlacement(t *testing.T) {
	leakCheck(t)
	if len(ioThreads(t)) > 0 {
		t.Skip("threads of other tests have not ended")
	}
	cpu, before := lastCPU(t), cpusOf(t, 0)
	l, err := NewEventLoop(&LoopConfig{CPUs: []int{cpu}, SchedBatch: true})
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	must(t, err)
	defer func() { must(t, l.Close()) }()
	create(t, l, BaseProtocol{}, zmq.PUSH, bindTo(anyPort))
	var want unix.CPUSet
	want.Set(cpu)
	runs := 0
	for range 2 {
		soon(t, l, func() {
			runs++
			if got := cpusOf(t, 0); got != want {
				t.Errorf("run %d: the loop may run on %v", runs, got)
			}
		})
		pass(t, l)
	}
	if got := cpusOf(t, 0); runs != 2 || got != before {
		t.Errorf("after %d runs the thread may run on %v, and before on %v", runs, got, before)
	}
	tids := ioThreads(t)
	for ctx := bounded(t); len(tids) == 0 && ctx.Err() == nil; tids = ioThreads(t) {
		runtime.Gosched() // libzmq's thread sets its name after its placement
	}
	if len(tids) != 1 {
		t.Fatalf("%d I/O threads", len(tids))
	}
	attr, err := unix.SchedGetAttr(tids[0], 0)
	must(t, err)
	if got := cpusOf(t, tids[0]); got != want || attr.Policy != unix.SCHED_BATCH {
		t.Errorf("libzmq's thread may run on %v, with policy %d", got, attr.Policy)
	}
}

// Several loops run on processors of their own at the same time. A loop without CPUs runs where the
// process may, also beside them.
func TestPlacementOfSeveralLoops(t *testing.T) {
	leakCheck(t)
	free, last := cpusOf(t, 0), lastCPU(t)
	first := 0
	for !free.IsSet(first) {
		first++
	}
	only := func(cpu int) (set unix.CPUSet) {
		set.Set(cpu)
		return set
	}
	configured := []struct {
		cpus []int
		want unix.CPUSet
	}{{[]int{first}, only(first)}, {nil, free}, {[]int{last}, only(last)}, {[]int{}, free}, {[]int{last, last}, only(last)}}
	var inside, over sync.WaitGroup
	inside.Add(len(configured))
	for _, c := range configured {
		l, err := NewEventLoop(&LoopConfig{CPUs: c.cpus})
		if errors.Is(err, errors.ErrUnsupported) {
			t.Skip(err)
		}
		must(t, err)
		soon(t, l, func() {
			inside.Done()
			inside.Wait() // all loops run now
			if got := cpusOf(t, 0); got != c.want {
				t.Errorf("CPUs %d: the loop may run on %v, want %v", c.cpus, got, c.want)
			}
			l.Stop()
		})
		over.Go(func() {
			if err := errors.Join(l.RunForever(bounded(t)), l.Close()); err != nil {
				t.Error(err)
			}
			if got := cpusOf(t, 0); got != free {
				t.Errorf("CPUs %d: after the run the thread may run on %v", c.cpus, got)
			}
		})
	}
	over.Wait()
}

// Settings for which libzmq would end the process are errors of the set.
func TestPlacementErrors(t *testing.T) {
	leakCheck(t)
	for _, cpus := range [][]int{{-1}, {1023}, {1024}, {1 << 40}, {lastCPU(t), 1023}, {lastCPU(t), -1}} {
		if _, err := NewEventLoop(&LoopConfig{CPUs: cpus}); !errors.Is(err, ErrInvalidArgument) || !errors.Is(err, syscall.EINVAL) {
			t.Errorf("CPUs %d: %v", cpus, err)
		}
	}
	l := newLoop(t)
	for _, c := range []LoopConfig{{CPUs: []int{0}}, {SchedBatch: true}} {
		c.Context = l.Context()
		if _, err := NewEventLoop(&c); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("with a Context: %v", err)
		}
	}
	opts, err := ContextOptions(l.Context())
	must(t, err)
	for name, err := range map[string]error{
		"THREAD_AFFINITY_CPU_ADD 1023": opts.SetThreadAffinityCPUAdd(1023),
		"THREAD_AFFINITY_CPU_ADD 5000": opts.SetThreadAffinityCPUAdd(5000),
		"THREAD_SCHED_POLICY 99":       opts.SetThreadSchedPolicy(99),
	} {
		if !errors.Is(err, zmq.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := opts.SetThreadSchedPolicy(unix.SCHED_RR); err == nil { // the process has the right to set it
		if err := opts.SetThreadPriority(100); !errors.Is(err, zmq.EINVAL) {
			t.Errorf("THREAD_PRIORITY 100: %v", err)
		}
		must(t, opts.SetThreadPriority(1))
	}
	create(t, l, BaseProtocol{}, zmq.PUSH, bindTo(anyPort)) // makes libzmq start its threads
}

// libzmq's threads may run on all processors of the list.
func TestPlacementOnSeveralProcessors(t *testing.T) {
	leakCheck(t)
	if len(ioThreads(t)) > 0 {
		t.Skip("threads of other tests have not ended")
	}
	want := cpusOf(t, 0)
	var cpus []int
	for i := range lastCPU(t) + 1 {
		if want.IsSet(i) {
			cpus = append(cpus, i)
		}
	}
	l, err := NewEventLoop(&LoopConfig{CPUs: cpus})
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	must(t, err)
	defer func() { must(t, l.Close()) }()
	create(t, l, BaseProtocol{}, zmq.PUSH, bindTo(anyPort))
	tids := ioThreads(t)
	for ctx := bounded(t); len(tids) == 0 && ctx.Err() == nil; tids = ioThreads(t) {
		runtime.Gosched() // libzmq's thread sets its name after its placement
	}
	if len(tids) != 1 {
		t.Fatalf("%d I/O threads", len(tids))
	}
	if got := cpusOf(t, tids[0]); got != want {
		t.Errorf("libzmq's thread may run on %v, want %v", got, want)
	}
}

// A real-time policy may lack the right, but has a valid priority.
func TestRealtimePolicyIsTriedWithAPriority(t *testing.T) {
	ctx, err := zmq4.NewContext()
	must(t, err)
	defer func() { must(t, ctx.Term()) }()
	opts, err := ContextOptions(ctx)
	must(t, err)
	if err := opts.SetThreadSchedPolicy(unix.SCHED_FIFO); errors.Is(err, zmq.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("SCHED_FIFO: %v", err)
	}
}
