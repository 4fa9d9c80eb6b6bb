package conformance

import (
	"os"
	"os/signal"
	"syscall"
	"testing"
)

var mainWork = make(chan func())

// TestMain runs the tests on another goroutine. The main goroutine calls the functions of onMain.
func TestMain(m *testing.M) {
	// The first Notify starts a goroutine of os/signal that never ends. It must start before the
	// leak check of a test.
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGCHLD)
	signal.Stop(c)

	// The same holds for the descriptors of the runtime's poller, which the first pipe opens.
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

// onMain calls fn on the main goroutine, where t.Fatal is not allowed. An error ends the test.
func onMain(t *testing.T, fn func() error) {
	t.Helper()
	result := make(chan error)
	mainWork <- func() { result <- fn() }
	must(t, <-result)
}
