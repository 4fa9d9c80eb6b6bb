//go:build unix && !linux

package conformance

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// awaitDeath waits until a child has ended, and does not reap it.
func awaitDeath(t *testing.T, pid int) {
	t.Helper()
	for {
		out, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
		must(t, err)
		if strings.HasPrefix(string(out), "Z") {
			return
		}
	}
}
