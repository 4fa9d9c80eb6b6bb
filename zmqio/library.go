package zmqio

import (
	"errors"
	"fmt"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/sock"
)

func init() {
	zmq.RegisterHas(sock.Has)
	zmq.RegisterVersion(sock.Version)
}

// oldestLibrary is the first release of libzmq that zmqio works with. Earlier releases end the
// process when a peer goes while a message is sent to it.
var oldestLibrary = zmq.Version{Major: 4, Minor: 2}

// runningLibrary returns the release of the running libzmq.
func runningLibrary() zmq.Version {
	major, minor, patch := zmq.LibraryVersion()
	return zmq.Version{Major: major, Minor: minor, Patch: patch}
}

// checkLibrary returns an error if zmqio does not work with the release running.
func checkLibrary(running zmq.Version) error {
	if running.Compare(oldestLibrary) < 0 {
		return fmt.Errorf("%w: zmqio needs libzmq %v or later, this is libzmq %v", errors.ErrUnsupported, oldestLibrary, running)
	}
	return nil
}
