// Package testkit has checks for the tests of every package: errors, goroutines and descriptors. It
// imports nothing of zmqio, so that every package can import it.
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

// endOfTest is how long CheckLeaks waits for goroutines and libzmq's threads to end. A leak alone
// takes the whole time; the threads of a busy machine may take seconds.
const endOfTest = time.Minute

// Must fails the test with err, and ends it, unless err is nil. Only the test's own goroutine may
// call it.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Bounded returns a context that ends after d or with the test, for a test that could hang.
func Bounded(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(context.Background(), d, errors.New("the test took too long"))
	t.Cleanup(cancel)
	return ctx
}

// CheckLeaks fails a test that ends with more goroutines or descriptors than it began with. The
// test must call it before anything that it cleans up.
func CheckLeaks(t testing.TB) {
	t.Helper()
	checkLeaks(t, endOfTest)
}

func checkLeaks(t testing.TB, patience time.Duration) {
	t.Helper()
	if r, w, err := os.Pipe(); err == nil { // makes the runtime open the descriptors that it keeps
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

// Descriptors lists the open descriptors of the process, with their targets where the system knows
// them. The list includes its own descriptor.
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
