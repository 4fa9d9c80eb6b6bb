package reactor

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Package reactor and its tests import no ZeroMQ, and link no libzmq.
func TestNoZeroMQ(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-test", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	const module = "github.com/zmqio/zmq"
	allowed := []string{"zmqio/internal/reactor", "zmqio/internal/poll", "zmqio/internal/goroutine", "zmqio/internal/testkit"}
	deps := strings.Fields(string(out))
	if !slices.Contains(deps, module+"/"+allowed[0]) {
		t.Fatalf("go list does not name this package: %s", out)
	}
	for _, dep := range deps {
		if within, ok := strings.CutPrefix(dep, module); ok && !slices.Contains(allowed, strings.TrimSuffix(strings.TrimPrefix(within, "/"), ".test")) {
			t.Errorf("depends on %s", dep)
		}
		if strings.Contains(dep, "zmq4") {
			t.Errorf("depends on %s", dep)
		}
	}
}
