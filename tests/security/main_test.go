package security

import (
	"os"
	"testing"
)

// TestMain opens what the runtime's poller keeps, so that no test is to blame for it.
func TestMain(m *testing.M) {
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
	os.Exit(m.Run())
}
