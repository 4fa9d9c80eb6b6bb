package fault

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// alone runs a test that measures memory in a process of its own, and reports whether this is it.
// In that process no other test has left memory behind, and glibc keeps one arena. Elsewhere glibc
// keeps eight arenas for each processor, and each grows to what a round needs.
func alone(t *testing.T) bool {
	t.Helper()
	const arenas = "MALLOC_ARENA_MAX=1"
	quarantine := "ASAN_OPTIONS=" + os.Getenv("ASAN_OPTIONS") + ":quarantine_size_mb=0:thread_local_quarantine_size_kb=0"
	if os.Getenv(jobVariable) == t.Name() {
		return true
	}
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self, "-test.run=^"+t.Name()+"$", "-test.v", fmt.Sprintf("-long=%t", *long))
	cmd.Env = append(os.Environ(), arenas, quarantine, jobVariable+"="+t.Name())
	out, err := cmd.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if err != nil || strings.Contains(line, ".go:") {
			t.Log(strings.TrimSpace(line))
		}
	}
	switch {
	case err != nil:
		t.Error(err)
	case strings.Contains(string(out), "--- SKIP: "+t.Name()+" "):
		t.Skip("skipped in its own process")
	}
	return false
}
