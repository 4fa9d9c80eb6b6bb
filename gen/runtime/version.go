package zmq

import (
	"cmp"
	"fmt"

	"github.com/pebbe/zmq4"
)

// A Version is a release of libzmq. The zero Version means no release.
type Version struct{ Major, Minor, Patch int }

// String returns the version as libzmq writes it: "4.3.4".
func (v Version) String() string {
	return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch)
}

// Compare returns -1, 0 or +1 as v is older than w, the same, or newer.
func (v Version) Compare(w Version) int {
	return cmp.Or(cmp.Compare(v.Major, w.Major), cmp.Compare(v.Minor, w.Minor), cmp.Compare(v.Patch, w.Patch))
}

var askVersion = zmq4.Version

// RegisterVersion installs the function that asks zmq_version. It is exported for the same
// reason as RegisterHas. Tests may install a release of their own, while no other goroutine
// uses the package. No other package needs to call it.
func RegisterVersion(version func() (major, minor, patch int)) { askVersion = version }

// LibraryVersion returns the version of the running libzmq, which may differ from that of the
// build. In a program without package zmqio it returns 0.0.0 if pebbe/zmq4 refuses the running
// libzmq. It is safe for concurrent use.
//
// libzmq: zmq_version
func LibraryVersion() (major, minor, patch int) { return askVersion() }

func runningVersion() Version {
	major, minor, patch := LibraryVersion()
	return Version{major, minor, patch}
}
