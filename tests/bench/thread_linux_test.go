package main

import (
	"encoding/binary"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A pinned process has the one processor, and the benchmark keeps all of its own.
func TestKeepTo(t *testing.T) {
	var before, after unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		t.Fatal(err)
	}
	processor := 0
	for !before.IsSet(processor) {
		processor++
	}
	cmd := exec.Command("nproc")
	var out strings.Builder
	cmd.Stdout = &out
	if err := launch(cmd, func(*exec.Cmd) error { return keepTo(processor) }); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || strings.TrimSpace(out.String()) != "1" {
		t.Errorf("nproc says %q, %v", out.String(), err)
	}
	if err := unix.SchedGetaffinity(0, &after); err != nil || after != before {
		t.Errorf("the processors were %v, now %v: %v", before, after, err)
	}
	if err := launch(exec.Command("nproc"), func(*exec.Cmd) error { return keepTo(1000) }); err == nil {
		t.Error("there is a processor 1000")
	}
}

// A counter counts what a program does in all its threads and children, and nothing that
// the benchmark or its other programs do.
func TestCounter(t *testing.T) {
	clock := event{unix.PERF_TYPE_SOFTWARE, unix.PERF_COUNT_SW_TASK_CLOCK} // counted by any kernel, in ns
	var counter *os.File
	count := func() int {
		var b [8]byte
		if _, err := counter.Read(b[:]); err != nil {
			t.Fatal(err)
		}
		return int(binary.NativeEndian.Uint64(b[:]))
	}
	busy := func() *exec.Cmd {
		return exec.Command("sh", "-c", "sh -c 'i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done'")
	}
	counted := busy()
	err := launch(counted, func(*exec.Cmd) (err error) {
		counter, err = openCounter(clock)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer counter.Close()
	if err := counted.Wait(); err != nil {
		t.Fatal(err)
	}
	n, used := count(), int(counted.ProcessState.UserTime()+counted.ProcessState.SystemTime())
	if n < used/2 || n > 2*used {
		t.Errorf("counted %d ns of %d", n, used)
	}
	other := busy()
	if err := launch(other, func(*exec.Cmd) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := other.Wait(); err != nil {
		t.Fatal(err)
	}
	if again := count(); again != n {
		t.Errorf("another program makes it %d, after %d", again, n)
	}
}

// Programs in C, Go and Python read the counter that the benchmark passes on, pinned as well.
func TestCounted(t *testing.T) {
	clock := event{unix.PERF_TYPE_SOFTWARE, unix.PERF_COUNT_SW_TASK_CLOCK}
	programs, err := preparePrograms()
	if err != nil {
		t.Fatal(err)
	}
	defer programs.remove()
	r := runner{
		programs: programs, rounds: 1, placements: []placement{unpinned, pinned}, counter: &clock,
		length: 500 * time.Millisecond, // the kernel is ticks behind with the CPU time of threads that run
		warm:   50 * time.Millisecond,
	}
	c := receiving("tcp", 64)
	c.Subjects = receivers(inC, ours, aiozmq)
	res, err := r.measure(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range res.Subjects {
		if _, missing := programs.missing[s.subject.Test.Program]; missing {
			continue
		}
		if s.Failure != "" {
			t.Errorf("%s: %s", s.Name, s.Failure)
		} else if n, cpu := s.Instructions.Median, s.CPU.Median; n < cpu/2 || n > 2*cpu {
			t.Errorf("%s, %s: counted %v ns a message of %v", s.Name, s.Placement, n, cpu)
		}
	}
}
