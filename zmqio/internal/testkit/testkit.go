// Package testkit holds what tests of every package check: errors, goroutines and
// descriptors. It imports nothing of zmqio, so that all of them can import it.
package testkit

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// endOfTest is how long goroutines at their end and threads of libzmq may take.
const endOfTest = 10 * time.Second

// Must ends the test with err unless that is nil. It must be called on the test's own
// goroutine.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Bounded returns a context that ends after d, for a test that would hang, or with the
// test.
func Bounded(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(context.Background(), d, errors.New("the test took too long"))
	t.Cleanup(cancel)
	return ctx
}

// CheckLeaks fails a test that does not end with the goroutines and descriptors that it
// began with. It must be called before anything that the test cleans up.
func CheckLeaks(t testing.TB) {
	t.Helper()
	checkLeaks(t, endOfTest)
}

func checkLeaks(t testing.TB, patience time.Duration) {
	t.Helper()
	if r, w, err := os.Pipe(); err == nil { // the runtime opens what it keeps
		r.Close()
		w.Close()
	}
	goroutines, files := runtime.NumGoroutine(), Descriptors(t)
	t.Cleanup(func() {
		left := func() bool { return runtime.NumGoroutine() > goroutines || len(Descriptors(t)) > len(files) }
		for end := time.Now().Add(patience); left(); time.Sleep(time.Millisecond) {
			if time.Now().Before(end) {
				continue
			}
			stacks := make([]byte, 1<<20)
			t.Errorf("left behind: %d goroutines (%d before)\n%s\ndescriptors:\n%s\nbefore:\n%s", runtime.NumGoroutine(), goroutines,
				stacks[:runtime.Stack(stacks, true)], strings.Join(Descriptors(t), "\n"), strings.Join(files, "\n"))
			return
		}
	})
}

// Descriptors lists the descriptors of the process, with what each stands for where the
// system tells. The list counts its own descriptor.
func Descriptors(t testing.TB) []string {
	t.Helper()
	entries, err := os.ReadDir("/dev/fd")
	Must(t, err)
	files := make([]string, len(entries))
	for i, e := range entries {
		target, _ := os.Readlink("/dev/fd/" + e.Name())
		files[i] = e.Name() + " " + target
	}
	return files
}
