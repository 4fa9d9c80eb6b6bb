package security

import (
	"os"
	"testing"
)

// TestMain opens the descriptors of the runtime's poller, so that no test counts them as a leak.
func TestMain(m *testing.M) {
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
	os.Exit(m.Run())
}
