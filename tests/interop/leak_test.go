package interop

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// checkLeaks fails a test that does not end with the goroutines and file
// descriptors that it began with. Call it before anything else, for what is
// cleaned up afterwards does not count.
func checkLeaks(t *testing.T) {
	t.Helper()
	warmUp(t)
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	t.Cleanup(func() {
		// A goroutine that has done its work may still be about to end.
		for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if runtime.NumGoroutine() <= goroutines && len(openFiles(t)) <= len(files) {
				return
			}
		}
		if n := runtime.NumGoroutine(); n > goroutines {
			stacks := make([]byte, 1<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			t.Errorf("%d goroutines, %d at the start:\n%s", n, goroutines, stacks)
		}
		if now := openFiles(t); len(now) > len(files) {
			t.Errorf("open files:\n%s\nat the start:\n%s", strings.Join(now, "\n"), strings.Join(files, "\n"))
		}
	})
}

// warmUp makes the runtime open the descriptors that it keeps.
func warmUp(t *testing.T) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	w.Close()
}

// openFiles lists the process's descriptors with what they stand for, where
// the system tells.
func openFiles(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, e := range entries {
		target, _ := os.Readlink("/dev/fd/" + e.Name())
		files = append(files, e.Name()+" "+target)
	}
	return files
}
