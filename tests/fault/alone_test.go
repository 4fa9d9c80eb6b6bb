package fault

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// alone runs a test that measures memory in a process of its own, and reports whether this is it.
// In that process no other test has left memory behind, and glibc keeps one arena. Elsewhere glibc
// keeps eight arenas for each processor, and each grows to what a round needs.
func alone(t *testing.T) bool {
	t.Helper()
	quarantine := "ASAN_OPTIONS=" + os.Getenv("ASAN_OPTIONS") + ":quarantine_size_mb=0:thread_local_quarantine_size_kb=0"
	return inProcess(t, "MALLOC_ARENA_MAX=1", quarantine)
}

// withLeaksOfLibzmq runs a test in a process of its own, and reports whether this is it. There
// LeakSanitizer ignores what libzmq has allocated.
func withLeaksOfLibzmq(t *testing.T) bool {
	t.Helper()
	list, err := filepath.Abs("testdata/lsan.supp")
	must(t, err)
	return inProcess(t, "LSAN_OPTIONS=print_suppressions=0:suppressions="+list)
}

// inProcess runs a test in a process of its own, with more environment variables, and reports
// whether this is it.
func inProcess(t *testing.T, variables ...string) bool {
	t.Helper()
	if os.Getenv(jobVariable) == t.Name() {
		return true
	}
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self, "-test.run=^"+t.Name()+"$", "-test.v", fmt.Sprintf("-long=%t", *long), fmt.Sprintf("-seed=%d", *seed))
	if end, bounded := t.Deadline(); bounded { // a process that hangs shows its goroutines before this one must end
		cmd.Args = append(cmd.Args, fmt.Sprintf("-test.timeout=%v", time.Until(end)*9/10))
	}
	cmd.Env = append(append(os.Environ(), variables...), jobVariable+"="+t.Name())
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
