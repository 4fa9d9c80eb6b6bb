package conformance

import (
	"os"
	"os/signal"
	"syscall"
	"testing"
)

var mainWork = make(chan func())

// TestMain runs the tests on another goroutine, so that the main one can do what
// tests want to see there.
func TestMain(m *testing.M) {
	// The first Notify starts a goroutine of os/signal that never ends; from here
	// on no test is to blame for it.
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGCHLD)
	signal.Stop(c)

	// So it is with the descriptors of the runtime's poller, which comes with the first
	// pipe.
	if r, w, err := os.Pipe(); err == nil {
		_, _ = r.Close(), w.Close()
	}

	code := make(chan int)
	go func() { code <- m.Run() }()
	for {
		select {
		case fn := <-mainWork:
			fn()
		case c := <-code:
			os.Exit(c)
		}
	}
}

// onMain calls fn on the main goroutine. There t.Fatal is not allowed: an error ends
// the test instead.
func onMain(t *testing.T, fn func() error) {
	t.Helper()
	result := make(chan error)
	mainWork <- func() { result <- fn() }
	must(t, <-result)
}
