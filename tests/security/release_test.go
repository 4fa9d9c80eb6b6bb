package security

import (
	"fmt"
	"testing"

	"github.com/zmqio/zmq"
)

// stuckPeersTakeMessages is what CVE-2020-15166 is about.
const stuckPeersTakeMessages = "earlier ones give messages to peers that have not finished their handshake"

// since skips a test with a libzmq before a release, such as "4.3.3", and says why.
func since(t testing.TB, release, why string) {
	t.Helper()
	var first, running zmq.Version
	_, err := fmt.Sscanf(release, "%d.%d.%d", &first.Major, &first.Minor, &first.Patch)
	must(t, err)
	running.Major, running.Minor, running.Patch = zmq.LibraryVersion()
	if running.Compare(first) < 0 {
		t.Skipf("needs libzmq %v, this is %v: %s", first, running, why)
	}
}
