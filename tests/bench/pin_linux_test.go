package main

import (
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A pinned process has the one processor, and the benchmark keeps all of its own.
func TestStartOn(t *testing.T) {
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
	if err := startOn(cmd, processor); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || strings.TrimSpace(out.String()) != "1" {
		t.Errorf("nproc says %q, %v", out.String(), err)
	}
	if err := unix.SchedGetaffinity(0, &after); err != nil || after != before {
		t.Errorf("the processors were %v, now %v: %v", before, after, err)
	}
	if err := startOn(exec.Command("nproc"), 1000); err == nil {
		t.Error("there is a processor 1000")
	}
}
