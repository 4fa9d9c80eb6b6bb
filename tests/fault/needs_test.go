package fault

import (
	"fmt"
	"testing"

	"github.com/zmqio/zmq"
)

// needs skips a test with a libzmq before a release, such as "4.3.0", and says why.
func needs(t testing.TB, release, why string) {
	t.Helper()
	var since, running zmq.Version
	_, err := fmt.Sscanf(release, "%d.%d.%d", &since.Major, &since.Minor, &since.Patch)
	must(t, err)
	running.Major, running.Minor, running.Patch = zmq.LibraryVersion()
	if running.Compare(since) < 0 {
		t.Skipf("needs libzmq %v, this is %v: %s", since, running, why)
	}
}
